/* SPDX-License-Identifier: MIT */
/*
 * What store_emulate.c and store_string.c share: one exit's store, its addresses, and writes of
 * plain values.
 */
#ifndef SECPOD_VMX_STORE_ACCESS_H
#define SECPOD_VMX_STORE_ACCESS_H

#include "vmm/addr.h"
#include "vmm/x86.h"
#include "vmx/store_emulate.h"

#define REGISTER_RAX 0u
#define REGISTER_RCX 1u
#define REGISTER_RSI 6u
#define REGISTER_RDI 7u

#define WORD_SIZE 8u
#define WORD_OFFSET 7u

/* One exit's work. */
struct store {
	const struct store_insn *insn;
	struct store_registers *registers;
	const struct store_target *target;
	const struct store_memory *memory;
};

/* The low bits of an operand of size bytes, 1 to 8. */
static inline uint64_t store_size_mask(unsigned int size)
{
	return ~0ULL >> (64 - 8 * size);
}

static inline unsigned int store_shift(uint64_t address)
{
	return 8 * (unsigned int)(address & WORD_OFFSET);
}

static inline uint64_t store_page(uint64_t address)
{
	return address & PAGE_MASK;
}

static inline void store_finish(struct store_registers *registers, const struct store_insn *insn)
{
	registers->rip += insn->length;
	registers->rflags &= ~RFLAGS_RF;
}

static inline uint64_t store_address_mask(const struct store_insn *insn)
{
	return store_size_mask(insn->address_bytes);
}

static inline uint64_t store_segment_base(const struct store *s)
{
	if (s->insn->segment == SEG_FS)
		return s->registers->fs_base;
	return s->insn->segment == SEG_GS ? s->registers->gs_base : 0;
}

/* Where a store to [gva, gva + size) stands to the page that was trapped. */
static inline bool store_is_target(const struct store *s, uint64_t gva, unsigned int size)
{
	return store_page(gva) == store_page(s->target->gva) ||
	       store_page(gva + size - 1) == store_page(s->target->gva);
}

/* The word with gva in it, which is in the page of the target. */
static inline uint64_t store_target_word(const struct store *s, uint64_t gva)
{
	return store_page(s->target->gpa) | (gva & ~PAGE_MASK & ~(uint64_t)WORD_OFFSET);
}

static inline bool store_crosses_word(uint64_t gva, unsigned int size)
{
	return (gva & WORD_OFFSET) + size > WORD_SIZE;
}

/* size bytes of value to gva, within one word and the target's page. */
static inline int store_replace(const struct store *s, uint64_t gva, uint64_t value,
				unsigned int size)
{
	uint64_t mask = store_size_mask(size), old;
	const struct store_change change = {
		.operation = STORE_WORD_REPLACE,
		.mask = mask << store_shift(gva),
		.value = (value & mask) << store_shift(gva),
	};

	return s->memory->update(s->memory->context, store_target_word(s, gva), &change, &old);
}

/*
 * store_replace_split - the same for bytes that cross the end of a word, if they may (store_target).
 * Both places are known before the first is written. Result: 0, -EPERM, errors of callbacks.
 */
int store_replace_split(const struct store *s, uint64_t gva, uint64_t value, unsigned int size);

/* store_string - MOVS and STOS, see store_emulate(). */
int store_string(const struct store *s);

#endif
