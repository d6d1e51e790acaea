/* SPDX-License-Identifier: MIT */
/* Functions that go elsewhere: those of Debian's kernels, byte by byte, and nothing else; calls that come back. */
#include "secpod/text/redirect.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/text_world.h"

#define FUNCTION (BEGIN + 0x1020)
#define STUB 0xffffffffc0001240ULL

static uint32_t puts_left; /* until put_code() fails */

/* As they were found in memory; an x is a byte that differs from build to build. */
struct function {
	const char *name;
	uint32_t length;
	uint8_t bytes[REDIRECT_BYTES]; /* from the padding before it on */
	uint32_t entry;		       /* where the jumps go, from there */
	uint32_t room;
	uint8_t back; /* displacement of the first */
};

#define X 0x5a
#define X4 X, X, X, X
#define X16 X4, X4, X4, X4
#define N4 0x90, 0x90, 0x90, 0x90
#define N16 N4, N4, N4, N4
#define ENDBR 0xf3, 0x0f, 0x1e, 0xfa

/* clang-format off */
static const struct function functions[] = {
	{"6.1 native_set_pte", 32, {X16, 0x48, 0x89, 0x37, 0xe9, X4,
		0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}, 16, 24, 6},
	{"6.1 __ptep_modify_prot_start", 32, {X16, 0x31, 0xc0, 0x48, 0x87, 0x02, 0xc3, X4,
		0x66, 0x0f, 0x1f, 0x44, 0, 0}, 16, 26, 8},
	{"6.1 __ptep_modify_prot_commit", 48, {X16, 0x48, 0x89, 0xd7, 0x48, 0x89, 0xce, 0xe8, X4, 0x90, 0xe9, X4,
		0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0x0f, 0x1f, 0x40, 0}, 16, 33, 15},
	{"6.12 native_set_pte", 28, {N16, ENDBR, 0x48, 0x89, 0x37, 0xe9, X4}, 20, 0, 0xea},
	{"6.12 __ptep_modify_prot_start", 30, {N16, ENDBR, 0x31, 0xc0, 0x48, 0x87, 0x02, 0xe9, X4}, 20, 0, 0xea},
	{"6.12 __ptep_modify_prot_commit", 37, {N16, ENDBR, 0x48, 0x89, 0xd7, 0x48, 0x89, 0xce, 0xe8, X4, 0x90,
		0xc3, X4}, 20, 0, 0xea},
};
/* clang-format on */

#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

static uint8_t *at(uint64_t va)
{
	return image + (va - BEGIN);
}

static int write_code(void *context)
{
	(void)context;
	return 0;
}

static int put_code(void *context, uint64_t va, const uint8_t *bytes, uint32_t count)
{
	(void)context;
	assert_true(va % 8 + count <= 8);
	if (puts_left-- == 0)
		return -EIO;
	memcpy(at(va), bytes, count);
	return 0;
}

static const struct text_code code = {read_code, write_code, is_code, NULL, false};

static int redirect(uint64_t va, uint64_t stub)
{
	return text_redirect(&text, &code, put_code, va, stub);
}

static void place(uint64_t va, const struct function *f)
{
	const uint32_t first = f->bytes[0] == X ? REDIRECT_BEFORE : 0;

	memcpy(at(va - REDIRECT_BEFORE) + first, f->bytes + first, f->length - first);
}

static int open_text(void **state)
{
	(void)state;
	text_world_open(0xcc);
	puts_left = UINT32_MAX;
	return 0;
}

static int close_text(void **state)
{
	(void)state;
	text_world_close();
	return 0;
}

/* Where a CPU comes to that goes from va on by the two jumps. */
static uint64_t target(uint64_t va)
{
	int32_t rel;

	assert_int_equal(*at(va), 0xeb);
	va += 2 + (uint64_t)(int64_t)(int8_t)*at(va + 1);
	assert_int_equal(*at(va), 0xe9);
	memcpy(&rel, at(va + 1), sizeof(rel));
	return va + 5 + (uint64_t)(int64_t)rel;
}

static void each_function_leads_to_the_stub(void **state)
{
	(void)state;
	for (size_t i = 0; i < FUNCTIONS; i++) {
		const struct function *f = &functions[i];
		const uint64_t entry = FUNCTION - REDIRECT_BEFORE + f->entry;
		uint8_t before[REDIRECT_BYTES], after[REDIRECT_BYTES];

		assert_int_equal(open_text(NULL), 0);
		place(FUNCTION, f);
		measure(PAGES);
		memcpy(before, at(FUNCTION - REDIRECT_BEFORE), sizeof(before));
		if (redirect(FUNCTION, STUB))
			fail_msg("%s", f->name);
		assert_int_equal(target(entry), STUB);
		assert_int_equal(*at(entry + 1), f->back);
		/* Nothing else has changed. */
		memcpy(after, at(FUNCTION - REDIRECT_BEFORE), sizeof(after));
		memcpy(after + f->entry, before + f->entry, 2);
		memcpy(after + f->room, before + f->room, 5);
		assert_memory_equal(after, before, sizeof(before));
		/* And what was measured is known still. */
		assert_int_equal(verified(FUNCTION), 0);
		*at(FUNCTION + 0x100) ^= 1;
		assert_int_equal(verified(FUNCTION), -EACCES);
		assert_int_equal(redirect(FUNCTION, STUB), -ENOENT);
		assert_int_equal(close_text(NULL), 0);
	}
}

