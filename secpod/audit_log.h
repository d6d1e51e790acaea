/* SPDX-License-Identifier: MIT */
/*
 * The audit log: what was refused, and what was let pass but recorded. A ring of fixed-size records
 * in the secure space, written by all CPUs and read by LOG_READ. Pure.
 *
 * Nobody waits: not for a lock, not for another writer, not for a reader. A writer may be
 * interrupted by an NMI whose handler writes, too, or be stopped for good. Each record is either
 * handed out once, whole, or counted as lost; readers get them in the order of their numbers.
 *
 * How: a writer draws a number, which names the slot, and claims the slot by its state word
 * (seq << 2 | enum). A record that is in the slot and was not read is lost with that. A slot in
 * which an older record is still being written is left alone, and one that a newer record has taken
 * too: then the writer's own record is lost. A reader copies a record and then takes it by the same
 * word; when a writer was faster, the copy is void and the writer has counted the loss.
 */
#ifndef SECPOD_SECPOD_AUDIT_LOG_H
#define SECPOD_SECPOD_AUDIT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-support/include/secpod_abi.h"
#include "vmm/page_pool.h"

/* Longest line of audit_log_format(), with its NUL. */
#define AUDIT_LINE_SIZE 384u

/*
 * How much of the log reaches the console: burst lines of one rule at a time, and in the long run
 * one every interval ticks of the time stamp.
 */
struct audit_console {
	uint64_t interval;
	uint32_t burst;
	/*
	 * Print the line (no newline in it, NUL behind it). Result: false when that is not possible
	 * now without waiting; the line then counts as suppressed. NULL: no console.
	 */
	bool (*print)(void *context, const char *line, size_t length);
	void *context;
};

struct audit_slot {
	uint64_t state;	 /* 0: never used */
	uint64_t passed; /* newest number whose record was given up because the slot was busy */
};

struct audit_rule {
	uint64_t records;
	uint64_t full_at;    /* time stamp at which the console's bucket is full again */
	uint64_t suppressed; /* lines since the last one printed */
};

struct audit_log {
	struct secpod_record *records;
	struct audit_slot *slots;
	uint64_t capacity; /* records, a power of two */
	uint64_t head;	   /* newest number drawn; 0: none */
	uint64_t next;	   /* number a reader looks for first */
	uint64_t read;
	uint64_t lost;
	uint64_t suppressed;
	struct audit_console console;
	struct audit_rule rule[SECPOD_POLICY_MAX];
};

struct audit_counts {
	uint64_t written; /* numbers drawn: read + lost + what is still to be read */
	uint64_t read;
	uint64_t lost;
	uint64_t suppressed;
};

/*
 * audit_log_init - an empty log. capacity: records, a power of two from 4 to 2^20; the memory comes
 * from pool. console: copied; interval * (burst + 1) must stay below 2^63.
 * Result: 0, -EINVAL, -ENOMEM.
 */
int audit_log_init(struct audit_log *log, struct page_pool *pool, uint32_t capacity,
		   const struct audit_console *console);

/*
 * audit_log_append - add a copy of *record under the next number. Any CPU, in root mode, in an NMI
 * handler too. record: all but seq filled in; a rule that does not exist is kept, but not counted.
 * Result: the number.
 */
uint64_t audit_log_append(struct audit_log *log, const struct secpod_record *record);

/*
 * audit_log_record - audit_log_append(), and the line on the console as the rate allows. Not in an
 * NMI handler unless console.print() can do that.
 */
void audit_log_record(struct audit_log *log, const struct secpod_record *record);

/*
 * audit_log_peek - a copy of the oldest record that was not read.
 * Result: 0; -ENOENT (there is none, or the next one is still being written).
 *
 * audit_log_take - the record with this number, which audit_log_peek() gave, has been read.
 * Result: 0; -ESTALE when it was overwritten, or read by another CPU, after the peek: then it does
 * not count, and its copy must be dropped.
 */
int audit_log_peek(struct audit_log *log, struct secpod_record *record);
int audit_log_take(struct audit_log *log, uint64_t seq);

/* audit_log_count - the counters; each right, together only while nobody writes or reads. */
void audit_log_count(const struct audit_log *log, struct audit_counts *counts);

/* audit_log_rule_count - records written under a rule. */
uint64_t audit_log_rule_count(const struct audit_log *log, uint32_t rule);

/*
 * audit_log_format - the record as one line of printable ASCII. suppressed: lines of the same rule
 * that were not printed before it.
 * to: at least AUDIT_LINE_SIZE bytes. Result: length without the NUL.
 */
size_t audit_log_format(const struct secpod_record *record, uint64_t suppressed, char *to,
			size_t size);

#endif
