/* SPDX-License-Identifier: MIT */
/* Which pages are trampolines of ftrace, as Linux 6.1 and 6.12 make them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "secpod/text/trampoline.h"
#include "vmm/addr.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The functions, cut short where all of their instructions are of one kind. */
enum { WITH_ENDBR = 1, WITH_REGS = 2 };

struct function {
	uint8_t bytes[TRAMPOLINE_BYTES];
	uint32_t size;
	uint32_t load;
	uint32_t call;
	uint32_t jump;
	uint32_t end;
};

static struct function source;
static uint8_t page[PAGE_SIZE];

static uint32_t put(struct function *f, const void *bytes, uint32_t count)
{
	memcpy(f->bytes + f->size, bytes, count);
	f->size += count;
	return f->size - count;
}

#define PUT(f, ...) \
	put((f), (const uint8_t[]){__VA_ARGS__}, (uint32_t)sizeof((const uint8_t[]){__VA_ARGS__}))

/* returns: by a jump to the return thunk, or by RET with INT3 behind it. */
static void make_source(uint32_t with, bool thunk)
{
	source = (struct function){0};
	if (with & WITH_ENDBR)
		PUT(&source, 0xf3, 0x0f, 0x1e, 0xfa);
	if (with & WITH_REGS)
		PUT(&source, 0x9c);
	PUT(&source, 0x48, 0x81, 0xec, 0xa8, 0, 0, 0);
	PUT(&source, 0x48, 0x89, 0x44, 0x24, 0x50, 0x48, 0x89, 0x4c, 0x24, 0x58);
	PUT(&source, 0x48, 0x83, 0xef, 0x05);
	source.load = PUT(&source, 0x48, 0x8b, 0x15, 0xda, 0x6e, 0xbc, 0x01);
	PUT(&source, 0x48, 0x8d, 0x0c, 0x24);
	source.call = PUT(&source, 0xe8, 0x4d, 0xff, 0xff, 0xff);
	PUT(&source, 0x48, 0x8b, 0x84, 0x24, 0x80, 0, 0, 0);
	if (with & WITH_REGS)
		source.jump = PUT(&source, 0x48, 0x85, 0xc0, 0x75, 0x35) + 3;
	PUT(&source, 0x48, 0x81, 0xc4, 0xa8, 0, 0, 0);
	source.end = source.size;
	if (thunk)
		PUT(&source, 0xe9, 0xf9, 0xb6, 0xd8, 0x00);
	else
		PUT(&source, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc);
	/* The next function. */
	memset(source.bytes + source.size, 0x90, sizeof(source.bytes) - source.size);
}

/* As create_trampoline() does it, with so much room for a return that is a jump or not. */
static void make_page(uint32_t room, bool thunk)
{
	static const uint8_t jump[] = {0xe9, 0x11, 0x22, 0x33, 0x44}, ret[] = {0xc3, 0xcc};
	static const uint8_t call[] = {0xe8, 0x55, 0x66, 0x77, 0x18}, nop[] = {0x66, 0x90};
	static const uint64_t ops = 0xffffffff82c3d4b8;
	const uint32_t pointer = source.end + room, displacement = pointer - source.load - 7;

	memset(page, 0, sizeof(page));
	memcpy(page, source.bytes, source.end);
	memcpy(page + source.end, thunk ? jump : ret, thunk ? sizeof(jump) : room > 1 ? 2 : 1);
	if (source.jump)
		memcpy(page + source.jump, nop, sizeof(nop));
	memcpy(page + source.load + 3, &displacement, sizeof(displacement));
	memcpy(page + source.call, call, sizeof(call));
	memcpy(page + pointer, &ops, sizeof(ops));
}

static bool is_copy(void)
{
	return trampoline_is_copy(page, source.bytes);
}

static void both_functions_are_known_by_how_they_begin(void **state)
{
	(void)state;
	for (uint32_t with = 0; with <= (WITH_ENDBR | WITH_REGS); with++) {
		const uint32_t head = (with & WITH_ENDBR ? 4u : 0u) + (with & WITH_REGS ? 1u : 0u);

		make_source(with, true);
		assert_true(trampoline_is_source(source.bytes));
		/* What was ENDBR may be sealed; all else counts. */
		for (uint32_t i = 0; i < head + 17; i++) {
			const bool sealed = (with & WITH_ENDBR) && i < 4;

			source.bytes[i] ^= 1;
			assert_int_equal(trampoline_is_source(source.bytes), sealed);
			source.bytes[i] ^= 1;
		}
	}
	make_source(0, true);
	memmove(source.bytes + 2, source.bytes, 64);
	assert_false(trampoline_is_source(source.bytes));
}

