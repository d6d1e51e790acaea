/* SPDX-License-Identifier: MIT */
#include "secpod/hypercall.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/hypercall_world.h"

#define RECORD_SIZE sizeof(struct secpod_record)
#define SECURE_END (WORLD_SECURE_BASE + WORLD_SECURE_SIZE)
#define DOC_SIZE 0x10000u

static struct hypercall_world w;

static int up(void **state)
{
	(void)state;
	hypercall_world_open(&w);
	return 0;
}

static int down(void **state)
{
	(void)state;
	hypercall_world_close(&w);
	return 0;
}

static int64_t call(uint32_t number, uint64_t rdi, uint64_t rsi, uint64_t rdx, uint64_t r10)
{
	struct hypercall c = {SECPOD_HYPERCALL | number, rdi, rsi, rdx, r10, 0, NULL};

	assert_int_equal(hypercall(&w.hypercalls, &c), HYPERCALL_DONE);
	/* All registers but RAX are preserved. */
	assert_true(c.rdi == rdi && c.rsi == rsi && c.rdx == rdx && c.r10 == r10);
	return (int64_t)c.rax;
}

static uint64_t recorded(void)
{
	return audit_log_rule_count(&w.log, SECPOD_RULE_HYPERCALL);
}

static void reach(uint32_t phase)
{
	for (uint32_t step = SECPOD_PHASE_ACTIVE; step <= phase; step++)
		assert_int_equal(phase_advance(&w.phase, step), 0);
}

static void append(uint64_t rip)
{
	const struct secpod_record record = {.rip = rip, .rule = SECPOD_RULE_CR0};

	audit_log_append(&w.log, &record);
}

static const struct secpod_record *record_in_ram(uint64_t gpa, uint64_t i)
{
	return (const struct secpod_record *)(w.ram + gpa) + i;
}

