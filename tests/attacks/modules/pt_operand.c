/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Has the instructions that store system registers do so to a page table. */
#include "attack_tables.h"
#include "operand.h"

#include <linux/io.h>
#include <linux/string.h>

#define INDEX 8

static u64 *table, lawful;
static unsigned int faults, changed;

static int attempt(void)
{
	void *page = attack_page(0);

	table = attack_page(0);
	if (!attack_area() || !table || !page)
		return -ENOMEM;
	lawful = virt_to_phys(page) | ATTACK_DATA;
	for (unsigned int i = 0; i < ATTACK_ENTRIES; i++)
		table[i] = lawful;
	if (!attack_link(table))
		return -EINVAL;
	faults = operand_stores((u8 *)&table[INDEX]);
	for (unsigned int i = 0; i < ATTACK_ENTRIES; i++) {
		if (READ_ONCE(table[i]) == lawful)
			continue;
		changed++;
		(void)attack_store(&table[i], lawful);
	}
	attack_link(NULL);
	return 0;
}

/* Every one of them is to be on record: the first one is looked for. */
static bool effect(void)
{
	if (faults == OPERAND_STORES)
		attack_detail("no entry changed" ATTACK_RECORD "slot 0x%llx linear 0x%lx",
			      (u64)virt_to_phys(&table[INDEX]), (unsigned long)&table[INDEX]);
	else
		attack_detail("%u entries changed, %u faults", changed, faults);
	return changed || faults != OPERAND_STORES;
}

static const struct attack pt_operand = {"pt_operand", "page-table-store", NULL, attempt, effect,
					 NULL};
ATTACK_MODULE(pt_operand);
