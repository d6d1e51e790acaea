/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Clears CR0.WP and overwrites a page that the kernel's page tables make read-only. */
#include "attack.h"
#include "attack_tables.h"

#include <asm/processor-flags.h>

#define BEFORE 0x5ec90d0011223344ul
#define AFTER 0x0badc0de55667788ul

static const unsigned long target __aligned(PAGE_SIZE) = BEFORE;

static void overwrite(unsigned long value)
{
	unsigned long flags, cr0;

	local_irq_save(flags);
	cr0 = attack_read_cr0();
	attack_write_cr0(cr0 & ~X86_CR0_WP);
	WRITE_ONCE(*(unsigned long *)&target, value);
	attack_write_cr0(cr0);
	local_irq_restore(flags);
}

static int attempt(void)
{
	if (!attack_read_only(&target))
		return -EINVAL;
	overwrite(AFTER);
	return 0;
}

static bool effect(void)
{
	unsigned long value = READ_ONCE(*(volatile const unsigned long *)&target);

	attack_detail("read-only word 0x%lx", value);
	return value != BEFORE;
}

static void undo(void)
{
	overwrite(BEFORE);
}

static const struct attack cr0_wp = {"cr0_wp", "cr0", NULL, attempt, effect, undo};
ATTACK_MODULE(cr0_wp);
