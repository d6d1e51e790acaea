/* SPDX-License-Identifier: MIT */
#include "vmx/store_emulate.h"

#include <errno.h>

#include "vmx/store_access.h"

#define STATUS_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* ---- registers. SDM: "General-Purpose Registers in 64-Bit Mode" */

/* Bits above the operand are whatever the register has. */
static inline uint64_t read_source(const struct store *s)
{
	if (s->insn->source == STORE_NO_REGISTER)
		return s->insn->immediate;
	return s->registers->gpr[s->insn->source] >> (s->insn->source_high ? 8 : 0);
}

/* A result of 32 bits clears the upper half; a shorter one leaves the rest of the register. */
static void write_register(uint64_t *reg, unsigned int size, uint64_t value)
{
	uint64_t mask = store_size_mask(size == 4 ? 8 : size);

	*reg = (*reg & ~mask) | (value & store_size_mask(size));
}

static void write_source(const struct store *s, uint64_t value)
{
	uint64_t *reg = &s->registers->gpr[s->insn->source];

	if (s->insn->source_high)
		*reg = (*reg & ~0xff00ULL) | (value & 0xff) << 8;
	else
		write_register(reg, s->insn->size, value);
}

/* ---- addresses. SDM: "Operand Addressing in 64-Bit Mode" */

static inline bool is_bit_string(const struct store_insn *insn)
{
	return insn->form >= STORE_BTS && insn->form <= STORE_BTC;
}

/* SDM "Bit(BitBase, BitOffset)": a register is a signed offset, an immediate stays in the operand. */
static int64_t bit_offset(const struct store *s)
{
	unsigned int bits = 8u * s->insn->size, unused = 64 - bits;

	if (s->insn->source == STORE_NO_REGISTER)
		return (int64_t)(s->insn->immediate & (bits - 1));
	return (int64_t)(read_source(s) << unused) >> unused;
}

/* Bytes from the address the instruction names to the operand that has the bit. */
static uint64_t bit_displacement(const struct store *s)
{
	int64_t bits = 8 * s->insn->size;

	return (uint64_t)((bit_offset(s) & ~(bits - 1)) / 8);
}

static inline uint64_t linear_address(const struct store *s)
{
	const struct store_insn *insn = s->insn;
	const uint64_t *gpr = s->registers->gpr;
	uint64_t address = insn->displacement;

	if (insn->plain)
		return address + gpr[insn->base];
	if (insn->base < STORE_RIP)
		address += gpr[insn->base];
	else if (insn->base == STORE_RIP)
		address += s->registers->rip + insn->length;
	if (insn->index != STORE_NO_REGISTER)
		address += gpr[insn->index] << insn->scale;
	if (is_bit_string(insn))
		address += bit_displacement(s);
	return (address & store_address_mask(insn)) + store_segment_base(s);
}

/* The word with gva in it, whatever page that is. */
static int locate_word(const struct store *s, uint64_t gva, uint64_t *gpa)
{
	uint64_t byte;
	int error;

	if (store_page(gva) == store_page(s->target->gva)) {
		*gpa = store_target_word(s, gva);
		return 0;
	}
	if (!s->memory->locate)
		return -EPERM;
	error = s->memory->locate(s->memory->context, gva, &byte);
	if (!error)
		*gpa = byte & ~(uint64_t)WORD_OFFSET;
	return error;
}

/* ---- stores */

int store_replace_split(const struct store *s, uint64_t gva, uint64_t value, unsigned int size)
{
	unsigned int shift = store_shift(gva), first_bits = 64 - shift;
	uint64_t mask = store_size_mask(size), second_gva = (gva | WORD_OFFSET) + 1, old;
	const struct store_change first = {
		.operation = STORE_WORD_REPLACE,
		.mask = mask << shift,
		.value = value << shift,
	};
	const struct store_change second = {
		.operation = STORE_WORD_REPLACE,
		.mask = mask >> first_bits,
		.value = (value & mask) >> first_bits,
	};
	uint64_t first_gpa, second_gpa;
	int error;

	if (!s->target->may_split)
		return -EPERM;
	error = locate_word(s, gva, &first_gpa);
	if (error)
		return error;
	error = locate_word(s, second_gva, &second_gpa);
	if (error)
		return error;
	error = s->memory->update(s->memory->context, first_gpa, &first, &old);
	if (error)
		return error;
	return s->memory->update(s->memory->context, second_gpa, &second, &old);
}

