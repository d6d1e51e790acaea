/* SPDX-License-Identifier: MIT */
/* Lines of the audit log on the console, and their rate. */
#include "secpod/audit_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "secpod/rules.h"
#include "vmm/addr.h"

#define CAPACITY 16u
#define POOL_PAGES 16u
#define INTERVAL 1000u
#define BURST 3u

struct screen {
	uint32_t lines;
	bool busy;
	char last[AUDIT_LINE_SIZE];
};

static struct page_pool pool;
static void *memory;
static struct audit_log audit;
static struct screen screen;

static bool print(void *context, const char *line, size_t length)
{
	struct screen *to = context;

	assert_int_equal(strlen(line), length);
	for (size_t i = 0; i < length; i++)
		assert_in_range(line[i], ' ', '~');
	if (to->busy)
		return false;
	to->lines++;
	strcpy(to->last, line);
	return true;
}

static int open_log(uint64_t interval, uint32_t burst, bool with_console)
{
	const struct audit_console console = {interval, burst, with_console ? print : NULL,
					      &screen};

	memset(&screen, 0, sizeof(screen));
	memory = aligned_alloc(PAGE_SIZE, POOL_PAGES * PAGE_SIZE);
	if (!memory || page_pool_init(&pool, virt_to_hpa(memory), POOL_PAGES * PAGE_SIZE) != 0)
		return -1;
	return audit_log_init(&audit, &pool, CAPACITY, &console);
}

static int up(void **state)
{
	(void)state;
	return open_log(INTERVAL, BURST, true);
}

