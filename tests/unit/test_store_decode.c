/* SPDX-License-Identifier: MIT */
#include "vmx/store_decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R12 = 12, R13, R15 = 15 };
#define NONE STORE_NO_REGISTER

/* Bytes, and how many of them are the instruction. */
#define BYTES(string) .bytes = string, .len = sizeof(string) - 1

static int decode(const char *bytes, size_t len, struct store_insn *insn)
{
	return store_decode((const uint8_t *)bytes, len, CODE_64, insn);
}

/*
 * One instruction, decoded with its bytes alone and with others behind it, which takes both ways through the
 * decoder; and cut short at every place.
 */
static void decode_both(const char *bytes, size_t len, struct store_insn *insn)
{
	char with_more[32];
	struct store_insn other;

	/* Padding too is compared. */
	memset(insn, 0, sizeof(*insn));
	memset(&other, 0, sizeof(other));
	memset(with_more, 0xcc, sizeof(with_more));
	memcpy(with_more, bytes, len);
	assert_int_equal(decode(bytes, len, insn), 0);
	assert_int_equal(insn->length, len);
	assert_int_equal(decode(with_more, sizeof(with_more), &other), 0);
	assert_memory_equal(insn, &other, sizeof(other));
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(decode(bytes, cut, &other), -ENODATA);
}

struct form_row {
	const char *bytes;
	size_t len;
	enum store_form form;
	uint8_t size;
	uint8_t source; /* NONE: immediate */
	uint64_t immediate;
};

/* All with (%rdi) as destination. */
static const struct form_row forms[] = {
	/* what is seen in kernels */
	{BYTES("\x48\x89\x37"), STORE_MOV, 8, RSI, 0},
	{BYTES("\x48\xc7\x07\0\0\0\0"), STORE_MOV, 8, NONE, 0},
	{BYTES("\x48\x87\x1f"), STORE_XCHG, 8, RBX, 0},
	{BYTES("\xf0\x48\x0f\xba\x37\x05"), STORE_BTR, 8, NONE, 5},
	{BYTES("\x3e\x48\x0f\xba\x37\x05"), STORE_BTR, 8, NONE, 5},
	{BYTES("\xf0\x80\x27\xfd"), STORE_AND, 1, NONE, ~2ULL},
	{BYTES("\x3e\x80\x27\xfd"), STORE_AND, 1, NONE, ~2ULL},
	{BYTES("\xf0\x48\x0f\xb1\x17"), STORE_CMPXCHG, 8, RDX, 0},
	{BYTES("\xf3\xa4"), STORE_MOVS, 1, NONE, 0},
	{BYTES("\xf3\x48\xa5"), STORE_MOVS, 8, NONE, 0},
	{BYTES("\xf3\xaa"), STORE_STOS, 1, RAX, 0},
	{BYTES("\xf3\xab"), STORE_STOS, 4, RAX, 0},
	{BYTES("\xf3\x48\xab"), STORE_STOS, 8, RAX, 0},
	/* their relatives */
	{BYTES("\x88\x37"), STORE_MOV, 1, RDX /* DH */, 0},
	{BYTES("\x66\x89\x37"), STORE_MOV, 2, RSI, 0},
	{BYTES("\x89\x37"), STORE_MOV, 4, RSI, 0},
	{BYTES("\xc6\x07\x80"), STORE_MOV, 1, NONE, (uint64_t)-128},
	{BYTES("\x66\xc7\x07\x34\x92"), STORE_MOV, 2, NONE, (uint64_t)(int16_t)0x9234},
	{BYTES("\xc7\x07\x78\x56\x34\x92"), STORE_MOV, 4, NONE, (uint64_t)(int32_t)0x92345678},
	{BYTES("\x48\xc7\x07\xff\xff\xff\xff"), STORE_MOV, 8, NONE, ~0ULL},
	{BYTES("\x48\x0f\xc3\x37"), STORE_MOV, 8, RSI, 0},
	{BYTES("\x0f\xc3\x37"), STORE_MOV, 4, RSI, 0},
	{BYTES("\x86\x0f"), STORE_XCHG, 1, RCX, 0},
	{BYTES("\x00\x0f"), STORE_ADD, 1, RCX, 0},
	{BYTES("\x48\x01\x0f"), STORE_ADD, 8, RCX, 0},
	{BYTES("\x08\x0f"), STORE_OR, 1, RCX, 0},
	{BYTES("\x48\x09\x0f"), STORE_OR, 8, RCX, 0},
	{BYTES("\x20\x0f"), STORE_AND, 1, RCX, 0},
	{BYTES("\x48\x21\x0f"), STORE_AND, 8, RCX, 0},
	{BYTES("\x28\x0f"), STORE_SUB, 1, RCX, 0},
	{BYTES("\x48\x29\x0f"), STORE_SUB, 8, RCX, 0},
	{BYTES("\x30\x0f"), STORE_XOR, 1, RCX, 0},
	{BYTES("\x48\x31\x0f"), STORE_XOR, 8, RCX, 0},
	{BYTES("\x80\x07\x7f"), STORE_ADD, 1, NONE, 0x7f},
	{BYTES("\x80\x0f\x01"), STORE_OR, 1, NONE, 1},
	{BYTES("\x80\x2f\x01"), STORE_SUB, 1, NONE, 1},
	{BYTES("\x80\x37\x01"), STORE_XOR, 1, NONE, 1},
	{BYTES("\x48\x81\x0f\0\0\0\x80"), STORE_OR, 8, NONE, (uint64_t)INT32_MIN},
	{BYTES("\x66\x81\x27\x01\x80"), STORE_AND, 2, NONE, (uint64_t)(int16_t)0x8001},
	{BYTES("\x48\x83\x27\xfd"), STORE_AND, 8, NONE, ~2ULL},
	{BYTES("\x48\x0f\xab\x0f"), STORE_BTS, 8, RCX, 0},
	{BYTES("\x66\x0f\xb3\x0f"), STORE_BTR, 2, RCX, 0},
	{BYTES("\x0f\xbb\x0f"), STORE_BTC, 4, RCX, 0},
	{BYTES("\x48\x0f\xba\x2f\xff"), STORE_BTS, 8, NONE, 0xff},
	{BYTES("\x0f\xba\x3f\x01"), STORE_BTC, 4, NONE, 1},
	{BYTES("\x0f\xb0\x0f"), STORE_CMPXCHG, 1, RCX, 0},
	{BYTES("\x0f\xc0\x0f"), STORE_XADD, 1, RCX, 0},
	{BYTES("\x48\x0f\xc1\x0f"), STORE_XADD, 8, RCX, 0},
	{BYTES("\xa4"), STORE_MOVS, 1, NONE, 0},
	{BYTES("\x66\xa5"), STORE_MOVS, 2, NONE, 0},
	{BYTES("\x66\xab"), STORE_STOS, 2, RAX, 0},
};

