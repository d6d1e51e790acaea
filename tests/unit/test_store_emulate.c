/* SPDX-License-Identifier: MIT */
#include "vmx/store_emulate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/store_world.h"
#include "vmm/x86.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R15 = 15, REGISTERS };

#define GVA 0xffff888012340000ULL
#define TARGET (GVA + WORLD_PAGE) /* the page that is trapped */
#define RIP 0xffffffff81000000ULL
#define FLAGS (RFLAGS_FIXED1 | RFLAGS_IF)

#define BYTES(string) (string), sizeof(string) - 1

/* One exit. */
struct machine {
	struct store_world world;
	uint64_t gpr[REGISTERS];
	struct store_registers registers;
	struct store_target target;
};

static void machine_open(struct machine *m)
{
	store_world_open(&m->world, GVA);
	memset(m->gpr, 0, sizeof(m->gpr));
	m->gpr[RDI] = TARGET;
	m->registers = (struct store_registers){m->gpr, RIP, FLAGS, 0, 0};
	m->target = store_world_target(&m->world, TARGET);
}

static int run(struct machine *m, const char *bytes, size_t len)
{
	struct store_insn insn;
	int result;

	assert_int_equal(store_decode((const uint8_t *)bytes, len, CODE_64, &insn), 0);
	result = store_emulate(&insn, &m->registers, &m->target, &m->world.memory);
	assert_null(m->world.violation);
	return result;
}

static uint64_t word_at(const struct machine *m, uint64_t gva)
{
	uint64_t word;

	memcpy(&word, &m->world.bytes[gva - GVA], sizeof(word));
	return word;
}

static void set_word(struct machine *m, uint64_t gva, uint64_t word)
{
	memcpy(&m->world.bytes[gva - GVA], &word, sizeof(word));
}

/* Every instruction fails without a trace: with what store_emulate() says, and nothing has changed. */
static void assert_refused(struct machine *m, const char *bytes, size_t len, int error)
{
	const struct machine before = *m;

	assert_int_equal(run(m, bytes, len), error);
	assert_memory_equal(m->gpr, before.gpr, sizeof(m->gpr));
	assert_true(m->registers.rip == before.registers.rip);
	assert_true(m->registers.rflags == before.registers.rflags);
	assert_memory_equal(m->world.bytes, before.world.bytes, WORLD_SIZE);
}

/* One of each form, 8 bytes to (%rdi) from RBX where it has a source. */
static const struct {
	const char *bytes;
	size_t len;
	uint64_t memory; /* afterwards; before: 0xff00 */
	uint64_t rbx;	 /* afterwards; before: 0xf0f */
	uint64_t flags;	 /* the status flags afterwards; before: none */
} forms[] = {
	{BYTES("\x48\x89\x1f"), 0xf0f, 0xf0f, 0},
	{BYTES("\x48\xc7\x07\x01\x02\x03\x80"), 0xffffffff80030201, 0xf0f, 0},
	{BYTES("\x48\x87\x1f"), 0xf0f, 0xff00, 0},
	{BYTES("\x48\x01\x1f"), 0x10e0f, 0xf0f, RFLAGS_PF},
	{BYTES("\x48\x09\x1f"), 0xff0f, 0xf0f, RFLAGS_PF},
	{BYTES("\x48\x21\x1f"), 0xf00, 0xf0f, RFLAGS_PF},
	{BYTES("\x48\x29\x1f"), 0xeff1, 0xf0f, RFLAGS_AF},
	{BYTES("\x48\x31\x1f"), 0xf00f, 0xf0f, RFLAGS_PF},
	{BYTES("\x48\x0f\xba\x2f\x08"), 0xff00, 0xf0f, RFLAGS_CF},
	{BYTES("\x48\x0f\xba\x37\x48"), 0xfe00, 0xf0f, RFLAGS_CF},
	{BYTES("\x48\x0f\xba\x3f\x07"), 0xff80, 0xf0f, 0},
	/* RAX is 0: found 0xff00 instead */
	{BYTES("\x48\x0f\xb1\x1f"), 0xff00, 0xf0f, RFLAGS_CF | RFLAGS_PF | RFLAGS_SF},
	{BYTES("\x48\x0f\xc1\x1f"), 0x10e0f, 0xff00, RFLAGS_PF},
	{BYTES("\x48\xab"), 0, 0xf0f, 0},
	{BYTES("\x48\xa5"), 0x1122334455667788, 0xf0f, 0},
};