static void other_vmcalls_are_undefined(void **state)
{
	static const struct {
		uint64_t rax;
		uint8_t cpl;
	} rows[] = {
		{0, 0},
		{0x5ec1 << 16, 0},
		{0x5ebfffff, 0},
		{SECPOD_HYPERCALL | 1ULL << 32, 0},
		{SECPOD_HYPERCALL | 1ULL << 63, 0},
		{UINT64_MAX, 0},
		{SECPOD_HYPERCALL | SECPOD_CALL_INFO, 1},
		{SECPOD_HYPERCALL | SECPOD_CALL_INFO, 2},
		{SECPOD_HYPERCALL | SECPOD_CALL_INFO, 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hypercall c = {
			.rax = rows[i].rax,
			.rsi = sizeof(struct secpod_info),
			.cpl = rows[i].cpl,
		};

		assert_int_equal(hypercall(&w.hypercalls, &c), HYPERCALL_UNDEFINED);
		assert_int_equal(c.rax, rows[i].rax);
	}
	assert_int_equal(w.hypercalls.count, 0);
	assert_int_equal(w.log.head, 0);
	assert_int_equal(w.bytes_written, 0);
}

static void every_malformed_call_is_refused_and_recorded(void **state)
{
	static const struct {
		const char *what;
		uint32_t number;
		uint64_t rdi, rsi, rdx, r10;
		int64_t result;
	} rows[] = {
		{"unknown number 15", 15, 0, 0, 0, 0, -SECPOD_ENOSYS},
		{"unknown number 19", 19, 0, 0, 0, 0, -SECPOD_ENOSYS},
		{"highest number", 0xffff, 0, 0, 0, 0, -SECPOD_ENOSYS},
		{"a call of the boot code", 0xff01, 0, 0, 0, 0, -SECPOD_ENOSYS},

		{"INFO: no room", SECPOD_CALL_INFO, 0x1000, 0, 0, 0, -SECPOD_EINVAL},
		{"INFO: too little room", SECPOD_CALL_INFO, 0x1000, 40, 0, 0, -SECPOD_EINVAL},
		{"INFO: odd room", SECPOD_CALL_INFO, 0x1000, 49, 0, 0, -SECPOD_EINVAL},
		{"INFO: too much room", SECPOD_CALL_INFO, 0x1000, 4104, 0, 0, -SECPOD_EINVAL},
		{"INFO: room of all memory", SECPOD_CALL_INFO, 0x1000, UINT64_MAX - 7, 0, 0,
		 -SECPOD_EINVAL},
		{"INFO: unaligned", SECPOD_CALL_INFO, 0x1004, 48, 0, 0, -SECPOD_EINVAL},
		{"INFO: third argument", SECPOD_CALL_INFO, 0x1000, 48, 1, 0, -SECPOD_EINVAL},
		{"INFO: fourth argument", SECPOD_CALL_INFO, 0x1000, 48, 0, 1ULL << 63,
		 -SECPOD_EINVAL},
		{"INFO: secure space", SECPOD_CALL_INFO, WORLD_SECURE_BASE, 48, 0, 0,
		 -SECPOD_EFAULT},
		{"INFO: into the secure space", SECPOD_CALL_INFO, WORLD_SECURE_BASE - 40, 48, 0, 0,
		 -SECPOD_EFAULT},
		{"INFO: room into the secure space", SECPOD_CALL_INFO, WORLD_SECURE_BASE - 48, 56,
		 0, 0, -SECPOD_EFAULT},
		{"INFO: end of the secure space", SECPOD_CALL_INFO, SECURE_END - 8, 48, 0, 0,
		 -SECPOD_EFAULT},
		{"INFO: behind RAM", SECPOD_CALL_INFO, WORLD_RAM, 48, 0, 0, -SECPOD_EFAULT},
		{"INFO: over the end of RAM", SECPOD_CALL_INFO, WORLD_RAM - 40, 48, 0, 0,
		 -SECPOD_EFAULT},
		{"INFO: wrapping", SECPOD_CALL_INFO, UINT64_MAX - 7, 48, 0, 0, -SECPOD_EFAULT},

		{"STATS: too little room", SECPOD_CALL_STATS, 0x1000, 568, 0, 0, -SECPOD_EINVAL},
		{"STATS: unaligned", SECPOD_CALL_STATS, 0x1001, 576, 0, 0, -SECPOD_EINVAL},
		{"STATS: third argument", SECPOD_CALL_STATS, 0x1000, 576, 1, 0, -SECPOD_EINVAL},
		{"STATS: secure space", SECPOD_CALL_STATS, WORLD_SECURE_BASE + 0x1000, 576, 0, 0,
		 -SECPOD_EFAULT},
		{"STATS: wrapping", SECPOD_CALL_STATS, UINT64_MAX - 575, 576, 0, 0, -SECPOD_EFAULT},

		{"LOG_READ: no records", SECPOD_CALL_LOG_READ, 0x1000, 0, 0, 0, -SECPOD_EINVAL},
		{"LOG_READ: too many", SECPOD_CALL_LOG_READ, 0x1000, 33, 0, 0, -SECPOD_EINVAL},
		{"LOG_READ: size that wraps", SECPOD_CALL_LOG_READ, 0x1000, 1ULL << 57, 0, 0,
		 -SECPOD_EINVAL},
		{"LOG_READ: flags", SECPOD_CALL_LOG_READ, 0x1000, 1, 1, 0, -SECPOD_EINVAL},
		{"LOG_READ: high flag", SECPOD_CALL_LOG_READ, 0x1000, 1, 1ULL << 63, 0,
		 -SECPOD_EINVAL},
		{"LOG_READ: fourth argument", SECPOD_CALL_LOG_READ, 0x1000, 1, 0, 1,
		 -SECPOD_EINVAL},
		{"LOG_READ: unaligned", SECPOD_CALL_LOG_READ, 0x1002, 1, 0, 0, -SECPOD_EINVAL},
		{"LOG_READ: secure space", SECPOD_CALL_LOG_READ, WORLD_SECURE_BASE, 1, 0, 0,
		 -SECPOD_EFAULT},
		{"LOG_READ: room into the secure space", SECPOD_CALL_LOG_READ,
		 WORLD_SECURE_BASE - 128, 2, 0, 0, -SECPOD_EFAULT},
		{"LOG_READ: over the end of RAM", SECPOD_CALL_LOG_READ, WORLD_RAM - 128, 2, 0, 0,
		 -SECPOD_EFAULT},
		{"LOG_READ: far away", SECPOD_CALL_LOG_READ, 1ULL << 52, 1, 0, 0, -SECPOD_EFAULT},
		{"LOG_READ: wrapping", SECPOD_CALL_LOG_READ, UINT64_MAX - 127, 32, 0, 0,
		 -SECPOD_EFAULT},

		{"ACTIVATE: flags", SECPOD_CALL_ACTIVATE, 1, 0, 0, 0, -SECPOD_EINVAL},
		{"ACTIVATE: second argument", SECPOD_CALL_ACTIVATE, 0, 1, 0, 0, -SECPOD_EINVAL},
		{"LOCK: before ACTIVE", SECPOD_CALL_LOCK, 0, 0, 0, 0, -SECPOD_EPERM},
		{"LOCK: second argument", SECPOD_CALL_LOCK, 0, 1, 0, 0, -SECPOD_EINVAL},

		{"SETUP: third argument", SECPOD_CALL_SETUP, 0, 0x1000, 1, 0, -SECPOD_EINVAL},
		{"SETUP: before ACTIVE", SECPOD_CALL_SETUP, 0, 0x1000, 0, 0, -SECPOD_EPERM},
		{"REDIRECT: third argument", SECPOD_CALL_REDIRECT, 0, 0, 1, 0, -SECPOD_EINVAL},
		{"REDIRECT: before ACTIVE", SECPOD_CALL_REDIRECT, 0, 0, 0, 0, -SECPOD_EPERM},
		{"PROFILE: third argument", SECPOD_CALL_PROFILE, 0x1000, 8, 1, 0, -SECPOD_EINVAL},
		{"PROFILE: before ACTIVE", SECPOD_CALL_PROFILE, 0x1000, 8, 0, 0, -SECPOD_EPERM},
		{"REARM: third argument", SECPOD_CALL_REARM, 0x1000, 1, 1, 0, -SECPOD_EINVAL},
		{"REARM: before ACTIVE", SECPOD_CALL_REARM, 0x1000, 1, 0, 0, -SECPOD_EPERM},

		{"PT_SET: third argument", SECPOD_CALL_PT_SET, 0x1000, 0, 1, 0, -SECPOD_EINVAL},
		{"PT_SET: before ACTIVE", SECPOD_CALL_PT_SET, 0x1000, 0, 0, 0, -SECPOD_EPERM},
		{"PT_XCHG: third argument", SECPOD_CALL_PT_XCHG, 0x1000, 0, 1, 0, -SECPOD_EINVAL},
		{"PT_XCHG: before ACTIVE", SECPOD_CALL_PT_XCHG, 0x1000, 0, 0, 0, -SECPOD_EPERM},
		{"PT_COMMIT: fourth argument", SECPOD_CALL_PT_COMMIT, 0x1000, 0, 0, 1,
		 -SECPOD_EINVAL},
		{"PT_COMMIT: before ACTIVE", SECPOD_CALL_PT_COMMIT, 0x1000, 0, 0, 0, -SECPOD_EPERM},
		{"PT_BATCH: fourth argument", SECPOD_CALL_PT_BATCH, 0x1000, 1, 0, 1,
		 -SECPOD_EINVAL},
		{"PT_BATCH: before ACTIVE", SECPOD_CALL_PT_BATCH, 0x1000, 1, 0, 0, -SECPOD_EPERM},
		{"WRPROTECT: before ACTIVE", SECPOD_CALL_WRPROTECT, 0x1000, 0, 0x1000, 0,
		 -SECPOD_EPERM},
		{"UNPIN: third argument", SECPOD_CALL_UNPIN, 0x1000, 0, 1, 0, -SECPOD_EINVAL},
		{"UNPIN: before ACTIVE", SECPOD_CALL_UNPIN, 0x1000, 0, 0, 0, -SECPOD_EPERM},
	};

	(void)state;
	append(1); /* something LOG_READ could give away */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t result =
			call(rows[i].number, rows[i].rdi, rows[i].rsi, rows[i].rdx, rows[i].r10);

		if (result != rows[i].result)
			fail_msg("%s: %ld", rows[i].what, (long)result);
		if (recorded() != i + 1)
			fail_msg("%s: not recorded", rows[i].what);
		assert_int_equal(w.bytes_written, 0);
	}
	assert_int_equal(phase_current(&w.phase), SECPOD_PHASE_GUEST);
	assert_int_equal(w.activated + w.locked, 0);
	assert_int_equal(w.log.read, 0);
	assert_int_equal(w.hypercalls.count, sizeof(rows) / sizeof(rows[0]));
}

