/* SPDX-License-Identifier: MIT */
#include "vmx/descriptor_insn.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/x86.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The instruction-information field from its parts. */
#define SIZE_16 (0u << 7)
#define SIZE_32 (1u << 7)
#define SIZE_64 (2u << 7)
#define OPERAND_32 (1u << 11)
#define IN_REGISTER(reg) (1u << 10 | (uint32_t)(reg) << 3)
#define THROUGH(segment) ((uint32_t)(segment) << 15)
#define BASE(reg) ((uint32_t)(reg) << 23)
#define NO_BASE (1u << 27)
#define INDEX(reg, scale) ((uint32_t)(reg) << 18 | (scale))
#define NO_INDEX (1u << 22)
#define IDENTITY(n) ((uint32_t)(n) << 28)
/* What the SDM calls undefined may be anything. */
#define UNDEFINED_TABLE (0x1fu << 2 | 7u << 12 | 3u << 30)

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R15 = 15 };

static void forms_are_told_apart(void **state)
{
	static const struct {
		bool ldtr_tr;
		uint32_t identity;
		enum descriptor_insn_kind kind;
	} rows[] = {
		{false, 0, INSN_SGDT}, {false, 1, INSN_SIDT}, {false, 2, INSN_LGDT},
		{false, 3, INSN_LIDT}, {true, 0, INSN_SLDT},  {true, 1, INSN_STR},
		{true, 2, INSN_LLDT},  {true, 3, INSN_LTR},
	};
	struct descriptor_insn insn;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint32_t info = IDENTITY(rows[i].identity) | SIZE_64 | THROUGH(SEG_DS) | BASE(R8) |
				NO_INDEX;

		assert_int_equal(descriptor_insn_decode(rows[i].ldtr_tr, info, 0x10, &insn), 0);
		assert_int_equal(insn.kind, rows[i].kind);
		assert_true(insn.memory);
		assert_int_equal(insn.base, R8);
		assert_int_equal(insn.index, INSN_NO_REGISTER);
		assert_int_equal(insn.address_bytes, 8);
		assert_int_equal(insn.segment, SEG_DS);
		assert_int_equal(insn.displacement, 0x10);

		assert_int_equal(descriptor_insn_decode(rows[i].ldtr_tr, info | UNDEFINED_TABLE,
							0x10, &insn),
				 0);
		assert_int_equal(insn.kind, rows[i].kind);
	}
}

static void operands_in_registers(void **state)
{
	struct descriptor_insn insn;

	(void)state;
	for (uint8_t reg = 0; reg < 16; reg++) {
		/* Nothing of the memory operand's fields counts, not even an address size of 7. */
		uint32_t info = IN_REGISTER(reg) | IDENTITY(3) | 7u << 7 | 7u << 15;

		assert_int_equal(descriptor_insn_decode(true, info, 0, &insn), 0);
		assert_false(insn.memory);
		assert_int_equal(insn.reg, reg);
		assert_int_equal(insn.kind, INSN_LTR);
	}
}

static void operand_size_of_the_field(void **state)
{
	const uint32_t info = SIZE_32 | NO_BASE | NO_INDEX | IDENTITY(2);
	struct descriptor_insn insn;

	(void)state;
	assert_int_equal(descriptor_insn_decode(false, info, 0, &insn), 0);
	assert_true(insn.operand_16);
	assert_int_equal(descriptor_insn_decode(false, info | OPERAND_32, 0, &insn), 0);
	assert_false(insn.operand_16);
	/* LLDT and its like have no such field. */
	assert_int_equal(descriptor_insn_decode(true, info, 0, &insn), 0);
	assert_false(insn.operand_16);
	assert_int_equal(descriptor_insn_decode(true, info | OPERAND_32, 0, &insn), 0);
	assert_false(insn.operand_16);
}

