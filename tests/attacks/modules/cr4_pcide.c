/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Clears CR4.PCIDE: what CR3 means changes, and so does which translations a load of it keeps. */
#include "attack.h"

static unsigned long seen = X86_CR4_PCIDE;

static int attempt(void)
{
	unsigned long flags, cr3;

	local_irq_save(flags);
	cr3 = attack_read_cr3();
	/* To be set again it wants PCID 0, which the kernel does not use. */
	attack_write_cr3(cr3 & ~X86_CR3_PCID_MASK);
	seen = attack_cr4(0, X86_CR4_PCIDE);
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
