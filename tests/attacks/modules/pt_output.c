/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Has Processor Trace write to secure memory: IA32_RTIT_OUTPUT_BASE is a physical address. */
#include "attack.h"

#include <asm/cpufeature.h>
#include <asm/msr.h>

static u64 seen;
static bool changed, written;

static int attempt(void)
{
	u64 base, size;
	int result = attack_secure_space(&base, &size);

	if (result)
		return result;
	/* Without a read: what cannot be read may be written all the same. */
	written = !wrmsrl_safe(MSR_IA32_RTIT_OUTPUT_BASE, base);
	changed = attack_msr_keeps(MSR_IA32_RTIT_OUTPUT_BASE, base, &seen);
	return 0;
}

static bool effect(void)
{
	attack_detail("IA32_RTIT_OUTPUT_BASE %s, read 0x%llx", written ? "written" : "not written",
		      seen);
	/* A CPU without it may take the write for nothing; SecPod's must not. */
	return changed || (written && attack_under_secpod());
}

static bool possible(void)
{
	return boot_cpu_has(X86_FEATURE_INTEL_PT);
}

static const struct attack pt_output = {"pt_output", "memory-msr", possible, attempt, effect, NULL};
ATTACK_MODULE(pt_output);
