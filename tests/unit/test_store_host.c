/* SPDX-License-Identifier: MIT */
/*
 * The store decoder and emulator against this machine's CPU: random instructions of all forms, with
 * random prefixes, addressing, registers and flags, go through both. The decoder must find what was
 * encoded; memory, registers and the flags that the SDM defines must come out the same.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/store_cpu.h"
#include "vmm/x86.h"

#define ROUNDS 300000u
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define STATUS_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

enum operands { RM_REG, RM_IMM, RM_IMM8, BIT_REG, BIT_IMM, STRING };

#define BYTE 1u
#define LOCKABLE 2u
#define NO_PREFIXES 4u /* 66, F2 and F3 make it undefined */

struct form {
	enum store_form form;
	enum operands operands;
	uint32_t flags;
	uint8_t escape; /* 0F; 0: none */
	uint8_t opcode;
	uint8_t reg; /* of ModR/M, with an immediate */
};

/* clang-format off */
/* The five that share their encodings; reg: in group 1. */
#define ARITHMETIC(name, first_opcode, reg) \
	{name, RM_REG, BYTE | LOCKABLE, 0, first_opcode, 0}, \
	{name, RM_REG, LOCKABLE, 0, (first_opcode) + 1, 0}, \
	{name, RM_IMM8, BYTE | LOCKABLE, 0, 0x80, reg}, \
	{name, RM_IMM, LOCKABLE, 0, 0x81, reg}, \
	{name, RM_IMM8, LOCKABLE, 0, 0x83, reg}

static const struct form forms[] = {
	{STORE_MOV, RM_REG, BYTE, 0, 0x88, 0},
	{STORE_MOV, RM_REG, 0, 0, 0x89, 0},
	{STORE_MOV, RM_IMM8, BYTE, 0, 0xc6, 0},
	{STORE_MOV, RM_IMM, 0, 0, 0xc7, 0},
	{STORE_MOV, RM_REG, NO_PREFIXES, 0x0f, 0xc3, 0},
	{STORE_XCHG, RM_REG, BYTE | LOCKABLE, 0, 0x86, 0},
	{STORE_XCHG, RM_REG, LOCKABLE, 0, 0x87, 0},
	ARITHMETIC(STORE_ADD, 0x00, 0),
	ARITHMETIC(STORE_OR, 0x08, 1),
	ARITHMETIC(STORE_AND, 0x20, 4),
	ARITHMETIC(STORE_SUB, 0x28, 5),
	ARITHMETIC(STORE_XOR, 0x30, 6),
	{STORE_BTS, BIT_REG, LOCKABLE, 0x0f, 0xab, 0},
	{STORE_BTR, BIT_REG, LOCKABLE, 0x0f, 0xb3, 0},
	{STORE_BTC, BIT_REG, LOCKABLE, 0x0f, 0xbb, 0},
	{STORE_BTS, BIT_IMM, LOCKABLE, 0x0f, 0xba, 5},
	{STORE_BTR, BIT_IMM, LOCKABLE, 0x0f, 0xba, 6},
	{STORE_BTC, BIT_IMM, LOCKABLE, 0x0f, 0xba, 7},
	{STORE_CMPXCHG, RM_REG, BYTE | LOCKABLE, 0x0f, 0xb0, 0},
	{STORE_CMPXCHG, RM_REG, LOCKABLE, 0x0f, 0xb1, 0},
	{STORE_XADD, RM_REG, BYTE | LOCKABLE, 0x0f, 0xc0, 0},
	{STORE_XADD, RM_REG, LOCKABLE, 0x0f, 0xc1, 0},
	{STORE_MOVS, STRING, BYTE, 0, 0xa4, 0},
	{STORE_MOVS, STRING, 0, 0, 0xa5, 0},
	{STORE_STOS, STRING, BYTE, 0, 0xaa, 0},
	{STORE_STOS, STRING, 0, 0, 0xab, 0},
};
/* clang-format on */