static void a_refusal_records_who_asked_for_what(void **state)
{
	struct hypercall c = {
		.rax = SECPOD_HYPERCALL | SECPOD_CALL_LOG_READ,
		.rdi = WORLD_SECURE_BASE,
		.rsi = 7,
	};
	struct secpod_record record;

	(void)state;
	w.caller = (struct secpod_record){
		.tsc = 99,
		.cpu = 3,
		.rip = 0x1234,
		.cr3 = 0x5000,
		.insn_len = 3,
		.insn = {0x0f, 0x01, 0xc1},
	};
	reach(SECPOD_PHASE_LOCKED);
	assert_int_equal(hypercall(&w.hypercalls, &c), HYPERCALL_DONE);
	assert_int_equal(audit_log_peek(&w.log, &record), 0);
	assert_int_equal(record.seq, 1);
	assert_int_equal(record.tsc, 99);
	assert_int_equal(record.cpu, 3);
	assert_int_equal(record.phase, SECPOD_PHASE_LOCKED);
	assert_int_equal(record.rule, SECPOD_RULE_HYPERCALL);
	assert_int_equal(record.answer, SECPOD_ANSWER_DENY);
	assert_int_equal(record.cpl, 0);
	assert_int_equal(record.rip, 0x1234);
	assert_int_equal(record.cr3, 0x5000);
	assert_int_equal(record.detail[0], SECPOD_HYPERCALL | SECPOD_CALL_LOG_READ);
	assert_int_equal(record.detail[1], SECPOD_EFAULT);
	assert_int_equal(record.detail[2], WORLD_SECURE_BASE);
	assert_int_equal(record.detail[3], 7);
	assert_int_equal(record.insn_len, 3);
	assert_memory_equal(record.insn, w.caller.insn, sizeof(record.insn));
}

