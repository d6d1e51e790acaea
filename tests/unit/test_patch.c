/* SPDX-License-Identifier: MIT */
#include "secpod/text/patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define VA 0xffffffff81001000ULL
#define CODE_BEGIN 0xffffffff81000000ULL
#define CODE_END 0xffffffff81e00000ULL
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t asked;
static uint32_t times;

static bool is_code(void *context, uint64_t va)
{
	(void)context;
	asked = va;
	times++;
	return va >= CODE_BEGIN && va < CODE_END;
}

static const struct patch_targets targets = {is_code, NULL};

/* A site that was a NOP5, with other instructions behind it. */
static struct patch_site nop5(void)
{
	return (struct patch_site){
		.va = VA,
		.original = {0x0f, 0x1f, 0x44, 0x00, 0x00, 0x48, 0x89, 0xe5, 0x41, 0x57},
	};
}

static enum patch_state judged(const uint8_t *bytes, uint32_t count, uint32_t extent)
{
	const struct patch_site site = nop5();
	uint8_t now[PATCH_BYTES];

	memcpy(now, site.original, sizeof(now));
	memcpy(now, bytes, count);
	return patch_judge(&site, now, &extent, &targets);
}

static void each_form_is_known(void **state)
{
	static const struct {
		uint8_t bytes[12];
		uint32_t length;
		enum patch_state expected;
	} rows[] = {
		{{0xcc}, 1, PATCH_OPEN},
		{{0x0f, 0x1f, 0x44, 0x00, 0x00}, 5, PATCH_ORIGINAL},
		{{0x90}, 1, PATCH_NOP},
		{{0x66, 0x90}, 2, PATCH_NOP},
		{{0x0f, 0x1f, 0x00}, 3, PATCH_NOP},
		{{0x0f, 0x1f, 0x40, 0x00}, 4, PATCH_NOP},
		{{0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00}, 6, PATCH_NOP},
		{{0x0f, 0x1f, 0x80, 0, 0, 0, 0}, 7, PATCH_NOP},
		{{0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}, 8, PATCH_NOP},
		{{0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}, 9, PATCH_NOP},
		{{0x66, 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}, 10, PATCH_NOP},
		{{0x66, 0x66, 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}, 11, PATCH_NOP},
		{{0xeb, 0x10}, 2, PATCH_JUMP},
		{{0xe9, 0x00, 0x10, 0x00, 0x00}, 5, PATCH_JUMP},
		{{0xe8, 0xfb, 0xef, 0xff, 0xff}, 5, PATCH_CALL}, /* to CODE_BEGIN */
		{{0x0f, 0x80, 0, 0, 0, 0}, 6, PATCH_JUMP},
		{{0x0f, 0x8f, 0, 0, 0, 0}, 6, PATCH_JUMP},
		{{0xc3, 0xcc, 0xcc, 0xcc, 0xcc}, 5, PATCH_RETURN},
		{{0x66, 0x66, 0x48, 0x31, 0xc0}, 5, PATCH_CLEAR},
		/* The target is one byte before the code, or behind it. */
		{{0xe8, 0xfa, 0xef, 0xff, 0xff}, 5, PATCH_REFUSED},
		{{0xe9, 0xfb, 0xef, 0xdf, 0x00}, 5, PATCH_REFUSED},
		{{0xe9, 0x00, 0x00, 0x00, 0x80}, 5, PATCH_REFUSED},
		{{0x0f, 0x84, 0x00, 0x00, 0x00, 0x70}, 6, PATCH_REFUSED},
		/* Near to a form. */
		{{0xc3, 0xcc, 0xcc, 0xcc, 0x90}, 5, PATCH_REFUSED},
		{{0x0f, 0x1f, 0x44, 0x00, 0x01}, 5, PATCH_REFUSED},
		{{0x0f, 0x90, 0, 0, 0, 0}, 6, PATCH_REFUSED},
		{{0x0f, 0x22, 0xe0, 0xc3, 0x90}, 5, PATCH_REFUSED}, /* mov %rax, %cr4; ret */
		{{0x0f, 0x01, 0xc1, 0x90, 0x90}, 5, PATCH_REFUSED}, /* vmcall */
		{{0xff, 0xe0, 0x90, 0x90, 0x90}, 5, PATCH_REFUSED}, /* jmp *%rax */
		{{0xea, 0, 0, 0, 0}, 5, PATCH_REFUSED},
		{{0xf3, 0x90}, 2, PATCH_REFUSED},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (judged(rows[i].bytes, rows[i].length, rows[i].length) != rows[i].expected)
			fail_msg("row %zu", i);
	}
}

static void what_was_patched_behind_a_shorter_form_does_not_stay(void **state)
{
	(void)state;
	assert_int_equal(judged((const uint8_t[]){0xeb, 0x10, 0xe0, 0xc3}, 4, 2), PATCH_JUMP);
	assert_int_equal(judged((const uint8_t[]){0xeb, 0x10, 0xe0, 0xc3}, 4, 4), PATCH_REFUSED);
	/* Nor behind the original. */
	assert_int_equal(judged((const uint8_t[]){0x0f, 0x1f, 0x44, 0, 0, 0xc3}, 6, 6),
			 PATCH_REFUSED);
}

