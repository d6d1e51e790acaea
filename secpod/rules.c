/* SPDX-License-Identifier: MIT */
#include "secpod/rules.h"

#include <stddef.h>

/* Rules without which the guest could take the monitor, or which have nothing to let pass. */
#define MANDATORY(id, why) [SECPOD_RULE_##id].mandatory = (why)

#define RULE_TEXT(id, config_name, what) \
	[SECPOD_RULE_##id].name = (config_name), [SECPOD_RULE_##id].refuses = (what),
#define RULE_DETAIL(id, first, second, third, fourth) \
	[SECPOD_RULE_##id].detail = {(first), (second), (third), (fourth)},

static const struct rule rules[SECPOD_RULE_COUNT] = {
	/* clang-format off */
	SECPOD_RULES(RULE_TEXT)
	SECPOD_DETAILS(RULE_DETAIL)
	MANDATORY(SECURE_SPACE, "the guest would own the monitor"),
	MANDATORY(VMX_MSR, "there is no VMX in the guest, and the registers are read-only"),
	MANDATORY(FEATURE_CONTROL, "the register is locked and decides whether there is VMX"),
	MANDATORY(INSTRUCTION, "the CPU the guest sees does not have them"),
	MANDATORY(MEMORY_MSR, "the CPU would write to physical addresses of the guest's choice"),
	MANDATORY(APIC_BASE, "the APIC's page could come to lie over memory of the monitor"),
	MANDATORY(MTRR, "the monitor's memory would have two types at a time"),
	MANDATORY(HYPERCALL, "what is malformed has no meaning that could pass"),
	MANDATORY(TASK_SWITCH, "they always exit, and the monitor does not carry them out"),
	MANDATORY(PT_ENTRY, "the CPU and the monitor would read the entry differently"),
	MANDATORY(PT_TYPE, "a page table could be written, or have two places"),
	MANDATORY(PT_SECURE, "the guest would reach into the monitor's memory"),
	MANDATORY(PT_ROOT, "the CPU would run on page tables nobody has judged"),
	MANDATORY(PT_STORE, "the monitor cannot carry out what it does not know"),
	/* clang-format on */
};

#define ONE_MORE(...) +1
_Static_assert(0 SECPOD_DETAILS(ONE_MORE) == SECPOD_RULE_COUNT, "a row of details for each rule");

static const char *const answers[SECPOD_ANSWER_COUNT] = {
	[SECPOD_ANSWER_OFF] = "off",
	[SECPOD_ANSWER_LOG] = "log",
	[SECPOD_ANSWER_DENY] = "deny",
	[SECPOD_ANSWER_PANIC] = "panic",
};

const struct rule *rule_of(uint32_t rule)
{
	return rule < SECPOD_RULE_COUNT ? &rules[rule] : NULL;
}

const char *rule_answer_name(uint32_t answer)
{
	return answer < SECPOD_ANSWER_COUNT ? answers[answer] : NULL;
}