/* One instruction, and what it is executed with. */
struct round {
	uint64_t seed;
	const struct form *form;
	const struct store_cpu *cpu;
	uint8_t bytes[32];
	uint8_t rex;		/* 0: none */
	struct store_insn insn; /* as encoded; length so far */
	uint64_t gpr[CPU_REGISTERS];
	uint64_t flags;
	uint64_t gva; /* of the operand, of the first element */
};

/* ---- encoding */

static uint64_t draw(struct round *r, uint64_t below)
{
	return (store_random(&r->seed) >> 16) % below;
}

static bool one_in(struct round *r, uint64_t n)
{
	return draw(r, n) == 0;
}

static void put(struct round *r, uint64_t byte)
{
	r->bytes[r->insn.length++] = (uint8_t)byte;
}

static void put_number(struct round *r, uint64_t number, unsigned int size)
{
	for (unsigned int i = 0; i < size; i++)
		put(r, number >> 8 * i);
}

/* Prefixes that fit the form, in any order, and REX. */
static void put_prefixes(struct round *r)
{
	static const uint8_t no_segment[] = {0x26, 0x2e, 0x36, 0x3e};
	uint8_t chosen[8];
	unsigned int count = 0;
	bool np = r->form->flags & NO_PREFIXES, string = r->form->operands == STRING;
	bool operand_16 = !np && one_in(r, 4);

	if (operand_16)
		chosen[count++] = 0x66;
	if (one_in(r, 6)) {
		chosen[count++] = 0x67;
		r->insn.address_bytes = 4;
	}
	if ((r->form->flags & LOCKABLE) && one_in(r, 2)) {
		chosen[count++] = 0xf0;
		r->insn.lock = true;
	}
	if (string && one_in(r, 2)) {
		chosen[count++] = 0xf3;
		r->insn.rep = true;
	}
	if (!string && !np && one_in(r, 8))
		chosen[count++] = one_in(r, 2) ? 0xf2 : 0xf3;
	if (one_in(r, 6)) {
		/* 32 bits do not reach from the base of FS to the memory. */
		bool gs = r->insn.address_bytes == 4 || one_in(r, 2);

		chosen[count++] = gs ? 0x65 : 0x64;
		r->insn.segment = gs ? SEG_GS : SEG_FS;
	}
	if (one_in(r, 4))
		chosen[count++] = no_segment[draw(r, COUNT_OF(no_segment))];
	while (count) {
		unsigned int next = (unsigned int)draw(r, count);

		/* Not right before the opcode: it does not count. */
		if (one_in(r, 16))
			put(r, 0x40 | draw(r, 16));
		put(r, chosen[next]);
		chosen[next] = chosen[--count];
	}
	if (one_in(r, 2)) {
		r->rex = (uint8_t)(0x40 | draw(r, 16));
		put(r, r->rex);
	}
	if (r->form->flags & BYTE)
		r->insn.size = 1;
	else if (r->rex & 8)
		r->insn.size = 8;
	else
		r->insn.size = operand_16 ? 2 : 4;
}

static uint64_t segment_base(const struct round *r)
{
	if (r->insn.segment == SEG_FS)
		return r->cpu->fs_base;
	return r->insn.segment == SEG_GS ? r->cpu->gs_base : 0;
}

/* A register for an address: with 67h its upper half is free. */
static void set_address(struct round *r, unsigned int reg, uint64_t address)
{
	uint64_t mask = r->insn.address_bytes == 4 ? UINT32_MAX : UINT64_MAX;

	r->gpr[reg] = (r->gpr[reg] & ~mask) | (address & mask);
}

/*
 * ModR/M, SIB and displacement, with registers set so that they give ea. behind: bytes that follow the
 * displacement. Result: false: with what was drawn, it cannot be done.
 */
