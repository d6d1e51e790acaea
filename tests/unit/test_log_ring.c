/* SPDX-License-Identifier: MIT */
#include "vmm/log_ring.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define RING_SIZE 1024u
#define WRITERS 2u
/* A time and not a number of lines: a fair lock is slow with more threads than free processors. */
#define WRITE_SECONDS 1.0
#define READER_PAUSE_US 500u

static struct log_ring ring;
/* Of exactly the ring's size, so that the sanitizer sees a step outside. */
static uint8_t *bytes;
static pthread_barrier_t together;

static int setup(void **state)
{
	(void)state;
	bytes = malloc(RING_SIZE);
	return bytes ? log_ring_init(&ring, bytes, RING_SIZE) : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(bytes);
	return 0;
}

static uint64_t append(const char *text)
{
	return log_ring_append(&ring, 2, text, strlen(text));
}

static void bad_sizes_are_refused(void **state)
{
	static const uint32_t bad[] = {0, 1, 512, 1000, 1025, 3 * 1024, 1u << 31, UINT32_MAX};
	struct log_ring other;

	(void)state;
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(log_ring_init(&other, bytes, bad[i]), -EINVAL);
}

static void lines_come_back_in_order_with_number_and_level(void **state)
{
	struct log_cursor cursor = {0, 0};
	char line[LOG_LINE_MAX + 1];
	uint64_t seq;
	uint8_t level;

	(void)state;
	assert_int_equal(log_ring_append(&ring, 0, "first", 5), 0);
	assert_int_equal(log_ring_append(&ring, 3, "", 0), 1);
	assert_int_equal(log_ring_append(&ring, 1, "third line", 10), 2);
	assert_int_equal(log_ring_read(&ring, &cursor, line, sizeof(line), &level, &seq), 5);
	assert_string_equal(line, "first");
	assert_int_equal(level, 0);
	assert_int_equal(seq, 0);
	assert_int_equal(log_ring_read(&ring, &cursor, line, sizeof(line), &level, &seq), 0);
	assert_string_equal(line, "");
	assert_int_equal(level, 3);
	assert_int_equal(log_ring_read(&ring, &cursor, line, sizeof(line), NULL, NULL), 10);
	assert_string_equal(line, "third line");
	assert_int_equal(log_ring_read(&ring, &cursor, line, sizeof(line), NULL, NULL), -ENOENT);
	/* A reader at the end goes on with what comes later. */
	append("fourth");
	assert_int_equal(log_ring_read(&ring, &cursor, line, sizeof(line), NULL, &seq), 6);
	assert_int_equal(seq, 3);
}

static void an_empty_ring_has_no_line(void **state)
{
	struct log_cursor cursor = {0, 0};
	char line[8];

	(void)state;
	assert_int_equal(log_ring_read(&ring, &cursor, line, sizeof(line), NULL, NULL), -ENOENT);
	append("x");
	assert_int_equal(log_ring_read(&ring, &cursor, line, 0, NULL, NULL), -EINVAL);
}