static void the_policy_says_what_a_refusal_leads_to(void **state)
{
	static const struct {
		uint8_t answer;
		enum hypercall_result result;
		uint64_t records;
	} rows[] = {
		{SECPOD_ANSWER_OFF, HYPERCALL_DONE, 0},
		{SECPOD_ANSWER_LOG, HYPERCALL_DONE, 1},
		{SECPOD_ANSWER_DENY, HYPERCALL_DONE, 1},
		{SECPOD_ANSWER_PANIC, HYPERCALL_PANIC, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hypercall c = {.rax = SECPOD_HYPERCALL | SECPOD_HYPERCALL_NUMBER};
		uint64_t before = recorded();

		w.policy.answer[SECPOD_RULE_HYPERCALL] = rows[i].answer;
		assert_int_equal(hypercall(&w.hypercalls, &c), rows[i].result);
		assert_int_equal((int64_t)c.rax, -SECPOD_ENOSYS);
		assert_int_equal(recorded() - before, rows[i].records);
	}
}

static void info_describes_the_monitor(void **state)
{
	struct secpod_info info;
	uint64_t second = 0;

	(void)state;
	for (uint32_t rule = 32; rule < SECPOD_RULE_COUNT; rule++)
		second |= (uint64_t)SECPOD_ANSWER_DENY << 2 * (rule - 32);
	w.policy.answer[SECPOD_RULE_CR4] = SECPOD_ANSWER_PANIC;
	assert_int_equal(call(SECPOD_CALL_INFO, 0x1008, sizeof(info), 0, 0), sizeof(info));
	memcpy(&info, w.ram + 0x1008, sizeof(info));
	assert_int_equal(info.abi_version, SECPOD_ABI_MAJOR << 16 | SECPOD_ABI_MINOR);
	assert_int_equal(info.features, SECPOD_FEATURE_HYPERCALL | SECPOD_FEATURE_AUDIT);
	assert_int_equal(info.phase, SECPOD_PHASE_GUEST);
	assert_int_equal(info.rule_count, SECPOD_RULE_COUNT);
	assert_int_equal(info.policy[0] & 0xf, SECPOD_ANSWER_PANIC << 2 | SECPOD_ANSWER_DENY);
	assert_int_equal(info.policy[1], second);
	assert_int_equal(info.mandatory, policy_mandatory_bits());
	assert_int_equal(info.log_capacity, WORLD_LOG_CAPACITY);

	reach(SECPOD_PHASE_LOCKED);
	/* Room for a later version: only what there is is written. */
	w.bytes_written = 0;
	assert_int_equal(call(SECPOD_CALL_INFO, 0x2000, SECPOD_SIZE_MAX, 0, 0), sizeof(info));
	assert_int_equal(w.bytes_written, sizeof(info));
	memcpy(&info, w.ram + 0x2000, sizeof(info));
	assert_int_equal(info.phase, SECPOD_PHASE_LOCKED);
	assert_int_equal(recorded(), 0);
}

static void buffers_reach_to_the_last_byte_of_the_guest(void **state)
{
	static const uint64_t last[] = {
		0,
		WORLD_SECURE_BASE - sizeof(struct secpod_info),
		SECURE_END,
		WORLD_RAM - sizeof(struct secpod_info),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++)
		assert_int_equal(call(SECPOD_CALL_INFO, last[i], sizeof(struct secpod_info), 0, 0),
				 sizeof(struct secpod_info));
}

static void stats_count(void **state)
{
	struct secpod_stats stats;

	(void)state;
	append(1);
	append(2);
	call(1, 0, 0, 0, 0);
	call(SECPOD_CALL_LOG_READ, 0x2000, 1, 0, 0);
	assert_int_equal(call(SECPOD_CALL_STATS, 0x1000, sizeof(stats), 0, 0), sizeof(stats));
	memcpy(&stats, w.ram + 0x1000, sizeof(stats));
	assert_int_equal(stats.cpus, 2);
	assert_int_equal(stats.exits, 1234);
	assert_int_equal(stats.pool_free, page_pool_left(&w.pool));
	assert_int_equal(stats.log_written, 3);
	assert_int_equal(stats.log_read, 1);
	assert_int_equal(stats.log_lost, 0);
	assert_int_equal(stats.console_suppressed, 0);
	assert_int_equal(stats.hypercalls, 3);
	assert_int_equal(stats.rule[SECPOD_RULE_CR0], 2);
	assert_int_equal(stats.rule[SECPOD_RULE_HYPERCALL], 1);
	assert_int_equal(stats.rule[SECPOD_POLICY_MAX - 1], 0);
	for (uint64_t i = 0; i < WORLD_LOG_CAPACITY; i++)
		append(i);
	assert_int_equal(call(SECPOD_CALL_STATS, 0x1000, sizeof(stats), 0, 0), sizeof(stats));
	memcpy(&stats, w.ram + 0x1000, sizeof(stats));
	assert_int_equal(stats.log_lost, 2);
}

static void log_read_hands_out_records_once(void **state)
{
	(void)state;
	assert_int_equal(call(SECPOD_CALL_LOG_READ, 0x1000, 32, 0, 0), 0);
	for (uint64_t i = 1; i <= 40; i++)
		append(i);
	assert_int_equal(call(SECPOD_CALL_LOG_READ, 0x1000, 32, 0, 0), 32);
	for (uint64_t i = 0; i < 32; i++) {
		assert_int_equal(record_in_ram(0x1000, i)->seq, i + 1);
		assert_int_equal(record_in_ram(0x1000, i)->rip, i + 1);
	}
	assert_int_equal(call(SECPOD_CALL_LOG_READ, 0x3000, 5, 0, 0), 5);
	assert_int_equal(record_in_ram(0x3000, 0)->seq, 33);
	assert_int_equal(record_in_ram(0x3000, 5)->seq, 0);
	assert_int_equal(call(SECPOD_CALL_LOG_READ, 0x1000, 32, 0, 0), 3);
	assert_int_equal(record_in_ram(0x1000, 2)->seq, 40);
	assert_int_equal(call(SECPOD_CALL_LOG_READ, 0x1000, 32, 0, 0), 0);
	assert_int_equal(recorded(), 0);
}

static void a_record_that_cannot_be_written_stays_in_the_log(void **state)
{
	(void)state;
	append(1);
	w.write_error = -EFAULT;
	assert_int_equal(call(SECPOD_CALL_LOG_READ, 0x1000, 1, 0, 0), -SECPOD_EFAULT);
	w.write_error = 0;
	assert_int_equal(call(SECPOD_CALL_LOG_READ, 0x1000, 1, 0, 0), 1);
	assert_int_equal(record_in_ram(0x1000, 0)->rip, 1);
}

static void a_record_overwritten_while_it_is_handed_out_is_not_counted(void **state)
{
	struct audit_counts counts;

	(void)state;
	append(1);
	w.appended = WORLD_LOG_CAPACITY;
	assert_int_equal(call(SECPOD_CALL_LOG_READ, 0x1000, 3, 0, 0), 2);
	assert_int_equal(record_in_ram(0x1000, 0)->seq, 2);
	assert_int_equal(record_in_ram(0x1000, 1)->seq, 3);
	audit_log_count(&w.log, &counts);
	assert_int_equal(counts.read, 2);
	assert_int_equal(counts.lost, 1);
}

static void activate_and_lock_take_the_steps(void **state)
{
	(void)state;
	assert_int_equal(call(SECPOD_CALL_ACTIVATE, 0, 0, 0, 0), 0);
	assert_int_equal(phase_current(&w.phase), SECPOD_PHASE_ACTIVE);
	assert_int_equal(call(SECPOD_CALL_ACTIVATE, 0, 0, 0, 0), 0);
	assert_int_equal(call(SECPOD_CALL_LOCK, 1, 0, 0, 0), -SECPOD_EINVAL);
	assert_int_equal(call(SECPOD_CALL_LOCK, 0, 0, 0, 0), 0);
	assert_int_equal(phase_current(&w.phase), SECPOD_PHASE_LOCKED);
	assert_int_equal(call(SECPOD_CALL_LOCK, 0, 0, 0, 0), 0);
	assert_int_equal(call(SECPOD_CALL_ACTIVATE, 0, 0, 0, 0), 0);
	assert_int_equal(phase_current(&w.phase), SECPOD_PHASE_LOCKED);
	assert_int_equal(w.activated, 1);
	assert_int_equal(w.locked, 1);
}

static void failures_of_the_monitor_are_told_but_no_refusals(void **state)
{
	static const struct {
		int error;
		int64_t abi;
	} rows[] = {
		{-ENOMEM, -SECPOD_ENOMEM},
		{-EBUSY, -SECPOD_EBUSY},
		{-EDOM, -SECPOD_EIO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		w.active_error = rows[i].error;
		assert_int_equal(call(SECPOD_CALL_ACTIVATE, 0, 0, 0, 0), rows[i].abi);
	}
	assert_int_equal(phase_current(&w.phase), SECPOD_PHASE_GUEST);
	assert_int_equal(recorded(), 0);
}

/* Without paging delegation there is nothing to be asked for, whatever the phase. */
static void requests_need_paging_delegation(void **state)
{
	static const uint32_t numbers[] = {
		SECPOD_CALL_PT_SET,   SECPOD_CALL_PT_XCHG,   SECPOD_CALL_PT_COMMIT,
		SECPOD_CALL_PT_BATCH, SECPOD_CALL_WRPROTECT, SECPOD_CALL_UNPIN,
		SECPOD_CALL_SETUP,    SECPOD_CALL_REDIRECT,  SECPOD_CALL_REARM,
		SECPOD_CALL_CODE_OK,  SECPOD_CALL_PROFILE};
	struct paging off = {.active = false};

	(void)state;
	reach(SECPOD_PHASE_LOCKED);
	for (uint32_t i = 0; i < 2 * sizeof(numbers) / sizeof(numbers[0]); i++) {
		w.hypercalls.paging = i % 2 ? &off : NULL;
		assert_int_equal(call(numbers[i / 2], 0x1000, 0x1000, 0, 0), -SECPOD_EPERM);
		assert_int_equal(recorded(), i + 1);
	}
	assert_int_equal(call(SECPOD_CALL_CODE_GONE, 0x1000, 0, 0, 0), -SECPOD_EPERM);
}

static void redirect_is_the_machine_s_to_answer(void **state)
{
	static const struct {
		int error;
		int64_t result;
		bool malformed;
	} rows[] = {
		{0, 0, false},
		{-ENOENT, -SECPOD_ENOENT, false},
		{-EBUSY, -SECPOD_EBUSY, false},
		{-EINVAL, -SECPOD_EINVAL, true},
		{-ENOMEM, -SECPOD_ENOMEM, false},
	};
	struct paging on = {.active = true};

	(void)state;
	reach(SECPOD_PHASE_LOCKED);
	w.hypercalls.paging = &on;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint64_t before = recorded();

		w.redirect_error = rows[i].error;
		assert_int_equal(call(SECPOD_CALL_REDIRECT, 0x1000 + i, 0x2000 + i, 0, 0),
				 rows[i].result);
		assert_int_equal(w.redirected[0], 0x1000 + i);
		assert_int_equal(w.redirected[1], 0x2000 + i);
		assert_int_equal(recorded() - before, rows[i].malformed);
	}
}

/* With "lock = request" the machine is not asked from LOCKED on; with "lock = boot" it is (above). */
static void who_asks_for_locked_has_redirected_before(void **state)
{
	struct paging on = {.active = true};

	(void)state;
	w.hypercalls.lock_request = true;
	w.hypercalls.paging = &on;
	reach(SECPOD_PHASE_ACTIVE);
	assert_int_equal(call(SECPOD_CALL_REDIRECT, 0x1000, 0x2000, 0, 0), 0);
	assert_int_equal(call(SECPOD_CALL_REARM, 0x1000, 1, 0, 0), 0);
	assert_int_equal(w.redirected[0], 0x1000);
	assert_int_equal(recorded(), 0);
	reach(SECPOD_PHASE_LOCKED);
	assert_int_equal(call(SECPOD_CALL_REDIRECT, 0x3000, 0x4000, 0, 0), -SECPOD_EPERM);
	assert_int_equal(call(SECPOD_CALL_REARM, 0x1000, 1, 0, 0), -SECPOD_EPERM);
	assert_int_equal(w.redirected[0], 0x1000);
	assert_int_equal(recorded(), 2);
}

/* What comes to the machine is a list that the guest has, of as many pages as the bytes take. */
static void a_profile_is_the_machine_s_to_take(void **state)
{
	static const struct {
		uint64_t list, bytes;
		int error;
		int64_t result;
		bool malformed;
	} rows[] = {
		{0x1000, 8, 0, 0, false},
		{WORLD_SECURE_BASE - 8, PAGE_SIZE, 0, 0, false},
		{WORLD_RAM - 4096, SECPOD_PROFILE_MAX, 0, 0, false},
		{0x1000, 8, -ENOENT, -SECPOD_ENOENT, false},
		{0x1000, 8, -EBUSY, -SECPOD_EBUSY, false},
		{0x1000, 8, -EAGAIN, -SECPOD_EAGAIN, false},
		{0x1000, 8, -EACCES, -SECPOD_EPERM, false},
		{0x1000, 8, -EPERM, -SECPOD_EPERM, true},
		{0x1000, 8, -EINVAL, -SECPOD_EINVAL, true},
		{0x1000, 8, -EFAULT, -SECPOD_EFAULT, true},
		{0x1000, 0, 1, -SECPOD_EINVAL, true},
		{0x1000, 12, 1, -SECPOD_EINVAL, true},
		{0x1000, SECPOD_PROFILE_MAX + 8, 1, -SECPOD_EINVAL, true},
		{0x1000, UINT64_MAX - 7, 1, -SECPOD_EINVAL, true},
		{0x1004, 8, 1, -SECPOD_EINVAL, true},
		{WORLD_SECURE_BASE - 8, PAGE_SIZE + 8, 1, -SECPOD_EFAULT, true},
		{WORLD_RAM - 4088, SECPOD_PROFILE_MAX, 1, -SECPOD_EFAULT, true},
	};
	struct paging on = {.active = true};

	(void)state;
	reach(SECPOD_PHASE_ACTIVE);
	w.hypercalls.paging = &on;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint64_t before = recorded();

		w.profile[0] = 0;
		w.profile_error = rows[i].error;
		if (call(SECPOD_CALL_PROFILE, rows[i].list, rows[i].bytes, 0, 0) != rows[i].result)
			fail_msg("row %zu", i);
		/* 1: it does not come to that. */
		assert_int_equal(w.profile[0], rows[i].error == 1 ? 0 : rows[i].list);
		assert_true(rows[i].error == 1 || w.profile[1] == rows[i].bytes);
		assert_int_equal(recorded() - before, rows[i].malformed);
	}
}