static bool put_address(struct round *r, unsigned int reg, uint64_t ea, unsigned int behind)
{
	static const unsigned int displacement_size[] = {0, 1, 4};
	unsigned int mod = (unsigned int)draw(r, 3), rm = (unsigned int)draw(r, 8);
	unsigned int sib = (unsigned int)draw(r, 256), scale = sib >> 6;
	unsigned int low_base = rm == 4 ? sib & 7 : rm;
	unsigned int base = low_base | (r->rex & 1u) << 3;
	unsigned int index = (sib >> 3 & 7) | (r->rex & 2u) << 2;
	unsigned int size = displacement_size[mod];
	bool has_base = mod != 0 || low_base != 5, has_index = rm == 4 && index != RSP;
	int64_t displacement = 0;

	if (!has_base)
		size = 4;
	put(r, mod << 6 | (reg & 7) << 3 | rm);
	if (rm == 4)
		put(r, sib);
	if (has_base)
		r->insn.base = (uint8_t)base;
	if (has_index) {
		r->insn.index = (uint8_t)index;
		r->insn.scale = (uint8_t)scale;
	}

	if (!has_base && rm != 4) {
		r->insn.base = STORE_RIP;
		displacement = (int64_t)(ea - (r->cpu->code + r->insn.length + size + behind));
	} else if (!has_base && !has_index) {
		displacement = (int64_t)ea;
	} else if (!has_base) {
		r->gpr[index] = draw(r, 0x10000);
		displacement = (int64_t)(ea - (r->gpr[index] << scale));
	} else if (has_index && index == base) {
		r->gpr[base] = ea / (1 + (1u << scale));
		displacement = (int64_t)(ea % (1 + (1u << scale)));
	} else {
		if (size == 1)
			displacement = (int8_t)draw(r, 256);
		else if (size == 4)
			displacement = (int32_t)draw(r, 1ULL << 32);
		set_address(r, base,
			    ea - (uint64_t)displacement - (has_index ? r->gpr[index] << scale : 0));
	}
	if ((size == 0 && displacement != 0) ||
	    (size == 1 && displacement != (int8_t)displacement) ||
	    displacement != (int32_t)displacement)
		return false;
	put_number(r, (uint64_t)displacement, size);
	r->insn.displacement = (uint64_t)displacement;
	return true;
}

/* Numbers at the edges, or any. */
static uint64_t draw_operand(struct round *r)
{
	switch (draw(r, 4)) {
	case 0:
		return draw(r, 3) - 1;
	case 1:
		return 0x8000000080008080 - draw(r, 2);
	default:
		return store_random(&r->seed);
	}
}

/* The number that size bytes hold. */
static int64_t sign_extend(uint64_t value, unsigned int size)
{
	return (int64_t)(value << (64 - 8 * size)) >> (64 - 8 * size);
}

/* A bit offset in its register, at most some 1000 bytes off. Result: bytes to its operand. */
static int64_t set_bit_offset(struct round *r)
{
	int64_t offset = (int64_t)draw(r, 16384) - 8192, bits = 8 * r->insn.size;
	uint64_t mask = UINT64_MAX >> (64 - bits);

	r->gpr[r->insn.source] = (r->gpr[r->insn.source] & ~mask) | ((uint64_t)offset & mask);
	/* "round towards negative infinity" */
	return (offset - ((offset % bits) + bits) % bits) / 8;
}

static void put_immediate(struct round *r, unsigned int size)
{
	uint64_t immediate = draw_operand(r);

	put_number(r, immediate, size);
	r->insn.immediate = r->form->operands == BIT_IMM ? (uint8_t)immediate
							 : (uint64_t)sign_extend(immediate, size);
}

static bool put_rm(struct round *r)
{
	unsigned int reg = r->form->reg, behind = 0;
	int64_t distance = 0;

	if (r->form->operands == RM_IMM)
		behind = r->insn.size < 4 ? r->insn.size : 4;
	else if (r->form->operands == RM_IMM8 || r->form->operands == BIT_IMM)
		behind = 1;
	if (!behind) {
		reg = (unsigned int)draw(r, 8) | (r->rex & 4u) << 1;
		r->insn.source_high = r->insn.size == 1 && !r->rex && reg >= RSP;
		r->insn.source = (uint8_t)(r->insn.source_high ? reg - RSP : reg);
	}
	if (r->form->operands == BIT_REG)
		distance = set_bit_offset(r);
	if (!put_address(r, reg, r->gva - segment_base(r) - (uint64_t)distance, behind))
		return false;
	/* The address has taken the register of the offset. */
	if (r->form->operands == BIT_REG &&
	    (r->insn.source == r->insn.base || r->insn.source == r->insn.index))
		return false;
	if (behind)
		put_immediate(r, behind);
	return true;
}

