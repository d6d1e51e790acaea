/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Has the CPU keep its branch records in secure memory: IA32_DS_AREA is a linear address. */
#include "attack.h"

#include <linux/io.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>

static u64 seen;
static bool changed;

static int attempt(void)
{
	u64 base, size;
	int result = attack_secure_space(&base, &size);

	if (result)
		return result;
	/* Where the direct map would have it. */
	changed = attack_msr_keeps(MSR_IA32_DS_AREA, (u64)phys_to_virt(base), &seen);
	return 0;
}

static bool effect(void)
{
	attack_detail("IA32_DS_AREA read 0x%llx", seen);
	return changed;
}

/* Emulators name the feature and lack the registers: then IA32_MISC_ENABLE is one that they lack. */
static bool possible(void)
{
	u64 value;

	return boot_cpu_has(X86_FEATURE_DS) && !rdmsrl_safe(MSR_IA32_MISC_ENABLE, &value) && value;
}

static const struct attack ds_area = {"ds_area", "debug-msr", possible, attempt, effect, NULL};
ATTACK_MODULE(ds_area);
