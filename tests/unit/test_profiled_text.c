/* SPDX-License-Identifier: MIT */
/* Stores to the kernel's text while a profile says where it is patched: each of them is one that passes without it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/text_world.h"

/* Code that came later, and functions of the image. */
#define MODULE (BEGIN + PAGES * PAGE_SIZE)
#define MODULE_BYTES 0x1000u
#define FUNCTION 0x500u
#define TRACER 0x600u
#define LABEL 0x100u
#define TARGET 0x140u
#define CALL 0x200u
#define TRACE 0x300u
#define PREFIX 0x400u
#define TAIL 0x450u
/* Where the profile has nothing. */
#define ELSEWHERE 0x700u
#define LOCK 0x800u

static const struct code_profile_site sites[] = {
	{LABEL, TARGET, CODE_PROFILE_JUMP, 2, 0}, {CALL, 0, CODE_PROFILE_CALL, 5, 0},
	{TRACE, 0, CODE_PROFILE_TRACE, 5, 0},	  {PREFIX, 0, CODE_PROFILE_PREFIX, 1, 0},
	{TAIL, 0, CODE_PROFILE_TAIL, 5, 0},
};
static const uint32_t functions[] = {FUNCTION}, tracers[] = {TRACER};
static const struct code_profile profile = {
	.site = sites,
	.function = functions,
	.tracer = tracers,
	.sites = sizeof(sites) / sizeof(sites[0]),
	.functions = 1,
	.tracers = 1,
	.writer = {{FUNCTION, 0x40}, {0, 0}},
	.begin = BEGIN,
	.bytes = PAGES * PAGE_SIZE,
};

static bool is_any_code(void *context, uint64_t va)
{
	return is_code(context, va) || va - MODULE < MODULE_BYTES;
}

static struct text_code code = {read_code, text_world_write, is_any_code, NULL, false};

static int store(uint32_t at, const void *bytes, uint32_t count)
{
	return text_world_store(&code, BEGIN + at, bytes, count);
}

/* In the place of the one there is. */
static void use(const struct code_profile *other)
{
	text.profiled = false;
	assert_int_equal(text_use_profile(&text, other, NULL, NULL), 0);
}

static int open_text(void **state)
{
	(void)state;
	text_world_open(0x48);
	memcpy(image + LABEL, "\x66\x90", 2);
	memcpy(image + CALL, "\xe8\x00\x00\x00\x00", 5);
	memcpy(image + TRACE, "\x0f\x1f\x44\x00\x00", 5);
	image[PREFIX] = 0xf0;
	image[LOCK] = 0xf0;
	memcpy(image + TAIL, "\xe9\x00\x00\x00\x00", 5);
	measure(PAGES);
	code.any_place = false;
	use(&profile);
	return 0;
}

static int close_text(void **state)
{
	(void)state;
	text_world_close();
	return 0;
}

struct patch {
	uint32_t at;
	uint8_t length;
	uint8_t bytes[8];
	uint64_t to; /* of a displacement of 4 bytes at the end; 0: none */
};

static void bytes_of(const struct patch *patch, uint8_t *bytes)
{
	const int32_t rel = (int32_t)(patch->to - (BEGIN + patch->at + patch->length));

	memcpy(bytes, patch->bytes, sizeof(patch->bytes));
	if (patch->to)
		memcpy(bytes + patch->length - sizeof(rel), &rel, sizeof(rel));
}

/* As Linux makes it, with what is behind the first byte at once, or byte by byte. The first error. */
static int make_patch(const struct patch *patch, bool at_once)
{
	const uint32_t tail = patch->length - 1u, step = at_once ? tail : 1;
	uint8_t bytes[8];
	int error = store(patch->at, "\xcc", 1);

	bytes_of(patch, bytes);
	for (uint32_t i = 0; !error && i < tail; i += step)
		error = store(patch->at + 1 + i, bytes + 1 + i, step);
	return error ? error : store(patch->at, bytes, 1);
}

