/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Redirects IA32_LSTAR to code of its own and makes a system call, from CPL 0. */
#include "attack.h"

#include <asm/msr.h>

#define HOOKED 0x5ec1u

/* SYSCALL leaves the stack as it is and the address behind it in RCX. */
void secpod_lstar_hook(void);
asm(".pushsection .text\n"
    "secpod_lstar_hook:\n\t"
    "endbr64\n\t"
    "mov $0x5ec1, %eax\n\t"
    "push %rcx\n\t"
    "ret\n"
    ".popsection");

static unsigned long answer;

static int attempt(void)
{
	unsigned long flags;
	u64 original, now;

	local_irq_save(flags);
	rdmsrl(MSR_LSTAR, original);
	/* To the kernel's own entry a system call from here would be the machine's end. */
	if (!wrmsrl_safe(MSR_LSTAR, (u64)secpod_lstar_hook) && !rdmsrl_safe(MSR_LSTAR, &now) &&
	    now == (u64)secpod_lstar_hook)
		asm volatile("syscall" : "+a"(answer) : : "rcx", "r11", "memory", "cc");
	wrmsrl_safe(MSR_LSTAR, original);
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("the system call answered 0x%lx", answer);
	return answer == HOOKED;
}

static const struct attack lstar = {"lstar", "syscall-msr", NULL, attempt, effect, NULL};
ATTACK_MODULE(lstar);