static void set_up_forms(struct machine *m)
{
	machine_open(m);
	set_word(m, TARGET, 0xff00);
	set_word(m, GVA, 0x1122334455667788);
	m->gpr[RBX] = 0xf0f;
	m->gpr[RSI] = GVA;
}

static void every_form_stores(void **state)
{
	struct machine m;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		set_up_forms(&m);
		m.registers.rflags |= RFLAGS_RF | RFLAGS_TF | RFLAGS_AC;
		assert_int_equal(run(&m, forms[i].bytes, forms[i].len), 0);
		assert_true(word_at(&m, TARGET) == forms[i].memory);
		assert_true(m.gpr[RBX] == forms[i].rbx);
		/* RF is done with, TF and others are the caller's */
		assert_true(m.registers.rflags == (FLAGS | RFLAGS_TF | RFLAGS_AC | forms[i].flags));
		assert_true(m.registers.rip == RIP + forms[i].len);
		assert_int_equal(m.world.updates, 1);
	}
}

static void what_update_refuses_leaves_nothing(void **state)
{
	struct machine m;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		set_up_forms(&m);
		m.registers.rflags |= RFLAGS_RF;
		m.world.update_error = -EACCES;
		assert_refused(&m, forms[i].bytes, forms[i].len, -EACCES);
	}
}

static void another_page_is_tried_again(void **state)
{
	struct machine m;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		set_up_forms(&m);
		m.gpr[RDI] = TARGET - 8;
		assert_refused(&m, forms[i].bytes, forms[i].len, -EAGAIN);
		m.gpr[RDI] = TARGET + WORLD_PAGE;
		assert_refused(&m, forms[i].bytes, forms[i].len, -EAGAIN);
		/* the same page of another linear address */
		m.gpr[RDI] = TARGET ^ 1ULL << 47;
		assert_refused(&m, forms[i].bytes, forms[i].len, -EAGAIN);
		assert_int_equal(m.world.updates, 0);
	}
}

static void the_rest_of_the_address_may_differ(void **state)
{
	struct machine m;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		set_up_forms(&m);
		m.target = store_world_target(&m.world, TARGET + 0x123);
		assert_int_equal(run(&m, forms[i].bytes, forms[i].len), 0);
		assert_true(word_at(&m, TARGET) == forms[i].memory);
	}
}

static void words_and_pages_are_not_crossed(void **state)
{
	/* of 8 bytes, to both sides of a word's end, of the page's end, of its begin */
	static const uint64_t places[] = {
		TARGET + 1, TARGET + 7, TARGET + WORLD_PAGE - 4, TARGET - 1, TARGET - 7,
	};
	struct machine m;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		for (size_t place = 0; place < COUNT_OF(places); place++) {
			set_up_forms(&m);
			m.gpr[RDI] = places[place];
			assert_refused(&m, forms[i].bytes, forms[i].len, -EPERM);
			assert_int_equal(m.world.updates, 0);
		}
	}
}

static void operands_of_all_sizes_stay_in_their_word(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		unsigned int size;
	} rows[] = {
		{BYTES("\x88\x1f"), 1}, {BYTES("\x66\x89\x1f"), 2}, {BYTES("\x89\x1f"), 4},
		{BYTES("\x86\x1f"), 1}, {BYTES("\x66\x87\x1f"), 2}, {BYTES("\x87\x1f"), 4},
	};
	const uint64_t before = 0xa1a2a3a4a5a6a7a8, rbx = 0x1112131415161718;
	struct machine m;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (unsigned int offset = 0; offset < 8; offset++) {
			uint64_t mask = ~0ULL >> (64 - 8 * rows[i].size) << 8 * offset;

			machine_open(&m);
			set_word(&m, TARGET, before);
			m.gpr[RDI] += offset;
			m.gpr[RBX] = rbx;
			if (offset + rows[i].size > 8) {
				assert_refused(&m, rows[i].bytes, rows[i].len, -EPERM);
				continue;
			}
			assert_int_equal(run(&m, rows[i].bytes, rows[i].len), 0);
			assert_true(word_at(&m, TARGET) ==
				    ((before & ~mask) | (rbx << 8 * offset & mask)));
		}
	}
}

/* ---- what may be split */

