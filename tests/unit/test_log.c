/* SPDX-License-Identifier: MIT */
/* The log with a serial line that keeps what it gets, outside the monitor's environment. */
#include "vmm/log.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/host.h"
#include "vmm/serial.h"

static char console[0x10000];
static size_t console_length;
static uint32_t opened_port, opened_baud, taken_over;

bool host_active(void)
{
	return false;
}

void serial_init(uint32_t port, uint32_t baud)
{
	opened_port = port;
	opened_baud = baud;
}

void serial_write(const char *bytes, size_t length)
{
	assert_true(console_length + length < sizeof(console));
	memcpy(console + console_length, bytes, length);
	console_length += length;
	console[console_length] = '\0';
}

void serial_take_over(void)
{
	taken_over++;
}

static int setup(void **state)
{
	const struct secpod_config config = {
		.log_level = LOG_INFO, .serial_port = 0x3f8, .serial_baud = 9600};

	(void)state;
	log_init(&config);
	console_length = 0;
	console[0] = '\0';
	return 0;
}

/* The newest line of the ring. */
static const char *last_line(uint8_t *level)
{
	static char line[LOG_LINE_MAX + 1];
	struct log_cursor cursor = {0, 0};

	while (log_ring_read(log_lines(), &cursor, line, sizeof(line), level, NULL) >= 0)
		;
	return line;
}

static void lines_have_prefix_and_level(void **state)
{
	uint8_t level;

	(void)state;
	log_info("%" PRIu32 " CPUs at %#" PRIx64, (uint32_t)2, (uint64_t)0x123456789abcdef0);
	assert_string_equal(last_line(&level), "secpod: 2 CPUs at 0x123456789abcdef0");
	assert_int_equal(level, LOG_INFO);
	log_error("bad");
	log_warn("odd");
	assert_string_equal(console, "secpod: 2 CPUs at 0x123456789abcdef0\r\n"
				     "secpod: error: bad\r\nsecpod: warning: odd\r\n");
}

static void quiet_levels_stay_in_memory(void **state)
{
	uint8_t level;

	(void)state;
	log_debug("only in the ring");
	assert_string_equal(last_line(&level), "secpod: debug: only in the ring");
	assert_int_equal(console_length, 0);
}

static void the_config_sets_line_and_level(void **state)
{
	struct secpod_config config = {.log_level = LOG_ERROR, .serial_port = 0x2f8};

	(void)state;
	log_init(&config);
	assert_int_equal(opened_port, 0x2f8);
	assert_int_equal(opened_baud, 0);
	log_warn("hidden");
	assert_int_equal(console_length, 0);
	config.log_level = UINT32_MAX;
	log_init(&config);
	log_debug("shown");
	assert_string_equal(console, "secpod: debug: shown\r\n");
}

static void a_long_line_is_cut(void **state)
{
	char text[1000];

	(void)state;
	memset(text, 'y', sizeof(text));
	log_info("%.*s", (int)sizeof(text), text);
	assert_int_equal(strlen(last_line(NULL)), LOG_LINE_MAX);
	assert_int_equal(console_length, LOG_LINE_MAX + 2);
	assert_string_equal(console + LOG_LINE_MAX, "\r\n");
}

static void replay_repeats_the_newest_lines_of_all_levels(void **state)
{
	uint64_t end;

	(void)state;
	for (int i = 0; i < 10; i++)
		log_debug("line %d", i);
	end = log_next();
	log_debug("later");
	log_break_locks();
	assert_int_equal(taken_over, 1);
	log_replay(end, 2);
	assert_string_equal(console, "secpod: debug: line 8\r\nsecpod: debug: line 9\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lines_have_prefix_and_level, setup),
		cmocka_unit_test_setup(quiet_levels_stay_in_memory, setup),
		cmocka_unit_test_setup(the_config_sets_line_and_level, setup),
		cmocka_unit_test_setup(a_long_line_is_cut, setup),
		cmocka_unit_test_setup(replay_repeats_the_newest_lines_of_all_levels, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