static void neighbours_are_redirected_too(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		place(FUNCTION + i * 16, &functions[0]);
	measure(PAGES);
	for (uint64_t va = FUNCTION; va < FUNCTION + 48; va += 16)
		assert_int_equal(redirect(va, STUB + va), 0);
	for (uint64_t va = FUNCTION; va < FUNCTION + 48; va += 16)
		assert_int_equal(target(va), STUB + va);
	assert_int_equal(verified(FUNCTION), 0);
}

/* Each byte of each form counts, but for displacements. */
static void what_differs_in_a_byte_stays(void **state)
{
	uint8_t before[sizeof(image)];

	(void)state;
	for (size_t i = 0; i < FUNCTIONS; i++) {
		const struct function *f = &functions[i];
		const uint32_t first = f->room ? REDIRECT_BEFORE : 0;

		for (uint32_t j = first; j < f->length; j++) {
			/* The last bytes of the padding, which is longer than what is needed of it. */
			if (f->bytes[j] == X || j >= 44)
				continue;
			memset(image, 0xcc, sizeof(image));
			place(FUNCTION, f);
			*at(FUNCTION - REDIRECT_BEFORE + j) ^= 0x10;
			memcpy(before, image, sizeof(image));
			if (redirect(FUNCTION, STUB) != -ENOENT)
				fail_msg("%s: byte %u", f->name, j);
			assert_memory_equal(image, before, sizeof(image));
		}
	}
	assert_int_equal(text.sites, 0);
}

static void addresses_that_cannot_be(void **state)
{
	(void)state;
	place(FUNCTION, &functions[0]);
	assert_int_equal(redirect(FUNCTION + 1, STUB), -EINVAL);
	assert_int_equal(redirect(FUNCTION + 8, STUB), -EINVAL);
	assert_int_equal(redirect(FUNCTION, FUNCTION + (1ULL << 32)), -EINVAL);
	assert_int_equal(redirect(FUNCTION, FUNCTION - (1ULL << 32)), -EINVAL);
	assert_int_equal(redirect(FUNCTION, 1ULL << 46), -EINVAL);
	assert_int_equal(redirect(0, STUB), -ENOENT);
	assert_int_equal(redirect(BEGIN, STUB), -ENOENT);
	assert_int_equal(redirect(BEGIN + sizeof(image) - 16, STUB), -ENOENT);
	assert_int_equal(redirect(BEGIN + sizeof(image), STUB), -ENOENT);
	assert_int_equal(redirect(UINT64_MAX & ~15ULL, STUB), -ENOENT);
	assert_int_equal(text.sites, 0);
}

/* What a patch has been begun at, and what cannot be stored. */
static void a_patched_function_stays(void **state)
{
	uint8_t before[sizeof(image)];

	(void)state;
	place(FUNCTION, &functions[0]);
	/* write_code() makes nothing of it, so that the bytes are those of the form. */
	assert_int_equal(text_store(&text, &code, FUNCTION, (const uint8_t *)"\xcc", 1), 0);
	memcpy(before, image, sizeof(image));
	assert_int_equal(redirect(FUNCTION, STUB), -EBUSY);
	assert_memory_equal(image, before, sizeof(image));
	place(FUNCTION + 0x100, &functions[0]);
	memcpy(before, image, sizeof(image));
	puts_left = 0;
	assert_int_equal(redirect(FUNCTION + 0x100, STUB), -EIO);
	assert_memory_equal(image, before, sizeof(image));
	assert_int_equal(text.sites, 1);
	/* The padding alone has changed: the function goes where it went. */
	puts_left = 1;
	assert_int_equal(redirect(FUNCTION + 0x100, STUB), -EIO);
	assert_memory_equal(at(FUNCTION + 0x100), before + (FUNCTION + 0x100 - BEGIN), 8);
	assert_int_equal(text.sites, 2);
}

/* ---- calls */

static const uint8_t absent[] = {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00};

/* A site at each offset in a word, the last one over the end of a page. */
#define SITES 9u

static struct secpod_call_site calls[SITES];

static void place_calls(void)
{
	for (uint32_t i = 0; i < SITES; i++) {
		calls[i].linear = i < SITES - 1 ? FUNCTION + i * 33 : BEGIN + 2 * PAGE_SIZE - 3;
		calls[i].stub = STUB + i * 16;
		memcpy(at(calls[i].linear), absent, sizeof(absent));
	}
}