static void undefined_encodings_are_refused(void **state)
{
	struct descriptor_insn insn;

	(void)state;
	for (uint32_t size = 3; size < 8; size++)
		assert_int_equal(
			descriptor_insn_decode(false, size << 7 | NO_BASE | NO_INDEX, 0, &insn),
			-EINVAL);
	assert_int_equal(descriptor_insn_decode(true, SIZE_64 | THROUGH(6), 0, &insn), -EINVAL);
	assert_int_equal(descriptor_insn_decode(true, SIZE_64 | THROUGH(7), 0, &insn), -EINVAL);
}

static const uint64_t gpr[16] = {
	[RAX] = 0x1000,
	[RCX] = 0x20,
	[RBX] = 0xffffffff00000010ULL,
	[RSP] = 0xbad,
	[RBP] = 0xffff888000000000,
	[RSI] = 0xfffe,
	[RDI] = 0xfffffff0,
	[R15] = 0x100,
};
#define GUEST_RSP 0xffffc90000000f00ULL

static const struct insn_segment flat = {0, 0xffffffff, 0xc093};
static const struct insn_segment based = {0x50000, 0xffff, 0x0093};
static const struct insn_segment gs_based = {0xffff888100000000ULL, 0, SEGMENT_UNUSABLE};
static const struct insn_segment unusable = {0, 0xffffffff, 0xc093 | SEGMENT_UNUSABLE};
static const struct insn_segment read_only = {0, 0xffffffff, 0xc091};
static const struct insn_segment code = {0, 0xffffffff, 0xc09b};
static const struct insn_segment execute_only = {0, 0xffffffff, 0xc099};
static const struct insn_segment down = {0x1000, 0xfff, 0xc097};
static const struct insn_segment down_16 = {0x1000, 0xfff, 0x0097};