static void every_form_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		const struct form_row *row = &forms[i];
		struct store_insn insn;

		decode_both(row->bytes, row->len, &insn);
		assert_int_equal(insn.form, row->form);
		assert_int_equal(insn.size, row->size);
		assert_int_equal(insn.source, row->source);
		assert_true(insn.immediate == row->immediate);
		assert_int_equal(insn.lock, row->bytes[0] == '\xf0');
		assert_int_equal(insn.rep, row->bytes[0] == '\xf3');
		assert_int_equal(insn.base, RDI);
		assert_int_equal(insn.index, NONE);
		assert_true(insn.displacement == 0);
		assert_int_equal(insn.segment, SEG_DS);
		assert_int_equal(insn.address_bytes, 8);
	}
}

struct address_row {
	const char *bytes;
	size_t len;
	uint8_t base, index, scale;
	bool plain;
	int64_t displacement;
};

/* MOV of RDX, R10 or an immediate. */
static const struct address_row addresses[] = {
	{BYTES("\x48\x89\x10"), RAX, NONE, 0, true, 0},
	{BYTES("\x49\x89\x55\x00"), R13, NONE, 0, true, 0},
	{BYTES("\x48\x89\x55\x80"), RBP, NONE, 0, true, -128},
	{BYTES("\x4d\x89\x97\x78\x56\x34\x12"), R15, NONE, 0, true, 0x12345678},
	{BYTES("\x48\x89\x93\x00\x00\x00\x80"), RBX, NONE, 0, true, INT32_MIN},
	{BYTES("\x48\xc7\x43\x08\x11\x22\x33\x44"), RBX, NONE, 0, true, 8},
	{BYTES("\x48\x87\x55\x00"), RBP, NONE, 0, true, 0},
	/* SIB */
	{BYTES("\x49\x89\x14\x24"), R12, NONE, 0, true, 0},
	{BYTES("\x48\x89\x54\x24\x10"), RSP, NONE, 0, true, 16},
	{BYTES("\x48\x89\x14\xc8"), RAX, RCX, 3, false, 0},
	{BYTES("\x4a\x89\x14\xa0"), RAX, R12, 2, false, 0},
	{BYTES("\x48\x89\x54\x0d\x00"), RBP, RCX, 0, false, 0},
	/* no base: with index, and without */
	{BYTES("\x48\x89\x14\xcd\x00\x10\x00\x00"), NONE, RCX, 3, false, 0x1000},
	{BYTES("\x49\x89\x14\x25\xff\xff\xff\xff"), NONE, NONE, 0, false, -1},
	/* REX.B makes a base of R13, but not where there is none */
	{BYTES("\x49\x89\x14\xcd\x04\x00\x00\x00"), NONE, RCX, 3, false, 4},
	{BYTES("\x48\x89\x15\xfc\xff\xff\xff"), STORE_RIP, NONE, 0, false, -4},
	{BYTES("\x49\x89\x15\xfc\xff\xff\xff"), STORE_RIP, NONE, 0, false, -4},
	{BYTES("\xc7\x05\x00\x01\x00\x00\x44\x33\x22\x11"), STORE_RIP, NONE, 0, false, 0x100},
};

