/* SPDX-License-Identifier: MIT */
/* Names of code: who gets one, how long it stays, and what a reader sees of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "secpod/text/code_name.h"
#include "vmm/addr.h"

#define POOL_PAGES 16u
#define CODE 0xffffffffc0400000ULL
#define AT(page) (CODE + (page)*PAGE_SIZE)

static struct page_pool pool;
static struct code_names names;
static void *memory;

static int open_names(void **state)
{
	(void)state;
	memory = aligned_alloc(PAGE_SIZE, POOL_PAGES * PAGE_SIZE);
	return !memory || page_pool_init(&pool, virt_to_hpa(memory), POOL_PAGES * PAGE_SIZE) ||
	       code_names_init(&names, &pool);
}

static int close_names(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static int give(uint64_t first, uint64_t pages, const char *text)
{
	char name[SECPOD_CODE_NAME] = {0};

	snprintf(name, sizeof(name), "%s", text);
	return code_name_give(&names, AT(first), AT(first + pages), name);
}

/* "" where there is none, and with a '!' behind it when it is gone. */
static const char *at(uint64_t va)
{
	static char text[SECPOD_CODE_NAME + 1];
	uint8_t gone;

	if (!code_name_search(&names, va, text, &gone)) {
		assert_true(!text[0] && !gone);
		return "";
	}
	if (gone)
		strcat(text, "!");
	return text;
}

static void a_name_is_of_letters_digits_and_three_more(void **state)
{
	static const struct {
		char name[SECPOD_CODE_NAME];
		bool ok;
	} rows[] = {
		{"dummy", true},
		{"a", true},
		{"snd-hda_intel.2", true},
		{"thirty-one-letters-are-the-most", true},
		{"", false},
		{"two words", false},
		{"line\n", false},
		{"\x80", false},
		{"quote\"", false},
		{"a\0b", false},
		{"thirty-two-letters-have-no-end-x", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(code_name_ok(rows[i].name), rows[i].ok);
}

static void a_name_is_that_of_each_byte_of_its_range(void **state)
{
	(void)state;
	assert_string_equal(at(AT(2)), "");
	assert_int_equal(give(2, 3, "first"), 0);
	assert_int_equal(give(5, 1, "second"), 0);
	assert_string_equal(at(AT(2) - 1), "");
	assert_string_equal(at(AT(2)), "first");
	assert_string_equal(at(AT(5) - 1), "first");
	assert_string_equal(at(AT(5)), "second");
	assert_string_equal(at(AT(6)), "");
	assert_string_equal(at(0), "");
	assert_string_equal(at(UINT64_MAX), "");
}

static void nobody_takes_or_changes_a_name(void **state)
{
	(void)state;
	assert_int_equal(give(2, 3, "first"), 0);
	assert_int_equal(give(2, 3, "other"), -EBUSY);
	assert_int_equal(give(0, 3, "other"), -EBUSY);
	assert_int_equal(give(4, 9, "other"), -EBUSY);
	assert_int_equal(give(0, 9, "other"), -EBUSY);
	assert_int_equal(code_name_gone(&names, AT(3)), -ENOENT);
	assert_string_equal(at(AT(3)), "first");
	/* Not even when it is gone. */
	assert_int_equal(code_name_gone(&names, AT(2)), 0);
	assert_string_equal(at(AT(4)), "first!");
	assert_int_equal(give(2, 3, "other"), -EBUSY);
	assert_int_equal(code_name_gone(&names, AT(2)), 0);
}

static void other_code_in_one_page_ends_the_whole_name(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(give(4 * i, 3, "abc" + i), 0);
	code_name_forget(&names, AT(3));
	assert_string_equal(at(AT(2)), "abc");
	code_name_forget(&names, AT(2));
	assert_string_equal(at(AT(0)), "");
	assert_string_equal(at(AT(4)), "bc");
	assert_string_equal(at(AT(8)), "c");
	assert_int_equal(give(0, 3, "new"), 0);
	code_name_forget(&names, AT(8));
	code_name_forget(&names, AT(4));
	assert_string_equal(at(AT(1)), "new");
	assert_int_equal(names.count, 1);
}

static void what_is_gone_makes_room(void **state)
{
	const uint64_t capacity = names.capacity;

	(void)state;
	for (uint64_t i = 0; i < capacity; i++)
		assert_int_equal(give(i, 1, "many"), 0);
	assert_int_equal(give(capacity, 1, "late"), -ENOMEM);
	assert_int_equal(code_name_gone(&names, AT(7)), 0);
	assert_int_equal(give(capacity, 1, "late"), 0);
	assert_string_equal(at(AT(7)), "");
	assert_string_equal(at(AT(capacity)), "late");
	assert_int_equal(give(capacity + 1, 1, "later"), -ENOMEM);
}

/* As an NMI finds it that comes while a row changes. */
static void in_the_middle_of_a_change_there_is_no_name(void **state)
{
	(void)state;
	assert_int_equal(give(0, 1, "first"), 0);
	names.changes++;
	assert_string_equal(at(AT(0)), "");
	names.changes++;
	assert_string_equal(at(AT(0)), "first");
}

#define WITH_NAMES(test) cmocka_unit_test_setup_teardown(test, open_names, close_names)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_of_letters_digits_and_three_more),
		WITH_NAMES(a_name_is_that_of_each_byte_of_its_range),
		WITH_NAMES(nobody_takes_or_changes_a_name),
		WITH_NAMES(other_code_in_one_page_ends_the_whole_name),
		WITH_NAMES(what_is_gone_makes_room),
		WITH_NAMES(in_the_middle_of_a_change_there_is_no_name),
	};

	return cmocka_run_group_tests_name("code_name", tests, NULL, NULL);
}
