/* SPDX-License-Identifier: MIT */
#include "secpod/hypercall.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define ALIGNMENT 8u
#define ARGUMENTS 4u

/* Result of a handler: not negative, or a negative errno of this side. */
typedef int64_t (*hypercall_fn)(struct hypercalls *hypercalls, const uint64_t *argument);

struct hypercall_row {
	const char *name;
	hypercall_fn handler;
	uint32_t number;
	uint32_t arguments;   /* those behind must be 0 */
	uint32_t first_phase; /* the earliest one in which it is answered */
};

/* Alignment and room of a buffer, the ABI's error for each. */
static int check_buffer(const struct hypercalls *hypercalls, uint64_t gpa, uint64_t size)
{
	const struct hypercall_machine *machine = &hypercalls->machine;

	if (gpa % ALIGNMENT)
		return -EINVAL;
	return machine->is_guest_memory(machine->context, gpa, size) ? 0 : -EFAULT;
}

/* The first bytes of a structure of known bytes, as many as the caller has room for. */
static int64_t give(const struct hypercalls *hypercalls, const uint64_t *argument, const void *from,
		    uint64_t known)
{
	const struct hypercall_machine *machine = &hypercalls->machine;
	uint64_t gpa = argument[0], size = argument[1];
	int error;

	/* The structures of this version are the smallest there can be. */
	if (size < known || size > SECPOD_SIZE_MAX || size % ALIGNMENT)
		return -EINVAL;
	error = check_buffer(hypercalls, gpa, size);
	if (!error)
		error = machine->write(machine->context, gpa, from, known);
	return error ? error : (int64_t)known;
}

static int64_t call_info(struct hypercalls *hypercalls, const uint64_t *argument)
{
	const struct secpod_info info = {
		.abi_version = SECPOD_ABI_MAJOR << 16 | SECPOD_ABI_MINOR,
		.features = hypercalls->features,
		.phase = phase_current(hypercalls->phase),
		.rule_count = SECPOD_RULE_COUNT,
		.policy = {policy_bits(hypercalls->policy, 0), policy_bits(hypercalls->policy, 1)},
		.mandatory = policy_mandatory_bits(),
		.log_capacity = hypercalls->log->capacity,
	};

	_Static_assert(sizeof(info) == SECPOD_INFO_MIN, "see give()");
	return give(hypercalls, argument, &info, sizeof(info));
}

static int64_t call_activate(struct hypercalls *hypercalls, const uint64_t *argument)
{
	if (argument[0] != 0)
		return -EINVAL;
	return phase_advance(hypercalls->phase, SECPOD_PHASE_ACTIVE);
}

static int64_t call_lock(struct hypercalls *hypercalls, const uint64_t *argument)
{
	if (argument[0] != 0)
		return -EINVAL;
	return phase_advance(hypercalls->phase, SECPOD_PHASE_LOCKED);
}

static int64_t call_stats(struct hypercalls *hypercalls, const uint64_t *argument)
{
	const struct hypercall_machine *machine = &hypercalls->machine;
	struct secpod_stats stats = {0};
	struct audit_counts counts;

	_Static_assert(sizeof(stats) == SECPOD_STATS_MIN, "see give()");
	machine->stats(machine->context, &stats);
	audit_log_count(hypercalls->log, &counts);
	stats.log_written = counts.written;
	stats.log_read = counts.read;
	stats.log_lost = counts.lost;
	stats.console_suppressed = counts.suppressed;
	stats.hypercalls = __atomic_load_n(&hypercalls->count, __ATOMIC_RELAXED);
	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++)
		stats.rule[rule] = audit_log_rule_count(hypercalls->log, rule);
	return give(hypercalls, argument, &stats, sizeof(stats));
}

/*
 * A record is taken only when it is in the guest's memory; one that another CPU was faster with
 * makes room for the next.
 */
static int64_t call_log_read(struct hypercalls *hypercalls, const uint64_t *argument)
{
	const struct hypercall_machine *machine = &hypercalls->machine;
	uint64_t gpa = argument[0], max = argument[1], flags = argument[2];
	struct secpod_record record;
	uint64_t count = 0;
	int error;

	if (max == 0 || max > SECPOD_LOG_READ_MAX || flags != 0)
		return -EINVAL;
	error = check_buffer(hypercalls, gpa, max * sizeof(record));
	if (error)
		return error;
	/* As many tries as records: other CPUs cannot keep this one here. */
	for (uint64_t i = 0; i < max && audit_log_peek(hypercalls->log, &record) == 0; i++) {
		error = machine->write(machine->context, gpa + count * sizeof(record), &record,
				       sizeof(record));
		if (error)
			return error;
		if (audit_log_take(hypercalls->log, record.seq) == 0)
			count++;
	}
	return (int64_t)count;
}

