/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Clears CR4.SMAP and reads user data at CPL 0 while RFLAGS.AC is 0. */
#include "attack.h"

#include <asm/cpufeature.h>

static const u64 secret = 0x5ec90d5a4a500001ull;
static u64 seen;

static int attempt(void)
{
	unsigned long flags, cr4, page;
	int error = attack_user_page(0, &secret, sizeof(secret), &page);

	if (error)
		return error;
	local_irq_save(flags);
	cr4 = attack_read_cr4();
	attack_write_cr4(cr4 & ~X86_CR4_SMAP);
	asm volatile("clac; movq (%1), %0" : "=r"(seen) : "r"(page) : "memory");
	attack_write_cr4(cr4);
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("user data read 0x%llx", seen);
	return seen == secret;
}

static bool possible(void)
{
	return boot_cpu_has(X86_FEATURE_SMAP);
}

static const struct attack cr4_smap = {"cr4_smap", "cr4", possible, attempt, effect, NULL};
ATTACK_MODULE(cr4_smap);