static bool put_string(struct round *r)
{
	int64_t distance = (int64_t)draw(r, 64) - 32;

	r->insn.base = RDI;
	if (r->form->form == STORE_STOS)
		r->insn.source = RAX;
	/* Often from nearby, where the elements overlap. */
	if (one_in(r, 2))
		distance = (int64_t)draw(r, WORLD_SIZE / 2) - WORLD_SIZE / 4;
	set_address(r, RDI, r->gva);
	set_address(r, RSI, r->gva + (uint64_t)distance - segment_base(r));
	if (r->insn.rep)
		set_address(r, RCX, 1 + draw(r, one_in(r, 8) ? 500 : 20));
	return true;
}

/* ---- both */

static bool draw_round(struct round *r, const struct store_cpu *cpu, uint64_t seed)
{
	/* The middle of the memory: what goes up and down from here stays inside. */
	const uint64_t middle = (uintptr_t)cpu->memory + WORLD_SIZE / 2;

	*r = (struct round){
		.seed = seed,
		.cpu = cpu,
		.insn = {.address_bytes = 8,
			 .base = STORE_NO_REGISTER,
			 .index = STORE_NO_REGISTER,
			 .source = STORE_NO_REGISTER,
			 .segment = SEG_DS},
	};
	r->form = &forms[draw(r, COUNT_OF(forms))];
	r->insn.form = (uint8_t)r->form->form;
	for (unsigned int i = 0; i < CPU_REGISTERS; i++)
		r->gpr[i] = draw_operand(r);
	r->flags = store_random(&r->seed) & (STATUS_FLAGS | RFLAGS_DF);
	put_prefixes(r);
	r->gva = middle - 64 + draw(r, 128);
	if (!one_in(r, 4))
		r->gva &= ~(uint64_t)(r->insn.size - 1);
	if (r->form->escape)
		put(r, r->form->escape);
	put(r, r->form->opcode);
	return r->form->operands == STRING ? put_string(r) : put_rm(r);
}

/* CMPXCHG finds what it expects, half the time. */
static void match_accumulator(struct round *r)
{
	if (r->insn.form == STORE_CMPXCHG && r->insn.base != RAX && r->insn.index != RAX &&
	    one_in(r, 2))
		memcpy(&r->gpr[RAX], (const uint8_t *)(uintptr_t)r->gva, r->insn.size);
}

/* What the SDM leaves undefined may differ between CPUs. */
static uint64_t defined_flags(enum store_form form)
{
	switch (form) {
	case STORE_AND:
	case STORE_OR:
	case STORE_XOR:
		return STATUS_FLAGS & ~RFLAGS_AF;
	case STORE_BTS:
	case STORE_BTR:
	case STORE_BTC:
		return RFLAGS_CF | RFLAGS_ZF;
	default:
		return STATUS_FLAGS;
	}
}

static void check_decoded(const struct round *r, size_t len, struct store_insn *insn)
{
	const struct store_insn *expected = &r->insn;

	assert_int_equal(store_decode(r->bytes, len, CODE_64, insn), 0);
	assert_int_equal(insn->form, expected->form);
	assert_int_equal(insn->length, expected->length);
	assert_int_equal(insn->size, expected->size);
	assert_int_equal(insn->address_bytes, expected->address_bytes);
	assert_int_equal(insn->base, expected->base);
	assert_int_equal(insn->index, expected->index);
	assert_int_equal(insn->scale, expected->scale);
	assert_int_equal(insn->source, expected->source);
	assert_int_equal(insn->source_high, expected->source_high);
	assert_int_equal(insn->segment, expected->segment);
	assert_int_equal(insn->lock, expected->lock);
	assert_int_equal(insn->rep, expected->rep);
	assert_true(insn->displacement == expected->displacement);
	assert_true(insn->immediate == expected->immediate);
}

