/* SPDX-License-Identifier: MIT */
/* Stores to the kernel's text as Linux makes them, and as it does not. */
#include "tests/unit/text_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SITE (BEGIN + 0x100)
#define EDGE (BEGIN + PAGE_SIZE - 2)

static const struct text_code code = {read_code, text_world_write, is_code, NULL, false};

static int store(uint64_t va, const void *bytes, uint32_t count)
{
	return text_world_store(&code, va, bytes, count);
}

static int open_text(void **state)
{
	(void)state;
	text_world_open(0x48);
	memcpy(image + 0x100, "\x0f\x1f\x44\x00\x00", 5);
	image[0x200] = 0xf0;
	memcpy(image + PAGE_SIZE - 2, "\x0f\x1f\x44\x00\x00", 5);
	measure(PAGES - 1);
	return 0;
}

static int close_text(void **state)
{
	(void)state;
	text_world_close();
	return 0;
}

static void patch(uint64_t va, const uint8_t *bytes)
{
	assert_int_equal(store(va, "\xcc", 1), 0);
	assert_int_equal(store(va + 1, bytes + 1, 4), 0);
	assert_int_equal(store(va, bytes, 1), 0);
}

static void a_site_is_patched_and_put_back(void **state)
{
	struct text_site site;
	uint32_t number;

	(void)state;
	patch(SITE, (const uint8_t *)"\xe8\x00\x01\x00\x00");
	assert_memory_equal(image + 0x100, "\xe8\x00\x01\x00\x00\x48", 6);
	assert_int_equal(text.sites, 1);
	number = text_site_after(&text, 0, &site);
	assert_int_not_equal(number, 0);
	assert_int_equal(site.patch.va, SITE);
	assert_int_equal(site.state, PATCH_CALL);
	assert_memory_equal(site.patch.original, "\x0f\x1f\x44\x00\x00", 5);
	assert_int_equal(text_site_after(&text, number, &site), 0);
	assert_int_equal(text_site_after(&text, ~0u, &site), 0);
	assert_int_equal(verified(SITE), 0);
	patch(SITE, (const uint8_t *)"\x0f\x1f\x44\x00\x00");
	assert_int_equal(text.sites, 0);
	assert_int_equal(verified(SITE), 0);
	assert_int_equal(text.stats.refused, 0);
}

/* What is behind it would be there for other CPUs to jump to. */
static void int3_brings_nothing_with_it(void **state)
{
	(void)state;
	assert_int_equal(store(SITE, "\xcc\x0f\x01\xc1", 4), -EACCES);
	assert_int_equal(store(SITE, "\xcc", 1), 0);
	assert_int_equal(store(SITE, "\xcc\x0f\x01\xc1", 4), -EACCES);
	assert_memory_equal(image + 0x100, "\xcc\x1f\x44\x00\x00", 5);
}

static void byte_by_byte_and_across_pages(void **state)
{
	const uint8_t *jump = (const uint8_t *)"\xe9\x10\x00\x00\x00";

	(void)state;
	assert_int_equal(store(EDGE, "\xcc", 1), 0);
	for (uint32_t i = 1; i < 5; i++)
		assert_int_equal(store(EDGE + i, jump + i, 1), 0);
	assert_int_equal(store(EDGE, jump, 1), 0);
	assert_memory_equal(image + PAGE_SIZE - 2, jump, 5);
	assert_int_equal(verified(EDGE), 0);
	assert_int_equal(verified(EDGE + PAGE_SIZE), 0);
}

static void a_probe_stays_armed_beside_another(void **state)
{
	(void)state;
	assert_int_equal(store(BEGIN + 0x300, "\xcc", 1), 0);
	assert_int_equal(store(BEGIN + 0x304, "\xcc", 1), 0);
	assert_int_equal(text.sites, 2);
	assert_int_equal(store(BEGIN + 0x300, "\x48", 1), 0);
	assert_int_equal(store(BEGIN + 0x304, "\x48", 1), 0);
	assert_int_equal(text.sites, 0);
	assert_int_equal(verified(BEGIN), 0);
}