static void addresses(void **state)
{
	static const struct {
		const char *what;
		uint32_t info;
		uint64_t displacement;
		const struct insn_segment *segment;
		enum code_size code;
		size_t len;
		bool store;
		int result;
		uint64_t gva;
	} rows[] = {
		{"base", SIZE_64 | THROUGH(SEG_DS) | BASE(RBP) | NO_INDEX, 0, &unusable, CODE_64,
		 10, false, 0, 0xffff888000000000ULL},
		{"base and negative displacement", SIZE_64 | THROUGH(SEG_DS) | BASE(RAX) | NO_INDEX,
		 ~0ULL << 8, &flat, CODE_64, 10, false, 0, 0xf00},
		{"base, scaled index, displacement",
		 SIZE_64 | THROUGH(SEG_DS) | BASE(RBP) | INDEX(RCX, 3), 0x42, &flat, CODE_64, 10,
		 true, 0, 0xffff888000000142ULL},
		{"index alone", SIZE_64 | THROUGH(SEG_DS) | NO_BASE | INDEX(R15, 2), 1, &flat,
		 CODE_64, 10, true, 0, 0x401},
		{"the stack", SIZE_64 | THROUGH(SEG_SS) | BASE(RSP) | NO_INDEX, 8, &flat, CODE_64,
		 10, true, 0, 0xffffc90000000f08ULL},
		{"RIP-relative: all in the qualification",
		 SIZE_64 | THROUGH(SEG_DS) | NO_BASE | NO_INDEX, 0xffffffff81234567ULL, &flat,
		 CODE_64, 10, false, 0, 0xffffffff81234567ULL},
		{"GS base, limit and rights do not count",
		 SIZE_64 | THROUGH(SEG_GS) | BASE(RAX) | NO_INDEX, 0, &gs_based, CODE_64, 10, true,
		 0, 0xffff888100001000ULL},
		{"FS base", SIZE_64 | THROUGH(SEG_FS) | NO_BASE | NO_INDEX, 0x10, &based, CODE_64,
		 10, true, 0, 0x50010},
		{"DS has no base in 64-bit mode", SIZE_64 | THROUGH(SEG_DS) | BASE(RAX) | NO_INDEX,
		 0, &based, CODE_64, 10, true, 0, 0x1000},
		{"32-bit address in 64-bit mode", SIZE_32 | THROUGH(SEG_DS) | BASE(RBX) | NO_INDEX,
		 0, &flat, CODE_64, 10, true, 0, 0x10},
		{"not canonical", SIZE_64 | THROUGH(SEG_DS) | NO_BASE | NO_INDEX,
		 0x0000800000000000ULL, &flat, CODE_64, 10, true, -EPERM, 0},
		{"ends in the hole", SIZE_64 | THROUGH(SEG_DS) | NO_BASE | NO_INDEX,
		 0x00007ffffffffff7ULL, &flat, CODE_64, 10, true, -EPERM, 0},
		{"ends before the hole", SIZE_64 | THROUGH(SEG_DS) | NO_BASE | NO_INDEX,
		 0x00007ffffffffff6ULL, &flat, CODE_64, 10, true, 0, 0x00007ffffffffff6ULL},
		{"segment base", SIZE_32 | THROUGH(SEG_DS) | BASE(RAX) | NO_INDEX, 0, &based,
		 CODE_32, 6, true, 0, 0x51000},
		{"16-bit wrap", SIZE_16 | THROUGH(SEG_DS) | BASE(RSI) | NO_INDEX, 0x12, &based,
		 CODE_16, 6, false, 0, 0x50010},
		{"32-bit wrap", SIZE_32 | THROUGH(SEG_DS) | BASE(RDI) | NO_INDEX, 0x20, &flat,
		 CODE_32, 6, false, 0, 0x10},
		{"at the limit", SIZE_16 | THROUGH(SEG_DS) | NO_BASE | NO_INDEX, 0xfffa, &based,
		 CODE_16, 6, true, 0, 0x5fffa},
		{"beyond the limit", SIZE_16 | THROUGH(SEG_DS) | NO_BASE | NO_INDEX, 0xfffb, &based,
		 CODE_16, 6, true, -EPERM, 0},
		{"null segment", SIZE_32 | THROUGH(SEG_DS) | NO_BASE | NO_INDEX, 0, &unusable,
		 CODE_32, 6, false, -EPERM, 0},
		{"read-only, read", SIZE_32 | THROUGH(SEG_DS) | NO_BASE | NO_INDEX, 0, &read_only,
		 CODE_32, 6, false, 0, 0},
		{"read-only, written", SIZE_32 | THROUGH(SEG_DS) | NO_BASE | NO_INDEX, 0,
		 &read_only, CODE_32, 6, true, -EPERM, 0},
		{"code, read", SIZE_32 | THROUGH(SEG_CS) | NO_BASE | NO_INDEX, 0, &code, CODE_32, 6,
		 false, 0, 0},
		{"code, written", SIZE_32 | THROUGH(SEG_CS) | NO_BASE | NO_INDEX, 0, &code, CODE_32,
		 6, true, -EPERM, 0},
		{"execute-only, read", SIZE_32 | THROUGH(SEG_CS) | NO_BASE | NO_INDEX, 0,
		 &execute_only, CODE_32, 6, false, -EPERM, 0},
		{"expand-down, below", SIZE_32 | THROUGH(SEG_DS) | NO_BASE | NO_INDEX, 0xfff, &down,
		 CODE_32, 6, true, -EPERM, 0},
		{"expand-down, above", SIZE_32 | THROUGH(SEG_DS) | NO_BASE | NO_INDEX, 0x1000,
		 &down, CODE_32, 6, true, 0, 0x2000},
		{"expand-down, wrap", SIZE_32 | THROUGH(SEG_DS) | NO_BASE | NO_INDEX, 0xfffffffb,
		 &down, CODE_32, 6, true, -EPERM, 0},
		{"expand-down of 64 KiB, at its end",
		 SIZE_32 | THROUGH(SEG_DS) | NO_BASE | NO_INDEX, 0xfffa, &down_16, CODE_32, 6, true,
		 0, 0x10ffa},
		{"expand-down of 64 KiB", SIZE_32 | THROUGH(SEG_DS) | NO_BASE | NO_INDEX, 0xfffb,
		 &down_16, CODE_32, 6, true, -EPERM, 0},
	};
	struct descriptor_insn insn;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t gva = 0;
		int result;

		assert_int_equal(
			descriptor_insn_decode(false, rows[i].info, rows[i].displacement, &insn),
			0);
		result = descriptor_insn_address(&insn, gpr, GUEST_RSP, rows[i].segment,
						 rows[i].code, rows[i].len, rows[i].store, &gva);
		if (result != rows[i].result || gva != rows[i].gva)
			fail_msg("%s: %d, %#llx", rows[i].what, result, (unsigned long long)gva);
		assert_int_equal(insn_segment_fault(&insn),
				 insn.segment == SEG_SS ? VECTOR_SS : VECTOR_GP);
	}
}