/* While it is waited for, and no longer; then that it holds. */
static void info_says_whether_a_profile_is_waited_for_or_holds(void **state)
{
	static uint8_t room;
	struct paging paging = {.active = true};
	struct secpod_info info;
	static const struct {
		bool active, room, held, waited, profiled;
	} rows[] = {
		{true, true, false, true, false},
		{false, true, false, false, false},
		{true, false, false, false, false},
		{true, true, true, false, true},
		/* From the file. */
		{true, false, true, false, true},
		{false, false, true, false, false},
	};

	(void)state;
	w.hypercalls.paging = &paging;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		paging.active = rows[i].active;
		paging.profile_room = rows[i].room ? &room : NULL;
		paging.text.profiled = rows[i].held;
		assert_int_equal(call(SECPOD_CALL_INFO, 0x1000, sizeof(info), 0, 0), sizeof(info));
		memcpy(&info, w.ram + 0x1000, sizeof(info));
		assert_int_equal(!!(info.features & SECPOD_FEATURE_PROFILE), rows[i].waited);
		assert_int_equal(!!(info.features & SECPOD_FEATURE_PROFILED), rows[i].profiled);
		paging.text.profile.sites = 7;
		assert_int_equal(paging_profile_places(&paging), rows[i].profiled ? 7 : 0);
	}
}