static void lock_is_swapped_alone(void **state)
{
	(void)state;
	assert_int_equal(store(BEGIN + 0x200, "\x3e", 1), 0);
	assert_int_equal(text.sites, 1);
	assert_int_equal(verified(BEGIN), 0);
	assert_int_equal(store(BEGIN + 0x200, "\xf0", 1), 0);
	assert_int_equal(text.sites, 0);
}

/* The byte in front is another instruction, however long. */
static void lock_is_swapped_behind_a_probe(void **state)
{
	(void)state;
	assert_int_equal(store(BEGIN + 0x1fe, "\xcc", 1), 0);
	assert_int_equal(store(BEGIN + 0x200, "\x3e", 1), 0);
	assert_int_equal(text.sites, 2);
	assert_int_equal(store(BEGIN + 0x1fe, "\x48", 1), 0);
	assert_int_equal(text.sites, 1);
	assert_int_equal(store(BEGIN + 0x200, "\xf0", 1), 0);
	assert_int_equal(text.sites, 0);
	assert_int_equal(verified(BEGIN), 0);
}

/* Displacements of a byte that is INT3, or a prefix that is exchanged, and of others; their first byte stays. */
static void what_looks_like_a_site_may_be_a_displacement(void **state)
{
	static const struct {
		uint8_t before[5], after[5];
	} rows[] = {
		{{0xe8, 0x01, 0x01, 0x00, 0x00}, {0xe8, 0xcc, 0x02, 0x00, 0x00}},
		{{0xe8, 0x01, 0x01, 0x00, 0x00}, {0xe8, 0x01, 0xcc, 0x00, 0x00}},
		{{0xe8, 0xf0, 0x01, 0x00, 0x00}, {0xe8, 0x3e, 0x02, 0x00, 0x00}},
		{{0x0f, 0x1f, 0x44, 0x00, 0x00}, {0xc3, 0xcc, 0xcc, 0xcc, 0xcc}},
		{{0xe9, 0xcc, 0x01, 0x00, 0x00}, {0xe9, 0xcc, 0x02, 0x00, 0x00}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy(image + 0x100, rows[i].before, 5);
		measure(PAGES - 1);
		for (uint32_t round = 0; round < 2; round++) {
			const uint8_t *bytes = round ? rows[i].before : rows[i].after;

			assert_int_equal(store(SITE, "\xcc", 1), 0);
			for (uint32_t k = 1; k < 5; k++)
				assert_int_equal(store(SITE + k, bytes + k, 1), 0);
			assert_int_equal(store(SITE, bytes, 1), 0);
			assert_memory_equal(image + 0x100, bytes, 5);
			assert_int_equal(text.sites, !round);
			assert_int_equal(verified(SITE), 0);
		}
	}
	assert_int_equal(text.stats.refused, 0);
}

static void what_is_no_patch_changes_nothing(void **state)
{
	static const struct {
		uint64_t va;
		uint32_t count;
		uint8_t bytes[8];
	} rows[] = {
		/* Without INT3 first: whole, the first byte, a byte, the last of a NOP. */
		{SITE, 5, {0xe8, 0x00, 0x01, 0x00, 0x00}},
		{SITE, 1, {0xe8}},
		{SITE, 1, {0x90}},
		{SITE + 4, 1, {0x90}},
		{BEGIN + 0x400, 1, {0x90}},
		{BEGIN + 0x400, 2, {0x90, 0x90}},
		{BEGIN + 0x400, 1, {0xc3}},
		{BEGIN + 0x400, 1, {0xf0}},
		{BEGIN + 0x200, 1, {0x90}},
		/* Several at a time that begin with INT3. */
		{BEGIN + 0x400, 2, {0xcc, 0xc3}},
	};
	static uint8_t before[sizeof(image)];

	(void)state;
	memcpy(before, image, sizeof(before));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (store(rows[i].va, rows[i].bytes, rows[i].count) != -EACCES)
			fail_msg("row %zu", i);
	}
	assert_memory_equal(image, before, sizeof(before));
	assert_int_equal(text_world_writes, 0);
	assert_int_equal(text.sites, 0);
	assert_int_equal(text.stats.refused, sizeof(rows) / sizeof(rows[0]));
}

