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
	int error;

	table = attack_linked_table(0, &lawful, &error);
	if (!table)
		return error;
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

static bool effect(void)
{
	attack_detail("%u entries changed, %u faults", changed, faults);
	return changed || faults != OPERAND_STORES;
}

static const struct attack pt_operand = {"pt_operand", "page-table-store", NULL, attempt, effect,
					 NULL};
ATTACK_MODULE(pt_operand);
