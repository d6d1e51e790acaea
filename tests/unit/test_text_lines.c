/* SPDX-License-Identifier: MIT */
/* What is patched, as lines: each site once, not too many, and with the lock taken or not. */
#include "secpod/text/text_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/text_world.h"

#define AT 0x100u
#define STEP 32u

static const struct text_code code = {read_code, text_world_write, is_code, NULL, false};
static char lines[TEXT_LINES + 3][TEXT_LINE_SIZE];
static uint32_t printed;

static void print(const char *line)
{
	assert_true(printed < sizeof(lines) / sizeof(lines[0]));
	assert_true(strlen(line) < TEXT_LINE_SIZE - 1);
	strcpy(lines[printed++], line);
}

static void tell(text_next next)
{
	printed = 0;
	text_tell(&text, next, print);
}

static int open_text(void **state)
{
	(void)state;
	text_world_open(0x48);
	return 0;
}

static int close_text(void **state)
{
	(void)state;
	text_world_close();
	return 0;
}

static void open_sites(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(text_world_store(&code, BEGIN + AT + i * STEP, "\xcc", 1), 0);
}

static void nothing_is_said_of_nothing(void **state)
{
	(void)state;
	tell(text_site_after);
	assert_int_equal(printed, 0);
	open_sites(1);
	assert_int_equal(text_world_store(&code, BEGIN + AT, "\x48", 1), 0);
	tell(text_site_after);
	assert_int_equal(printed, 0);
}

static void each_site_is_told_with_what_it_is_and_was(void **state)
{
	(void)state;
	memcpy(image + AT, "\x0f\x1f\x44\x00\x00", 5);
	open_sites(2);
	assert_int_equal(text_world_store(&code, BEGIN + AT + 1, "\x10\x00\x00\x00", 4), 0);
	assert_int_equal(text_world_store(&code, BEGIN + AT, "\xe9", 1), 0);
	for (int locked = 0; locked < 2; locked++) {
		tell(locked ? text_site_after : text_site_peek);
		assert_int_equal(printed, 3);
		assert_string_equal(lines[0], "text: 2 sites are patched");
		/* By number, in no order. */
		for (uint32_t i = 1; i < 3; i++) {
			if (strstr(lines[i], "ffffffff81000100"))
				assert_string_equal(
					lines[i],
					"text: 0xffffffff81000100 is jump, was 0f1f440000");
			else
				assert_string_equal(lines[i],
						    "text: 0xffffffff81000120 is open, was 48");
		}
		assert_string_not_equal(lines[1], lines[2]);
	}
}

static void lines_have_a_limit(void **state)
{
	(void)state;
	open_sites(TEXT_LINES);
	tell(text_site_after);
	assert_int_equal(printed, 1 + TEXT_LINES);
	assert_int_equal(text_world_store(&code, BEGIN + AT + TEXT_LINES * STEP, "\xcc", 1), 0);
	assert_int_equal(text_world_store(&code, BEGIN + AT + TEXT_LINES * STEP + 8, "\xcc", 1), 0);
	tell(text_site_after);
	assert_int_equal(printed, 1 + TEXT_LINES + 1);
	assert_string_equal(lines[0], "text: 66 sites are patched");
	assert_string_equal(lines[printed - 1], "text: 2 more are not shown");
}

/* The CPU that had the lock is stopped, in the middle of a site. */
static void a_panic_waits_for_no_lock_and_reads_what_is_half_written(void **state)
{
	struct text_site *site;

	(void)state;
	open_sites(1);
	spin_lock(&text.lock);
	for (site = text.page[0]; !site->patch.va; site++)
		;
	site->patch.extent = 0xff;
	site->state = 0xff;
	tell(text_site_peek);
	assert_int_equal(printed, 2);
	assert_string_equal(lines[1], "text: 0xffffffff81000100 is unknown, was "
				      "48484848484848484848484848484848");
	spin_unlock(&text.lock);
}

int main(void)
{
#define WITH_TEXT(test) cmocka_unit_test_setup_teardown(test, open_text, close_text)
	const struct CMUnitTest tests[] = {
		WITH_TEXT(nothing_is_said_of_nothing),
		WITH_TEXT(each_site_is_told_with_what_it_is_and_was),
		WITH_TEXT(lines_have_a_limit),
		WITH_TEXT(a_panic_waits_for_no_lock_and_reads_what_is_half_written),
	};

	return cmocka_run_group_tests_name("text_lines", tests, NULL, NULL);
}