static void behind_int3_only_forms_and_at_the_end_only_whole_ones(void **state)
{
	(void)state;
	assert_int_equal(store(SITE, "\xcc", 1), 0);
	assert_int_equal(store(SITE + 1, "\x0f\x22\xe0\xc3", 4), -EACCES);
	/* The displacement leads out of the code. */
	assert_int_equal(store(SITE + 1, "\x00\x00\x00\x10", 4), -EACCES);
	/* In pieces it gets in, but is no call. */
	assert_int_equal(store(SITE + 1, "\x00\x00", 2), 0);
	assert_int_equal(store(SITE + 3, "\x00\x10", 2), 0);
	assert_int_equal(store(SITE, "\xe8", 1), -EACCES);
	assert_int_equal(image[0x100], 0xcc);
	assert_int_equal(store(SITE, "\x0f", 1), -EACCES);
	assert_int_equal(store(SITE + 1, "\x1f\x44\x00\x00", 4), 0);
	assert_int_equal(store(SITE, "\x0f", 1), 0);
	assert_int_equal(text.sites, 0);
	assert_int_equal(verified(SITE), 0);
}

static void a_store_that_is_not_made_is_not_noted(void **state)
{
	(void)state;
	text_world_error = -EAGAIN;
	assert_int_equal(store(SITE, "\xcc", 1), -EAGAIN);
	assert_int_equal(text.sites, 0);
	text_world_error = 0;
	assert_int_equal(store(SITE, "\xcc", 1), 0);
	text_world_error = -EAGAIN;
	assert_int_equal(store(SITE, "\x0f", 1), -EAGAIN);
	assert_int_equal(text.sites, 1);
	text_world_error = 0;
	assert_int_equal(store(SITE, "\x0f", 1), 0);
	assert_int_equal(text.sites, 0);
}

static void without_room_nothing_is_opened(void **state)
{
	uint64_t va = BEGIN + 0x1000;
	int error = 0;

	(void)state;
	while (page_pool_alloc(text.pool))
		continue;
	for (; !error && va < BEGIN + sizeof(image); va++)
		error = store(va, "\xcc", 1);
	assert_int_equal(error, -ENOMEM);
	assert_int_not_equal(image[va - 1 - BEGIN], 0xcc);
}

static void other_code_at_the_same_place_has_its_own_original(void **state)
{
	(void)state;
	patch(SITE, (const uint8_t *)"\xe8\x00\x01\x00\x00");
	text_forget(&text, SITE);
	assert_int_equal(text.sites, 0);
	memcpy(image + 0x100, "\x48\x31\xc0\x90\x90", 5);
	assert_int_equal(store(SITE, "\xcc", 1), 0);
	assert_int_equal(store(SITE, "\x48", 1), 0);
	assert_int_equal(text.sites, 0);
}

