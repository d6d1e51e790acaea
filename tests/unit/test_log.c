/* SPDX-License-Identifier: MIT */
/* The log with a serial line that keeps what it gets, outside the monitor's environment. */
#include "vmm/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/host.h"
#include "vmm/serial.h"

static char console[0x80000];
static size_t console_length;
static uint32_t opened_port, opened_baud, taken_over;

/* The line as several threads find it: who is writing, and whether two ever were. */
static bool slow;
static uint32_t writing, met;
/* Stops the thread that writes the next bytes until it may go on. */
static bool stop_next;
static sem_t stopped, go_on;

bool host_active(void)
{
	return false;
}

void serial_init(uint32_t port, uint32_t baud)
{
	opened_port = port;
	opened_baud = baud;
}

bool serial_present(void)
{
	return opened_port != 0;
}

void serial_write(const char *bytes, size_t length)
{
	__atomic_fetch_add(&met, __atomic_fetch_add(&writing, 1, __ATOMIC_SEQ_CST) != 0,
			   __ATOMIC_SEQ_CST);
	if (__atomic_exchange_n(&stop_next, false, __ATOMIC_SEQ_CST)) {
		sem_post(&stopped);
		sem_wait(&go_on);
	}
	assert_true(console_length + length < sizeof(console));
	for (size_t i = 0; i < length; i++) {
		console[console_length++] = bytes[i];
		if (slow && i % 16 == 0)
			sched_yield();
	}
	console[console_length] = '\0';
	__atomic_fetch_sub(&writing, 1, __ATOMIC_SEQ_CST);
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
	taken_over = 0;
	met = 0;
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
	assert_true(log_has_console());
	log_warn("hidden");
	assert_int_equal(console_length, 0);
	config.log_level = UINT32_MAX;
	config.serial_port = 0;
	log_init(&config);
	log_debug("shown");
	assert_string_equal(console, "secpod: debug: shown\r\n");
	assert_false(log_has_console());
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

/* ---- several CPUs */

#define WRITERS 4u
/* All of them have room in the ring. */
#define LINES 250u

static void *write_lines(void *writer)
{
	for (uint32_t i = 0; i < LINES; i++)
		log_info("writer %u line %u of %u", (unsigned int)(uintptr_t)writer, i, LINES);
	return NULL;
}

/* Each line of the console is one of the writers', whole; each writer's are all there, in order. */
static void assert_lines_are_whole(void)
{
	uint32_t next[WRITERS] = {0};
	char *rest = NULL;

	for (char *line = strtok_r(console, "\r\n", &rest); line;
	     line = strtok_r(NULL, "\r\n", &rest)) {
		unsigned int writer, number;
		char expected[LOG_LINE_MAX];

		if (!strcmp(line, "secpod: end"))
			continue;
		assert_int_equal(sscanf(line, "secpod: writer %u line %u", &writer, &number), 2);
		assert_in_range(writer, 0, WRITERS - 1);
		snprintf(expected, sizeof(expected), "secpod: writer %u line %u of %u", writer,
			 next[writer]++, LINES);
		assert_string_equal(line, expected);
	}
	for (uint32_t i = 0; i < WRITERS; i++)
		assert_int_equal(next[i], LINES);
}

static void lines_of_several_cpus_do_not_mix_and_none_is_lost(void **state)
{
	pthread_t threads[WRITERS];

	(void)state;
	slow = true;
	for (uintptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, (void *)i), 0);
	for (uint32_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	slow = false;
	/* What was more than the last turn. */
	for (uint32_t i = 0; i < WRITERS * LINES; i++)
		log_info("end");
	assert_int_equal(met, 0);
	assert_lines_are_whole();
}

static void *write_one(void *text)
{
	log_info("%s", (const char *)text);
	return NULL;
}

/* A thread that is in the middle of its line. */
static pthread_t stop_a_writer(const char *text)
{
	pthread_t thread;

	assert_int_equal(sem_init(&stopped, 0, 0), 0);
	assert_int_equal(sem_init(&go_on, 0, 0), 0);
	stop_next = true;
	assert_int_equal(pthread_create(&thread, NULL, write_one, (void *)(uintptr_t)text), 0);
	assert_int_equal(sem_wait(&stopped), 0);
	return thread;
}

static uint32_t lines_shown(void)
{
	uint32_t lines = 0;

	for (const char *at = console; (at = strstr(at, "\r\n")) != NULL; at += 2)
		lines++;
	return lines;
}

static void nobody_waits_for_a_line_of_another_cpu(void **state)
{
	const uint32_t turn = 16, left = 40;
	pthread_t thread = stop_a_writer("first");

	(void)state;
	/* Would not come back here if it waited. */
	for (uint32_t i = 0; i < left; i++)
		log_info("behind it %u", i);
	assert_int_equal(console_length, 0);
	assert_int_equal(sem_post(&go_on), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* The one that was first has written for the other as much as it may, and no more. */
	assert_int_equal(lines_shown(), turn);
	log_info("last");
	assert_int_equal(lines_shown(), 2 * turn);
	log_info("really");
	assert_int_equal(lines_shown(), left + 3);
	assert_int_equal(strncmp(console, "secpod: first\r\nsecpod: behind it 0\r\n", 36), 0);
	assert_non_null(strstr(console, "behind it 39\r\nsecpod: last\r\nsecpod: really\r\n"));
}

static void lines_that_the_ring_gave_up_are_missed(void **state)
{
	const uint32_t too_many = 5000;
	pthread_t thread = stop_a_writer("first");

	(void)state;
	for (uint32_t i = 0; i < too_many; i++)
		log_info("behind it %u", i);
	assert_int_equal(sem_post(&go_on), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(strncmp(console,
				 "secpod: first\r\nsecpod: lines of the log are not shown here\r\n",
				 60),
			 0);
	assert_null(strstr(console, "behind it 0\r\n"));
	while (!strstr(console, "behind it 4999\r\n"))
		log_info("on");
	/* Once. */
	assert_null(strstr(strstr(console, "not shown here") + 1, "not shown here"));
}

static void a_panic_goes_on_behind_the_line_it_stopped(void **state)
{
	pthread_t thread = stop_a_writer("half a line");

	(void)state;
	log_info("not written yet");
	/* Other CPUs never go on in a panic; this one has to. */
	log_break_locks();
	assert_string_equal(console, "\r\n");
	log_error("panic");
	assert_string_equal(console + 2, "secpod: not written yet\r\nsecpod: error: panic\r\n");
	assert_int_equal(sem_post(&go_on), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lines_have_prefix_and_level, setup),
		cmocka_unit_test_setup(quiet_levels_stay_in_memory, setup),
		cmocka_unit_test_setup(the_config_sets_line_and_level, setup),
		cmocka_unit_test_setup(a_long_line_is_cut, setup),
		cmocka_unit_test_setup(lines_of_several_cpus_do_not_mix_and_none_is_lost, setup),
		cmocka_unit_test_setup(nobody_waits_for_a_line_of_another_cpu, setup),
		cmocka_unit_test_setup(lines_that_the_ring_gave_up_are_missed, setup),
		/* From here on the locks are broken. */
		cmocka_unit_test_setup(a_panic_goes_on_behind_the_line_it_stopped, setup),
		cmocka_unit_test_setup(replay_repeats_the_newest_lines_of_all_levels, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
