/* SPDX-License-Identifier: MIT */
#include "vmm/log.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vmm/host.h"
#include "vmm/percpu.h"
#include "vmm/serial.h"
#include "vmm/spinlock.h"

#define RING_SIZE 0x10000u

static uint8_t ring_bytes[RING_SIZE];
/* As log_ring_init() would leave it: lines can come before log_init(). */
static struct log_ring ring = {.bytes = ring_bytes, .size = RING_SIZE};
_Static_assert((RING_SIZE & (RING_SIZE - 1)) == 0, "power of two");

static enum log_level console_level = LOG_INFO;
static struct spinlock console_lock;
static bool locks_broken;

static const char *const level_text[] = {
	[LOG_ERROR] = "error: ",
	[LOG_WARNING] = "warning: ",
	[LOG_INFO] = "",
	[LOG_DEBUG] = "debug: ",
};

void log_init(const struct secpod_config *config)
{
	console_level =
		config->log_level < LOG_DEBUG ? (enum log_level)config->log_level : LOG_DEBUG;
	serial_init(config->serial_port, config->serial_baud);
}

static void console_line(const char *line, size_t length)
{
	bool locked = !__atomic_load_n(&locks_broken, __ATOMIC_RELAXED);

	if (locked)
		spin_lock(&console_lock);
	serial_write(line, length);
	serial_write("\r\n", 2);
	if (locked)
		spin_unlock(&console_lock);
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
		console_line(line, length);
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
}

uint64_t log_next(void)
{
	return __atomic_load_n(&ring.next_seq, __ATOMIC_RELAXED);
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