static void wrapping_keeps_the_newest_lines_whole(void **state)
{
	struct log_cursor cursor = {0, 0};
	char line[LOG_LINE_MAX + 1], expected[LOG_LINE_MAX + 1];
	uint64_t seq, last = 0, used = 0;
	uint32_t count = 0;

	(void)state;
	/* Lengths of all remainders, so that the end of the memory cuts records at every place. */
	for (uint32_t i = 0; i < 5000; i++) {
		snprintf(line, sizeof(line), "%u:%.*s", i, (int)(i % 41),
			 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrs");
		assert_int_equal(append(line), i);
	}
	while (log_ring_read(&ring, &cursor, line, sizeof(line), NULL, &seq) >= 0) {
		snprintf(expected, sizeof(expected), "%u:%.*s", (unsigned int)seq, (int)(seq % 41),
			 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrs");
		assert_string_equal(line, expected);
		assert_true(count == 0 || seq == last + 1);
		last = seq;
		used += strlen(line) + 4;
		count++;
	}
	assert_int_equal(last, 4999);
	/* No more was given up than had to be. */
	assert_true(used <= RING_SIZE && used > RING_SIZE - 2 * 52);
}

static void a_slow_reader_goes_on_with_the_oldest_line_left(void **state)
{
	struct log_cursor cursor = {0, 0};
	char line[LOG_LINE_MAX + 1];
	uint64_t seq;

	(void)state;
	append("0");
	append("1");
	log_ring_read(&ring, &cursor, line, sizeof(line), NULL, &seq);
	for (uint32_t i = 2; i < 1000; i++)
		append("a line of twenty-four ch");
	assert_int_equal(log_ring_read(&ring, &cursor, line, sizeof(line), NULL, &seq), 24);
	/* 28 bytes a record. */
	assert_int_equal(seq, 1000 - RING_SIZE / 28);
}

static void a_long_line_is_cut_and_a_small_buffer_respected(void **state)
{
	struct log_cursor cursor = {0, 0};
	char text[4 * LOG_LINE_MAX], line[4 * LOG_LINE_MAX], small[4] = "....";

	(void)state;
	memset(text, 'x', sizeof(text));
	log_ring_append(&ring, 0, text, sizeof(text));
	append("next");
	assert_int_equal(log_ring_read(&ring, &cursor, line, sizeof(line), NULL, NULL),
			 LOG_LINE_MAX);
	assert_int_equal(strlen(line), LOG_LINE_MAX);
	assert_int_equal(log_ring_read(&ring, &cursor, small, 3, NULL, NULL), 2);
	assert_memory_equal(small, "ne\0.", 4);
	for (uint32_t i = 0; i < 20; i++)
		log_ring_append(&ring, 0, text, sizeof(text));
	assert_int_equal(log_ring_read(&ring, &cursor, line, sizeof(line), NULL, NULL),
			 LOG_LINE_MAX);
}

static void a_wrong_cursor_reads_nothing_outside(void **state)
{
	static const struct log_cursor wrong[] = {
		{0, UINT64_MAX - 1}, /* a record of 0xffff bytes, from the end of the memory on */
		{0, 7},
		{1, 8 + RING_SIZE},
	};
	char line[LOG_LINE_MAX + 1];

	(void)state;
	memset(bytes, 0xff, RING_SIZE);
	append("\xff\xff\xff\xff\xff\xff\xff\xff");
	append("\xff");
	for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct log_cursor cursor = wrong[i];

		assert_int_equal(log_ring_read(&ring, &cursor, line, sizeof(line), NULL, NULL),
				 -ENOENT);
	}
}

static void a_broken_lock_is_ignored(void **state)
{
	struct log_cursor cursor = {0, 0};
	char line[8];

	(void)state;
	spin_lock(&ring.lock); /* by a CPU that was stopped */
	log_ring_break_lock(&ring);
	append("panic");
	assert_int_equal(log_ring_read(&ring, &cursor, line, sizeof(line), NULL, NULL), 5);
	assert_string_equal(line, "panic");
}

struct writer {
	pthread_t thread;
	uint32_t id;
	uint32_t lines; /* written, once the thread has ended */
};

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void *write_lines(void *argument)
{
	struct writer *writer = argument;
	char line[LOG_LINE_MAX];
	double end;

	pthread_barrier_wait(&together);
	end = seconds() + WRITE_SECONDS;
	for (; seconds() < end; writer->lines++) {
		int length = snprintf(line, sizeof(line), "%u %u %.*s", writer->id, writer->lines,
				      (int)(writer->lines % 23), "0123456789012345678901234567890");

		log_ring_append(&ring, (uint8_t)writer->id, line, (size_t)length);
	}
	return NULL;
}

static void check_line(const char *line, uint8_t level, uint32_t next[WRITERS])
{
	char expected[LOG_LINE_MAX];
	uint32_t id, i;

	assert_int_equal(sscanf(line, "%u %u", &id, &i), 2);
	assert_true(id < WRITERS && id == level);
	/* In each writer's order, though lines may be missed. */
	assert_true(i >= next[id]);
	next[id] = i + 1;
	snprintf(expected, sizeof(expected), "%u %u %.*s", id, i, (int)(i % 23),
		 "0123456789012345678901234567890");
	assert_string_equal(line, expected);
}

static void concurrent_writers_and_a_reader_see_whole_lines(void **state)
{
	struct writer writer[WRITERS] = {0};
	uint32_t next[WRITERS] = {0};
	struct log_cursor cursor = {0, 0};
	char line[LOG_LINE_MAX + 1];
	double end = seconds() + WRITE_SECONDS;
	uint64_t lines = 0;
	uint8_t level;

	(void)state;
	assert_int_equal(pthread_barrier_init(&together, NULL, WRITERS), 0);
	for (uint32_t i = 0; i < WRITERS; i++) {
		writer[i].id = i;
		assert_int_equal(pthread_create(&writer[i].thread, NULL, write_lines, &writer[i]),
				 0);
	}
	while (seconds() < end) {
		if (log_ring_read(&ring, &cursor, line, sizeof(line), &level, NULL) >= 0)
			check_line(line, level, next);
		else
			usleep(READER_PAUSE_US);
	}
	for (uint32_t i = 0; i < WRITERS; i++) {
		pthread_join(writer[i].thread, NULL);
		lines += writer[i].lines;
	}
	while (log_ring_read(&ring, &cursor, line, sizeof(line), &level, NULL) >= 0)
		check_line(line, level, next);
	assert_int_equal(ring.next_seq, lines);
	assert_int_equal(cursor.seq, lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bad_sizes_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(lines_come_back_in_order_with_number_and_level,
						setup, teardown),
		cmocka_unit_test_setup_teardown(an_empty_ring_has_no_line, setup, teardown),
		cmocka_unit_test_setup_teardown(wrapping_keeps_the_newest_lines_whole, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_slow_reader_goes_on_with_the_oldest_line_left,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_line_is_cut_and_a_small_buffer_respected,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_wrong_cursor_reads_nothing_outside, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_broken_lock_is_ignored, setup, teardown),
		cmocka_unit_test_setup_teardown(concurrent_writers_and_a_reader_see_whole_lines,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
