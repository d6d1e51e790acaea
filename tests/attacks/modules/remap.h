/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The attacks that put a copy behind an address: of all that lies between a table and one word of memory. */
#ifndef SECPOD_TESTS_ATTACKS_REMAP_H
#define SECPOD_TESTS_ATTACKS_REMAP_H

#include "attack_tables.h"

#include <linux/io.h>
#include <linux/string.h>

#define REMAP_PLANTED 0x0badc0de5ec90d02ul

static inline u64 remap_leaf(u64 leaf, const void *word, unsigned int level)
{
	const u64 mask = (1ull << attack_shift(level)) - 1;
	u8 *copy = attack_page(attack_shift(level) - PAGE_SHIFT);

	if (!copy)
		return 0;
	memcpy(copy, __va(leaf & PTE_PFN_MASK & ~mask), mask + 1);
	*(unsigned long *)(copy + ((unsigned long)word & mask)) = REMAP_PLANTED;
	return (leaf & ~(PTE_PFN_MASK & ~mask)) | virt_to_phys(copy);
}

/* The table that a large page of level 2 is split into. */
static inline u64 *remap_split(u64 leaf)
{
	u64 *table = attack_page(0);

	for (unsigned int i = 0; table && i < ATTACK_ENTRIES; i++)
		table[i] = (leaf & ~(u64)_PAGE_PSE) + i * PAGE_SIZE;
	return table;
}

/*
 * remap_below - what the entry for word in a table of this level is to become, so that word reads REMAP_PLANTED;
 * split: a large page becomes a table. Result: 0 without memory.
 */
static inline u64 remap_below(u64 entry, const void *word, unsigned int level, bool split)
{
	const bool leaf = level == 1 || (entry & _PAGE_PSE);
	u64 *table, *below;

	if (leaf && !split)
		return remap_leaf(entry, word, level);
	table = leaf ? remap_split(entry) : attack_page(0);
	if (!table)
		return 0;
	if (!leaf)
		memcpy(table, __va(entry & PTE_PFN_MASK), PAGE_SIZE);
	below = &table[attack_index((unsigned long)word, level - 1)];
	*below = remap_below(*below, word, level - 1, false);
	if (!*below)
		return 0;
	return leaf ? virt_to_phys(table) | ATTACK_TABLE
		    : (entry & ~PTE_PFN_MASK) | virt_to_phys(table);
}

#endif