static const struct hypercall_row rows[] = {
	{"INFO", call_info, SECPOD_CALL_INFO, 2, SECPOD_PHASE_GUEST},
	{"ACTIVATE", call_activate, SECPOD_CALL_ACTIVATE, 1, SECPOD_PHASE_GUEST},
	{"LOCK", call_lock, SECPOD_CALL_LOCK, 1, SECPOD_PHASE_ACTIVE},
	{"STATS", call_stats, SECPOD_CALL_STATS, 2, SECPOD_PHASE_GUEST},
	{"LOG_READ", call_log_read, SECPOD_CALL_LOG_READ, 3, SECPOD_PHASE_GUEST},
};

static const struct hypercall_row *row_of(uint32_t number)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].number == number)
			return &rows[i];
	return NULL;
}

const char *hypercall_name(uint32_t number)
{
	const struct hypercall_row *row = row_of(number);

	return row ? row->name : NULL;
}

/* The C library's error numbers are not Linux's. */
static const struct {
	int error;
	int64_t abi;
} errors[] = {
	{-EPERM, -SECPOD_EPERM},   {-EFAULT, -SECPOD_EFAULT}, {-EINVAL, -SECPOD_EINVAL},
	{-ENOSYS, -SECPOD_ENOSYS}, {-EBUSY, -SECPOD_EBUSY},   {-ENOMEM, -SECPOD_ENOMEM},
};

static int64_t abi_result(int64_t result)
{
	if (result >= 0)
		return result;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].error == result)
			return errors[i].abi;
	return -SECPOD_EIO;
}

/* Errors that say something of the caller, and not of the monitor or of another CPU. */
static bool is_refusal(int64_t abi)
{
	return abi == -SECPOD_EPERM || abi == -SECPOD_EFAULT || abi == -SECPOD_EINVAL ||
	       abi == -SECPOD_ENOSYS;
}

static int64_t dispatch(struct hypercalls *hypercalls, uint32_t number, const uint64_t *argument)
{
	const struct hypercall_row *row = row_of(number);

	if (!row)
		return -ENOSYS;
	for (uint32_t i = row->arguments; i < ARGUMENTS; i++)
		if (argument[i] != 0)
			return -EINVAL;
	if (phase_current(hypercalls->phase) < row->first_phase)
		return -EPERM;
	return row->handler(hypercalls, argument);
}

/* Result: what to do with the caller. */
static enum hypercall_result refuse(struct hypercalls *hypercalls, const struct hypercall *call,
				    int64_t abi)
{
	uint8_t outcome = policy_outcome(hypercalls->policy, SECPOD_RULE_HYPERCALL);
	struct secpod_record record = call->from;

	record.phase = (uint8_t)phase_current(hypercalls->phase);
	record.rule = SECPOD_RULE_HYPERCALL;
	record.answer = outcome;
	record.detail[0] = call->rax;
	record.detail[1] = (uint64_t)-abi;
	record.detail[2] = call->rdi;
	record.detail[3] = call->rsi;
	if (policy_records(hypercalls->policy, SECPOD_RULE_HYPERCALL))
		audit_log_record(hypercalls->log, &record);
	return outcome == SECPOD_ANSWER_PANIC ? HYPERCALL_PANIC : HYPERCALL_DONE;
}

enum hypercall_result hypercall(struct hypercalls *hypercalls, struct hypercall *call)
{
	const uint64_t argument[ARGUMENTS] = {call->rdi, call->rsi, call->rdx, call->r10};
	enum hypercall_result result = HYPERCALL_DONE;
	int64_t abi;

	if ((call->rax & ~(uint64_t)SECPOD_HYPERCALL_NUMBER) != SECPOD_HYPERCALL ||
	    call->from.cpl != 0)
		return HYPERCALL_UNDEFINED;
	__atomic_fetch_add(&hypercalls->count, 1, __ATOMIC_RELAXED);
	abi = abi_result(
		dispatch(hypercalls, (uint32_t)call->rax & SECPOD_HYPERCALL_NUMBER, argument));
	if (is_refusal(abi))
		result = refuse(hypercalls, call, abi);
	call->rax = (uint64_t)abi;
	return result;
}