static void addresses_are_taken_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(addresses); i++) {
		const struct address_row *row = &addresses[i];
		struct store_insn insn;

		decode_both(row->bytes, row->len, &insn);
		assert_int_equal(insn.base, row->base);
		assert_int_equal(insn.index, row->index);
		assert_int_equal(insn.scale, row->scale);
		assert_int_equal(insn.plain, row->plain);
		assert_true(insn.displacement == (uint64_t)row->displacement);
	}
}

struct prefix_row {
	const char *bytes;
	size_t len;
	uint8_t size, source, address_bytes;
	bool high, lock, rep;
	enum segment segment;
};

static const struct prefix_row prefixes[] = {
	/* byte registers: by REX, whatever its bits */
	{BYTES("\x88\x27"), 1, RAX, 8, true, false, false, SEG_DS},
	{BYTES("\x88\x3f"), 1, RBX, 8, true, false, false, SEG_DS},
	{BYTES("\x40\x88\x27"), 1, RSP, 8, false, false, false, SEG_DS},
	{BYTES("\x44\x88\x27"), 1, R12, 8, false, false, false, SEG_DS},
	{BYTES("\x88\x1f"), 1, RBX, 8, false, false, false, SEG_DS},
	/* REX counts before the opcode only, and of several the last */
	{BYTES("\x48\x66\x89\x37"), 2, RSI, 8, false, false, false, SEG_DS},
	{BYTES("\x44\x3e\x89\x37"), 4, RSI, 8, false, false, false, SEG_DS},
	{BYTES("\x40\xf0\x00\x27"), 1, RAX, 8, true, true, false, SEG_DS},
	{BYTES("\x4c\x40\x89\x37"), 4, RSI, 8, false, false, false, SEG_DS},
	{BYTES("\x40\x4c\x89\x37"), 8, RSI + 8, 8, false, false, false, SEG_DS},
	/* W is more than 66 */
	{BYTES("\x66\x48\x89\x37"), 8, RSI, 8, false, false, false, SEG_DS},
	{BYTES("\x66\x88\x0f"), 1, RCX, 8, false, false, false, SEG_DS},
	/* address size, segments */
	{BYTES("\x67\x48\x89\x37"), 8, RSI, 4, false, false, false, SEG_DS},
	{BYTES("\x64\x48\x89\x37"), 8, RSI, 8, false, false, false, SEG_FS},
	{BYTES("\x65\x48\x89\x37"), 8, RSI, 8, false, false, false, SEG_GS},
	{BYTES("\x64\x65\x48\x89\x37"), 8, RSI, 8, false, false, false, SEG_GS},
	{BYTES("\x65\x64\x48\x89\x37"), 8, RSI, 8, false, false, false, SEG_FS},
	{BYTES("\x64\x3e\x48\x89\x37"), 8, RSI, 8, false, false, false, SEG_FS},
	{BYTES("\x26\x48\x89\x37"), 8, RSI, 8, false, false, false, SEG_DS},
	{BYTES("\x2e\x48\x89\x37"), 8, RSI, 8, false, false, false, SEG_DS},
	{BYTES("\x36\x48\x89\x37"), 8, RSI, 8, false, false, false, SEG_DS},
	/* F2 and F3 are no repetition here */
	{BYTES("\xf2\x48\x89\x37"), 8, RSI, 8, false, false, false, SEG_DS},
	{BYTES("\xf3\x48\x89\x37"), 8, RSI, 8, false, false, false, SEG_DS},
	{BYTES("\xf2\xf0\x48\x87\x37"), 8, RSI, 8, false, true, false, SEG_DS},
	{BYTES("\xf0\xf3\x48\x0f\xc1\x37"), 8, RSI, 8, false, true, false, SEG_DS},
	/* of the source */
	{BYTES("\xf3\x65\x48\xa5"), 8, NONE, 8, false, false, true, SEG_GS},
	{BYTES("\x64\xf3\x67\xa4"), 1, NONE, 4, false, false, true, SEG_FS},
	{BYTES("\x48\xf3\xab"), 4, RAX, 8, false, false, true, SEG_DS},
	/* fifteen bytes */
	{BYTES("\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\xf0\x48\x01\x37"), 8, RSI, 8, false,
	 true, false, SEG_DS},
};

