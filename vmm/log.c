/* SPDX-License-Identifier: MIT */
#include "vmm/log.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vmm/host.h"
#include "vmm/percpu.h"
#include "vmm/serial.h"

#define RING_SIZE 0x10000u

static uint8_t ring_bytes[RING_SIZE];
/* As log_ring_init() would leave it: lines can come before log_init(). */
static struct log_ring ring = {.bytes = ring_bytes, .size = RING_SIZE};
_Static_assert((RING_SIZE & (RING_SIZE - 1)) == 0, "power of two");

/* Lines one CPU writes at a time, its own and those of others: some 300 ms at 115200 baud. */
#define CONSOLE_TURN 16u

static enum log_level console_level = LOG_INFO;
static bool locks_broken;

/*
 * The console follows the ring: the CPU that has it writes what others put there meanwhile, so that
 * nobody waits for it and no two lines meet.
 */
static struct {
	uint32_t taken;
	struct log_cursor next; /* belongs to the CPU that has taken it */
} console;

#define LINES_LOST "secpod: lines of the log are not shown here"

static const char *const level_text[] = {
	[LOG_ERROR] = "error: ",
	[LOG_WARNING] = "warning: ",
	[LOG_INFO] = "",
	[LOG_DEBUG] = "debug: ",
};

void log_init(const struct secpod_config *config)
{
	char line[LOG_LINE_MAX + 1];

	console_level =
		config->log_level < LOG_DEBUG ? (enum log_level)config->log_level : LOG_DEBUG;
	serial_init(config->serial_port, config->serial_baud);
	/* What was logged before stays in memory. */
	while (log_ring_read(&ring, &console.next, line, sizeof(line), NULL, NULL) >= 0)
		;
}

bool log_has_console(void)
{
	return serial_present();
}

static void console_line(const char *line, size_t length)
{
	serial_write(line, length);
	serial_write("\r\n", 2);
}

/* Write the next line that is for the console; false: there is none. */
static bool console_next(void)
{
	char line[LOG_LINE_MAX + 1];
	uint64_t expected, seq;
	uint8_t level;
	int length;

	do {
		expected = console.next.seq;
		length = log_ring_read(&ring, &console.next, line, sizeof(line), &level, &seq);
		if (length >= 0 && seq != expected)
			console_line(LINES_LOST, sizeof(LINES_LOST) - 1);
	} while (length >= 0 && level > console_level);
	if (length < 0)
		return false;
	console_line(line, (size_t)length);
	return true;
}

/*
 * A CPU that finds the console taken leaves its line to the one that has it: this one looks for
 * more after it has given the console back, and that order is the same for all (sequentially
 * consistent). Lines beyond its turn wait for the next that is logged.
 */
static void console_follow(void)
{
	const bool broken = __atomic_load_n(&locks_broken, __ATOMIC_RELAXED);

	for (uint32_t lines = 0; broken || lines < CONSOLE_TURN; lines++) {
		bool written;

		if (__atomic_load_n(&console.next.seq, __ATOMIC_SEQ_CST) == log_next())
			return;
		if (__atomic_exchange_n(&console.taken, 1u, __ATOMIC_SEQ_CST) && !broken)
			return;
		written = console_next();
		__atomic_store_n(&console.taken, 0, __ATOMIC_SEQ_CST);
		/* Then nobody adds a line, but one may be half added, and stay so. */
		if (broken && !written)
			return;
	}
}

/* What snprintf() reports as wanted, cut to what the buffer holds. */
static size_t written(int result, size_t size)
{
	if (result < 0)
		return 0;
	return (size_t)result < size ? (size_t)result : size - 1;
}

void log_at_v(enum log_level level, const char *fmt, va_list args)
{
	char line[LOG_LINE_MAX + 1];
	size_t length;

	if (host_active())
		length = written(snprintf(line, sizeof(line), "secpod: cpu %" PRIu32 ": %s",
					  this_cpu()->index, level_text[level]),
				 sizeof(line));
	else
		length = written(snprintf(line, sizeof(line), "secpod: %s", level_text[level]),
				 sizeof(line));
	length += written(vsnprintf(line + length, sizeof(line) - length, fmt, args),
			  sizeof(line) - length);
	log_ring_append(&ring, (uint8_t)level, line, length);
	if (level <= console_level)
		console_follow();
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_at_v(level, fmt, args);
	va_end(args);
}

struct log_ring *log_lines(void)
{
	return &ring;
}

void log_break_locks(void)
{
	__atomic_store_n(&locks_broken, true, __ATOMIC_RELAXED);
	log_ring_break_lock(&ring);
	serial_take_over();
	/* The CPU that has it was stopped within a line. */
	if (__atomic_load_n(&console.taken, __ATOMIC_RELAXED))
		serial_write("\r\n", 2);
}

uint64_t log_next(void)
{
	return __atomic_load_n(&ring.next_seq, __ATOMIC_SEQ_CST);
}

void log_replay(uint64_t end, uint32_t count)
{
	struct log_cursor cursor = {0, 0};
	char line[LOG_LINE_MAX + 1];
	uint64_t seq;
	int length;

	for (;;) {
		length = log_ring_read(&ring, &cursor, line, sizeof(line), NULL, &seq);
		if (length < 0 || seq >= end)
			return;
		if (seq + count >= end)
			console_line(line, (size_t)length);
	}
}