static void is_made(const struct patch *patch)
{
	uint8_t bytes[8];

	bytes_of(patch, bytes);
	assert_memory_equal(image + patch->at, bytes, patch->length);
}

static void what_the_profile_has_is_made(void **state)
{
	static const struct patch patches[] = {
		{LABEL, 2, {0xeb, TARGET - LABEL - 2}, 0},
		{LABEL, 2, {0x66, 0x90}, 0},
		{CALL, 5, {0xe8}, BEGIN + FUNCTION},
		{CALL, 5, {0xe8}, MODULE + 0x10},
		{CALL, 5, {0x0f, 0x1f, 0x44, 0x00, 0x00}, 0},
		{CALL, 5, {0x66, 0x66, 0x48, 0x31, 0xc0}, 0},
		{CALL, 5, {0xe8, 0x00, 0x00, 0x00, 0x00}, 0},
		{TRACE, 5, {0xe8}, BEGIN + TRACER},
		{TRACE, 5, {0xe8}, MODULE + 0x20},
		{TRACE, 5, {0x0f, 0x1f, 0x44, 0x00, 0x00}, 0},
		{TAIL, 5, {0xe9}, BEGIN + FUNCTION},
		{TAIL, 5, {0xc3, 0xcc, 0xcc, 0xcc, 0xcc}, 0},
	};

	(void)state;
	for (uint32_t at_once = 0; at_once < 2; at_once++) {
		for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
			if (make_patch(&patches[i], at_once))
				fail_msg("patch %zu, %u", i, at_once);
			is_made(&patches[i]);
		}
	}
	assert_int_equal(store(PREFIX, "\x3e", 1), 0);
	assert_int_equal(store(PREFIX, "\xf0", 1), 0);
	assert_int_equal(verified(BEGIN), 0);
	assert_int_equal(text.stats.refused, 0);
}

static void all_else_is_refused_that_passes_without_it(void **state)
{
	static const struct patch patches[] = {
		{ELSEWHERE, 5, {0xe9}, BEGIN + FUNCTION},
		{ELSEWHERE, 2, {0x66, 0x90}, 0},
		{LABEL, 2, {0xeb, TARGET - LABEL}, 0},
		{LABEL, 5, {0xe9}, BEGIN + TARGET},
		{LABEL, 3, {0x0f, 0x1f, 0x00}, 0},
		{LABEL + 1, 1, {0x90}, 0},
		{CALL, 5, {0xe8}, BEGIN + FUNCTION + 1},
		{CALL, 5, {0xe8}, BEGIN + TRACER},
		{CALL, 5, {0xe9}, BEGIN + FUNCTION},
		{CALL, 6, {0x0f, 0x84}, BEGIN + FUNCTION},
		{TRACE, 5, {0xe8}, BEGIN + FUNCTION},
		{TRACE, 5, {0xe9}, MODULE},
		{TRACE, 5, {0xc3, 0xcc, 0xcc, 0xcc, 0xcc}, 0},
		{TAIL, 5, {0xe8}, BEGIN + FUNCTION},
		{TAIL, 5, {0x0f, 0x1f, 0x44, 0x00, 0x00}, 0},
		{PREFIX, 1, {0x90}, 0},
	};

	(void)state;
	for (uint32_t at_once = 0; at_once < 2; at_once++) {
		for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
			close_text(NULL);
			open_text(NULL);
			if (make_patch(&patches[i], at_once) != -EPERM)
				fail_msg("patch %zu, %u", i, at_once);
			assert_int_equal(text.stats.refused, 1);
			assert_int_equal(verified(BEGIN), 0);
			close_text(NULL);
			open_text(NULL);
			code.any_place = true;
			if (make_patch(&patches[i], at_once))
				fail_msg("patch %zu, %u, without profile", i, at_once);
			is_made(&patches[i]);
		}
	}
}