static void prefixes_mean_what_they_mean(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
		const struct prefix_row *row = &prefixes[i];
		struct store_insn insn;

		decode_both(row->bytes, row->len, &insn);
		assert_int_equal(insn.size, row->size);
		assert_int_equal(insn.source, row->source);
		assert_int_equal(insn.source_high, row->high);
		assert_int_equal(insn.address_bytes, row->address_bytes);
		assert_int_equal(insn.lock, row->lock);
		assert_int_equal(insn.rep, row->rep);
		assert_int_equal(insn.segment, row->segment);
	}
}

/* No shortcut where there is more to the address. */
static void plain_is_only_base_and_displacement(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool plain;
	} rows[] = {
		{BYTES("\x48\x89\x37"), true},
		{BYTES("\xf0\x48\x0f\xb1\x17"), true},
		{BYTES("\x48\x0f\xba\x37\x05"), true},
		{BYTES("\x67\x48\x89\x37"), false},
		{BYTES("\x65\x48\x89\x37"), false},
		{BYTES("\x48\x0f\xb3\x37"), false},
		{BYTES("\x48\x89\x35\x00\x00\x00\x00"), false},
		{BYTES("\x48\xab"), false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct store_insn insn;

		decode_both(rows[i].bytes, rows[i].len, &insn);
		assert_int_equal(insn.plain, rows[i].plain);
	}
}

struct refusal {
	const char *bytes;
	size_t len;
	int error;
};