static void moves_are_split_if_they_may(void **state)
{
	struct machine m;

	(void)state;
	machine_open(&m);
	m.target.may_split = true;
	m.gpr[RBX] = 0x8877665544332211;
	m.gpr[RDI] = TARGET + 5;
	assert_int_equal(run(&m, BYTES("\x48\x89\x1f")), 0);
	assert_true(word_at(&m, TARGET) == 0x3322110000000000);
	assert_true(word_at(&m, TARGET + 8) == 0x8877665544);
	assert_int_equal(m.world.updates, 2);
	assert_int_equal(m.world.locates, 0);
	assert_true(m.registers.rip == RIP + 3);
}

static void exchanges_are_never_split(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{BYTES("\x48\x87\x1f")},     {BYTES("\x48\x01\x1f")},
		{BYTES("\x48\x21\x1f")},     {BYTES("\x48\x0f\xba\x2f\x08")},
		{BYTES("\x48\x0f\xb1\x1f")}, {BYTES("\x48\x0f\xc1\x1f")},
	};
	struct machine m;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		machine_open(&m);
		m.target.may_split = true;
		m.gpr[RDI] = TARGET + 5;
		assert_refused(&m, rows[i].bytes, rows[i].len, -EPERM);
	}
}

static void both_ends_of_the_page_are_split(void **state)
{
	static const uint64_t places[] = {TARGET - 3, TARGET + WORLD_PAGE - 3};
	struct machine m;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		machine_open(&m);
		m.target.may_split = true;
		m.gpr[RBX] = 0x8877665544332211;
		m.gpr[RDI] = places[i];
		assert_int_equal(run(&m, BYTES("\x48\x89\x1f")), 0);
		assert_true(word_at(&m, places[i]) == m.gpr[RBX]);
		assert_int_equal(m.world.locates, 1);

		machine_open(&m);
		m.target.may_split = true;
		m.gpr[RDI] = places[i];
		m.world.locate_error = -EFAULT;
		assert_refused(&m, BYTES("\x48\x89\x1f"), -EFAULT);

		m.world.memory.locate = NULL;
		assert_refused(&m, BYTES("\x48\x89\x1f"), -EPERM);
	}
}

static void the_first_half_stays_when_the_second_is_refused(void **state)
{
	struct machine m;

	(void)state;
	machine_open(&m);
	m.target.may_split = true;
	m.world.update_error = -EACCES;
	m.world.fail_after = 1;
	m.gpr[RBX] = 0x1111111111111111;
	m.gpr[RDI] = TARGET + 4;
	assert_int_equal(run(&m, BYTES("\x48\x89\x1f")), -EACCES);
	assert_true(word_at(&m, TARGET) == 0x1111111100000000);
	assert_true(word_at(&m, TARGET + 8) == 0);
	assert_true(m.registers.rip == RIP);
}

/* ---- addresses */

static void bit_offsets_reach_beyond_the_operand(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		uint64_t offset;
		int64_t word; /* bytes from TARGET + 0x800 */
		uint64_t result;
	} rows[] = {
		{BYTES("\x48\x0f\xab\x1f"), 63, 0, 1ULL << 63},
		{BYTES("\x48\x0f\xab\x1f"), 64, 8, 1},
		{BYTES("\x48\x0f\xab\x1f"), (uint64_t)-1, -8, 1ULL << 63},
		{BYTES("\x48\x0f\xab\x1f"), (uint64_t)-64, -8, 1},
		{BYTES("\x48\x0f\xab\x1f"), (uint64_t)-65, -16, 1ULL << 63},
		/* 32 bits: the upper half of the register does not count */
		{BYTES("\x0f\xab\x1f"), 0x100000000 + 33, 0, 1ULL << 33},
		{BYTES("\x0f\xab\x1f"), 0xffffffff, -8, 1ULL << 63},
		{BYTES("\x66\x0f\xab\x1f"), 0x1ffff, -8, 1ULL << 63},
		{BYTES("\x66\x0f\xab\x1f"), 17, 0, 1ULL << 17},
	};
	struct machine m;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		machine_open(&m);
		m.gpr[RDI] = TARGET + 0x800;
		m.gpr[RBX] = rows[i].offset;
		assert_int_equal(run(&m, rows[i].bytes, rows[i].len), 0);
		assert_true(word_at(&m, TARGET + 0x800 + (uint64_t)rows[i].word) == rows[i].result);
	}
	/* to another page: not what was trapped */
	m.gpr[RDI] = TARGET + 0x800;
	m.gpr[RBX] = 0x800 * 8;
	assert_refused(&m, BYTES("\x48\x0f\xab\x1f"), -EAGAIN);
}

