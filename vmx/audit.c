/* SPDX-License-Identifier: MIT */
#include "vmx/audit.h"

#include <stddef.h>
#include <string.h>

#include "secpod/rules.h"
#include "vmm/cpu_ops.h"
#include "vmm/log.h"
#include "vmm/panic.h"
#include "vmx/guest_insn.h"
#include "vmx/guest_state.h"
#include "vmx/insn.h"
#include "vmx/state.h"

#define LOG_RECORDS 4096u

/*
 * The console takes a burst of lines of one rule and then one for every so many ticks of the time
 * stamp; at a few GHz some ten a second.
 */
#define CONSOLE_BURST 8u
#define CONSOLE_INTERVAL (1ULL << 28)

_Static_assert(AUDIT_LINE_SIZE + 32 <= LOG_LINE_MAX, "no record is cut by the log");

/* The log has a beginning of its own for each line. */
static bool print(void *context, const char *line, size_t length)
{
	static const char prefix[] = "secpod: ";
	const size_t skip = sizeof(prefix) - 1;

	(void)context;
	log_at(LOG_WARNING, "%s",
	       length > skip && !memcmp(line, prefix, skip) ? line + skip : line);
	return true;
}

/* Rules that are to pass, and are refused all the same. */
static void tell_mandatory(void)
{
	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++) {
		const struct rule *row = rule_of(rule);
		const uint8_t answer = policy_answer(&vmx.policy, rule);

		if (row->mandatory && answer < SECPOD_ANSWER_DENY)
			log_warn("policy.%s = %s: refused all the same: %s", row->name,
				 rule_answer_name(answer), row->mandatory);
	}
}

int audit_init(void)
{
	const struct audit_console console = {
		.interval = CONSOLE_INTERVAL,
		.burst = CONSOLE_BURST,
		.print = log_has_console() ? print : NULL,
	};

	if (policy_init(&vmx.policy, vmx.handoff->config.policy))
		log_warn("hand-off: a policy answer out of range was replaced by deny");
	tell_mandatory();
	return audit_log_init(&vmx.audit, vmx.pool, LOG_RECORDS, &console);
}

/* In place, each word once: a record is what a refusal costs most. Its number comes from the log. */
static inline void begin_record(const struct vcpu *vcpu, struct secpod_record *record,
				const uint64_t detail[SECPOD_RECORD_DETAILS])
{
	record->seq = 0;
	record->tsc = rdtsc();
	record->cpu = vcpu->cpu->index;
	record->phase = (uint8_t)phase_current(&vmx.phase);
	record->rule = 0;
	record->answer = 0;
	record->cpl = (uint8_t)SEGMENT_DPL(vmread32(VMCS_GUEST_SS_RIGHTS));
	record->rip = vmread(VMCS_GUEST_RIP);
	record->cr3 = vmread(VMCS_GUEST_CR3);
	memcpy(record->detail, detail, sizeof(record->detail));
	memset(&record->insn_len, 0, sizeof(*record) - offsetof(struct secpod_record, insn_len));
	if (code_names_any(&vmx.paging.names))
		(void)code_name_search(&vmx.paging.names, record->rip, record->code, &record->gone);
}

struct secpod_record audit_from(const struct vcpu *vcpu)
{
	static const uint64_t none[SECPOD_RECORD_DETAILS];
	struct secpod_record record;

	begin_record(vcpu, &record, none);
	return record;
}

_Static_assert(SECPOD_RECORD_INSN == GUEST_INSN_BYTES, "a record has room for an instruction");

/* Where the exit came in the middle of an event's delivery, RIP is not what caused it. */
static void add_insn(const struct vcpu *vcpu, struct secpod_record *record)
{
	uint64_t gpa;
	size_t length;

	if (vcpu->event.info & EVENT_VALID)
		return;
	length = guest_insn_length(vmread32(VMCS_EXIT_REASON) & EXIT_REASON_BASIC,
				   vmread32(VMCS_EXIT_INSTRUCTION_LENGTH), sizeof(record->insn));
	record->insn_len = (uint8_t)guest_insn(vcpu, record->insn, length, &gpa);
}

bool audit_breach(const struct vcpu *vcpu, const struct breach *breach)
{
	uint8_t outcome = policy_outcome(&vmx.policy, breach->rule);

	if (breach->mandatory && outcome < SECPOD_ANSWER_DENY)
		outcome = SECPOD_ANSWER_DENY;
	if (policy_records(&vmx.policy, breach->rule)) {
		struct secpod_record record;

		begin_record(vcpu, &record, breach->detail);
		record.rule = breach->rule;
		record.answer = outcome;
		if (!breach->found)
			add_insn(vcpu, &record);
		audit_log_record(&vmx.audit, &record);
	}
	if (outcome == SECPOD_ANSWER_PANIC)
		panic("policy.%s = panic, and the guest broke the rule",
		      rule_of(breach->rule)->name);
	return outcome == SECPOD_ANSWER_DENY;
}
