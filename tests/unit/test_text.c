/* SPDX-License-Identifier: MIT */
#include "boot/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void conversions_are_formatted(void **state)
{
	static const char expected[] = "word|x|0|ff|18446744073709551615|fedcba9876543210|%";
	char text[100];

	(void)state;
	assert_int_equal(text_format(text, sizeof(text), "%s|%c|%u|%x|%lu|%lx|%%", "word", 'x', 0u,
				     0xffu, 18446744073709551615ul, 0xfedcba9876543210ul),
			 strlen(expected));
	assert_string_equal(text, expected);
	text_format(text, sizeof(text), "%u %x", 4294967295u, 0x80000000u);
	assert_string_equal(text, "4294967295 80000000");
	text_format(text, sizeof(text), "no conversion");
	assert_string_equal(text, "no conversion");
}

static void vformat(char *text, size_t size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text_vformat(text, size, format, arguments);
	va_end(arguments);
}

static void unknown_conversions_stand_as_they_are(void **state)
{
	/* Not literals in the calls: the compiler would rightly object. */
	static const char *const formats[] = {"%", "100%", "%l", "%d!", "%ls", "%l%", "%q%q"};
	char text[20];

	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		vformat(text, sizeof(text), formats[i]);
		assert_string_equal(text, formats[i]);
	}
}

static void long_texts_are_cut_to_fit(void **state)
{
	(void)state;
	for (size_t size = 1; size < 12; size++) {
		char *text = malloc(size);

		assert_non_null(text);
		assert_int_equal(text_format(text, size, "%s-%u", "abcd", 12345u),
				 size < 11 ? size - 1 : 10);
		assert_int_equal(strncmp(text, "abcd-12345", size - 1), 0);
		assert_int_equal(text[size < 11 ? size - 1 : 10], '\0');
		free(text);
	}
}

static void display_texts_are_printable(void **state)
{
	static const uint16_t wide[] = {'A', 0x1b, 0xe4, 0x4e00, '~', 0, 'B'};
	char text[16];

	(void)state;
	text_printable(text, sizeof(text), "a\0b\x1b[\x7f~\xff ", 9);
	assert_string_equal(text, "a?b?[?~? ");
	text_printable(text, 4, "abcdef", 6);
	assert_string_equal(text, "abc");
	text_printable(text, 1, "abcdef", 6);
	assert_string_equal(text, "");
	text_from_ucs2(text, sizeof(text), wide, 7);
	assert_string_equal(text, "A???~");
	text_from_ucs2(text, sizeof(text), wide, 2);
	assert_string_equal(text, "A?");
	text_from_ucs2(text, 2, wide, 7);
	assert_string_equal(text, "A");
}

static void utf8_becomes_ucs2(void **state)
{
	static const char bytes[] =
		"a\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf";
	static const uint16_t expected[] = {'a',    0x7f,   0x80,   0x7ff, 0x800,
					    0xd7ff, 0xe000, 0xffff, 0};
	uint16_t out[9];

	(void)state;
	assert_int_equal(text_to_ucs2(out, 9, bytes, sizeof(bytes) - 1), 8);
	assert_memory_equal(out, expected, sizeof(expected));
	assert_int_equal(text_to_ucs2(out, 8, bytes, sizeof(bytes) - 1), -ENOSPC);
	assert_int_equal(text_to_ucs2(out, 1, "", 0), 0);
	assert_int_equal(out[0], 0);
	assert_int_equal(text_to_ucs2(out, 0, "", 0), -ENOSPC);
}

static void malformed_utf8_is_refused(void **state)
{
	static const char *const cases[] = {
		"\x80",		    /* continuation without a start */
		"\xc0\x80",	    /* overlong NUL */
		"\xc1\xbf",	    /* overlong */
		"\xe0\x9f\xbf",	    /* overlong */
		"\xed\xa0\x80",	    /* surrogate */
		"\xed\xbf\xbf",	    /* surrogate */
		"\xf0\x90\x80\x80", /* outside the basic plane */
		"\xc2",		    /* cut off */
		"\xe2\x82",	    /* cut off */
		"\xc2\x20",	    /* no continuation */
		"\xe2\x28\xa1",	    /* no continuation */
		"\xe2\x82\x28",	    /* no continuation */
		"\xff",
	};
	uint16_t out[8];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length = strlen(cases[i]);
		char *copy = malloc(length);

		assert_non_null(copy);
		memcpy(copy, cases[i], length);
		if (text_to_ucs2(out, 8, copy, length) != -EILSEQ)
			fail_msg("case %zu is accepted", i);
		free(copy);
	}
}

static void words_are_compared_whole(void **state)
{
	(void)state;
	assert_true(text_equal("on", 2, "on"));
	assert_true(text_equal("only", 2, "on"));
	assert_true(text_equal("", 0, ""));
	assert_false(text_equal("on", 1, "on"));
	assert_false(text_equal("only", 4, "on"));
	assert_false(text_equal("On", 2, "on"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conversions_are_formatted),
		cmocka_unit_test(unknown_conversions_stand_as_they_are),
		cmocka_unit_test(long_texts_are_cut_to_fit),
		cmocka_unit_test(display_texts_are_printable),
		cmocka_unit_test(utf8_becomes_ucs2),
		cmocka_unit_test(malformed_utf8_is_refused),
		cmocka_unit_test(words_are_compared_whole),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
