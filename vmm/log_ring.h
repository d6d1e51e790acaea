/* SPDX-License-Identifier: MIT */
/*
 * Ring of text lines in memory: the newest lines with their sequence numbers, the oldest given up
 * as new ones need their place. Safe on all CPUs. Pure.
 */
#ifndef SECPOD_VMM_LOG_RING_H
#define SECPOD_VMM_LOG_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/spinlock.h"

#define LOG_LINE_MAX 416u /* bytes of a line, without a NUL; longer ones are cut */

struct log_ring {
	struct spinlock lock;
	bool unlocked; /* see log_ring_break_lock() */
	uint8_t *bytes;
	uint32_t size;	     /* power of two */
	uint64_t head;	     /* bytes ever written; position of the next record */
	uint64_t tail;	     /* position of the oldest record */
	uint64_t next_seq;   /* of the next line; the first line has 0 */
	uint64_t oldest_seq; /* of the record at tail */
};

/* Where a reader is; all zero to begin with the oldest line. */
struct log_cursor {
	uint64_t seq;
	uint64_t position;
};

/*
 * log_ring_init - use bytes[size] as the ring.
 * size: power of two, at least 1024 and at most 2^30.
 * Result: 0, -EINVAL.
 */
int log_ring_init(struct log_ring *ring, void *bytes, uint32_t size);

/*
 * log_ring_append - add a line of length bytes. level: kept with it.
 * Result: its sequence number.
 */
uint64_t log_ring_append(struct log_ring *ring, uint8_t level, const char *text, size_t length);

/*
 * log_ring_read - the next line at or after the cursor, which moves behind it. Lines that were
 * given up meanwhile are skipped: compare *seq with what was expected.
 * to, size: buffer, gets a NUL-terminated string, cut to fit. level, seq: may be NULL.
 * Result: length of the string; -ENOENT when there is no newer line; -EINVAL when size is 0.
 */
int log_ring_read(struct log_ring *ring, struct log_cursor *cursor, char *to, size_t size,
		  uint8_t *level, uint64_t *seq);

/*
 * log_ring_break_lock - from now on the lock is ignored: for a panic, when the other CPUs have been
 * stopped and one of them, or this one, may hold it.
 */
void log_ring_break_lock(struct log_ring *ring);

#endif
