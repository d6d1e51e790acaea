/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Clears the bits of CR4 that a running kernel has no reason to clear: FSGSBASE, UMIP. */
#include "attack.h"

static const unsigned long bits[] = {X86_CR4_FSGSBASE, X86_CR4_UMIP};
static unsigned long cleared, set;

static int attempt(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++) {
		const unsigned long before = attack_read_cr4() & bits[i];

		set |= before;
		cleared |= before & ~attack_cr4(0, bits[i]);
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
