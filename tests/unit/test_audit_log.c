/* SPDX-License-Identifier: MIT */
/* The ring: numbers, losses, writers and readers at the same time. */
#include "secpod/audit_log.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <cmocka.h>

#include "vmm/addr.h"

#define SMALL 8u
#define LARGE 4096u
#define POOL_PAGES 256u
#define WRITERS 2u
#define READERS 2u
#define RECORDS 100000u
/* As in secpod/audit_log.c: a record whose writer was stopped. */
#define STATE_WRITING 1u

static const struct audit_console no_console;
static struct page_pool pool;
static void *memory;
static struct audit_log audit;

static int open_log(uint32_t capacity)
{
	memory = aligned_alloc(PAGE_SIZE, POOL_PAGES * PAGE_SIZE);
	if (!memory || page_pool_init(&pool, virt_to_hpa(memory), POOL_PAGES * PAGE_SIZE) != 0)
		return -1;
	return audit_log_init(&audit, &pool, capacity, &no_console);
}

static int small_up(void **state)
{
	(void)state;
	return open_log(SMALL);
}

static int large_up(void **state)
{
	(void)state;
	return open_log(LARGE);
}

static int down(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

/* A record in which every byte but the number follows from writer and index. */
static struct secpod_record record_of(uint32_t writer, uint64_t index)
{
	uint64_t mix = (index << 8 | writer) * 0x9e3779b97f4a7c15;
	struct secpod_record record = {
		.tsc = mix,
		.cpu = writer,
		.phase = SECPOD_PHASE_LOCKED,
		.rule = SECPOD_RULE_CR4,
		.answer = SECPOD_ANSWER_DENY,
		.rip = index,
		.cr3 = ~mix,
		.detail = {mix + 1, mix + 2, mix + 3, mix + 4},
		.insn_len = SECPOD_RECORD_INSN,
	};

	memset(record.insn, (int)(mix & 0xff), sizeof(record.insn));
	return record;
}

static bool is_whole(const struct secpod_record *record)
{
	struct secpod_record expected = record_of(record->cpu, record->rip);

	expected.seq = record->seq;
	return memcmp(&expected, record, sizeof(expected)) == 0;
}

static uint64_t append(uint64_t index)
{
	struct secpod_record record = record_of(0, index);

	return audit_log_append(&audit, &record);
}

/* The next record; its number, or 0 when there is none. */
static uint64_t read_one(void)
{
	struct secpod_record record;

	if (audit_log_peek(&audit, &record) != 0)
		return 0;
	assert_true(is_whole(&record));
	assert_int_equal(audit_log_take(&audit, record.seq), 0);
	return record.seq;
}

static void assert_counts(uint64_t written, uint64_t was_read, uint64_t lost)
{
	struct audit_counts counts;

	audit_log_count(&audit, &counts);
	assert_int_equal(counts.written, written);
	assert_int_equal(counts.read, was_read);
	assert_int_equal(counts.lost, lost);
}

static void bad_sizes_are_refused(void **state)
{
	static const uint32_t sizes[] = {0, 1, 2, 3, 5, 1000, 4097, 1u << 21, 1u << 31, UINT32_MAX};
	struct audit_console console = {.interval = UINT64_MAX / 4, .burst = 4};
	struct audit_log log;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(audit_log_init(&log, &pool, sizes[i], &no_console), -EINVAL);
	assert_int_equal(audit_log_init(&log, &pool, SMALL, &console), -EINVAL);
	console = (struct audit_console){.interval = 1, .burst = UINT32_MAX};
	assert_int_equal(audit_log_init(&log, &pool, SMALL, &console), 0);
}

static void a_pool_too_small_is_refused(void **state)
{
	struct audit_log log;

	(void)state;
	assert_int_equal(audit_log_init(&log, &pool, 1u << 20, &no_console), -ENOMEM);
	/* Room for the records, and none for their state words. */
	while (page_pool_left(&pool) > 32)
		assert_non_null(page_pool_alloc(&pool));
	assert_int_equal(audit_log_init(&log, &pool, 1024, &no_console), -ENOMEM);
}

static void records_come_back_whole_and_in_order(void **state)
{
	(void)state;
	assert_int_equal(read_one(), 0);
	for (uint64_t round = 0; round < 5; round++) {
		for (uint64_t i = 1; i <= SMALL; i++)
			assert_int_equal(append(i), round * SMALL + i);
		for (uint64_t i = 1; i <= SMALL; i++)
			assert_int_equal(read_one(), round * SMALL + i);
		assert_int_equal(read_one(), 0);
	}
	assert_counts(5 * SMALL, 5 * SMALL, 0);
}

static void a_peek_takes_nothing(void **state)
{
	struct secpod_record record;

	(void)state;
	append(1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(audit_log_peek(&audit, &record), 0);
		assert_int_equal(record.seq, 1);
	}
	assert_counts(1, 0, 0);
	assert_int_equal(audit_log_take(&audit, 1), 0);
	assert_int_equal(audit_log_peek(&audit, &record), -ENOENT);
}

static void the_oldest_give_way_and_are_counted(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= SMALL; i++)
		append(i);
	assert_counts(SMALL, 0, 0);
	append(1);
	assert_counts(SMALL + 1, 0, 1);
	for (uint64_t i = 0; i < 10 * SMALL; i++)
		append(i);
	assert_counts(11 * SMALL + 1, 0, 10 * SMALL + 1);
	for (uint64_t i = 0; i < SMALL; i++)
		assert_int_equal(read_one(), 10 * SMALL + 2 + i);
	assert_int_equal(read_one(), 0);
	assert_counts(11 * SMALL + 1, SMALL, 10 * SMALL + 1);
}

