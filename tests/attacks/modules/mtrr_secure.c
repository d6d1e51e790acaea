/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Makes secure memory uncacheable by an MTRR that was free. */
#include "attack.h"

#include <asm/msr.h>
#include <asm/mtrr.h>

#define MTRR_COUNT 0xffu
#define MTRR_VALID (1ull << 11)

static u64 wanted, seen_base, seen_mask;

static int attempt(void)
{
	unsigned long flags;
	u64 size, capability, base_before, mask = 0;
	int number, result = attack_secure_space(&wanted, &size);

	if (result)
		return result;
	rdmsrl(MSR_MTRRcap, capability);
	for (number = (int)(capability & MTRR_COUNT) - 1; number >= 0; number--) {
		rdmsrl(MTRRphysMask_MSR(number), mask);
		if (!(mask & MTRR_VALID))
			break;
	}
	if (number < 0)
		return -EBUSY;
	wanted |= MTRR_TYPE_UNCACHABLE;
	local_irq_save(flags);
	rdmsrl(MTRRphysBase_MSR(number), base_before);
	if (!wrmsrl_safe(MTRRphysBase_MSR(number), wanted) &&
	    !wrmsrl_safe(MTRRphysMask_MSR(number),
			 (PHYSICAL_PAGE_MASK & ((1ull << boot_cpu_data.x86_phys_bits) - 1)) |
				 MTRR_VALID)) {
		rdmsrl(MTRRphysBase_MSR(number), seen_base);
		rdmsrl(MTRRphysMask_MSR(number), seen_mask);
	}
	wrmsrl_safe(MTRRphysMask_MSR(number), mask);
	wrmsrl_safe(MTRRphysBase_MSR(number), base_before);
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("base 0x%llx, mask 0x%llx", seen_base, seen_mask);
	return seen_base == wanted && seen_mask & MTRR_VALID;
}

static bool possible(void)
{
	return boot_cpu_has(X86_FEATURE_MTRR);
}

static const struct attack mtrr_secure = {"mtrr_secure", "mtrr", possible, attempt, effect, NULL};
ATTACK_MODULE(mtrr_secure);
