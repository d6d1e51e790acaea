/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Clears the bits of CR4 that a running kernel has no reason to clear: FSGSBASE, UMIP. */
#include "attack.h"

#include <asm/processor-flags.h>

static const unsigned long bits[] = {X86_CR4_FSGSBASE, X86_CR4_UMIP};
static unsigned long cleared, set;

static int attempt(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++) {
		unsigned long flags, cr4;
		unsigned int fault = 1;

		local_irq_save(flags);
		cr4 = attack_read_cr4();
		set |= cr4 & bits[i];
		asm volatile(ATTACK_TRY("mov %[value], %%cr4")
			     : [fault] "+r"(fault)
			     : [value] "r"(cr4 & ~bits[i])
			     : "memory", "cc");
		if (!fault) {
			cleared |= bits[i] & cr4 & ~attack_read_cr4();
			attack_write_cr4(cr4);
		}
		local_irq_restore(flags);
	}
	return 0;
}

static bool effect(void)
{
	attack_detail("cleared 0x%lx of 0x%lx", cleared, set);
	/* Without SecPod all that are set can be cleared. */
	return attack_under_secpod() ? cleared : cleared && cleared == set;
}

static bool possible(void)
{
	return set;
}

static const struct attack cr4_stable = {"cr4_stable", "cr4", possible, attempt, effect, NULL};
ATTACK_MODULE(cr4_stable);
