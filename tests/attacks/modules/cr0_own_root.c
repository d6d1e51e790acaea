/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Clears CR0.WP and overwrites a read-only page while CR3 holds a root of the attacker's own. */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>
#include <linux/string.h>
#include <asm/processor-flags.h>

#define BEFORE 0x5ec90d0022334455ul
#define AFTER 0x0badc0de66778899ul

static const unsigned long target __aligned(PAGE_SIZE) = BEFORE;
static unsigned long root;

static void overwrite(unsigned long value)
{
	unsigned long flags, cr3, cr0;
	unsigned int fault = 1;

	local_irq_save(flags);
	cr3 = attack_read_cr3();
	cr0 = attack_read_cr0();
	attack_write_cr3(root);
	asm volatile(ATTACK_TRY("mov %[value], %%cr0")
		     : [fault] "+r"(fault)
		     : [value] "r"(cr0 & ~X86_CR0_WP)
		     : "memory", "cc");
	if (!fault) {
		WRITE_ONCE(*(unsigned long *)&target, value);
		attack_write_cr0(cr0);
	}
	attack_write_cr3(cr3);
	local_irq_restore(flags);
}

static int attempt(void)
{
	void *table = attack_page(0);

	if (!table || !attack_read_only(&target))
		return -EINVAL;
	memcpy(table, phys_to_virt(attack_read_cr3() & PHYSICAL_PAGE_MASK), PAGE_SIZE);
	root = virt_to_phys(table);
	overwrite(AFTER);
	attack_forget_root(table);
	return 0;
}

static bool effect(void)
{
	unsigned long value = READ_ONCE(*(volatile const unsigned long *)&target);

	attack_detail("read-only word 0x%lx", value);
	return value != BEFORE;
}

static const struct attack cr0_own_root = {"cr0_own_root", "cr0", NULL, attempt, effect, NULL};
ATTACK_MODULE(cr0_own_root);
