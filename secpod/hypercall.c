/* SPDX-License-Identifier: MIT */
#include "secpod/hypercall.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "secpod/paging/request.h"
#include "vmm/addr.h"

#define ALIGNMENT 8u
#define ARGUMENTS 4u

/* Result of a handler: not negative, or a negative errno of this side. */
typedef int64_t (*hypercall_fn)(struct hypercalls *hypercalls, struct hypercall *call);

struct hypercall_row {
	const char *name;
	hypercall_fn handler;
	uint32_t arguments;   /* those behind must be 0 */
	uint32_t first_phase; /* the earliest one in which it is answered */
	bool paging;	      /* answered while page tables are read-only to the guest */
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
static int64_t give(const struct hypercalls *hypercalls, const struct hypercall *call,
		    const void *from, uint64_t known)
{
	const struct hypercall_machine *machine = &hypercalls->machine;
	uint64_t gpa = call->rdi, size = call->rsi;
	int error;

	/* The structures of this version are the smallest there can be. */
	if (size < known || size > SECPOD_SIZE_MAX || size % ALIGNMENT)
		return -EINVAL;
	error = check_buffer(hypercalls, gpa, size);
	if (!error)
		error = machine->write(machine->context, gpa, from, known);
	return error ? error : (int64_t)known;
}

static bool is_paging_active(const struct hypercalls *hypercalls)
{
	return hypercalls->paging && __atomic_load_n(&hypercalls->paging->active, __ATOMIC_ACQUIRE);
}

static bool wants_profile(const struct hypercalls *hypercalls)
{
	return is_paging_active(hypercalls) && paging_wants_profile(hypercalls->paging);
}

static bool is_profiled(const struct hypercalls *hypercalls)
{
	return hypercalls->paging && paging_is_profiled(hypercalls->paging);
}

static int64_t call_info(struct hypercalls *hypercalls, struct hypercall *call)
{
	const struct secpod_info info = {
		.abi_version = SECPOD_ABI_MAJOR << 16 | SECPOD_ABI_MINOR,
		.features = hypercalls->features |
			    (is_paging_active(hypercalls) ? SECPOD_FEATURE_PAGING : 0) |
			    (wants_profile(hypercalls) ? SECPOD_FEATURE_PROFILE : 0) |
			    (is_profiled(hypercalls) ? SECPOD_FEATURE_PROFILED : 0),
		.phase = phase_current(hypercalls->phase),
		.rule_count = SECPOD_RULE_COUNT,
		.policy = {policy_bits(hypercalls->policy, 0), policy_bits(hypercalls->policy, 1)},
		.mandatory = policy_mandatory_bits(),
		.log_capacity = hypercalls->log->capacity,
	};

	_Static_assert(sizeof(info) == SECPOD_INFO_MIN, "see give()");
	return give(hypercalls, call, &info, sizeof(info));
}

static int64_t call_activate(struct hypercalls *hypercalls, struct hypercall *call)
{
	if (call->rdi != 0)
		return -EINVAL;
	return phase_advance(hypercalls->phase, SECPOD_PHASE_ACTIVE);
}

static int64_t call_lock(struct hypercalls *hypercalls, struct hypercall *call)
{
	if (call->rdi != 0)
		return -EINVAL;
	return phase_advance(hypercalls->phase, SECPOD_PHASE_LOCKED);
}

static int64_t call_stats(struct hypercalls *hypercalls, struct hypercall *call)
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
	return give(hypercalls, call, &stats, sizeof(stats));
}

/*
 * A record is taken only when it is in the guest's memory; one that another CPU was faster with
 * makes room for the next.
 */