/* ---- flags. SDM: "Status Flags" */

static uint64_t parity_flag(uint64_t result)
{
	/* Bit n: does the four-bit number n have an even number of ones? */
	const uint32_t even = 0x9669;
	uint64_t nibbles = (result ^ result >> 4) & 15;

	return even >> nibbles & 1 ? RFLAGS_PF : 0;
}

/* SF, ZF and PF; the result is cut to its size. */
static uint64_t result_flags(uint64_t result, unsigned int size)
{
	uint64_t flags = parity_flag(result);

	if (!result)
		flags |= RFLAGS_ZF;
	if (result >> (8 * size - 1))
		flags |= RFLAGS_SF;
	return flags;
}

/* a + b; both and the result are cut to their size. */
static uint64_t add_flags(uint64_t a, uint64_t b, uint64_t result, unsigned int size)
{
	uint64_t flags = result_flags(result, size) | ((a ^ b ^ result) & RFLAGS_AF);

	if (result < a)
		flags |= RFLAGS_CF;
	if (((a ^ result) & (b ^ result)) >> (8 * size - 1))
		flags |= RFLAGS_OF;
	return flags;
}

/* a - b */
static uint64_t sub_flags(uint64_t a, uint64_t b, uint64_t result, unsigned int size)
{
	uint64_t flags = result_flags(result, size) | ((a ^ b ^ result) & RFLAGS_AF);

	if (a < b)
		flags |= RFLAGS_CF;
	if (((a ^ b) & (a ^ result)) >> (8 * size - 1))
		flags |= RFLAGS_OF;
	return flags;
}

static void set_flags(struct store_registers *registers, uint64_t which, uint64_t flags)
{
	registers->rflags = (registers->rflags & ~which) | flags;
}

/* ---- what an instruction is to its word, and what it leaves in registers */

static enum store_operation operation_of(enum store_form form)
{
	static const uint8_t operations[STORE_FORMS] = {
		[STORE_MOV] = STORE_WORD_REPLACE,     [STORE_XCHG] = STORE_WORD_REPLACE,
		[STORE_ADD] = STORE_WORD_ADD,	      [STORE_OR] = STORE_WORD_OR,
		[STORE_AND] = STORE_WORD_AND,	      [STORE_SUB] = STORE_WORD_SUB,
		[STORE_XOR] = STORE_WORD_XOR,	      [STORE_BTS] = STORE_WORD_OR,
		[STORE_BTR] = STORE_WORD_AND,	      [STORE_BTC] = STORE_WORD_XOR,
		[STORE_CMPXCHG] = STORE_WORD_COMPARE, [STORE_XADD] = STORE_WORD_ADD,
	};

	return (enum store_operation)operations[form];
}

/* The operand in its own place; bits above its size are cut by the caller. */
static uint64_t operand_of(const struct store *s)
{
	uint64_t bit;

	if (!is_bit_string(s->insn))
		return read_source(s);
	bit = 1ULL << (bit_offset(s) & (int64_t)(8u * s->insn->size - 1));
	return s->insn->form == STORE_BTR ? ~bit : bit;
}

/* CMPXCHG: flags as of CMP, and the accumulator is written only when it was another value. */
static void leave_compare(const struct store *s, uint64_t found)
{
	unsigned int size = s->insn->size;
	uint64_t *rax = &s->registers->gpr[REGISTER_RAX];
	uint64_t expected = *rax & store_size_mask(size);

	set_flags(s->registers, STATUS_FLAGS,
		  sub_flags(expected, found, (expected - found) & store_size_mask(size), size));
	if (found != expected)
		write_register(rax, size, found);
}

