/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Turns on branch trace stores: the CPU writes a record of each branch to memory by itself. */
#include "attack.h"

#include <asm/msr.h>

static u64 seen;
static bool changed;

static int attempt(void)
{
	u64 before;

	if (!rdmsrl_safe(MSR_IA32_DEBUGCTLMSR, &before))
		changed = attack_msr_keeps(MSR_IA32_DEBUGCTLMSR,
					   before | DEBUGCTLMSR_TR | DEBUGCTLMSR_BTS, &seen);
	return 0;
}

static bool effect(void)
{
	attack_detail("IA32_DEBUGCTL read 0x%llx", seen);
	return changed;
}

/* Where the register is more than a number that reads as 0, single-stepping on branches can be set. */
static bool possible(void)
{
	u64 before, value;

	return !rdmsrl_safe(MSR_IA32_DEBUGCTLMSR, &before) &&
	       attack_msr_keeps(MSR_IA32_DEBUGCTLMSR, before | DEBUGCTLMSR_BTF, &value);
}

static const struct attack debugctl = {"debugctl", "debug-msr", possible, attempt, effect, NULL};
ATTACK_MODULE(debugctl);