static const struct refusal refusals[] = {
	/* other instructions */
	{BYTES("\x90"), -ENOTSUP},		       /* NOP */
	{BYTES("\x8b\x37"), -ENOTSUP},		       /* MOV r,r/m */
	{BYTES("\x8c\x1f"), -ENOTSUP},		       /* MOV r/m,Sreg */
	{BYTES("\xa3\0\0\0\0\0\0\0\0"), -ENOTSUP},     /* MOV moffs,rAX */
	{BYTES("\x48\x11\x37"), -ENOTSUP},	       /* ADC */
	{BYTES("\x48\x19\x37"), -ENOTSUP},	       /* SBB */
	{BYTES("\x48\x39\x37"), -ENOTSUP},	       /* CMP */
	{BYTES("\x83\x17\x01"), -ENOTSUP},	       /* ADC */
	{BYTES("\x81\x1f\0\0\0\0"), -ENOTSUP},	       /* SBB */
	{BYTES("\x80\x3f\x01"), -ENOTSUP},	       /* CMP */
	{BYTES("\x82\x07\x01"), -ENOTSUP},	       /* an alias of 80 in other modes */
	{BYTES("\x48\xff\x07"), -ENOTSUP},	       /* INC */
	{BYTES("\x48\xf7\x17"), -ENOTSUP},	       /* NOT */
	{BYTES("\x48\xd1\x27"), -ENOTSUP},	       /* SHL */
	{BYTES("\x8f\x07"), -ENOTSUP},		       /* POP */
	{BYTES("\x50"), -ENOTSUP},		       /* PUSH */
	{BYTES("\x0f\xa3\x37"), -ENOTSUP},	       /* BT */
	{BYTES("\x0f\xba\x27\x01"), -ENOTSUP},	       /* BT */
	{BYTES("\x0f\xba\x07\x01"), -ENOTSUP},	       /* nothing */
	{BYTES("\xf0\x0f\xc7\x0f"), -ENOTSUP},	       /* CMPXCHG8B */
	{BYTES("\xf0\x48\x0f\xc7\x0f"), -ENOTSUP},     /* CMPXCHG16B */
	{BYTES("\x0f\x11\x07"), -ENOTSUP},	       /* MOVUPS */
	{BYTES("\x0f\x38\xf1\x07"), -ENOTSUP},	       /* MOVBE */
	{BYTES("\xc5\xf8\x11\x07"), -ENOTSUP},	       /* VMOVUPS */
	{BYTES("\x62\xf1\x7c\x48\x11\x07"), -ENOTSUP}, /* the same for 512 bits */
	{BYTES("\xd5\x08\x89\x07"), -ENOTSUP},	       /* REX2 */
	{BYTES("\x6c"), -ENOTSUP},		       /* INS */
	{BYTES("\xa6"), -ENOTSUP},		       /* CMPS */
	{BYTES("\xac"), -ENOTSUP},		       /* LODS */
	/* into a register */
	{BYTES("\x48\x89\xf7"), -ENOTSUP},
	{BYTES("\x48\xc7\xc7\0\0\0\0"), -ENOTSUP},
	{BYTES("\x48\x87\xf7"), -ENOTSUP},
	{BYTES("\xf0\x48\x01\xf7"), -ENOTSUP},
	{BYTES("\xc6\xf8\x01"), -ENOTSUP}, /* XABORT */
	/* REPNE */
	{BYTES("\xf2\xa4"), -ENOTSUP},
	{BYTES("\xf2\xf3\x48\xab"), -ENOTSUP},
	/* #UD */
	{BYTES("\xf0\x48\x89\x37"), -EINVAL},
	{BYTES("\xf0\xc6\x07\x01"), -EINVAL},
	{BYTES("\xf0\xa4"), -EINVAL},
	{BYTES("\xf3\xf0\xab"), -EINVAL},
	{BYTES("\xf0\x0f\xc3\x37"), -EINVAL},
	{BYTES("\x66\x0f\xc3\x37"), -EINVAL},
	{BYTES("\xf2\x0f\xc3\x37"), -EINVAL},
	{BYTES("\xf3\x48\x0f\xc3\x37"), -EINVAL},
	{BYTES("\xc6\x0f\x01"), -EINVAL},
	{BYTES("\x48\xc7\x3f\0\0\0\0"), -EINVAL},
	/* sixteen bytes, at every part of an instruction */
	{BYTES("\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e"), -EINVAL},
	{BYTES("\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x0f\xab\x37"), -EINVAL},
	{BYTES("\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x89\x37"), -EINVAL},
	{BYTES("\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x89\x34\x24"), -EINVAL},
	{BYTES("\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x89\x77\x01"), -EINVAL},
	{BYTES("\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\xc6\x07\x01"), -EINVAL},
	{BYTES("\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x48\xc7\x07\x01\x02\x03\x04"), -EINVAL},
};

static void everything_else_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		struct store_insn insn;

		if (decode(refusals[i].bytes, refusals[i].len, &insn) != refusals[i].error)
			fail_msg("row %zu", i);
	}
}

static void other_modes_are_refused(void **state)
{
	const uint8_t mov[] = {0x89, 0x37};
	struct store_insn insn;

	(void)state;
	assert_int_equal(store_decode(mov, sizeof(mov), CODE_32, &insn), -ENOTSUP);
	assert_int_equal(store_decode(mov, sizeof(mov), CODE_16, &insn), -ENOTSUP);
	assert_int_equal(store_decode(mov, sizeof(mov), CODE_64, &insn), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_known),
		cmocka_unit_test(addresses_are_taken_apart),
		cmocka_unit_test(prefixes_mean_what_they_mean),
		cmocka_unit_test(plain_is_only_base_and_displacement),
		cmocka_unit_test(everything_else_is_refused),
		cmocka_unit_test(other_modes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
