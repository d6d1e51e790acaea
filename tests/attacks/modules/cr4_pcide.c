/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Clears CR4.PCIDE: what CR3 means changes, and so does which translations a load of it keeps. */
#include "attack.h"

#include <asm/cpufeature.h>
#include <asm/processor-flags.h>

static unsigned long seen = X86_CR4_PCIDE;

static int attempt(void)
{
	unsigned long flags, cr4, cr3;
	unsigned int fault = 1;

	local_irq_save(flags);
	cr4 = attack_read_cr4();
	cr3 = attack_read_cr3();
	/* To be set again it wants PCID 0, which the kernel does not use. */
	attack_write_cr3(cr3 & ~X86_CR3_PCID_MASK);
	asm volatile(ATTACK_TRY("mov %[value], %%cr4")
		     : [fault] "+r"(fault)
		     : [value] "r"(cr4 & ~X86_CR4_PCIDE)
		     : "memory", "cc");
	if (!fault) {
		seen = attack_read_cr4();
		attack_write_cr4(cr4);
	}
	attack_write_cr3(cr3);
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("CR4.PCIDE read %s", seen & X86_CR4_PCIDE ? "set" : "clear");
	return !(seen & X86_CR4_PCIDE);
}

static bool possible(void)
{
	return attack_read_cr4() & X86_CR4_PCIDE;
}

static const struct attack cr4_pcide = {"cr4_pcide", "cr4", possible, attempt, effect, NULL};
ATTACK_MODULE(cr4_pcide);
