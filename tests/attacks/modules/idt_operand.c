/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Has the instructions that store system registers do so to the IDT that is in use, through a mapping of its own. */
#include "attack_tables.h"
#include "operand.h"

#include <linux/string.h>
#include <asm/desc.h>

/* The gates of four vectors that no Intel CPU raises. */
#define VECTOR 0x1cu

static unsigned int faults;
static bool changed;

static int attempt(void)
{
	u8 before[OPERAND_BYTES], *alias;
	struct desc_ptr table;
	unsigned long flags;

	store_idt(&table);
	alias = attack_map(attack_physical((void *)table.address), PAGE_KERNEL);
	if (!alias)
		return -ENOMEM;
	alias += VECTOR * sizeof(gate_desc);
	local_irq_save(flags);
	memcpy(before, alias, sizeof(before));
	faults = operand_stores(alias);
	changed = memcmp(before, alias, sizeof(before)) != 0;
	if (changed)
		memcpy(alias, before, sizeof(before));
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("gates %s, %u faults", changed ? "changed" : "as they were", faults);
	return changed || faults != OPERAND_STORES;
}

static const struct attack idt_operand = {"idt_operand", "descriptor-table", NULL, attempt, effect,
					  NULL};
ATTACK_MODULE(idt_operand);
