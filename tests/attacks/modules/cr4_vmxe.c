/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Sets CR4.VMXE, the first step to a hypervisor below the one that is there. */
#include "attack.h"

#include <asm/cpufeature.h>

static unsigned long seen;

static int attempt(void)
{
	seen = attack_cr4(X86_CR4_VMXE, 0);
	return 0;
}

static bool effect(void)
{
	attack_detail("CR4 read 0x%lx", seen);
	return seen & X86_CR4_VMXE;
}

static bool possible(void)
{
	return boot_cpu_has(X86_FEATURE_VMX);
}

static const struct attack cr4_vmxe = {"cr4_vmxe", "cr4", possible, attempt, effect, NULL};
ATTACK_MODULE(cr4_vmxe);