static int down(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

/* Result: was a line printed? */
static bool record_at(uint64_t tsc, uint8_t rule)
{
	const struct secpod_record record = {.tsc = tsc,
					     .rule = rule,
					     .answer = SECPOD_ANSWER_DENY,
					     .phase = SECPOD_PHASE_ACTIVE};
	uint32_t before = screen.lines;

	audit_log_record(&audit, &record);
	return screen.lines != before;
}

static uint64_t suppressed(void)
{
	struct audit_counts counts;

	audit_log_count(&audit, &counts);
	return counts.suppressed;
}

static void a_line_says_what_the_record_says(void **state)
{
	static const struct {
		struct secpod_record record;
		uint64_t suppressed;
		const char *line;
	} rows[] = {
		{{.seq = 12,
		  .cpu = 1,
		  .phase = SECPOD_PHASE_LOCKED,
		  .rule = SECPOD_RULE_CR0,
		  .answer = SECPOD_ANSWER_DENY,
		  .rip = 0xffffffff81000000,
		  .cr3 = 0x1234000,
		  .detail = {0x80040033, 0x80050033, 0x10000, 99}},
		 0,
		 "secpod: audit #12 cpu 1 LOCKED cr0 deny rip 0xffffffff81000000 cr3 0x1234000 "
		 "cpl 0 value 0x80040033 now 0x80050033 bits 0x10000"},
		{{.seq = 1,
		  .phase = SECPOD_PHASE_GUEST,
		  .rule = SECPOD_RULE_SECURE_SPACE,
		  .answer = SECPOD_ANSWER_LOG,
		  .cpl = 3,
		  .detail = {0x7000, 2}},
		 17,
		 "secpod: audit #1 cpu 0 GUEST secure-space log rip 0x0 cr3 0x0 cpl 3 "
		 "gpa 0x7000 access 0x2 linear 0x0 (17 before it not shown)"},
		{{.seq = 3,
		  .phase = SECPOD_PHASE_LOCKED,
		  .rule = SECPOD_RULE_DESCRIPTOR_TABLE,
		  .answer = SECPOD_ANSWER_PANIC,
		  .detail = {0xffff888000001000, 0x7f, 0, 0xfffffe0000001000},
		  .insn_len = 3,
		  .insn = {0x0f, 0x01, 0x17}},
		 0,
		 "secpod: audit #3 cpu 0 LOCKED descriptor-table panic rip 0x0 cr3 0x0 cpl 0 "
		 "base 0xffff888000001000 value 0x7f table 0x0 pinned 0xfffffe0000001000 "
		 "insn 0f0117"},
		{{.seq = 4,
		  .phase = SECPOD_PHASE_LOCKED,
		  .rule = SECPOD_RULE_EFER,
		  .answer = SECPOD_ANSWER_DENY,
		  .code = "dummy",
		  .gone = 1},
		 1,
		 "secpod: audit #4 cpu 0 LOCKED efer deny rip 0x0 cr3 0x0 cpl 0 value 0x0 now 0x0 "
		 "bits 0x0 code dummy (gone) (1 before it not shown)"},
		{{.seq = 2, .phase = 77, .rule = 200, .answer = 9, .detail = {5}},
		 0,
		 "secpod: audit #2 cpu 0 OFF rule-200 ? rip 0x0 cr3 0x0 cpl 0"},
	};
	char line[AUDIT_LINE_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t length =
			audit_log_format(&rows[i].record, rows[i].suppressed, line, sizeof(line));

		assert_string_equal(line, rows[i].line);
		assert_int_equal(length, strlen(line));
	}
}

static void the_longest_line_of_each_rule_fits(void **state)
{
	char line[AUDIT_LINE_SIZE], wide[2 * AUDIT_LINE_SIZE];

	(void)state;
	for (uint8_t rule = 0; rule < SECPOD_RULE_COUNT; rule++) {
		struct secpod_record record;

		memset(&record, 0xff, sizeof(record));
		record.phase = SECPOD_PHASE_LOCKED;
		record.rule = rule;
		record.answer = SECPOD_ANSWER_PANIC;
		audit_log_format(&record, UINT64_MAX, line, sizeof(line));
		audit_log_format(&record, UINT64_MAX, wide, sizeof(wide));
		assert_string_equal(line, wide);
	}
}

static void a_line_is_cut_to_its_buffer(void **state)
{
	const struct secpod_record record = {.rule = SECPOD_RULE_CR0};
	char full[AUDIT_LINE_SIZE];
	size_t length = audit_log_format(&record, 1, full, sizeof(full));

	(void)state;
	for (size_t size = 0; size <= length + 1; size++) {
		char *exact = malloc(size ? size : 1);

		assert_non_null(exact);
		assert_int_equal(audit_log_format(&record, 1, exact, size), size ? size - 1 : 0);
		assert_memory_equal(exact, full, size ? size - 1 : 0);
		free(exact);
	}
}

static void a_burst_passes_and_then_one_an_interval(void **state)
{
	uint64_t now = 5000000;

	(void)state;
	for (uint32_t i = 0; i < BURST; i++)
		assert_true(record_at(now, SECPOD_RULE_CR0));
	assert_false(record_at(now, SECPOD_RULE_CR0));
	assert_false(record_at(now + INTERVAL - 1, SECPOD_RULE_CR0));
	assert_true(record_at(now + INTERVAL, SECPOD_RULE_CR0));
	assert_false(record_at(now + INTERVAL, SECPOD_RULE_CR0));
	/* After a pause the bucket is full, and no more than full. */
	now += 1000 * INTERVAL;
	for (uint32_t i = 0; i < BURST; i++)
		assert_true(record_at(now, SECPOD_RULE_CR0));
	assert_false(record_at(now, SECPOD_RULE_CR0));
}

static void a_flood_is_held_to_the_rate(void **state)
{
	(void)state;
	for (uint64_t now = 1; now <= 100 * INTERVAL; now++)
		record_at(now, SECPOD_RULE_EFER);
	assert_in_range(screen.lines, 100, 100 + BURST);
	assert_int_equal(suppressed(), 100 * INTERVAL - screen.lines);
}

static void the_next_line_says_how_many_were_not_shown(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < BURST + 5; i++)
		record_at(1, SECPOD_RULE_CR0);
	assert_null(strstr(screen.last, "not shown"));
	assert_true(record_at(1 + INTERVAL, SECPOD_RULE_CR0));
	assert_non_null(strstr(screen.last, " (5 before it not shown)"));
	assert_true(record_at(1 + 2 * INTERVAL, SECPOD_RULE_CR0));
	assert_null(strstr(screen.last, "not shown"));
	assert_int_equal(suppressed(), 5);
}