static void every_part_of_an_address_counts(void **state)
{
	struct machine m;

	(void)state;
	/* mov %rbx,-8(%rdi,%rsi,4) through GS */
	machine_open(&m);
	m.gpr[RBX] = 1;
	m.gpr[RDI] = TARGET + 8 - 0x40 - 0x1000;
	m.gpr[RSI] = 0x10;
	m.registers.gs_base = 0x1000;
	m.registers.fs_base = 0x100000;
	assert_int_equal(run(&m, BYTES("\x65\x48\x89\x5c\xb7\xf8")), 0);
	assert_true(word_at(&m, TARGET) == 1);

	/* movq $2,disp(%rip), from the end of the instruction */
	machine_open(&m);
	m.registers.rip = TARGET - 0x100;
	assert_int_equal(run(&m, BYTES("\x48\xc7\x05\xf5\x00\x00\x00\x02\x00\x00\x00")), 0);
	assert_true(word_at(&m, TARGET) == 2);

	/* mov %rbx,(%edi) through FS: 32 bits, then the base */
	machine_open(&m);
	m.gpr[RBX] = 3;
	m.gpr[RDI] = 0xffffffff00000010;
	m.registers.fs_base = TARGET - 0x10;
	assert_int_equal(run(&m, BYTES("\x64\x67\x48\x89\x1f")), 0);
	assert_true(word_at(&m, TARGET) == 3);
}

static void rsp_is_a_register_like_the_others(void **state)
{
	struct machine m;

	(void)state;
	machine_open(&m);
	set_word(&m, TARGET, 0x4444);
	m.gpr[RSP] = 0x3333;
	assert_int_equal(run(&m, BYTES("\x48\x87\x27")), 0);
	assert_true(word_at(&m, TARGET) == 0x3333 && m.gpr[RSP] == 0x4444);
}

/* ---- strings */

static void repetition_stores_whole_words(void **state)
{
	struct machine m;

	(void)state;
	/* rep stosb of a page */
	machine_open(&m);
	m.gpr[RAX] = 0x1234567890abcdef;
	m.gpr[RCX] = WORLD_PAGE;
	assert_int_equal(run(&m, BYTES("\xf3\xaa")), 0);
	assert_int_equal(m.world.updates, WORLD_PAGE / 8);
	assert_true(m.gpr[RCX] == 0 && m.gpr[RDI] == TARGET + WORLD_PAGE);
	assert_true(m.registers.rip == RIP + 2);
	for (unsigned int i = 0; i < WORLD_SIZE; i++)
		assert_int_equal(m.world.bytes[i], i / WORLD_PAGE == 1 ? 0xef : 0);

	/* rep movsb: 5 bytes to a word's end, 8, 3 */
	machine_open(&m);
	for (unsigned int i = 0; i < 16; i++)
		m.world.bytes[i + 1] = (uint8_t)(i + 1);
	m.gpr[RSI] = GVA + 1;
	m.gpr[RDI] = TARGET + 3;
	m.gpr[RCX] = 16;
	assert_int_equal(run(&m, BYTES("\xf3\xa4")), 0);
	assert_int_equal(m.world.updates, 3);
	assert_int_equal(m.world.reads, 3);
	assert_memory_equal(&m.world.bytes[WORLD_PAGE + 3], &m.world.bytes[1], 16);
	assert_true(m.gpr[RSI] == GVA + 17 && m.gpr[RDI] == TARGET + 19 && m.gpr[RCX] == 0);
}

static void repetition_ends_with_the_page(void **state)
{
	struct machine m;

	(void)state;
	/* up */
	machine_open(&m);
	m.registers.rflags |= RFLAGS_RF;
	m.gpr[RAX] = 0xee;
	m.gpr[RDI] = TARGET + WORLD_PAGE - 20;
	m.gpr[RCX] = 100;
	assert_int_equal(run(&m, BYTES("\xf3\xaa")), STORE_PARTIAL);
	assert_true(m.gpr[RCX] == 80 && m.gpr[RDI] == TARGET + WORLD_PAGE);
	assert_true(m.registers.rip == RIP && m.registers.rflags == (FLAGS | RFLAGS_RF));
	assert_true(word_at(&m, TARGET + WORLD_PAGE) == 0);

	/* down, from the last element */
	machine_open(&m);
	m.registers.rflags |= RFLAGS_DF;
	m.gpr[RAX] = 0x2222222211111111;
	m.gpr[RDI] = TARGET + 12;
	m.gpr[RCX] = 5;
	assert_int_equal(run(&m, BYTES("\xf3\xab")), STORE_PARTIAL);
	assert_true(m.gpr[RCX] == 1 && m.gpr[RDI] == TARGET - 4);
	assert_true(word_at(&m, TARGET) == 0x1111111111111111);
	assert_true(word_at(&m, TARGET + 8) == 0x1111111111111111);
	assert_true(word_at(&m, TARGET - 8) == 0);
}