static void what_was_read_is_not_lost_when_overwritten(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= SMALL; i++)
		append(i);
	for (uint64_t i = 1; i <= 3; i++)
		assert_int_equal(read_one(), i);
	for (uint64_t i = 1; i <= SMALL; i++)
		append(i);
	assert_counts(2 * SMALL, 3, SMALL - 3);
}

static void a_record_overwritten_after_the_peek_does_not_count_as_read(void **state)
{
	struct secpod_record record;

	(void)state;
	append(1);
	assert_int_equal(audit_log_peek(&audit, &record), 0);
	for (uint64_t i = 1; i <= SMALL; i++)
		append(i);
	assert_int_equal(audit_log_take(&audit, record.seq), -ESTALE);
	assert_counts(SMALL + 1, 0, 1);
	assert_int_equal(read_one(), 2);
}

static void two_readers_do_not_get_the_same_record(void **state)
{
	struct secpod_record one, other;

	(void)state;
	append(1);
	append(2);
	assert_int_equal(audit_log_peek(&audit, &one), 0);
	assert_int_equal(audit_log_peek(&audit, &other), 0);
	assert_int_equal(audit_log_take(&audit, one.seq), 0);
	assert_int_equal(audit_log_take(&audit, other.seq), -ESTALE);
	assert_int_equal(read_one(), 2);
	assert_counts(2, 2, 0);
}

static void a_record_that_another_reader_took_is_passed_over(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 3; i++)
		append(i);
	/* Two readers, the one with the later record was faster. */
	assert_int_equal(audit_log_take(&audit, 2), 0);
	assert_int_equal(read_one(), 1);
	assert_int_equal(read_one(), 3);
	assert_int_equal(read_one(), 0);
	assert_counts(3, 3, 0);
}

static void a_number_nobody_has_cannot_be_taken(void **state)
{
	static const uint64_t numbers[] = {0, 2, SMALL + 1, UINT64_MAX};

	(void)state;
	append(1);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_int_equal(audit_log_take(&audit, numbers[i]), -ESTALE);
	assert_counts(1, 0, 0);
}

/* A writer that was stopped between its claim and the end. Result: its number. */
static uint64_t stop_writer(void)
{
	uint64_t seq = ++audit.head;

	audit.slots[seq % SMALL].state = seq << 2 | STATE_WRITING;
	return seq;
}

static void readers_keep_the_order_behind_a_writer_that_is_not_done(void **state)
{
	(void)state;
	append(1);
	stop_writer();
	append(3);
	assert_int_equal(read_one(), 1);
	assert_int_equal(read_one(), 0);
}