/* found: the operand as it was; change: what was done to it. Neither is shifted to its place in the word. */
static void leave_registers(const struct store *s, const struct store_change *change,
			    uint64_t found)
{
	unsigned int size = s->insn->size;
	uint64_t source = change->value;
	uint64_t result = store_change_apply(change, found);

	switch (s->insn->form) {
	case STORE_XCHG:
		write_source(s, found);
		break;
	case STORE_ADD:
		set_flags(s->registers, STATUS_FLAGS, add_flags(found, source, result, size));
		break;
	case STORE_XADD:
		set_flags(s->registers, STATUS_FLAGS, add_flags(found, source, result, size));
		write_source(s, found);
		break;
	case STORE_SUB:
		set_flags(s->registers, STATUS_FLAGS, sub_flags(found, source, result, size));
		break;
	case STORE_AND:
	case STORE_OR:
	case STORE_XOR:
		set_flags(s->registers, STATUS_FLAGS, result_flags(result, size));
		break;
	case STORE_BTS:
	case STORE_BTC:
		set_flags(s->registers, RFLAGS_CF, found & source ? RFLAGS_CF : 0);
		break;
	case STORE_BTR:
		set_flags(s->registers, RFLAGS_CF, found & ~source ? RFLAGS_CF : 0);
		break;
	case STORE_CMPXCHG:
		leave_compare(s, found);
		break;
	default: /* MOV leaves nothing; strings do not come here */
		break;
	}
}

/* Everything but MOV and strings: read, changed and written as one. */
static int exchange(const struct store *s, uint64_t gva)
{
	unsigned int shift = store_shift(gva);
	uint64_t mask = store_size_mask(s->insn->size), old;
	const struct store_change operand = {
		.operation = operation_of(s->insn->form),
		.mask = mask,
		.value = operand_of(s) & mask,
		.expected = s->registers->gpr[REGISTER_RAX] & mask,
	};
	const struct store_change word = {
		.operation = operand.operation,
		.mask = mask << shift,
		.value = operand.value << shift,
		.expected = operand.expected << shift,
	};
	int error = s->memory->update(s->memory->context, store_target_word(s, gva), &word, &old);

	if (!error)
		leave_registers(s, &operand, old >> shift & mask);
	return error;
}

static int store_one(const struct store *s)
{
	const struct store_insn *insn = s->insn;
	uint64_t gva = linear_address(s);
	int error;

	if (!store_is_target(s, gva, insn->size))
		return -EAGAIN;
	if (insn->form != STORE_MOV)
		error = store_crosses_word(gva, insn->size) ? -EPERM : exchange(s, gva);
	else if (store_crosses_word(gva, insn->size))
		error = store_replace_split(s, gva, read_source(s), insn->size);
	else
		error = store_replace(s, gva, read_source(s), insn->size);
	if (!error)
		store_finish(s->registers, insn);
	return error;
}

/* The shortest way for what nearly every store to a page table is: a MOV to a whole word. */
static inline int store_word(const struct store_insn *insn, struct store_registers *registers,
			     const struct store_target *target, const struct store_memory *memory,
			     uint64_t gva)
{
	uint64_t old;
	const struct store_change change = {
		.operation = STORE_WORD_REPLACE,
		.mask = ~0ULL,
		.value = insn->source == STORE_NO_REGISTER ? insn->immediate
							   : registers->gpr[insn->source],
	};
	int error = memory->update(memory->context, store_page(target->gpa) | (gva & ~PAGE_MASK),
				   &change, &old);

	if (!error)
		store_finish(registers, insn);
	return error;
}

static __attribute__((noinline)) int store_any(const struct store *s)
{
	if (s->insn->form == STORE_MOVS || s->insn->form == STORE_STOS)
		return store_string(s);
	return store_one(s);
}

int store_emulate(const struct store_insn *insn, struct store_registers *registers,
		  const struct store_target *target, const struct store_memory *memory)
{
	const struct store s = {insn, registers, target, memory};

	if (insn->plain && insn->form == STORE_MOV && insn->size == WORD_SIZE) {
		uint64_t gva = registers->gpr[insn->base] + insn->displacement;

		if (!(gva & WORD_OFFSET) && store_page(gva) == store_page(target->gva))
			return store_word(insn, registers, target, memory, gva);
	}
	return store_any(&s);
}