static void each_rule_has_its_own_rate(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < BURST + 5; i++)
		record_at(1, SECPOD_RULE_CR0);
	assert_true(record_at(1, SECPOD_RULE_CR4));
	assert_null(strstr(screen.last, "not shown"));
	assert_non_null(strstr(screen.last, "#9 cpu 0 ACTIVE cr4 deny"));
}

static void a_console_that_is_busy_loses_no_count(void **state)
{
	(void)state;
	screen.busy = true;
	assert_false(record_at(1, SECPOD_RULE_CR0));
	assert_false(record_at(1, SECPOD_RULE_CR0));
	screen.busy = false;
	assert_true(record_at(1, SECPOD_RULE_CR0));
	assert_non_null(strstr(screen.last, " (2 before it not shown)"));
	assert_int_equal(suppressed(), 2);
}

static void a_time_stamp_set_back_does_not_silence_the_console(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < BURST + 1; i++)
		record_at(UINT64_MAX / 2, SECPOD_RULE_CR0);
	assert_true(record_at(1, SECPOD_RULE_CR0));
}

static void time_stamps_that_differ_a_little_give_no_lines_away(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < BURST; i++)
		assert_true(record_at(10 * INTERVAL, SECPOD_RULE_CR0));
	/* Another CPU, whose time stamp is behind by less than an interval. */
	assert_false(record_at(10 * INTERVAL - 1, SECPOD_RULE_CR0));
	assert_false(record_at(9 * INTERVAL, SECPOD_RULE_CR0));
	assert_true(record_at(9 * INTERVAL - 1, SECPOD_RULE_CR0));
}

static void no_interval_means_no_limit(void **state)
{
	(void)state;
	down(state);
	assert_int_equal(open_log(0, 1, true), 0);
	for (uint32_t i = 0; i < 100; i++)
		assert_true(record_at(1, SECPOD_RULE_CR0));
	down(state);
	/* And no burst means no line. */
	assert_int_equal(open_log(INTERVAL, 0, true), 0);
	assert_false(record_at(1, SECPOD_RULE_CR0));
	assert_int_equal(suppressed(), 1);
}

static void without_a_console_records_are_kept_all_the_same(void **state)
{
	struct secpod_record record;

	(void)state;
	down(state);
	assert_int_equal(open_log(INTERVAL, BURST, false), 0);
	assert_false(record_at(1, SECPOD_RULE_CR0));
	assert_int_equal(audit_log_peek(&audit, &record), 0);
	assert_int_equal(suppressed(), 0);
}

static void a_rule_that_does_not_exist_is_kept_but_not_printed(void **state)
{
	struct secpod_record record;

	(void)state;
	assert_false(record_at(1, SECPOD_RULE_COUNT));
	assert_false(record_at(1, UINT8_MAX));
	assert_int_equal(audit_log_peek(&audit, &record), 0);
	assert_int_equal(record.rule, SECPOD_RULE_COUNT);
}

#define WITH_LOG(test) cmocka_unit_test_setup_teardown(test, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_says_what_the_record_says),
		cmocka_unit_test(the_longest_line_of_each_rule_fits),
		cmocka_unit_test(a_line_is_cut_to_its_buffer),
		WITH_LOG(a_burst_passes_and_then_one_an_interval),
		WITH_LOG(a_flood_is_held_to_the_rate),
		WITH_LOG(the_next_line_says_how_many_were_not_shown),
		WITH_LOG(each_rule_has_its_own_rate),
		WITH_LOG(a_console_that_is_busy_loses_no_count),
		WITH_LOG(a_time_stamp_set_back_does_not_silence_the_console),
		WITH_LOG(time_stamps_that_differ_a_little_give_no_lines_away),
		WITH_LOG(no_interval_means_no_limit),
		WITH_LOG(without_a_console_records_are_kept_all_the_same),
		WITH_LOG(a_rule_that_does_not_exist_is_kept_but_not_printed),
	};

	return cmocka_run_group_tests_name("audit_console", tests, NULL, NULL);
}