static void a_writer_stopped_for_good_costs_one_slot(void **state)
{
	uint64_t stopped, busy = 0, got = 0;

	(void)state;
	stopped = stop_writer();
	assert_int_equal(read_one(), 0);
	for (uint64_t i = 0; i < 3 * SMALL; i++) {
		uint64_t seq = append(i);

		busy += seq % SMALL == stopped % SMALL;
	}
	assert_int_equal(busy, 3);
	while (read_one() != 0)
		got++;
	/* The last round but for the busy slot; the record that never came is neither. */
	assert_int_equal(got, SMALL - 1);
	assert_counts(3 * SMALL + 1, got, 2 * SMALL + 1);
	/* And readers go on. */
	append(0);
	assert_int_equal(read_one(), 3 * SMALL + 2);
}

static void a_writer_that_is_overtaken_gives_up_its_record(void **state)
{
	uint64_t late;

	(void)state;
	/* Draws its number only, and comes back a round later. */
	late = ++audit.head;
	for (uint64_t i = 0; i < SMALL; i++)
		append(i);
	audit.head = late - 1;
	assert_int_equal(append(1), late);
	audit.head = SMALL + 1;
	assert_counts(SMALL + 1, 0, 1);
	for (uint64_t i = 0; i < SMALL; i++)
		assert_int_equal(read_one(), late + 1 + i);
}

static void rules_are_counted(void **state)
{
	struct secpod_record record = record_of(0, 0);

	(void)state;
	append(1);
	append(2);
	record.rule = SECPOD_RULE_EFER;
	audit_log_append(&audit, &record);
	record.rule = UINT8_MAX;
	audit_log_append(&audit, &record);
	assert_int_equal(audit_log_rule_count(&audit, SECPOD_RULE_CR4), 2);
	assert_int_equal(audit_log_rule_count(&audit, SECPOD_RULE_EFER), 1);
	assert_int_equal(audit_log_rule_count(&audit, SECPOD_RULE_CR0), 0);
	assert_int_equal(audit_log_rule_count(&audit, UINT8_MAX), 0);
	assert_counts(4, 0, 0);
}

/* ---- at the same time */

static uint32_t writers_left;
static uint8_t seen[WRITERS][RECORDS];

struct reading {
	uint64_t records, torn, twice, unordered;
};

