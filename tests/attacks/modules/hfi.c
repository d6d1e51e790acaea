/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Has the hardware feedback interface write to secure memory: a physical address. */
#include "attack.h"

#include <asm/cpufeature.h>
#include <asm/msr.h>

/* Not in all kernels' headers under one name. */
#define HW_FEEDBACK_PTR 0x17d0
#define HW_FEEDBACK_PTR_VALID 1ull

static u64 seen;
static bool changed, written;

static int attempt(void)
{
	u64 base, size;
	int result = attack_secure_space(&base, &size);

	if (result)
		return result;
	/* Without a read: what cannot be read may be written all the same. */
	written = !wrmsrl_safe(HW_FEEDBACK_PTR, base | HW_FEEDBACK_PTR_VALID);
	changed = attack_msr_keeps(HW_FEEDBACK_PTR, base | HW_FEEDBACK_PTR_VALID, &seen);
	return 0;
}

static bool effect(void)
{
	attack_detail("IA32_HW_FEEDBACK_PTR %s, read 0x%llx", written ? "written" : "not written",
		      seen);
	/* A CPU without it may take the write for nothing; SecPod's must not. */
	return changed || (written && attack_under_secpod());
}

static bool possible(void)
{
	return boot_cpu_has(X86_FEATURE_HFI);
}

static const struct attack hfi = {"hfi", "memory-msr", possible, attempt, effect, NULL};
ATTACK_MODULE(hfi);
