/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Changes one bit in each of the other registers that steer a system call. */
#include "attack.h"

#include <asm/msr.h>

static const struct {
	u32 msr;
	u64 flip;
} registers[] = {
	{MSR_STAR, 1ull << 32 | 1ull << 48}, /* selectors of both privilege levels */
	{MSR_CSTAR, 1 << 4},
	{MSR_SYSCALL_MASK,
	 X86_EFLAGS_IF | X86_EFLAGS_AC}, /* enter with these as user space has them */
	{MSR_IA32_SYSENTER_CS, 1 << 3},
	{MSR_IA32_SYSENTER_ESP, 1 << 4},
};

static unsigned int changed;

static int attempt(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(registers); i++) {
		u64 before, seen;

		if (rdmsrl_safe(registers[i].msr, &before))
			continue;
		changed += attack_msr_keeps(registers[i].msr, before ^ registers[i].flip, &seen);
	}
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %zu changed", changed, ARRAY_SIZE(registers));
	/* Without SecPod all of them can be: one that cannot would be no test. */
	return attack_under_secpod() ? changed > 0 : changed == ARRAY_SIZE(registers);
}

static const struct attack syscall_msrs = {"syscall_msrs", "syscall-msr", NULL,
					   attempt,	   effect,	  NULL};
ATTACK_MODULE(syscall_msrs);