static void a_trampoline_is_a_copy_of_its_function(void **state)
{
	static const struct {
		uint32_t room;
		bool thunk;
	} returns[] = {{5, true}, {6, true}, {5, false}, {6, false}, {2, false}, {1, false}};

	(void)state;
	for (uint32_t with = 0; with <= (WITH_ENDBR | WITH_REGS); with++) {
		for (size_t i = 0; i < COUNT_OF(returns); i++) {
			/* The kernel decides for each place by which of the two it returns. */
			make_source(with, i % 2);
			make_page(returns[i].room, returns[i].thunk);
			assert_true(is_copy());
		}
	}
}

/* Each byte of it counts, but for where it goes and whose it is. */
static void nothing_else_differs(void **state)
{
	uint32_t free_bytes = 0;

	(void)state;
	make_source(WITH_ENDBR | WITH_REGS, true);
	make_page(5, true);
	for (uint32_t i = 0; i < PAGE_SIZE; i++) {
		const bool called = i - source.call - 1 < 4, returned = i - source.end - 1 < 4,
			   ops = i - source.end - 5 < 6;

		page[i] ^= 0x10;
		assert_int_equal(is_copy(), called || returned || ops);
		free_bytes += is_copy();
		page[i] ^= 0x10;
	}
	/* The two highest bytes of the pointer are those of any address of the kernel's. */
	assert_int_equal(free_bytes, 14);
}

/* Any instruction could be hidden in what is no beginning of one. */
static void it_leads_out_of_its_page(void **state)
{
	enum { CALLED, RETURNED, WAYS };
	static const struct {
		int32_t target; /* from the beginning of the page */
		bool away;
	} rows[] = {
		{-1, true}, {0, false}, {8, false}, {PAGE_SIZE - 1, false}, {PAGE_SIZE, true},
	};

	(void)state;
	make_source(WITH_ENDBR | WITH_REGS, true);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (uint32_t way = CALLED; way < WAYS; way++) {
			const uint32_t at = way == CALLED ? source.call : source.end;
			const int32_t far = rows[i].target - (int32_t)at - 5;

			make_page(5, true);
			memcpy(page + at + 1, &far, sizeof(far));
			assert_int_equal(is_copy(), rows[i].away);
		}
	}
}

static void what_lies_behind_the_code_is_nothing(void **state)
{
	(void)state;
	make_source(0, true);
	make_page(5, true);
	page[PAGE_SIZE - 1] = 0xcc;
	assert_true(is_copy());
	page[PAGE_SIZE - 1] = 0xc3;
	assert_false(is_copy());
	/* Nor does it lie between the return and the pointer. */
	make_page(6, false);
	page[source.end + 3] = 0x90;
	assert_false(is_copy());
}

/* The jump for direct calls is there, or is this NOP, in one place. */
static void a_jump_becomes_one_nop(void **state)
{
	(void)state;
	make_source(WITH_REGS, true);
	make_page(5, true);
	memcpy(page + source.jump, source.bytes + source.jump, 2);
	assert_true(is_copy());
	page[source.jump] = 0x66;
	assert_false(is_copy());
	make_source(WITH_REGS, true);
	source.bytes[source.jump + 3] = 0x75;
	make_page(5, true);
	memcpy(page + source.jump + 3, (const uint8_t[]){0x66, 0x90}, 2);
	assert_false(is_copy());
}

static void the_pointer_lies_behind_the_return(void **state)
{
	static const uint32_t displacements[] = {
		0,	    1,		8,	   TRAMPOLINE_BYTES - 1, TRAMPOLINE_BYTES,
		0x7fffffff, 0x80000000, 0xffffffff};

	(void)state;
	make_source(0, true);
	for (size_t i = 0; i < COUNT_OF(displacements); i++) {
		make_page(5, true);
		memcpy(page + source.load + 3, &displacements[i], sizeof(displacements[i]));
		assert_false(is_copy());
	}
	/* A function that does not return there is not what is copied. */
	make_page(5, true);
	source.bytes[source.end] = 0x90;
	assert_false(is_copy());
}

static void a_function_without_a_call_is_no_source(void **state)
{
	(void)state;
	make_source(0, true);
	make_page(5, true);
	memset(source.bytes + source.call, 0x90, sizeof(source.bytes) - source.call);
	assert_false(is_copy());
	memset(source.bytes, 0x90, sizeof(source.bytes));
	assert_false(is_copy());
	memset(page, 0, sizeof(page));
	assert_false(is_copy());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_functions_are_known_by_how_they_begin),
		cmocka_unit_test(a_trampoline_is_a_copy_of_its_function),
		cmocka_unit_test(nothing_else_differs),
		cmocka_unit_test(it_leads_out_of_its_page),
		cmocka_unit_test(what_lies_behind_the_code_is_nothing),
		cmocka_unit_test(a_jump_becomes_one_nop),
		cmocka_unit_test(the_pointer_lies_behind_the_return),
		cmocka_unit_test(a_function_without_a_call_is_no_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