static void code_sizes(void **state)
{
	(void)state;
	assert_int_equal(code_size_of(SEGMENT_L, true), CODE_64);
	assert_int_equal(code_size_of(SEGMENT_DB, true), CODE_32);
	assert_int_equal(code_size_of(0, true), CODE_16);
	/* L has no meaning outside IA-32e mode. */
	assert_int_equal(code_size_of(SEGMENT_L, false), CODE_16);
	assert_int_equal(code_size_of(SEGMENT_L | SEGMENT_DB, false), CODE_32);
}

static void operand_sizes(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[6];
		size_t len;
		enum code_size code;
		unsigned int result;
	} rows[] = {
		{"16-bit code", {0x0f, 0x01}, 2, CODE_16, 2},
		{"16-bit code, 66", {0x66, 0x0f, 0x01}, 3, CODE_16, 4},
		{"32-bit code", {0x0f, 0x01}, 2, CODE_32, 4},
		{"32-bit code, 66", {0x66, 0x0f}, 2, CODE_32, 2},
		{"66 twice is 66", {0x66, 0x66, 0x0f}, 3, CODE_32, 2},
		{"67 is not 66", {0x67, 0x0f}, 2, CODE_32, 4},
		{"among segment prefixes", {0x2e, 0x66, 0x65, 0x0f}, 4, CODE_32, 2},
		{"64-bit code", {0x0f, 0x00}, 2, CODE_64, 4},
		{"64-bit code, 66", {0x66, 0x0f}, 2, CODE_64, 2},
		{"REX.W", {0x48, 0x0f}, 2, CODE_64, 8},
		{"REX.W goes before 66", {0x66, 0x48, 0x0f}, 3, CODE_64, 8},
		{"REX without W", {0x66, 0x41, 0x0f}, 3, CODE_64, 2},
		{"REX.W not before the opcode is lost", {0x48, 0x66, 0x0f}, 3, CODE_64, 2},
		{"48 is no prefix in 32-bit code", {0x66, 0x48}, 2, CODE_32, 2},
		{"no opcode", {0x66, 0x67}, 2, CODE_32, 0},
		{"nothing", {0}, 0, CODE_64, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned int result = insn_operand_bytes(rows[i].bytes, rows[i].len, rows[i].code);

		if (result != rows[i].result)
			fail_msg("%s: %u", rows[i].what, result);
	}
}

static void tables_are_loaded_and_stored(void **state)
{
	static const uint8_t operand[TABLE_OPERAND_MAX] = {0x7f, 0x10, 0x00, 0x60, 0x5a,
							   0xfe, 0xff, 0xff, 0xff, 0xff};
	struct table_register table;
	uint8_t stored[TABLE_OPERAND_MAX];

	(void)state;
	assert_int_equal(table_operand_load(operand, CODE_64, 8, &table), 0);
	assert_int_equal(table.limit, 0x107f);
	assert_int_equal(table.base, 0xfffffffffe5a6000ULL);
	table_operand_store(&table, CODE_64, stored);
	assert_memory_equal(stored, operand, 10);
	/* The operand-size prefix has no meaning in 64-bit mode. */
	assert_int_equal(table_operand_load(operand, CODE_64, 2, &table), 0);
	assert_int_equal(table.base, 0xfffffffffe5a6000ULL);

	assert_int_equal(table_operand_load(operand, CODE_32, 4, &table), 0);
	assert_int_equal(table.base, 0xfe5a6000);
	assert_int_equal(table_operand_load(operand, CODE_16, 2, &table), 0);
	assert_int_equal(table.base, 0x5a6000);
	/* Stored with all bits whatever the operand size. */
	table.base = 0x12345678fe5a6000ULL;
	table_operand_store(&table, CODE_16, stored);
	assert_memory_equal(stored, operand, 6);
	assert_int_equal(table_operand_bytes(CODE_64), 10);
	assert_int_equal(table_operand_bytes(CODE_16), 6);

	memcpy(stored, operand, sizeof(stored));
	stored[9] = 0x7f;
	assert_int_equal(table_operand_load(stored, CODE_64, 8, &table), -EPERM);
}