static int rearm(uint32_t count)
{
	return text_rearm(&text, &code, put_code, calls, count);
}

static void a_call_takes_the_place_of_its_nop(void **state)
{
	static uint8_t before[sizeof(image)];

	(void)state;
	place_calls();
	measure(PAGES);
	memcpy(before, image, sizeof(image));
	assert_int_equal(rearm(SITES), 0);
	for (uint32_t i = 0; i < SITES; i++) {
		uint8_t *site = at(calls[i].linear);
		int32_t rel;

		memcpy(&rel, site + 1, sizeof(rel));
		assert_int_equal(site[0], 0xe8);
		assert_int_equal(calls[i].linear + 5 + (uint64_t)(int64_t)rel, calls[i].stub);
		assert_int_equal(site[5], 0x90);
		assert_int_equal(verified(calls[i].linear), 0);
		memcpy(site, absent, sizeof(absent));
	}
	assert_memory_equal(image, before, sizeof(image));
	assert_int_equal(text.sites, SITES);
}

static void all_calls_come_back_or_none(void **state)
{
	static uint8_t before[sizeof(image)];

	(void)state;
	/* Six of the nine cross a word. */
	for (uint32_t stores = 0; stores < SITES + 6; stores++) {
		memset(image, 0xcc, sizeof(image));
		place_calls();
		memcpy(before, image, sizeof(image));
		puts_left = stores;
		assert_int_equal(rearm(SITES), -EIO);
		assert_memory_equal(image, before, sizeof(image));
		assert_int_equal(text.sites, 0);
	}
	puts_left = SITES + 6;
	assert_int_equal(rearm(SITES), 0);
}

static void other_bytes_are_no_call(void **state)
{
	static uint8_t before[sizeof(image)];

	(void)state;
	for (uint32_t i = 0; i < sizeof(absent); i++) {
		place_calls();
		*at(calls[3].linear + i) ^= 0x10;
		memcpy(before, image, sizeof(image));
		assert_int_equal(rearm(SITES), -ENOENT);
		assert_memory_equal(image, before, sizeof(image));
		assert_int_equal(text.sites, 0);
	}
	/* What is no code; a site twice. */
	place_calls();
	memcpy(before, image, sizeof(image));
	calls[1].linear = BEGIN + sizeof(image) - 5;
	assert_int_equal(rearm(2), -ENOENT);
	calls[1].linear = UINT64_MAX - 2;
	assert_int_equal(rearm(2), -ENOENT);
	calls[1] = calls[0];
	assert_int_equal(rearm(2), -ENOENT);
	calls[1].linear = FUNCTION + 33;
	calls[1].stub = calls[1].linear + (1ULL << 32);
	assert_int_equal(rearm(2), -EINVAL);
	assert_memory_equal(image, before, sizeof(image));
	assert_int_equal(text.sites, 0);
}

/* Of the bytes behind it too: another site may give way to this one. */
static void what_was_there_before_all_patches_is_kept(void **state)
{
	static const struct text_code writing = {read_code, text_world_write, is_code, NULL, NULL};
	const uint64_t behind = FUNCTION + sizeof(absent);
	struct text_site site;
	uint32_t number = 0;

	(void)state;
	place_calls();
	*at(behind) = 0x90;
	measure(PAGES);
	assert_int_equal(text_world_store(&writing, behind, "\xcc", 1), 0);
	assert_int_equal(rearm(1), 0);
	do
		number = text_site_after(&text, number, &site);
	while (number && site.patch.va != FUNCTION);
	assert_int_not_equal(number, 0);
	assert_memory_equal(site.patch.original, absent, sizeof(absent));
	assert_int_equal(site.patch.original[sizeof(absent)], 0x90);
}

static void a_patched_call_stays(void **state)
{
	static uint8_t before[sizeof(image)];

	(void)state;
	place_calls();
	memcpy(before, image, sizeof(image));
	for (uint32_t i = 0; i < sizeof(absent); i++) {
		assert_int_equal(
			text_store(&text, &code, calls[1].linear + i, (const uint8_t *)"\xcc", 1),
			0);
		assert_int_equal(rearm(2), -EBUSY);
		assert_memory_equal(image, before, sizeof(image));
		text_forget(&text, calls[1].linear);
	}
	assert_int_equal(rearm(2), 0);
}

int main(void)
{
#define WITH_TEXT(test) cmocka_unit_test_setup_teardown(test, open_text, close_text)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_function_leads_to_the_stub),
		WITH_TEXT(neighbours_are_redirected_too),
		WITH_TEXT(what_differs_in_a_byte_stays),
		WITH_TEXT(addresses_that_cannot_be),
		WITH_TEXT(a_patched_function_stays),
		WITH_TEXT(a_call_takes_the_place_of_its_nop),
		WITH_TEXT(all_calls_come_back_or_none),
		WITH_TEXT(other_bytes_are_no_call),
		WITH_TEXT(a_patched_call_stays),
		WITH_TEXT(what_was_there_before_all_patches_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