static int64_t call_log_read(struct hypercalls *hypercalls, struct hypercall *call)
{
	const struct hypercall_machine *machine = &hypercalls->machine;
	uint64_t gpa = call->rdi, max = call->rsi, flags = call->rdx;
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

/* Of as many sites as there is room for, what is known of each. */
static int64_t call_text_sites(struct hypercalls *hypercalls, struct hypercall *call)
{
	const struct hypercall_machine *machine = &hypercalls->machine;
	const uint64_t gpa = call->rdi, after = call->rsi, max = call->rdx;
	struct secpod_text_site to = {0};
	uint32_t number = (uint32_t)after;
	struct text_site site;
	uint64_t count = 0;
	int error;

	if (max == 0 || max > SECPOD_TEXT_SITES_MAX || after > UINT32_MAX)
		return -EINVAL;
	error = check_buffer(hypercalls, gpa, max * sizeof(to));
	while (!error && count < max) {
		number = text_site_after(&hypercalls->paging->text, number, &site);
		if (!number)
			break;
		to.number = number;
		to.linear = site.patch.va;
		to.length = site.patch.extent;
		to.state = site.state;
		memcpy(to.original, site.patch.original, sizeof(to.original));
		error = machine->write(machine->context, gpa + count * sizeof(to), &to, sizeof(to));
		count++;
	}
	return error ? error : (int64_t)count;
}

/* Refused by a rule, which has recorded it: not malformed. */
static int64_t judged(int64_t result)
{
	return result == -EPERM ? -EACCES : result;
}

static int64_t call_pt_set(struct hypercalls *hypercalls, struct hypercall *call)
{
	uint64_t old;

	return judged(paging_request_exchange(hypercalls->paging, call->paging, call->rdi,
					      call->rsi, &old));
}

static int64_t call_pt_xchg(struct hypercalls *hypercalls, struct hypercall *call)
{
	uint64_t old;
	const int error = paging_request_exchange(hypercalls->paging, call->paging, call->rdi,
						  call->rsi, &old);

	if (!error)
		call->rdx = old;
	return judged(error);
}

static int64_t call_pt_commit(struct hypercalls *hypercalls, struct hypercall *call)
{
	return judged(
		paging_request_commit(hypercalls->paging, call->paging, call->rdi, call->rsi));
}

static int64_t call_pt_batch(struct hypercalls *hypercalls, struct hypercall *call)
{
	return judged(paging_request_batch(hypercalls->paging, call->paging, call->rdi, call->rsi,
					   call->rdx));
}

static int64_t call_wrprotect(struct hypercalls *hypercalls, struct hypercall *call)
{
	return paging_request_protect(hypercalls->paging, call->paging, call->rdi, call->rsi,
				      call->rdx, call->r10);
}

static int64_t call_setup(struct hypercalls *hypercalls, struct hypercall *call)
{
	return paging_request_setup(hypercalls->paging, call->rdi, call->rsi);
}

/*
 * Who asks for LOCKED has prepared before: code goes elsewhere by request until then. Where LOCKED comes with the boot, before
 * there can be a module, it may come later.
 */
static bool may_redirect(const struct hypercalls *hypercalls)
{
	return !hypercalls->lock_request || phase_current(hypercalls->phase) < SECPOD_PHASE_LOCKED;
}

static int64_t call_redirect(struct hypercalls *hypercalls, struct hypercall *call)
{
	if (!may_redirect(hypercalls))
		return -EPERM;
	return hypercalls->machine.redirect(hypercalls->machine.context, call->rdi, call->rsi);
}

static int64_t call_rearm(struct hypercalls *hypercalls, struct hypercall *call)
{
	const struct hypercall_machine *machine = &hypercalls->machine;
	const uint64_t gpa = call->rdi, count = call->rsi;
	struct secpod_call_site calls[SECPOD_REARM_MAX];
	int error;

	if (count == 0 || count > SECPOD_REARM_MAX)
		return -EINVAL;
	if (!may_redirect(hypercalls))
		return -EPERM;
	error = check_buffer(hypercalls, gpa, count * sizeof(calls[0]));
	if (!error)
		error = machine->read(machine->context, gpa, calls, count * sizeof(calls[0]));
	return error ? error : machine->rearm(machine->context, calls, (uint32_t)count);
}

static int64_t call_profile(struct hypercalls *hypercalls, struct hypercall *call)
{
	const struct hypercall_machine *machine = &hypercalls->machine;
	const uint64_t list = call->rdi, bytes = call->rsi;
	int error;

	if (bytes == 0 || bytes > SECPOD_PROFILE_MAX || bytes % ALIGNMENT)
		return -EINVAL;
	error = check_buffer(hypercalls, list,
			     (bytes + PAGE_SIZE - 1) / PAGE_SIZE * sizeof(uint64_t));
	return error ? error : machine->profile(machine->context, list, bytes);
}

/* On record under the rule that its pages came by; who it belongs to instead of who has said so. */
static void record_name(const struct hypercalls *hypercalls, uint64_t begin, uint64_t bytes,
			const char *name)
{
	struct secpod_record record = {0};

	if (!policy_records(hypercalls->policy, SECPOD_RULE_CODE_NEW))
		return;
	hypercalls->machine.caller(hypercalls->machine.context, &record);
	record.phase = (uint8_t)phase_current(hypercalls->phase);
	record.rule = SECPOD_RULE_CODE_NEW;
	record.answer = SECPOD_ANSWER_LOG;
	record.detail[1] = begin;
	record.detail[3] = bytes;
	record.gone = 0;
	memcpy(record.code, name, sizeof(record.code));
	audit_log_record(hypercalls->log, &record);
}

static int64_t call_code_ok(struct hypercalls *hypercalls, struct hypercall *call)
{
	const struct hypercall_machine *machine = &hypercalls->machine;
	const uint64_t begin = call->rdi, bytes = call->rsi, gpa = call->rdx;
	char name[SECPOD_CODE_NAME];
	int error = check_buffer(hypercalls, gpa, sizeof(name));

	if ((begin | bytes) & ~PAGE_MASK || bytes == 0 || bytes > SECPOD_CODE_BYTES_MAX ||
	    begin + bytes < begin)
		return -EINVAL;
	if (!error)
		error = machine->read(machine->context, gpa, name, sizeof(name));
	if (error)
		return error;
	if (!code_name_ok(name))
		return -EINVAL;
	for (uint64_t va = begin; va != begin + bytes; va += PAGE_SIZE) {
		if (!machine->is_module_code(machine->context, va))
			return -ENOENT;
	}
	error = code_name_give(&hypercalls->paging->names, begin, begin + bytes, name);
	if (!error)
		record_name(hypercalls, begin, bytes, name);
	return error;
}

static int64_t call_code_gone(struct hypercalls *hypercalls, struct hypercall *call)
{
	return code_name_gone(&hypercalls->paging->names, call->rdi);
}

static int64_t call_unpin(struct hypercalls *hypercalls, struct hypercall *call)
{
	return paging_request_unpin(hypercalls->paging, call->paging, call->rdi, call->rsi);
}

static const struct hypercall_row rows[] = {
	[SECPOD_CALL_INFO] = {"INFO", call_info, 2, SECPOD_PHASE_GUEST, false},
	[SECPOD_CALL_SETUP] = {"SETUP", call_setup, 2, SECPOD_PHASE_ACTIVE, true},
	[SECPOD_CALL_ACTIVATE] = {"ACTIVATE", call_activate, 1, SECPOD_PHASE_GUEST, false},
	[SECPOD_CALL_LOCK] = {"LOCK", call_lock, 1, SECPOD_PHASE_ACTIVE, false},
	[SECPOD_CALL_PT_SET] = {"PT_SET", call_pt_set, 2, SECPOD_PHASE_ACTIVE, true},
	[SECPOD_CALL_PT_XCHG] = {"PT_XCHG", call_pt_xchg, 2, SECPOD_PHASE_ACTIVE, true},
	[SECPOD_CALL_PT_COMMIT] = {"PT_COMMIT", call_pt_commit, 2, SECPOD_PHASE_ACTIVE, true},
	[SECPOD_CALL_PT_BATCH] = {"PT_BATCH", call_pt_batch, 3, SECPOD_PHASE_ACTIVE, true},
	[SECPOD_CALL_WRPROTECT] = {"WRPROTECT", call_wrprotect, 4, SECPOD_PHASE_ACTIVE, true},
	[SECPOD_CALL_UNPIN] = {"UNPIN", call_unpin, 2, SECPOD_PHASE_ACTIVE, true},
	[SECPOD_CALL_REDIRECT] = {"REDIRECT", call_redirect, 2, SECPOD_PHASE_ACTIVE, true},
	[SECPOD_CALL_REARM] = {"REARM", call_rearm, 2, SECPOD_PHASE_ACTIVE, true},
	[SECPOD_CALL_CODE_OK] = {"CODE_OK", call_code_ok, 3, SECPOD_PHASE_ACTIVE, true},
	[SECPOD_CALL_CODE_GONE] = {"CODE_GONE", call_code_gone, 1, SECPOD_PHASE_ACTIVE, true},
	[SECPOD_CALL_PROFILE] = {"PROFILE", call_profile, 2, SECPOD_PHASE_ACTIVE, true},
	[SECPOD_CALL_STATS] = {"STATS", call_stats, 2, SECPOD_PHASE_GUEST, false},
	[SECPOD_CALL_LOG_READ] = {"LOG_READ", call_log_read, 3, SECPOD_PHASE_GUEST, false},
	[SECPOD_CALL_TEXT_SITES] = {"TEXT_SITES", call_text_sites, 3, SECPOD_PHASE_ACTIVE, true},
};

static const struct hypercall_row *row_of(uint32_t number)
{
	return number < sizeof(rows) / sizeof(rows[0]) && rows[number].handler ? &rows[number]
									       : NULL;
}

const char *hypercall_name(uint32_t number)
{
	const struct hypercall_row *row = row_of(number);

	return row ? row->name : NULL;
}

/*
 * The C library's error numbers are not Linux's. Some say something of the caller, and not of the
 * monitor or of another CPU: the call is malformed.
 */
static const struct {
	int error;
	int64_t abi;
	bool malformed;
} errors[] = {
	{-EPERM, -SECPOD_EPERM, true},	  {-EFAULT, -SECPOD_EFAULT, true},
	{-EINVAL, -SECPOD_EINVAL, true},  {-ENOSYS, -SECPOD_ENOSYS, true},
	{-EACCES, -SECPOD_EPERM, false},  {-ENOENT, -SECPOD_ENOENT, false},
	{-EAGAIN, -SECPOD_EAGAIN, false}, {-EBUSY, -SECPOD_EBUSY, false},
	{-ENOMEM, -SECPOD_ENOMEM, false}, {-ENOEXEC, -SECPOD_EPERM, false},
};

static int64_t abi_error(int64_t error, bool *malformed)
{
	*malformed = false;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (errors[i].error == error) {
			*malformed = errors[i].malformed;
			return errors[i].abi;
		}
	}
	return -SECPOD_EIO;
}

