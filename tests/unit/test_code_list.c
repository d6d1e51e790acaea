/* SPDX-License-Identifier: MIT */
/* The list of code: which files are lists, and which pages are on them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "secpod/text/code_list.h"
#include "vmm/addr.h"

/* A page with a relocation, and an instruction of two bytes that has two forms; and one without any. */
#define RELOCATED 100u
#define PATCHED 4093u
#define PAGES 2u
#define SITES 2u
#define FORMS 8u

static struct {
	struct code_list_header header;
	struct code_list_page page[PAGES];
	struct code_list_site site[SITES];
	uint8_t form[FORMS];
} file;

static uint8_t page[PAGES][PAGE_SIZE], room[PAGE_SIZE];
static struct code_list list;

static int make(void **state)
{
	(void)state;
	file.header = (struct code_list_header){
		CODE_LIST_MAGIC, CODE_LIST_VERSION, PAGES, SITES, FORMS, 0};
	for (uint32_t i = 0; i < PAGES; i++) {
		for (uint32_t at = 0; at < PAGE_SIZE; at++)
			page[i][at] = (uint8_t)(at * 7 + at / 256 + 3);
	}
	page[1][8] ^= 1;
	memset(page[0] + RELOCATED, 0, 4);
	memset(page[0] + PATCHED, 0, 2);
	file.site[0] = (struct code_list_site){RELOCATED, 4, 0, 0};
	file.site[1] = (struct code_list_site){PATCHED, 2, 2, 0};
	/* 66 90, or eb and any byte */
	memcpy(file.form, "\x66\x90\xff\xff\xeb\x00\xff\x00", FORMS);
	for (uint32_t i = 0; i < PAGES; i++) {
		file.page[i] = (struct code_list_page){.probe_at = 16, .sites = i ? 0 : SITES};
		sha256(page[i], PAGE_SIZE, file.page[i].digest);
		memcpy(file.page[i].probe, page[i] + 16, CODE_LIST_PROBE);
	}
	memcpy(page[0] + PATCHED, "\x66\x90", 2);
	assert_int_equal(code_list_open(&list, &file, sizeof(file)), 0);
	return 0;
}

static bool has(uint32_t number)
{
	return code_list_has(&list, page[number], room);
}

static void pages_are_found_among_their_like(void **state)
{
	(void)state;
	assert_true(has(0));
	assert_true(has(1));
	page[1][8] ^= 2;
	assert_false(has(1));
}

static void every_byte_outside_the_sites_counts(void **state)
{
	(void)state;
	for (uint32_t at = 0; at < PAGE_SIZE; at++) {
		const bool site = at - RELOCATED < 4 || at - PATCHED < 2;

		page[0][at] ^= 0x10;
		assert_int_equal(has(0), site && at < PATCHED);
		page[0][at] ^= 0x10;
	}
}

static void a_patched_instruction_has_one_of_its_forms(void **state)
{
	(void)state;
	for (uint32_t value = 0; value < 0x10000; value++) {
		page[0][PATCHED] = (uint8_t)value;
		page[0][PATCHED + 1] = (uint8_t)(value >> 8);
		/* The digest is of the rest: only few values have to be asked in full. */
		if (value % 251 && (uint8_t)value != 0xeb && value != 0x9066)
			continue;
		assert_int_equal(has(0), (uint8_t)value == 0xeb || value == 0x9066);
	}
}

static void nothing_is_on_an_empty_list(void **state)
{
	(void)state;
	file.header = (struct code_list_header){CODE_LIST_MAGIC, CODE_LIST_VERSION, 0, 0, 0, 0};
	assert_int_equal(code_list_open(&list, &file, sizeof(file.header)), 0);
	assert_false(has(0));
}

static void malformed(uint64_t size)
{
	assert_int_equal(code_list_open(&list, &file, size), -EINVAL);
	assert_int_equal(list.pages, 0);
	assert_false(has(1));
}

static void malformed_files_are_no_lists(void **state)
{
	for (uint64_t size = 0; size < sizeof(file); size++)
		malformed(size);
#define WITH(change)                     \
	do {                             \
		make(state);             \
		change;                  \
		malformed(sizeof(file)); \
	} while (0)
	WITH(file.header.magic ^= 1);
	WITH(file.header.version++);
	WITH(file.header.zero++);
	WITH(file.header.pages++);
	WITH(file.header.pages = ~0u);
	WITH(file.header.sites--);
	WITH(file.header.sites = ~0u);
	WITH(file.header.forms++);
	WITH(file.page[1].first = SITES + 1);
	WITH(file.page[1].first = ~0u);
	WITH(file.page[1].sites = SITES + 1);
	WITH(file.page[1].probe_at = PAGE_SIZE - CODE_LIST_PROBE + 1);
	WITH(file.site[0].length = 0);
	WITH(file.site[0].offset = PATCHED - 3);
	WITH(file.site[1].offset = RELOCATED);
	WITH(file.site[1].offset = PAGE_SIZE - 1);
	WITH(file.site[1].first = 1);
	WITH(file.site[1].first = ~0u);
	WITH(file.site[1].forms = 3);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup(test, make)
	const struct CMUnitTest tests[] = {
		TEST(pages_are_found_among_their_like),
		TEST(every_byte_outside_the_sites_counts),
		TEST(a_patched_instruction_has_one_of_its_forms),
		TEST(nothing_is_on_an_empty_list),
		TEST(malformed_files_are_no_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
