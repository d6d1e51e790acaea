/* SPDX-License-Identifier: MIT */
/*
 * The monitor's log: every line goes into a ring in memory, those of the configured level and above
 * to the serial line as well. There lines are whole and in the ring's order, whatever other CPUs
 * print, and nobody waits for another CPU's line: who finds the serial line in use leaves his own to
 * the CPU that has it. No newline in fmt. Formats are newlib's without floating point; 64-bit values
 * through PRIx64 and its like.
 *
 * Works at any time: before host_init() (no CPU number is printed then), in root mode, and in a
 * panic. Not from the NMI handler, which may have stopped this CPU within the ring. A line to a slow
 * serial line takes as long as the line needs, so paths that another CPU waits for use a level that
 * stays in memory.
 */
#ifndef SECPOD_VMM_LOG_H
#define SECPOD_VMM_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/handoff.h"
#include "vmm/log_ring.h"

enum log_level { LOG_ERROR = 0, LOG_WARNING = 1, LOG_INFO = 2, LOG_DEBUG = 3 };

/*
 * log_init - set level and serial line from the hand-off's config, for what is logged from now on.
 * A level above LOG_DEBUG counts as it.
 */
void log_init(const struct secpod_config *config);

/* log_has_console - is there a serial line? Without one, lines are in the ring only. */
bool log_has_console(void);

/* log_at - one line; level: enum log_level. */
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_at_v(enum log_level level, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

/* log_lines - the ring, for readers. */
struct log_ring *log_lines(void);

/*
 * log_break_locks - for a panic, with the other CPUs stopped: ignore the locks and take the UART.
 */
void log_break_locks(void);

/* log_next - the sequence number the next line will have. */
uint64_t log_next(void);

/*
 * log_replay - to the serial line, of whatever level: the last count lines of the ring before the
 * one with sequence number end.
 */
void log_replay(uint64_t end, uint32_t count);

#endif