static void a_prefix_goes_where_the_profile_has_one(void **state)
{
	(void)state;
	assert_int_equal(store(LOCK, "\x3e", 1), -EPERM);
	assert_int_equal(text.sites, 0);
	code.any_place = true;
	assert_int_equal(store(LOCK, "\x3e", 1), 0);
}

/* The displacement of a short jump may be the byte of INT3. */
static void int3_within_a_place_is_part_of_it(void **state)
{
	static struct code_profile_site site = {LABEL, LABEL + 2 - 0x34, CODE_PROFILE_JUMP, 2, 0};
	struct code_profile other = profile;

	(void)state;
	other.site = &site;
	other.sites = 1;
	use(&other);
	assert_int_equal(store(LABEL, "\xcc", 1), 0);
	assert_int_equal(store(LABEL + 1, "\xcc", 1), 0);
	assert_int_equal(store(LABEL, "\xeb", 1), 0);
	assert_int_equal(text.sites, 1);
	assert_memory_equal(image + LABEL, "\xeb\xcc", 2);
}

/* Other CPUs may come to it by a jump. */
static void what_is_behind_an_open_place_stays(void **state)
{
	const int32_t inside = FUNCTION + 1 - (CALL + 5);

	(void)state;
	assert_int_equal(store(LABEL, "\xcc", 1), 0);
	assert_int_equal(store(LABEL + 1, "\x1f\x00", 2), -EPERM);
	assert_int_equal(store(LABEL + 2, "\x00", 1), -EPERM);
	assert_memory_equal(image + LABEL, "\xcc\x90\x48", 3);
	assert_int_equal(store(CALL, "\xcc", 1), 0);
	assert_int_equal(store(CALL + 1, &inside, sizeof(inside)), -EPERM);
	assert_memory_equal(image + CALL, "\xcc\x00\x00\x00\x00", 5);
}

/* What does not change is no patch, and modules have none of this. */
static void same_bytes_pass_and_other_code_is_not_in_it(void **state)
{
	static struct code_profile elsewhere;

	(void)state;
	assert_int_equal(store(ELSEWHERE, "\x48\x48", 2), 0);
	elsewhere = profile;
	elsewhere.begin = MODULE;
	use(&elsewhere);
	assert_int_equal(
		make_patch(&(const struct patch){ELSEWHERE, 5, {0xe9}, BEGIN + FUNCTION}, true), 0);
}

static void it_says_by_which_code_is_patched(void **state)
{
	struct poke poke = {0x1000, 0x2000, BEGIN + FUNCTION + 0x40, false, false};

	(void)state;
	assert_false(poker_is_known(&text.poker, &poke));
	poke.rip--;
	assert_true(poker_is_known(&text.poker, &poke));
	/* Of memset() it says nothing. */
	poke.fluid = true;
	poke.rip = BEGIN + TRACER;
	assert_true(poker_is_known(&text.poker, &poke));
}

/* ---- a profile that comes when the text is patched already */

static uint32_t asked;
static uint64_t asked_va;
static bool passes;

static bool refuse(void *context, const struct text_site *site, const uint8_t now[PATCH_BYTES],
		   const struct code_profile *comes)
{
	(void)context;
	(void)now;
	assert_ptr_equal(comes, &profile);
	asked++;
	asked_va = site->patch.va;
	return !passes;
}

static int comes(void)
{
	asked = 0;
	return text_use_profile(&text, &profile, &code, refuse);
}

static void without_profile(void)
{
	close_text(NULL);
	open_text(NULL);
	text.profiled = false;
	passes = false;
}