#define CODE 0xffffffffc0400000ULL
#define NAME 0x1000u

/* A machine with room for names, and three pages of a module's code. */
static void open_names(struct paging *paging)
{
	reach(SECPOD_PHASE_LOCKED);
	assert_int_equal(code_names_init(&paging->names, &w.pool), 0);
	paging->active = true;
	w.hypercalls.paging = paging;
	w.module_begin = CODE;
	w.module_end = CODE + 3 * PAGE_SIZE;
	strcpy((char *)w.ram + NAME, "dummy");
}

static void code_gets_a_name_that_is_on_record(void **state)
{
	struct paging on = {0};
	struct secpod_record record;
	char name[SECPOD_CODE_NAME];
	uint8_t gone;

	(void)state;
	open_names(&on);
	w.caller = (struct secpod_record){.rip = 0xffffffff81000000, .cpu = 1};
	assert_int_equal(call(SECPOD_CALL_CODE_OK, CODE, 2 * PAGE_SIZE, NAME, 0), 0);
	assert_true(code_name_search(&on.names, CODE + PAGE_SIZE, name, &gone));
	assert_string_equal(name, "dummy");
	assert_int_equal(gone, 0);
	assert_int_equal(audit_log_peek(&w.log, &record), 0);
	assert_int_equal(record.rule, SECPOD_RULE_CODE_NEW);
	assert_int_equal(record.answer, SECPOD_ANSWER_LOG);
	assert_int_equal(record.phase, SECPOD_PHASE_LOCKED);
	assert_int_equal(record.rip, w.caller.rip);
	assert_int_equal(record.detail[1], CODE);
	assert_int_equal(record.detail[3], 2 * PAGE_SIZE);
	assert_string_equal(record.code, "dummy");
	/* Given once. */
	assert_int_equal(call(SECPOD_CALL_CODE_OK, CODE, PAGE_SIZE, NAME, 0), -SECPOD_EBUSY);
	assert_int_equal(call(SECPOD_CALL_CODE_GONE, CODE + PAGE_SIZE, 0, 0, 0), -SECPOD_ENOENT);
	assert_int_equal(call(SECPOD_CALL_CODE_GONE, CODE, 0, 0, 0), 0);
	assert_true(code_name_search(&on.names, CODE, name, &gone) && gone == 1);
	assert_int_equal(audit_log_rule_count(&w.log, SECPOD_RULE_CODE_NEW), 1);
	assert_int_equal(recorded(), 0);
}

