/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Changes IA32_PAT: what the page tables call write-back becomes write-through. */
#include "attack.h"

#include <asm/msr.h>

#define WRITE_THROUGH 4u

static u64 seen;
static bool changed;

static int attempt(void)
{
	u64 before;

	rdmsrl(MSR_IA32_CR_PAT, before);
	changed = attack_msr_keeps(MSR_IA32_CR_PAT, (before & ~7ull) | WRITE_THROUGH, &seen);
	return 0;
}

static bool effect(void)
{
	attack_detail("IA32_PAT read 0x%llx", seen);
	return changed;
}

static const struct attack pat = {"pat", "pat", NULL, attempt, effect, NULL};
ATTACK_MODULE(pat);