static void what_it_has_of_what_is_patched_stays(void **state)
{
	static const struct patch patches[] = {
		{LABEL, 2, {0xeb, TARGET - LABEL - 2}, 0},
		{CALL, 5, {0xe8}, MODULE + 0x10},
		{TRACE, 5, {0xe8}, BEGIN + TRACER},
		{TAIL, 5, {0xc3, 0xcc, 0xcc, 0xcc, 0xcc}, 0},
	};

	(void)state;
	without_profile();
	for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++)
		assert_int_equal(make_patch(&patches[i], true), 0);
	assert_int_equal(store(PREFIX, "\x3e", 1), 0);
	assert_int_equal(comes(), 0);
	assert_int_equal(asked, 0);
	assert_int_equal(text.sites, 5);
	assert_int_equal(store(ELSEWHERE, "\xcc", 1), -EPERM);
	assert_int_equal(comes(), -EPERM);
}

/* Each by itself; all that it does not have. */
static void what_it_does_not_have_is_asked_about(void **state)
{
	static const struct patch patches[] = {
		{ELSEWHERE, 5, {0xe9}, BEGIN + FUNCTION}, {LABEL, 2, {0xeb, TARGET - LABEL}, 0},
		{LABEL, 3, {0x0f, 0x1f, 0x00}, 0},	  {CALL, 5, {0xe8}, BEGIN + TRACER},
		{CALL, 5, {0xe9}, BEGIN + FUNCTION},	  {TRACE, 5, {0xe8}, BEGIN + FUNCTION},
		{TAIL, 5, {0xe8}, BEGIN + FUNCTION},	  {PREFIX, 1, {0x90}, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
		without_profile();
		assert_int_equal(make_patch(&patches[i], true), 0);
		if (comes() != -EACCES || asked != 1 || asked_va != BEGIN + patches[i].at)
			fail_msg("patch %zu", i);
		assert_false(text.profiled);
		/* As before. */
		assert_int_equal(store(ELSEWHERE + 0x10, "\xcc", 1), 0);
		assert_int_equal(comes(), -EACCES);
		assert_int_equal(asked, 2);
		passes = true;
		assert_int_equal(comes(), 0);
		assert_int_equal(store(ELSEWHERE + 0x10, "\x48", 1), -EPERM);
		is_made(&patches[i]);
	}
}

static void it_waits_for_a_patch_that_is_under_way(void **state)
{
	(void)state;
	without_profile();
	assert_int_equal(store(ELSEWHERE, "\xcc", 1), 0);
	assert_int_equal(store(TRACE, "\xcc", 1), 0);
	assert_int_equal(comes(), -EAGAIN);
	/* Nothing is on record twice. */
	assert_int_equal(asked, 0);
	assert_false(text.profiled);
	assert_int_equal(store(TRACE, "\x0f", 1), 0);
	assert_int_equal(comes(), -EACCES);
	assert_int_equal(store(ELSEWHERE, "\x48", 1), 0);
	assert_int_equal(comes(), 0);
}

/* Linux exchanges LOCK without INT3: one there is no patch under way, and not what the profile has. */
static void int3_for_a_prefix_is_asked_about(void **state)
{
	(void)state;
	without_profile();
	assert_int_equal(store(PREFIX, "\xcc", 1), 0);
	assert_int_equal(comes(), -EACCES);
	assert_int_equal(asked, 1);
	assert_int_equal(asked_va, BEGIN + PREFIX);
	assert_int_equal(store(PREFIX, "\xf0", 1), 0);
	assert_int_equal(comes(), 0);
}

/* What is there now tells, not what was judged once. */
static void bytes_that_changed_are_not_what_was_patched(void **state)
{
	const struct patch patch = {CALL, 5, {0x0f, 0x1f, 0x44, 0x00, 0x00}, 0};

	(void)state;
	without_profile();
	assert_int_equal(make_patch(&patch, true), 0);
	image[CALL] = 0x48;
	assert_int_equal(comes(), -EACCES);
	assert_int_equal(asked, 1);
}

static int put(void *context, uint64_t va, const uint8_t *bytes, uint32_t count)
{
	(void)context;
	memcpy(image + (va - BEGIN), bytes, count);
	return 0;
}

/* By request, judged otherwise; but not what is patched there later. */
static void what_was_put_there_by_request_is_not_asked_about(void **state)
{
	const struct secpod_call_site site = {BEGIN + ELSEWHERE, MODULE};

	(void)state;
	without_profile();
	memcpy(image + ELSEWHERE, "\x66\x0f\x1f\x44\x00\x00", 6);
	assert_int_equal(text_rearm(&text, &code, put, &site, 1), 0);
	assert_int_equal(comes(), 0);
	assert_int_equal(asked, 0);
	text.profiled = false;
	assert_int_equal(store(ELSEWHERE, "\xcc", 1), 0);
	assert_int_equal(comes(), -EACCES);
	assert_int_equal(store(ELSEWHERE + 1, "\x0f\x1f\x44\x00\x00", 5), 0);
	assert_int_equal(store(ELSEWHERE, "\x66", 1), 0);
	assert_int_equal(comes(), 0);
}

/* Modules have none. */
static void code_outside_of_the_image_is_not_held_against_it(void **state)
{
	struct code_profile elsewhere = profile;

	(void)state;
	without_profile();
	elsewhere.begin = MODULE;
	assert_int_equal(store(ELSEWHERE, "\xcc", 1), 0);
	assert_int_equal(text_use_profile(&text, &elsewhere, &code, refuse), 0);
}

/* INT3 that was there when the page was measured opens no more than one that is stored. */
static void what_was_begun_is_finished_at_its_places_only(void **state)
{
	(void)state;
	image[ELSEWHERE] = 0xcc;
	image[LABEL] = 0xcc;
	measure(PAGES);
	assert_int_equal(store(ELSEWHERE, "\x90", 1), -EACCES);
	assert_int_equal(store(LABEL, "\xeb", 1), -EPERM);
	assert_int_equal(text.sites, 0);
	assert_int_equal(store(LABEL + 1, "\x90", 1), 0);
	assert_int_equal(store(LABEL, "\x66", 1), 0);
	assert_memory_equal(image + LABEL, "\x66\x90", 2);
	text.profiled = false;
	assert_int_equal(store(ELSEWHERE, "\x90", 1), 0);
}

static void nothing_passes_where_the_profile_is_empty(void **state)
{
	struct code_profile empty = {.begin = BEGIN, .bytes = PAGES * PAGE_SIZE};

	(void)state;
	use(&empty);
	for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++)
		assert_int_equal(store(sites[i].offset, "\xcc", 1), -EPERM);
	assert_int_equal(text.sites, 0);
}

