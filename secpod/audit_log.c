/* SPDX-License-Identifier: MIT */
#include "secpod/audit_log.h"

#include <errno.h>
#include <string.h>

#include "vmm/addr.h"

#define CAPACITY_MIN 4u
#define CAPACITY_MAX (1u << 20)
#define RECORD_WORDS (sizeof(struct secpod_record) / sizeof(uint64_t))

/* What a state word says of the record whose number is in its upper bits. */
enum slot_kind {
	SLOT_WRITING = 1,
	SLOT_UNREAD = 2,
	SLOT_READ = 3,
};
#define SLOT_KIND_BITS 2u
#define SLOT_KIND_MASK 3u

static uint64_t state_of(uint64_t seq, enum slot_kind kind)
{
	return seq << SLOT_KIND_BITS | kind;
}

static uint64_t state_seq(uint64_t state)
{
	return state >> SLOT_KIND_BITS;
}

static bool is_kind(uint64_t state, enum slot_kind kind)
{
	return (state & SLOT_KIND_MASK) == kind;
}

static uint64_t slot_index(const struct audit_log *log, uint64_t seq)
{
	return seq & (log->capacity - 1);
}

/* The state words and head are sequentially consistent: see publish(). */
static bool change_state(struct audit_slot *slot, uint64_t *from, uint64_t to)
{
	return __atomic_compare_exchange_n(&slot->state, from, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

static void count_lost(struct audit_log *log)
{
	__atomic_fetch_add(&log->lost, 1, __ATOMIC_RELAXED);
}

static void *pages_for(struct page_pool *pool, uint64_t bytes)
{
	return page_pool_alloc_contiguous(pool, (bytes + PAGE_SIZE - 1) >> PAGE_SHIFT, 1);
}

int audit_log_init(struct audit_log *log, struct page_pool *pool, uint32_t capacity,
		   const struct audit_console *console)
{
	if (capacity < CAPACITY_MIN || capacity > CAPACITY_MAX || (capacity & (capacity - 1)))
		return -EINVAL;
	if (console->interval > (UINT64_MAX >> 1) / (console->burst + 1ULL))
		return -EINVAL;
	*log = (struct audit_log){.capacity = capacity, .next = 1, .console = *console};
	log->records = pages_for(pool, capacity * sizeof(*log->records));
	log->slots = pages_for(pool, capacity * sizeof(*log->slots));
	return log->records && log->slots ? 0 : -ENOMEM;
}

/* A reader may copy at the same time: words, so that no byte is of two records unnoticed. */
static void copy_in(struct secpod_record *to, const struct secpod_record *from, uint64_t seq)
{
	const uint8_t *in = (const uint8_t *)from;
	uint64_t *out = (uint64_t *)to;

	__atomic_store_n(&to->seq, seq, __ATOMIC_RELAXED);
	/* The first word is the number. */
#pragma GCC unroll 16
	for (size_t i = 1; i < RECORD_WORDS; i++) {
		uint64_t word;

		memcpy(&word, in + i * sizeof(word), sizeof(word));
		__atomic_store_n(&out[i], word, __ATOMIC_RELAXED);
	}
}

static void copy_out(struct secpod_record *to, const struct secpod_record *from)
{
	const uint64_t *in = (const uint64_t *)from;

	for (size_t i = 0; i < RECORD_WORDS; i++) {
		uint64_t word = __atomic_load_n(&in[i], __ATOMIC_RELAXED);

		memcpy((uint8_t *)to + i * sizeof(word), &word, sizeof(word));
	}
}

/* Tell readers not to wait for record seq. */
static void pass_over(struct audit_slot *slot, uint64_t seq)
{
	uint64_t passed = __atomic_load_n(&slot->passed, __ATOMIC_RELAXED);

	while (passed < seq && !__atomic_compare_exchange_n(&slot->passed, &passed, seq, false,
							    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

/*
 * Take the slot for record seq; false when it cannot be had. Each time around, the slot has gone
 * on: from unread to read, or to a record that ends the loop.
 */
static bool claim(struct audit_log *log, struct audit_slot *slot, uint64_t seq)
{
	uint64_t state = __atomic_load_n(&slot->state, __ATOMIC_SEQ_CST);

	for (;;) {
		if (state_seq(state) > seq)
			return false;
		if (is_kind(state, SLOT_WRITING)) {
			pass_over(slot, seq);
			return false;
		}
		if (change_state(slot, &state, state_of(seq, SLOT_WRITING))) {
			if (is_kind(state, SLOT_UNREAD))
				count_lost(log);
			return true;
		}
	}
}

/*
 * The record is complete. When the numbers have gone around the ring meanwhile, no reader comes for
 * it any more, and whoever wanted the slot may have passed over it: give it up. A writer that found
 * the slot busy had drawn its number before, so that it shows in head here.
 */
static void publish(struct audit_log *log, struct audit_slot *slot, uint64_t seq)
{
	uint64_t state = state_of(seq, SLOT_UNREAD);

	__atomic_store_n(&slot->state, state, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&log->head, __ATOMIC_SEQ_CST) - seq >= log->capacity &&
	    change_state(slot, &state, state_of(seq, SLOT_READ)))
		count_lost(log);
}

uint64_t audit_log_append(struct audit_log *log, const struct secpod_record *record)
{
	uint64_t seq = __atomic_add_fetch(&log->head, 1, __ATOMIC_SEQ_CST);
	struct audit_slot *slot = &log->slots[slot_index(log, seq)];

	if (record->rule < SECPOD_RULE_COUNT)
		__atomic_fetch_add(&log->rule[record->rule].records, 1, __ATOMIC_RELAXED);
	if (!claim(log, slot, seq)) {
		count_lost(log);
		return seq;
	}
	/* The claim before the words, for a reader that sees one of them. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	copy_in(&log->records[slot_index(log, seq)], record, seq);
	publish(log, slot, seq);
	return seq;
}

/* Move log->next on; another reader may have moved it further. */
static void move_next(struct audit_log *log, uint64_t from, uint64_t to)
{
	__atomic_compare_exchange_n(&log->next, &from, to, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_RELAXED);
}

/* Is there nothing to wait for in the slot of record seq? */
static bool is_gone(const struct audit_slot *slot, uint64_t state, uint64_t seq)
{
	return state_seq(state) > seq || state == state_of(seq, SLOT_READ) ||
	       __atomic_load_n(&slot->passed, __ATOMIC_ACQUIRE) >= seq;
}

int audit_log_peek(struct audit_log *log, struct secpod_record *record)
{
	/* Bounded, however fast others write: one look at each slot. */
	for (uint64_t looks = 0; looks <= log->capacity; looks++) {
		uint64_t seq = __atomic_load_n(&log->next, __ATOMIC_SEQ_CST);
		uint64_t head = __atomic_load_n(&log->head, __ATOMIC_SEQ_CST);
		struct audit_slot *slot = &log->slots[slot_index(log, seq)];
		uint64_t state;

		if (seq > head)
			return -ENOENT;
		if (head - seq >= log->capacity) {
			move_next(log, seq, head - log->capacity + 1);
			continue;
		}
		state = __atomic_load_n(&slot->state, __ATOMIC_SEQ_CST);
		if (state == state_of(seq, SLOT_UNREAD)) {
			copy_out(record, &log->records[slot_index(log, seq)]);
			/* A word of a later record: then its claim shows here. */
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			if (__atomic_load_n(&slot->state, __ATOMIC_RELAXED) == state)
				return 0;
		} else if (is_gone(slot, state, seq)) {
			move_next(log, seq, seq + 1);
		} else {
			return -ENOENT;
		}
	}
	return -ENOENT;
}

int audit_log_take(struct audit_log *log, uint64_t seq)
{
	uint64_t state = state_of(seq, SLOT_UNREAD);

	if (!change_state(&log->slots[slot_index(log, seq)], &state, state_of(seq, SLOT_READ)))
		return -ESTALE;
	__atomic_fetch_add(&log->read, 1, __ATOMIC_RELAXED);
	move_next(log, seq, seq + 1);
	return 0;
}

void audit_log_count(const struct audit_log *log, struct audit_counts *counts)
{
	counts->written = __atomic_load_n(&log->head, __ATOMIC_SEQ_CST);
	counts->read = __atomic_load_n(&log->read, __ATOMIC_RELAXED);
	counts->lost = __atomic_load_n(&log->lost, __ATOMIC_RELAXED);
	counts->suppressed = __atomic_load_n(&log->suppressed, __ATOMIC_RELAXED);
}

uint64_t audit_log_rule_count(const struct audit_log *log, uint32_t rule)
{
	return rule < SECPOD_RULE_COUNT
		       ? __atomic_load_n(&log->rule[rule].records, __ATOMIC_RELAXED)
		       : 0;
}