/* A site of the page before goes on as far as its own page does. */
static void a_site_ends_where_other_code_comes(void **state)
{
	struct text_site site;

	(void)state;
	patch(EDGE, (const uint8_t *)"\xe8\x00\x01\x00\x00");
	text_forget(&text, EDGE + PAGE_SIZE);
	assert_int_equal(text.sites, 1);
	assert_int_not_equal(text_site_after(&text, 0, &site), 0);
	assert_int_equal(site.patch.va, EDGE);
	assert_int_equal(site.patch.extent, 2);
	memcpy(image + PAGE_SIZE, "\x0f\x1f\x44\x00\x00", 5);
	patch(EDGE + 2, (const uint8_t *)"\xe8\x00\x01\x00\x00");
	patch(EDGE + 2, (const uint8_t *)"\x0f\x1f\x44\x00\x00");
	/* Nor does what had been there before come back. */
	assert_int_equal(store(EDGE, "\xcc", 1), 0);
	assert_int_equal(store(EDGE + 2, "\x44\x00\x00\x48", 4), -EACCES);
	assert_memory_equal(image + PAGE_SIZE, "\x0f\x1f\x44\x00\x00", 5);
}

static void a_change_past_the_judge_is_seen(void **state)
{
	(void)state;
	assert_int_equal(verified(BEGIN + PAGE_SIZE), 0);
	image[PAGE_SIZE + 5] ^= 1;
	assert_int_equal(verified(BEGIN + PAGE_SIZE), -EACCES);
	/* The last page is data, and so is what lies outside. */
	assert_int_equal(verified(BEGIN + (PAGES - 1) * PAGE_SIZE), -ENOENT);
	assert_int_equal(text_verify(&text, BEGIN - PAGE_SIZE, image), -ENOENT);
}

/* Each is what it is said to be, and no two of them overlap. */
static void check_sites(void)
{
	const struct patch_targets targets = {is_code, NULL};
	uint8_t covered[PAGE_SIZE] = {0};
	struct text_site site;

	for (uint32_t i = 0; (i = text_site_after(&text, i, &site)) != 0;) {
		const uint64_t at = site.patch.va - BEGIN;
		uint32_t extent = site.patch.extent;

		assert_int_equal(patch_judge(&site.patch, image + at, &extent, &targets),
				 site.state);
		for (uint32_t k = 0; k < site.patch.extent; k++)
			assert_int_equal(covered[at + k]++, 0);
	}
}

/*
 * A random hostile writer: whatever it stores, code is what was measured but for sites, and each of them
 * is open or of a form that leads to code.
 */
static void whatever_is_stored_only_sites_change(void **state)
{
	static const uint8_t likely[] = {0xcc, 0xe8, 0xe9, 0xeb, 0x0f, 0x1f, 0x90, 0xc3,
					 0x84, 0x44, 0x00, 0xff, 0x66, 0x48, 0xf0, 0x3e};
	uint64_t admitted = 0;

	(void)state;
	srand(4);
	for (uint32_t round = 0; round < 200000; round++) {
		const uint64_t va = BEGIN + 0x100 + (uint64_t)rand() % 48;
		const uint32_t count = 1 + (uint32_t)(rand() % 5);
		uint8_t bytes[8];

		for (uint32_t i = 0; i < count; i++)
			bytes[i] = likely[(size_t)rand() % sizeof(likely)];
		admitted += store(va, bytes, count) == 0;
		if (round % 100)
			continue;
		assert_int_equal(verified(BEGIN), 0);
		check_sites();
	}
	assert_true(admitted > 1000);
}

/* The displacement of a NOP of seven bytes would lie behind the end of code. */
static void no_patch_goes_beyond_the_end_of_code(void **state)
{
	const uint64_t va = BEGIN + sizeof(image) - 5;

	(void)state;
	assert_int_equal(store(va, "\xcc", 1), 0);
	assert_int_equal(store(va + 1, "\x1f\x80\x00\x00", 4), 0);
	assert_int_equal(store(va, "\x0f", 1), -EACCES);
	assert_int_equal(store(va + 1, "\x1f\x44\x00\x00", 4), 0);
	assert_int_equal(store(va, "\x0f", 1), 0);
}

/* A call under way at ACTIVATE, of which so many bytes had been stored by then; INT3 comes first, and its last byte last. */
static const uint8_t late_call[] = {0xe8, 0x00, 0x01, 0x00, 0x00};