int main(void)
{
#define WITH_TEXT(test) cmocka_unit_test_setup_teardown(test, open_text, close_text)
	const struct CMUnitTest tests[] = {
		WITH_TEXT(what_the_profile_has_is_made),
		WITH_TEXT(all_else_is_refused_that_passes_without_it),
		WITH_TEXT(a_prefix_goes_where_the_profile_has_one),
		WITH_TEXT(int3_within_a_place_is_part_of_it),
		WITH_TEXT(what_is_behind_an_open_place_stays),
		WITH_TEXT(same_bytes_pass_and_other_code_is_not_in_it),
		WITH_TEXT(what_it_has_of_what_is_patched_stays),
		WITH_TEXT(what_it_does_not_have_is_asked_about),
		WITH_TEXT(it_says_by_which_code_is_patched),
		WITH_TEXT(it_waits_for_a_patch_that_is_under_way),
		WITH_TEXT(int3_for_a_prefix_is_asked_about),
		WITH_TEXT(bytes_that_changed_are_not_what_was_patched),
		WITH_TEXT(what_was_put_there_by_request_is_not_asked_about),
		WITH_TEXT(code_outside_of_the_image_is_not_held_against_it),
		WITH_TEXT(what_was_begun_is_finished_at_its_places_only),
		WITH_TEXT(nothing_passes_where_the_profile_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