static void a_name_is_for_code_of_a_module_only(void **state)
{
	static const struct {
		uint64_t begin, bytes, gpa;
		int64_t result;
	} rows[] = {
		{CODE - PAGE_SIZE, PAGE_SIZE, NAME, -SECPOD_ENOENT},
		{CODE - PAGE_SIZE, 2 * PAGE_SIZE, NAME, -SECPOD_ENOENT},
		{CODE, 4 * PAGE_SIZE, NAME, -SECPOD_ENOENT},
		{CODE, 0, NAME, -SECPOD_EINVAL},
		{CODE, PAGE_SIZE + 8, NAME, -SECPOD_EINVAL},
		{CODE + 8, PAGE_SIZE, NAME, -SECPOD_EINVAL},
		{CODE, SECPOD_CODE_BYTES_MAX + PAGE_SIZE, NAME, -SECPOD_EINVAL},
		{0 - PAGE_SIZE, 2 * PAGE_SIZE, NAME, -SECPOD_EINVAL},
		{CODE, PAGE_SIZE, NAME + 4, -SECPOD_EINVAL},
		{CODE, PAGE_SIZE, NAME + 8, -SECPOD_EINVAL}, /* there is no name */
		{CODE, PAGE_SIZE, WORLD_SECURE_BASE, -SECPOD_EFAULT},
		{CODE, PAGE_SIZE, WORLD_SECURE_BASE - 8, -SECPOD_EFAULT},
		{CODE, PAGE_SIZE, WORLD_RAM - 8, -SECPOD_EFAULT},
	};
	struct paging on = {0};

	(void)state;
	open_names(&on);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint64_t before = recorded();

		assert_int_equal(
			call(SECPOD_CALL_CODE_OK, rows[i].begin, rows[i].bytes, rows[i].gpa, 0),
			rows[i].result);
		assert_int_equal(recorded() - before, rows[i].result != -SECPOD_ENOENT);
		assert_int_equal(on.names.count, 0);
	}
	assert_int_equal(audit_log_rule_count(&w.log, SECPOD_RULE_CODE_NEW), 0);
}