/* As a guest would run it: exit by exit, until the instruction is done. */
static int emulate(const struct round *r, const struct store_insn *insn, struct store_world *world,
		   struct store_registers *registers)
{
	uint64_t gva = r->gva;
	int result;

	do {
		struct store_target target = store_world_target(world, gva);

		target.may_split = true;
		assert_true(registers->rip == r->cpu->code);
		result = store_emulate(insn, registers, &target, &world->memory);
		gva = registers->gpr[RDI] & (insn->address_bytes == 4 ? UINT32_MAX : UINT64_MAX);
	} while (result == STORE_PARTIAL);
	return result;
}

static void check_round(struct round *r, struct store_world *world)
{
	uint64_t gpr[CPU_REGISTERS], flags = r->flags;
	struct store_registers registers = {
		.gpr = gpr,
		.rip = r->cpu->code,
		.rflags = r->flags | RFLAGS_FIXED1 | RFLAGS_IF | RFLAGS_RF,
		.fs_base = r->cpu->fs_base,
		.gs_base = r->cpu->gs_base,
	};
	uint64_t compared = defined_flags(r->form->form);
	struct store_insn insn;
	int result;

	/* With bytes to spare, with none, and with one too few. */
	check_decoded(r, sizeof(r->bytes), &insn);
	check_decoded(r, r->insn.length, &insn);
	assert_int_equal(store_decode(r->bytes, r->insn.length - 1u, CODE_64, &insn), -ENODATA);
	check_decoded(r, STORE_INSN_MAX, &insn);
	memcpy(gpr, r->gpr, sizeof(gpr));
	result = emulate(r, &insn, world, &registers);
	if (result) {
		/* Read-modify-write across the end of a word; memory and registers must be as before. */
		assert_int_equal(result, -EPERM);
		assert_true(r->gva % 8 + insn.size > 8 && insn.form != STORE_MOV &&
			    r->form->operands != STRING);
		assert_memory_equal(gpr, r->gpr, sizeof(gpr));
		assert_memory_equal(world->bytes, r->cpu->memory, WORLD_SIZE);
		return;
	}
	store_cpu_run(r->cpu, r->bytes, insn.length, r->gpr, &flags);
	assert_memory_equal(gpr, r->gpr, sizeof(gpr));
	assert_memory_equal(world->bytes, r->cpu->memory, WORLD_SIZE);
	assert_true((registers.rflags & compared) == (flags & compared));
	assert_true((registers.rflags & ~STATUS_FLAGS) ==
		    ((r->flags & RFLAGS_DF) | RFLAGS_FIXED1 | RFLAGS_IF));
	assert_true(registers.rip == r->cpu->code + insn.length);
	assert_null(world->violation);
}

static void cpu_and_emulator_agree(void **state)
{
	static struct store_world world;
	struct store_cpu cpu;
	unsigned int done[COUNT_OF(forms)] = {0};
	uint64_t seed = 2015;

	(void)state;
	assert_int_equal(store_cpu_open(&cpu), 0);
	store_world_open(&world, (uintptr_t)cpu.memory);
	for (size_t i = 0; i < WORLD_SIZE; i++)
		world.bytes[i] = (uint8_t)store_random(&seed);
	memcpy(cpu.memory, world.bytes, WORLD_SIZE);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct round round;

		if (!draw_round(&round, &cpu, store_random(&seed)))
			continue;
		if (round.insn.length > STORE_INSN_MAX)
			continue;
		match_accumulator(&round);
		check_round(&round, &world);
		done[round.form - forms]++;
	}
	for (size_t i = 0; i < COUNT_OF(forms); i++)
		assert_true(done[i] > ROUNDS / COUNT_OF(forms) / 2);
	store_cpu_close(&cpu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_and_emulator_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