static void *write_paced(void *number)
{
	for (uint64_t i = 0; i < RECORDS; i++) {
		struct secpod_record record = record_of((uint32_t)(uintptr_t)number, i);
		struct audit_counts counts;

		/* A reader that keeps up: writers have no reason to be faster than it. */
		do {
			audit_log_count(&audit, &counts);
		} while (counts.written - counts.read > LARGE / 2 && sched_yield() == 0);
		audit_log_append(&audit, &record);
	}
	__atomic_sub_fetch(&writers_left, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *write_unpaced(void *number)
{
	for (uint64_t i = 0; i < RECORDS; i++) {
		struct secpod_record record = record_of((uint32_t)(uintptr_t)number, i);

		audit_log_append(&audit, &record);
		/* Threads meet only when they are stopped in the middle of things. */
		if (i % 512 == 0)
			sched_yield();
	}
	__atomic_sub_fetch(&writers_left, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void drain(struct reading *reading)
{
	struct secpod_record record;
	uint64_t last = 0;

	while (audit_log_peek(&audit, &record) == 0) {
		if (audit_log_take(&audit, record.seq) != 0)
			continue;
		reading->records++;
		reading->unordered += record.seq <= last;
		last = record.seq;
		if (!is_whole(&record) || record.cpu >= WRITERS || record.rip >= RECORDS)
			reading->torn++;
		else
			reading->twice += __atomic_fetch_add(&seen[record.cpu][record.rip], 1,
							     __ATOMIC_RELAXED) != 0;
	}
}

static void *read_until_done(void *reading)
{
	while (__atomic_load_n(&writers_left, __ATOMIC_SEQ_CST) != 0) {
		drain(reading);
		sched_yield();
	}
	drain(reading);
	return NULL;
}

/* Result: what all readers have read together. */
static struct reading run(void *(*writer)(void *), uint32_t readers)
{
	pthread_t threads[WRITERS + READERS];
	struct reading part[READERS + 1] = {{0}}, sum = {0};

	memset(seen, 0, sizeof(seen));
	writers_left = WRITERS;
	for (uint32_t i = 0; i < readers; i++)
		assert_int_equal(
			pthread_create(&threads[WRITERS + i], NULL, read_until_done, &part[i]), 0);
	for (uint32_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, writer, (void *)(uintptr_t)i),
				 0);
	for (uint32_t i = 0; i < WRITERS + readers; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	drain(&part[READERS]);
	for (uint32_t i = 0; i <= READERS; i++) {
		sum.records += part[i].records;
		sum.torn += part[i].torn;
		sum.twice += part[i].twice;
		sum.unordered += part[i].unordered;
	}
	assert_int_equal(sum.torn, 0);
	assert_int_equal(sum.twice, 0);
	assert_int_equal(sum.unordered, 0);
	return sum;
}

static void nothing_is_lost_in_a_ring_that_is_drained(void **state)
{
	struct reading got;

	(void)state;
	got = run(write_paced, 1);
	assert_int_equal(got.records, WRITERS * RECORDS);
	assert_counts(WRITERS * RECORDS, WRITERS * RECORDS, 0);
}

static void every_loss_is_counted_in_a_ring_that_is_not_drained(void **state)
{
	struct reading got;

	(void)state;
	got = run(write_unpaced, 0);
	assert_in_range(got.records, 1, LARGE);
	assert_counts(WRITERS * RECORDS, got.records, WRITERS * RECORDS - got.records);
}

static void every_loss_is_counted_while_readers_and_writers_race(void **state)
{
	struct reading got;

	(void)state;
	/* A ring so small that they meet in it all the time. */
	got = run(write_unpaced, READERS);
	assert_in_range(got.records, 1, WRITERS * RECORDS);
	assert_counts(WRITERS * RECORDS, got.records, WRITERS * RECORDS - got.records);
}

static volatile uint64_t interrupts;

/* What an NMI does: it comes between any two instructions, and ends before these go on. */
static void interrupt(int signal)
{
	struct secpod_record record = record_of(1, interrupts % RECORDS);

	(void)signal;
	for (uint32_t i = 0; i < SMALL + 1; i++)
		audit_log_append(&audit, &record);
	interrupts++;
}

static void a_writer_may_be_interrupted_by_one(void **state)
{
	const struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESTART}, old;
	struct secpod_record record;
	uint64_t written = 0, was_read = 0, torn = 0;

	(void)state;
	/* No assertion while the timer runs: it would leave the handler behind. */
	interrupts = 0;
	assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	while (interrupts < 2000) {
		append(written++);
		if (written % 4 == 0 && audit_log_peek(&audit, &record) == 0 &&
		    audit_log_take(&audit, record.seq) == 0) {
			torn += !is_whole(&record);
			was_read++;
		}
	}
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
	assert_int_equal(torn, 0);
	written += interrupts * (SMALL + 1);
	while (audit_log_peek(&audit, &record) == 0) {
		assert_true(is_whole(&record));
		assert_int_equal(audit_log_take(&audit, record.seq), 0);
		was_read++;
	}
	assert_counts(written, was_read, written - was_read);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(small_up, bad_sizes_are_refused),
		WITH(small_up, a_pool_too_small_is_refused),
		WITH(small_up, records_come_back_whole_and_in_order),
		WITH(small_up, a_peek_takes_nothing),
		WITH(small_up, the_oldest_give_way_and_are_counted),
		WITH(small_up, what_was_read_is_not_lost_when_overwritten),
		WITH(small_up, a_record_overwritten_after_the_peek_does_not_count_as_read),
		WITH(small_up, two_readers_do_not_get_the_same_record),
		WITH(small_up, a_record_that_another_reader_took_is_passed_over),
		WITH(small_up, a_number_nobody_has_cannot_be_taken),
		WITH(small_up, readers_keep_the_order_behind_a_writer_that_is_not_done),
		WITH(small_up, a_writer_stopped_for_good_costs_one_slot),
		WITH(small_up, a_writer_that_is_overtaken_gives_up_its_record),
		WITH(small_up, rules_are_counted),
		WITH(large_up, nothing_is_lost_in_a_ring_that_is_drained),
		WITH(large_up, every_loss_is_counted_in_a_ring_that_is_not_drained),
		WITH(small_up, every_loss_is_counted_while_readers_and_writers_race),
		WITH(small_up, a_writer_may_be_interrupted_by_one),
	};

	return cmocka_run_group_tests_name("audit_log", tests, NULL, NULL);
}
