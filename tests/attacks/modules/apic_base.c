/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Moves the local APIC's page onto secure memory. */
#include "attack.h"

#include <asm/apicdef.h>
#include <asm/msr.h>

static u64 base, before, seen;

static int attempt(void)
{
	unsigned long flags;
	u64 size;
	int result = attack_secure_space(&base, &size);

	if (result)
		return result;
	local_irq_save(flags);
	rdmsrl(MSR_IA32_APICBASE, before);
	if (!wrmsrl_safe(MSR_IA32_APICBASE, (before & ~MSR_IA32_APICBASE_BASE) | base)) {
		rdmsrl(MSR_IA32_APICBASE, seen);
		wrmsrl_safe(MSR_IA32_APICBASE, before);
	}
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("IA32_APIC_BASE read 0x%llx" ATTACK_RECORD "value 0x%llx now 0x%llx msr 0x1b",
		      seen, (before & ~MSR_IA32_APICBASE_BASE) | base, before);
	return (seen & MSR_IA32_APICBASE_BASE) == base;
}

static const struct attack apic_base = {"apic_base", "apic-base", NULL, attempt, effect, NULL};
ATTACK_MODULE(apic_base);