static void no_repetition_is_not_what_was_trapped(void **state)
{
	struct machine m;

	(void)state;
	machine_open(&m);
	assert_refused(&m, BYTES("\xf3\xaa"), -EAGAIN);
	/* 32 bits of the count with 67h */
	m.gpr[RCX] = 1ULL << 32;
	assert_refused(&m, BYTES("\x67\xf3\xaa"), -EAGAIN);
	/* and none without REP */
	m.gpr[RCX] = 0;
	assert_int_equal(run(&m, BYTES("\xaa")), 0);
	assert_true(m.gpr[RCX] == 0 && m.gpr[RDI] == TARGET + 1);
}

static void a_single_step_is_one_element(void **state)
{
	struct machine m;

	(void)state;
	machine_open(&m);
	m.registers.rflags |= RFLAGS_TF;
	m.gpr[RAX] = 1;
	m.gpr[RCX] = 2;
	assert_int_equal(run(&m, BYTES("\xf3\xaa")), STORE_PARTIAL);
	assert_true(m.gpr[RCX] == 1 && word_at(&m, TARGET) == 1);
	assert_true(m.registers.rip == RIP);
	assert_int_equal(run(&m, BYTES("\xf3\xaa")), 0);
	assert_true(m.gpr[RCX] == 0 && word_at(&m, TARGET) == 0x101);
	assert_true(m.registers.rip == RIP + 2);
}

static void what_was_stored_before_an_error_is_counted(void **state)
{
	struct machine m;

	(void)state;
	/* the third word is refused */
	machine_open(&m);
	m.gpr[RAX] = 7;
	m.gpr[RCX] = 10;
	m.world.update_error = -EACCES;
	m.world.fail_after = 2;
	assert_int_equal(run(&m, BYTES("\xf3\x48\xab")), -EACCES);
	assert_true(m.gpr[RCX] == 8 && m.gpr[RDI] == TARGET + 16 && m.registers.rip == RIP);
	assert_true(word_at(&m, TARGET + 8) == 7 && word_at(&m, TARGET + 16) == 0);

	/* an element in the middle that crosses a word: the first of 4 at 6, with 2 before it */
	machine_open(&m);
	m.gpr[RDI] = TARGET + 2;
	m.gpr[RCX] = 4;
	assert_int_equal(run(&m, BYTES("\xf3\xab")), -EPERM);
	assert_true(m.gpr[RCX] == 3 && m.gpr[RDI] == TARGET + 6);
}

static void a_source_that_ends_is_read_up_to_its_end(void **state)
{
	struct machine m;

	(void)state;
	/* up: 3 bytes before the end of what can be read, 5 after it */
	machine_open(&m);
	m.gpr[RSI] = GVA + WORLD_SIZE - 3;
	m.gpr[RCX] = 8;
	assert_int_equal(run(&m, BYTES("\xf3\xa4")), -1);
	assert_true(m.gpr[RCX] == 5 && m.gpr[RSI] == GVA + WORLD_SIZE);
	assert_true(m.gpr[RDI] == TARGET + 3);

	/* down */
	machine_open(&m);
	m.registers.rflags |= RFLAGS_DF;
	m.gpr[RSI] = GVA + 2;
	m.gpr[RDI] = TARGET + 7;
	m.gpr[RCX] = 8;
	assert_int_equal(run(&m, BYTES("\xf3\xa4")), -1);
	assert_true(m.gpr[RCX] == 5 && m.gpr[RSI] == GVA - 1 && m.gpr[RDI] == TARGET + 4);

	/* an element on both sides of a page's end is one read */
	machine_open(&m);
	set_word(&m, TARGET + 2 * WORLD_PAGE - 4, 0x8877665544332211);
	m.gpr[RSI] = TARGET + 2 * WORLD_PAGE - 4;
	assert_int_equal(run(&m, BYTES("\x48\xa5")), 0);
	assert_true(word_at(&m, TARGET) == 0x8877665544332211);
	assert_int_equal(m.world.reads, 1);
}