static void lock_comes_and_goes_where_it_was(void **state)
{
	struct patch_site site = {.va = VA, .original = {0xf0, 0x0f, 0xb1, 0x0f}};
	uint8_t now[PATCH_BYTES] = {0x3e, 0x0f, 0xb1, 0x0f};

	uint32_t one = 1, two = 2;

	(void)state;
	assert_int_equal(patch_judge(&site, now, &one, &targets), PATCH_NOP);
	assert_int_equal(patch_judge(&site, now, &two, &targets), PATCH_REFUSED);
	site.original[0] = 0x48;
	assert_int_equal(patch_judge(&site, now, &one, &targets), PATCH_REFUSED);
	for (unsigned int before = 0; before < 256; before++) {
		for (unsigned int after = 0; after < 256; after++)
			assert_int_equal(patch_is_prefix_swap((uint8_t)before, (uint8_t)after),
					 (before == 0xf0 && after == 0x3e) ||
						 (before == 0x3e && after == 0xf0));
	}
}

static bool tail(uint32_t first, uint32_t count, const uint8_t *bytes)
{
	const struct patch_site site = nop5();

	return patch_tail_judge(&site, first, count, bytes, &targets);
}

static void a_tail_belongs_to_a_form(void **state)
{
	(void)state;
	assert_true(tail(1, 4, (const uint8_t[]){0x1f, 0x44, 0x00, 0x00}));
	assert_true(tail(1, 4, (const uint8_t[]){0x00, 0x10, 0x00, 0x00}));
	assert_int_equal(asked, VA + 5 + 0x1000);
	assert_true(tail(1, 4, (const uint8_t[]){0xcc, 0xcc, 0xcc, 0xcc}));
	assert_true(tail(1, 4, (const uint8_t[]){0x66, 0x48, 0x31, 0xc0}));
	assert_true(tail(1, 5, (const uint8_t[]){0x84, 0x00, 0x10, 0x00, 0x00}));
	assert_int_equal(asked, VA + 6 + 0x1000);
	assert_true(tail(1, 1, (const uint8_t[]){0x90}));
	/* A store that stops, or begins, within the displacement. */
	assert_true(tail(1, 3, (const uint8_t[]){0x12, 0x34, 0x56}));
	assert_true(tail(2, 3, (const uint8_t[]){0x10, 0x00, 0x00}));
	/* What is none: mov %rax, %cr4; ret, in the middle. */
	assert_false(tail(1, 4, (const uint8_t[]){0x0f, 0x22, 0xe0, 0xc3}));
	assert_false(tail(5, 3, (const uint8_t[]){0x0f, 0x01, 0xc1}));
	assert_false(tail(1, 6, (const uint8_t[]){0x84, 0, 0, 0, 0, 0xc3}));
	assert_false(tail(0, 1, (const uint8_t[]){0xcc}));
	assert_false(tail(1, 0, (const uint8_t[]){0}));
	assert_false(tail(12, 5, (const uint8_t[]){0, 0, 0, 0, 0}));
}

/* What a first byte can be, and the bytes behind it that matter for it. */
static const uint8_t interesting[] = {0x00, 0x01, 0x0f, 0x1f, 0x22, 0x31, 0x3e, 0x40, 0x44,
				      0x48, 0x66, 0x7f, 0x80, 0x84, 0x8f, 0x90, 0xc0, 0xc3,
				      0xcc, 0xe0, 0xe8, 0xe9, 0xeb, 0xf0, 0xff};
#define CHOICES COUNT_OF(interesting)

static bool leads_to_code(int64_t length, int64_t rel)
{
	return is_code(NULL, VA + (uint64_t)(length + rel));
}

/* The same rules, said once more and without a table. */
static bool is_admitted(const uint8_t *b)
{
	const struct patch_site site = nop5();
	int32_t rel, rel_jcc;

	memcpy(&rel, b + 1, 4);
	memcpy(&rel_jcc, b + 2, 4);
	if (b[0] == 0xcc || !memcmp(b, site.original, 5))
		return true;
	if (b[0] == 0xe8 || b[0] == 0xe9)
		return leads_to_code(5, rel);
	if (b[0] == 0x0f && (b[1] & 0xf0) == 0x80)
		return leads_to_code(6, rel_jcc);
	/* Longer NOPs are whole only with what the original has behind. */
	return !memcmp(b, "\xc3\xcc\xcc\xcc\xcc", 5) || !memcmp(b, "\x66\x66\x48\x31\xc0", 5);
}

static void every_sequence_of_five_is_judged_as_its_definition_says(void **state)
{
	const struct patch_site site = nop5();
	uint8_t now[PATCH_BYTES];
	uint64_t admitted = 0;

	(void)state;
	memcpy(now, site.original, sizeof(now));
	for (uint32_t n = 0; n < CHOICES * CHOICES * CHOICES * CHOICES * CHOICES; n++) {
		uint32_t rest = n, extent = 5;
		enum patch_state got;

		for (uint32_t i = 0; i < 5; i++, rest /= CHOICES)
			now[i] = interesting[rest % CHOICES];
		got = patch_judge(&site, now, &extent, &targets);
		if ((got != PATCH_REFUSED) != is_admitted(now))
			fail_msg("%02x %02x %02x %02x %02x: %d", now[0], now[1], now[2], now[3],
				 now[4], got);
		admitted += got != PATCH_REFUSED;
	}
	/* Most are refused, but INT3 with anything. */
	assert_true(admitted > CHOICES * CHOICES * CHOICES * CHOICES);
	assert_true(times > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_form_is_known),
		cmocka_unit_test(what_was_patched_behind_a_shorter_form_does_not_stay),
		cmocka_unit_test(lock_comes_and_goes_where_it_was),
		cmocka_unit_test(a_tail_belongs_to_a_form),
		cmocka_unit_test(every_sequence_of_five_is_judged_as_its_definition_says),
	};

	return cmocka_run_group_tests_name("patch", tests, NULL, NULL);
}
