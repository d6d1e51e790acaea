/* SPDX-License-Identifier: MIT */
#include "vmx/audit.h"

#include <string.h>

#include "secpod/rules.h"
#include "vmm/cpu_ops.h"
#include "vmm/log.h"
#include "vmm/panic.h"
#include "vmx/insn.h"
#include "vmx/state.h"

#define LOG_RECORDS 4096u

/*
 * The console takes a burst of lines of one rule and then one for every so many ticks of the time
 * stamp; at a few GHz some ten a second.
 */
#define CONSOLE_BURST 8u
#define CONSOLE_INTERVAL (1ULL << 28)

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

int audit_init(void)
{
	const struct audit_console console = {CONSOLE_INTERVAL, CONSOLE_BURST, print, NULL};

	if (policy_init(&vmx.policy, vmx.handoff->config.policy))
		log_warn("hand-off: a policy answer out of range was replaced by the default");
	return audit_log_init(&vmx.audit, vmx.pool, LOG_RECORDS, &console);
}

struct secpod_record audit_from(const struct vcpu *vcpu)
{
	return (struct secpod_record){
		.tsc = rdtsc(),
		.cpu = vcpu->cpu->index,
		.phase = (uint8_t)phase_current(&vmx.phase),
		.cpl = (uint8_t)SEGMENT_DPL(vmread32(VMCS_GUEST_SS_RIGHTS)),
		.rip = vmread(VMCS_GUEST_RIP),
		.cr3 = vmread(VMCS_GUEST_CR3),
	};
}

bool audit_refuse(const struct vcpu *vcpu, uint8_t rule, uint64_t detail0, uint64_t detail1,
		  uint64_t detail2, bool mandatory)
{
	uint8_t outcome = policy_outcome(&vmx.policy, rule);

	if (mandatory && outcome < SECPOD_ANSWER_DENY)
		outcome = SECPOD_ANSWER_DENY;
	if (policy_records(&vmx.policy, rule)) {
		struct secpod_record record = audit_from(vcpu);

		record.rule = rule;
		record.answer = outcome;
		record.detail[0] = detail0;
		record.detail[1] = detail1;
		record.detail[2] = detail2;
		audit_log_record(&vmx.audit, &record);
	}
	if (outcome == SECPOD_ANSWER_PANIC)
		panic("policy.%s = panic, and the guest broke the rule", rule_of(rule)->name);
	return outcome == SECPOD_ANSWER_DENY;
}