static void selectors_go_to_registers(void **state)
{
	(void)state;
	assert_int_equal(selector_to_register(0x1122334455667788ULL, 0x40, 2),
			 0x1122334455660040ULL);
	assert_int_equal(selector_to_register(0x1122334455667788ULL, 0x40, 4), 0x40);
	assert_int_equal(selector_to_register(0x1122334455667788ULL, 0x40, 8), 0x40);
}

/* A system descriptor of Linux's kind: base 0xfffffe0000003000, limit 0x4087. */
#define TSS_LOW 0x00008b0030004087ULL
#define TSS_AVAILABLE (TSS_LOW & ~TSS_DESCRIPTOR_BUSY)
#define TSS_HIGH 0x00000000fffffe00ULL
#define LDT_LOW 0x000082003000ffffULL

static void descriptors_are_found(void **state)
{
	static const struct {
		enum descriptor_insn_kind kind;
		uint16_t selector, limit;
		bool long_mode;
		int vector; /* 0: none */
		uint16_t error_code;
	} rows[] = {
		{INSN_LTR, 0x40, 0x7f, true, 0, 0},
		{INSN_LTR, 0x43, 0x4f, true, 0, 0},
		{INSN_LTR, 0x40, 0x4e, true, VECTOR_GP, 0x40},
		{INSN_LTR, 0x43, 0x47, true, VECTOR_GP, 0x40},
		{INSN_LTR, 0x40, 0x47, false, 0, 0},
		{INSN_LTR, 0x40, 0x46, false, VECTOR_GP, 0x40},
		{INSN_LTR, 0x44, 0x7f, true, VECTOR_GP, 0x44},
		{INSN_LTR, 0, 0x7f, true, VECTOR_GP, 0},
		{INSN_LTR, 3, 0x7f, true, VECTOR_GP, 0},
		{INSN_LLDT, 0x50, 0x7f, true, 0, 0},
		{INSN_LLDT, 4, 0x7f, true, VECTOR_GP, 4},
		{INSN_LLDT, 0xfff8, 0xffff, true, VECTOR_GP, 0xfff8},
		{INSN_LLDT, 0xfff8, 0xffff, false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct insn_fault fault = {0};
		uint32_t offset = 0;
		int result = system_descriptor_offset(rows[i].kind, rows[i].selector, rows[i].limit,
						      rows[i].long_mode, &offset, &fault);

		assert_int_equal(result, rows[i].vector ? -EPERM : 0);
		assert_int_equal(fault.vector, rows[i].vector);
		assert_int_equal(fault.error_code, rows[i].error_code);
		if (!result)
			assert_int_equal(offset, rows[i].selector & ~7u);
	}
	assert_true(selector_is_null(3));
	assert_false(selector_is_null(4));
	assert_false(selector_is_null(8));
}

static void descriptors_are_loaded(void **state)
{
	static const struct {
		const char *what;
		enum descriptor_insn_kind kind;
		uint64_t low, high;
		bool long_mode;
		int vector;
		uint64_t base;
		uint32_t limit, rights;
	} rows[] = {
		{"Linux's TSS", INSN_LTR, TSS_AVAILABLE, TSS_HIGH, true, 0, 0xfffffe0000003000ULL,
		 0x4087, 0x8b},
		{"busy", INSN_LTR, TSS_LOW, TSS_HIGH, true, VECTOR_GP, 0, 0, 0},
		{"an LDT for LTR", INSN_LTR, LDT_LOW, 0, true, VECTOR_GP, 0, 0, 0},
		{"not present", INSN_LTR, TSS_AVAILABLE & ~(1ULL << 47), TSS_HIGH, true, VECTOR_NP,
		 0, 0, 0},
		{"the wrong type goes before absence", INSN_LTR, TSS_LOW & ~(1ULL << 47), TSS_HIGH,
		 true, VECTOR_GP, 0, 0, 0},
		{"base not canonical", INSN_LTR, TSS_AVAILABLE, 0x00008000, true, VECTOR_GP, 0, 0,
		 0},
		{"a type in the upper half", INSN_LTR, TSS_AVAILABLE, TSS_HIGH | 1ULL << 40, true,
		 VECTOR_GP, 0, 0, 0},
		{"other upper bits are ignored", INSN_LTR, TSS_AVAILABLE,
		 TSS_HIGH | 0xffffe0ffULL << 32, true, 0, 0xfffffe0000003000ULL, 0x4087, 0x8b},
		{"16-bit TSS in IA-32e mode", INSN_LTR, 0x0000810030000067ULL, 0, true, VECTOR_GP,
		 0, 0, 0},
		{"16-bit TSS", INSN_LTR, 0x0000810030000067ULL, ~0ULL, false, 0, 0x3000, 0x67,
		 0x83},
		{"32-bit TSS", INSN_LTR, 0x1200890034500067ULL, ~0ULL, false, 0, 0x12003450, 0x67,
		 0x8b},
		{"a data segment", INSN_LTR, 0x00cf99000000ffffULL, 0, false, VECTOR_GP, 0, 0, 0},
		{"an LDT", INSN_LLDT, LDT_LOW, 0xffff8880, true, 0, 0xffff888000003000ULL, 0xffff,
		 0x82},
		{"a TSS for LLDT", INSN_LLDT, TSS_AVAILABLE, 0, true, VECTOR_GP, 0, 0, 0},
		{"an absent LDT", INSN_LLDT, LDT_LOW & ~(1ULL << 47), 0, true, VECTOR_NP, 0, 0, 0},
		{"limit in pages", INSN_LLDT, 0x12808234567800ffULL, 0, false, 0, 0x12345678,
		 0xfffff, 0x8082},
		{"limit of 20 bits", INSN_LLDT, 0x124f8234567800ffULL, 0, false, 0, 0x12345678,
		 0xf00ff, 0x4082},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const uint64_t words[2] = {rows[i].low, rows[i].high};
		const uint16_t selector = 0x43;
		struct system_segment segment = {0};
		struct insn_fault fault = {0};
		int result = system_descriptor_load(rows[i].kind, selector, words,
						    rows[i].long_mode, &segment, &fault);

		if (result != (rows[i].vector ? -EPERM : 0) || fault.vector != rows[i].vector)
			fail_msg("%s: %d, vector %u", rows[i].what, result, fault.vector);
		if (result) {
			assert_int_equal(fault.error_code, 0x40);
			continue;
		}
		assert_int_equal(segment.value.selector, selector);
		assert_int_equal(segment.value.base, rows[i].base);
		assert_int_equal(segment.value.limit, rows[i].limit);
		assert_int_equal(segment.rights, rows[i].rights);
	}
	assert_int_equal(SYSTEM_SEGMENT_NULL(3).rights, SEGMENT_UNUSABLE);
	assert_int_equal(SYSTEM_SEGMENT_NULL(3).value.selector, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_are_told_apart),
		cmocka_unit_test(operands_in_registers),
		cmocka_unit_test(operand_size_of_the_field),
		cmocka_unit_test(undefined_encodings_are_refused),
		cmocka_unit_test(addresses),
		cmocka_unit_test(code_sizes),
		cmocka_unit_test(operand_sizes),
		cmocka_unit_test(tables_are_loaded_and_stored),
		cmocka_unit_test(selectors_go_to_registers),
		cmocka_unit_test(descriptors_are_found),
		cmocka_unit_test(descriptors_are_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