/* ESI is followed to address 0, not beyond 4 GiB. */
static void a_source_of_32_bits_wraps(void **state)
{
	struct machine m;

	(void)state;
	machine_open(&m);
	m.registers.gs_base = GVA - 0xfffffffe;
	m.registers.fs_base = TARGET;
	m.gpr[RDI] = 0xffffffff00000000;
	m.gpr[RSI] = 0xfffffffe;
	m.gpr[RCX] = 4;
	/* Destinations have no base here: the target is at 0. */
	m.target.gva = 0;
	assert_int_equal(run(&m, BYTES("\x65\x67\xf3\xa4")), -1);
	assert_true(m.gpr[RSI] == 0 && m.gpr[RDI] == 2 && m.gpr[RCX] == 2);
}

static void overlapping_elements_follow_each_other(void **state)
{
	struct machine m;

	(void)state;
	/* A byte is spread over those that follow it. */
	machine_open(&m);
	m.world.bytes[WORLD_PAGE] = 0x5a;
	m.gpr[RSI] = TARGET;
	m.gpr[RDI] = TARGET + 1;
	m.gpr[RCX] = 20;
	assert_int_equal(run(&m, BYTES("\xf3\xa4")), 0);
	for (unsigned int i = 0; i < 21; i++)
		assert_int_equal(m.world.bytes[WORLD_PAGE + i], 0x5a);
	assert_int_equal(m.world.bytes[WORLD_PAGE + 21], 0);
}

/* ---- the word */

static void a_change_is_a_function_of_the_old_word(void **state)
{
	static const struct {
		enum store_operation operation;
		uint64_t value, expected, result;
	} rows[] = {
		{STORE_WORD_REPLACE, 0x5600, 0, 0x11223344556656ff},
		{STORE_WORD_AND, 0x0f00, 0, 0x11223344556607ff},
		{STORE_WORD_OR, 0x8000, 0, 0x112233445566f7ff},
		{STORE_WORD_XOR, 0xff00, 0, 0x11223344556688ff},
		/* no carry into its neighbours */
		{STORE_WORD_ADD, 0x9900, 0, 0x11223344556610ff},
		{STORE_WORD_SUB, 0x7800, 0, 0x112233445566ffff},
		{STORE_WORD_COMPARE, 0x1200, 0x7700, 0x11223344556612ff},
		{STORE_WORD_COMPARE, 0x1200, 0x7600, 0x11223344556677ff},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct store_change change = {rows[i].operation, 0xff00, rows[i].value,
						    rows[i].expected};

		assert_true(store_change_apply(&change, 0x11223344556677ff) == rows[i].result);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_stores),
		cmocka_unit_test(what_update_refuses_leaves_nothing),
		cmocka_unit_test(another_page_is_tried_again),
		cmocka_unit_test(the_rest_of_the_address_may_differ),
		cmocka_unit_test(words_and_pages_are_not_crossed),
		cmocka_unit_test(operands_of_all_sizes_stay_in_their_word),
		cmocka_unit_test(moves_are_split_if_they_may),
		cmocka_unit_test(exchanges_are_never_split),
		cmocka_unit_test(both_ends_of_the_page_are_split),
		cmocka_unit_test(the_first_half_stays_when_the_second_is_refused),
		cmocka_unit_test(bit_offsets_reach_beyond_the_operand),
		cmocka_unit_test(every_part_of_an_address_counts),
		cmocka_unit_test(rsp_is_a_register_like_the_others),
		cmocka_unit_test(repetition_stores_whole_words),
		cmocka_unit_test(repetition_ends_with_the_page),
		cmocka_unit_test(no_repetition_is_not_what_was_trapped),
		cmocka_unit_test(a_single_step_is_one_element),
		cmocka_unit_test(what_was_stored_before_an_error_is_counted),
		cmocka_unit_test(a_source_that_ends_is_read_up_to_its_end),
		cmocka_unit_test(a_source_of_32_bits_wraps),
		cmocka_unit_test(overlapping_elements_follow_each_other),
		cmocka_unit_test(a_change_is_a_function_of_the_old_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
