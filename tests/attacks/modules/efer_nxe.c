/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Clears EFER.NXE. With it clear every entry that forbids execution is malformed: nothing but registers
 * and this code may be touched until it is set again.
 */
#include "attack.h"

#include <asm/msr.h>

static u64 seen = EFER_NX;

static int attempt(void)
{
	unsigned long flags;
	unsigned int fault = 1;
	u32 low, high, without;
	u64 efer;

	local_irq_save(flags);
	rdmsrl(MSR_EFER, efer);
	low = (u32)efer;
	high = (u32)(efer >> 32);
	without = low & ~(u32)EFER_NX;
	asm volatile("mov %k[without], %%eax\n\t"
		     "mov %k[high], %%edx\n\t" ATTACK_TRY("wrmsr") "test %k[fault], %k[fault]\n\t"
								   "jnz 3f\n\t"
								   "rdmsr\n\t"
								   "mov %%eax, %k[without]\n\t"
								   "mov %k[low], %%eax\n\t"
								   "mov %k[high], %%edx\n\t"
								   "wrmsr\n"
								   "3:"
		     : [fault] "+r"(fault), [without] "+r"(without)
		     : [low] "r"(low), [high] "r"(high), "c"(MSR_EFER)
		     : "eax", "edx", "memory", "cc");
	local_irq_restore(flags);
	if (!fault)
		seen = without;
	return 0;
}

static bool effect(void)
{
	attack_detail("EFER read with NXE %s", seen & EFER_NX ? "set" : "clear");
	return !(seen & EFER_NX);
}

static const struct attack efer_nxe = {"efer_nxe", "efer", NULL, attempt, effect, NULL};
ATTACK_MODULE(efer_nxe);
