/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* GETSEC: a measured launch would end the hypervisor below. */
#include "attack.h"

#include <asm/cpufeature.h>
#include <asm/processor-flags.h>

static bool answered;
static u32 capabilities;

static int attempt(void)
{
	unsigned long flags, cr4;
	unsigned int fault = 1;

	local_irq_save(flags);
	cr4 = attack_read_cr4();
	asm volatile(ATTACK_TRY("mov %[value], %%cr4")
		     : [fault] "+r"(fault)
		     : [value] "r"(cr4 | X86_CR4_SMXE)
		     : "memory", "cc");
	fault = 1;
	/* GETSEC[CAPABILITIES] of the first chipset. */
	asm volatile(ATTACK_TRY("getsec")
		     : [fault] "+r"(fault), "+a"(capabilities)
		     : "b"(0ul)
		     : "memory", "cc");
	answered = !fault;
	fault = 1;
	asm volatile(ATTACK_TRY("mov %[value], %%cr4")
		     : [fault] "+r"(fault)
		     : [value] "r"(cr4)
		     : "memory", "cc");
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("capabilities 0x%x", capabilities);
	return answered;
}

static bool possible(void)
{
	return boot_cpu_has(X86_FEATURE_SMX);
}

static const struct attack getsec = {"getsec", "cr4,instruction", possible, attempt, effect, NULL};
ATTACK_MODULE(getsec);