static int64_t dispatch(struct hypercalls *hypercalls, uint32_t number, struct hypercall *call)
{
	const uint64_t argument[ARGUMENTS] = {call->rdi, call->rsi, call->rdx, call->r10};
	const struct hypercall_row *row = row_of(number);

	if (!row)
		return -ENOSYS;
	for (uint32_t i = row->arguments; i < ARGUMENTS; i++)
		if (argument[i] != 0)
			return -EINVAL;
	if (phase_current(hypercalls->phase) < row->first_phase ||
	    (row->paging && !is_paging_active(hypercalls)))
		return -EPERM;
	return row->handler(hypercalls, call);
}

/* Result: what to do with the caller. */
static enum hypercall_result refuse(struct hypercalls *hypercalls, const struct hypercall *call,
				    int64_t abi)
{
	uint8_t outcome = policy_outcome(hypercalls->policy, SECPOD_RULE_HYPERCALL);
	struct secpod_record record = {0};

	hypercalls->machine.caller(hypercalls->machine.context, &record);
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
	enum hypercall_result done = HYPERCALL_DONE;
	int64_t result;

	if ((call->rax & ~(uint64_t)SECPOD_HYPERCALL_NUMBER) != SECPOD_HYPERCALL || call->cpl != 0)
		return HYPERCALL_UNDEFINED;
	__atomic_fetch_add(&hypercalls->count, 1, __ATOMIC_RELAXED);
	result = dispatch(hypercalls, (uint32_t)call->rax & SECPOD_HYPERCALL_NUMBER, call);
	if (result < 0) {
		bool malformed;

		result = abi_error(result, &malformed);
		if (malformed)
			done = refuse(hypercalls, call, result);
	}
	call->rax = (uint64_t)result;
	return done;
}
