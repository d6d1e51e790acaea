/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Redirects IA32_SYSENTER_EIP to code of its own and takes it, from CPL 0. */
#include "attack.h"

#include <asm/msr.h>

#define HOOKED 0x5ec2u

/* SYSENTER takes RSP from a register of its own: RDX has the one to go on with, RCX the address. */
void secpod_sysenter_hook(void);
asm(".pushsection .text\n"
    "secpod_sysenter_hook:\n\t"
    "endbr64\n\t"
    "mov $0x5ec2, %eax\n\t"
    "mov %rdx, %rsp\n\t"
    "push %rcx\n\t"
    "ret\n"
    ".popsection");

static unsigned long answer;

static int attempt(void)
{
	unsigned long flags;
	u64 original, now;

	local_irq_save(flags);
	rdmsrl(MSR_IA32_SYSENTER_EIP, original);
	if (!wrmsrl_safe(MSR_IA32_SYSENTER_EIP, (u64)secpod_sysenter_hook) &&
	    !rdmsrl_safe(MSR_IA32_SYSENTER_EIP, &now) && now == (u64)secpod_sysenter_hook)
		asm volatile("mov %%rsp, %%rdx\n\t"
			     "lea 1f(%%rip), %%rcx\n\t"
			     "sysenter\n"
			     "1:"
			     : "+a"(answer)
			     :
			     : "rcx", "rdx", "memory", "cc");
	wrmsrl_safe(MSR_IA32_SYSENTER_EIP, original);
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("SYSENTER answered 0x%lx", answer);
	return answer == HOOKED;
}

static bool possible(void)
{
	return boot_cpu_has(X86_FEATURE_SEP);
}

static const struct attack sysenter = {"sysenter", "syscall-msr", possible, attempt, effect, NULL};
ATTACK_MODULE(sysenter);
