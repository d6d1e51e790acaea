/* SPDX-License-Identifier: MIT */
/* MOVS and STOS. SDM: "String Instructions", "Fast-String Operation". */
#include <errno.h>

#include "vmx/store_access.h"

static inline unsigned int min(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* One run of elements: as many as one word takes. Addresses are linear. */
struct run {
	uint64_t destination, source; /* of the first element */
	unsigned int elements;
	bool down; /* RFLAGS.DF: the others follow below */
};

/* The run's lowest byte, from its first element's address. */
static uint64_t lowest(const struct store *s, const struct run *run, uint64_t first)
{
	return run->down ? first - (run->elements - 1) * s->insn->size : first;
}

/* How many elements from address on lie in one block of so many bytes, a power of two; 0: not even one. */
static unsigned int elements_within(const struct run *run, uint64_t address, unsigned int size,
				    unsigned int block)
{
	unsigned int offset = (unsigned int)(address & (block - 1));

	if (offset + size > block)
		return 0;
	return run->down ? offset / size + 1 : (block - offset) / size;
}

/*
 * The source is read at once. So it must not cross a page, of which the second may fault later than the first;
 * nor hold what the run itself writes before it would be read.
 */
static unsigned int elements_to_read(const struct store *s, const struct run *run)
{
	uint64_t ahead =
		run->down ? run->source - run->destination : run->destination - run->source;
	unsigned int size = s->insn->size;
	unsigned int most = min(run->elements, elements_within(run, run->source, size, PAGE_SIZE));

	/* ESI may wrap where linear addresses do not. */
	if (s->insn->address_bytes != 8)
		return 1;
	if (ahead && ahead < WORD_SIZE)
		most = min(most, (unsigned int)ahead / size);
	return most ? most : 1;
}

/* The low element of value, over and over. */
static uint64_t repeat(uint64_t value, unsigned int size)
{
	value &= store_size_mask(size);
	for (; size < WORD_SIZE; size *= 2)
		value |= value << 8 * size;
	return value;
}

/* Store a run; run->elements: at most, and then how many. */
static int store_run(const struct store *s, struct run *run)
{
	unsigned int size = s->insn->size, fitting, bytes;
	uint64_t value = 0, gva;
	bool split;
	int error;

	fitting = elements_within(run, run->destination, size, WORD_SIZE);
	split = fitting == 0;
	run->elements = split ? 1 : min(run->elements, fitting);
	if (s->insn->form == STORE_MOVS) {
		run->elements = elements_to_read(s, run);
		error = s->memory->read(s->memory->context, lowest(s, run, run->source), &value,
					run->elements * size);
		if (error)
			return error;
	} else {
		value = repeat(s->registers->gpr[REGISTER_RAX], size);
	}
	gva = lowest(s, run, run->destination);
	bytes = run->elements * size;
	return split ? store_replace_split(s, gva, value, bytes)
		     : store_replace(s, gva, value, bytes);
}

static inline uint64_t advance(uint64_t reg, uint64_t by, uint64_t mask)
{
	return (reg + by) & mask;
}

/* Count the run in RDI, RSI and RCX. */
static void leave_run(const struct store *s, const struct run *run)
{
	uint64_t *gpr = s->registers->gpr, mask = store_address_mask(s->insn);
	uint64_t by = run->elements * s->insn->size;

	if (run->down)
		by = -by;
	gpr[REGISTER_RDI] = advance(gpr[REGISTER_RDI], by, mask);
	if (s->insn->form == STORE_MOVS)
		gpr[REGISTER_RSI] = advance(gpr[REGISTER_RSI], by, mask);
	if (s->insn->rep)
		gpr[REGISTER_RCX] = advance(gpr[REGISTER_RCX], -(uint64_t)run->elements, mask);
}

int store_string(const struct store *s)
{
	const struct store_insn *insn = s->insn;
	struct store_registers *registers = s->registers;
	uint64_t mask = store_address_mask(insn), most = WORD_SIZE;
	uint64_t left = insn->rep ? registers->gpr[REGISTER_RCX] & mask : 1;
	bool begun = false;

	/* Nothing would be stored: this is not what was trapped. */
	if (!left)
		return -EAGAIN;
	/* A single-step trap follows every element. */
	if (registers->rflags & RFLAGS_TF)
		most = 1;
	do {
		struct run run = {
			.destination = registers->gpr[REGISTER_RDI] & mask,
			.source = (registers->gpr[REGISTER_RSI] & mask) + store_segment_base(s),
			.elements = (unsigned int)(left < most ? left : most),
			.down = registers->rflags & RFLAGS_DF,
		};
		int error;

		if (!store_is_target(s, run.destination, insn->size))
			return begun ? STORE_PARTIAL : -EAGAIN;
		error = store_run(s, &run);
		if (error)
			return error;
		leave_run(s, &run);
		left -= run.elements;
		begun = true;
	} while (left && most > 1);
	if (left)
		return STORE_PARTIAL;
	store_finish(registers, insn);
	return 0;
}