static void a_list_of_calls_is_handed_on_as_it_was_read(void **state)
{
	static const struct {
		uint64_t gpa, count;
		int error;
		int64_t result;
	} rows[] = {
		{0x1000, 1, 0, 0},
		{0x1ff0, 2, 0, 0},
		{WORLD_RAM - SECPOD_REARM_MAX * 16, SECPOD_REARM_MAX, 0, 0},
		{WORLD_SECURE_BASE - 32, 2, -ENOENT, -SECPOD_ENOENT},
		{0x1000, 3, -EBUSY, -SECPOD_EBUSY},
		{0x1000, 3, -EINVAL, -SECPOD_EINVAL},
		{0x1000, 0, 0, -SECPOD_EINVAL},
		{0x1000, SECPOD_REARM_MAX + 1, 0, -SECPOD_EINVAL},
		{0x1000, 1ULL << 60, 0, -SECPOD_EINVAL},
		{0x1004, 1, 0, -SECPOD_EINVAL},
		{WORLD_SECURE_BASE - 16, 2, 0, -SECPOD_EFAULT},
		{WORLD_SECURE_BASE, 1, 0, -SECPOD_EFAULT},
		{WORLD_RAM - 16, 2, 0, -SECPOD_EFAULT},
		{UINT64_MAX - 15, 1, 0, -SECPOD_EFAULT},
	};
	struct paging on = {.active = true};

	(void)state;
	reach(SECPOD_PHASE_LOCKED);
	w.hypercalls.paging = &on;
	for (uint32_t i = 0; i < WORLD_RAM; i++)
		w.ram[i] = (uint8_t)(i ^ i >> 8);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint64_t before = recorded();
		const bool malformed =
			rows[i].result == -SECPOD_EINVAL || rows[i].result == -SECPOD_EFAULT;

		w.redirect_error = rows[i].error;
		w.rearmed_count = 0;
		assert_int_equal(call(SECPOD_CALL_REARM, rows[i].gpa, rows[i].count, 0, 0),
				 rows[i].result);
		assert_int_equal(recorded() - before, malformed);
		if (malformed && !rows[i].error) {
			assert_int_equal(w.rearmed_count, 0);
			continue;
		}
		assert_int_equal(w.rearmed_count, rows[i].count);
		assert_memory_equal(w.rearmed, w.ram + rows[i].gpa, rows[i].count * 16);
	}
}

/* One row of docs/abi.md for each call and each rule. */
static void the_documentation_names_every_call_and_rule(void **state)
{
	static char text[DOC_SIZE];
	FILE *file = fopen("docs/abi.md", "r");
	char row[128];

	(void)state;
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	for (uint32_t number = 0; number <= SECPOD_HYPERCALL_NUMBER; number++) {
		if (!hypercall_name(number))
			continue;
		snprintf(row, sizeof(row), "\n| %u | `%s", number, hypercall_name(number));
		if (!strstr(text, row))
			fail_msg("docs/abi.md lacks: %s", row);
	}
#define CHECK_ROW(id, name, refuses)                                                     \
	snprintf(row, sizeof(row), "\n| %u | `%s` |", (uint32_t)SECPOD_RULE_##id, name); \
	if (!strstr(text, row))                                                          \
		fail_msg("docs/abi.md lacks: %s", row);
	SECPOD_RULES(CHECK_ROW)
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(other_vmcalls_are_undefined),
		WITH_WORLD(every_malformed_call_is_refused_and_recorded),
		WITH_WORLD(a_refusal_records_who_asked_for_what),
		WITH_WORLD(the_policy_says_what_a_refusal_leads_to),
		WITH_WORLD(info_describes_the_monitor),
		WITH_WORLD(buffers_reach_to_the_last_byte_of_the_guest),
		WITH_WORLD(stats_count),
		WITH_WORLD(log_read_hands_out_records_once),
		WITH_WORLD(a_record_that_cannot_be_written_stays_in_the_log),
		WITH_WORLD(a_record_overwritten_while_it_is_handed_out_is_not_counted),
		WITH_WORLD(activate_and_lock_take_the_steps),
		WITH_WORLD(failures_of_the_monitor_are_told_but_no_refusals),
		WITH_WORLD(requests_need_paging_delegation),
		WITH_WORLD(redirect_is_the_machine_s_to_answer),
		WITH_WORLD(who_asks_for_locked_has_redirected_before),
		WITH_WORLD(a_profile_is_the_machine_s_to_take),
		WITH_WORLD(info_says_whether_a_profile_is_waited_for_or_holds),
		WITH_WORLD(code_gets_a_name_that_is_on_record),
		WITH_WORLD(a_name_is_for_code_of_a_module_only),
		WITH_WORLD(a_list_of_calls_is_handed_on_as_it_was_read),
		cmocka_unit_test(the_documentation_names_every_call_and_rule),
	};

	return cmocka_run_group_tests_name("hypercall", tests, NULL, NULL);
}