static void begin_call(uint32_t bytes)
{
	memcpy(image + 0x100, "\x0f\x1f\x44\x00\x00", 5);
	memcpy(image + 0x101, late_call + 1, bytes);
	image[0x100] = 0xcc;
	measure(PAGES - 1);
}

static void what_was_begun_before_it_was_measured_is_finished(void **state)
{
	struct text_site site;

	(void)state;
	for (uint32_t done = 0; done < 5; done++) {
		begin_call(done);
		/* Byte by byte, as an interrupted REP MOVSB goes on. */
		for (uint32_t i = done + 1; i < 5; i++)
			assert_int_equal(store(SITE + i, late_call + i, 1), 0);
		assert_int_equal(store(SITE, late_call, 1), 0);
		assert_memory_equal(image + 0x100, late_call, sizeof(late_call));
		assert_int_equal(text.sites, 1);
		assert_int_not_equal(text_site_after(&text, 0, &site), 0);
		assert_int_equal(site.patch.va, SITE);
		assert_int_equal(site.state, PATCH_CALL);
		/* All that is known of it. */
		assert_int_equal(site.patch.original[0], 0xcc);
		assert_int_equal(verified(SITE), 0);
		text_forget(&text, SITE);
	}
	assert_int_equal(text.stats.refused, 0);
}

static void what_was_begun_becomes_a_patch_and_nothing_else(void **state)
{
	static uint8_t before[PAGE_SIZE];

	(void)state;
	begin_call(0);
	memcpy(before, image, sizeof(before));
	assert_int_equal(store(SITE + 1, "\x0f\x22\xe0\xc3", 4), -EACCES);
	assert_int_equal(store(SITE, "\x55", 1), -EACCES);
	assert_int_equal(store(SITE, "\xe8\x00\x00\x00\x10", 5), -EACCES);
	assert_int_equal(store(SITE + PATCH_BYTES, "\x00", 1), -EACCES);
	assert_int_equal(text.sites, 0);
	/* INT3 in a displacement is none. */
	image[0x100] = 0x0f;
	measure(PAGES - 1);
	patch(SITE, (const uint8_t *)"\xe8\xcc\x01\x00\x00");
	assert_int_equal(store(SITE + 1, "\x90", 1), -EACCES);
	assert_int_equal(store(SITE + 2, "\x1f", 1), -EACCES);
	patch(SITE, (const uint8_t *)"\x0f\x1f\x44\x00\x00");
	image[0x100] = 0xcc;
	assert_memory_equal(image, before, sizeof(before));
}

int main(void)
{
#define TEXT(test) cmocka_unit_test_setup_teardown(test, open_text, close_text)
	const struct CMUnitTest tests[] = {
		TEXT(no_patch_goes_beyond_the_end_of_code),
		TEXT(a_site_is_patched_and_put_back),
		TEXT(int3_brings_nothing_with_it),
		TEXT(byte_by_byte_and_across_pages),
		TEXT(a_probe_stays_armed_beside_another),
		TEXT(lock_is_swapped_alone),
		TEXT(lock_is_swapped_behind_a_probe),
		TEXT(what_looks_like_a_site_may_be_a_displacement),
		TEXT(a_site_ends_where_other_code_comes),
		TEXT(what_is_no_patch_changes_nothing),
		TEXT(behind_int3_only_forms_and_at_the_end_only_whole_ones),
		TEXT(a_store_that_is_not_made_is_not_noted),
		TEXT(without_room_nothing_is_opened),
		TEXT(other_code_at_the_same_place_has_its_own_original),
		TEXT(a_change_past_the_judge_is_seen),
		TEXT(whatever_is_stored_only_sites_change),
		TEXT(what_was_begun_before_it_was_measured_is_finished),
		TEXT(what_was_begun_becomes_a_patch_and_nothing_else),
	};

	return cmocka_run_group_tests_name("kernel_text", tests, NULL, NULL);
}
