/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Sets IA32_MISC_ENABLE's XD disable, so that NX bits mean nothing to CPUs started later. */
#include "attack.h"

#include <asm/msr.h>

static u64 seen;
static bool changed;

static int attempt(void)
{
	u64 before;

	if (!rdmsrl_safe(MSR_IA32_MISC_ENABLE, &before))
		changed = attack_msr_keeps(MSR_IA32_MISC_ENABLE,
					   before | MSR_IA32_MISC_ENABLE_XD_DISABLE, &seen);
	return 0;
}

static bool effect(void)
{
	attack_detail("IA32_MISC_ENABLE read 0x%llx", seen);
	return changed;
}

/* Fast strings or the performance monitoring bit are set on every CPU that has the register. */
static bool possible(void)
{
	u64 value;

	return !rdmsrl_safe(MSR_IA32_MISC_ENABLE, &value) && value;
}

static const struct attack xd_disable = {"xd_disable", "misc-enable", possible,
					 attempt,      effect,	      NULL};
ATTACK_MODULE(xd_disable);
