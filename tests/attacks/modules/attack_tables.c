/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Part of secpod_attack.ko; see attack_tables.h. */
#include "attack.h"
#include "attack_tables.h"

#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>

static void flush_one(void *unused)
{
	(void)unused;
	__flush_tlb_all();
}

void attack_flush(void)
{
	on_each_cpu(flush_one, NULL, 1);
}
EXPORT_SYMBOL_GPL(attack_flush);

bool attack_store(u64 *to, u64 value)
{
	unsigned int fault = 1;

	asm volatile(ATTACK_TRY("movq %[value], (%[to])")
		     : [fault] "+r"(fault)
		     : [value] "r"(value), [to] "r"(to)
		     : "memory", "cc");
	return !fault && !((READ_ONCE(*to) ^ value) & ~(u64)(_PAGE_ACCESSED | _PAGE_DIRTY));
}
EXPORT_SYMBOL_GPL(attack_store);

void *attack_page(unsigned int order)
{
	return (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, order);
}
EXPORT_SYMBOL_GPL(attack_page);

u64 *attack_slot(unsigned long address, unsigned int level, unsigned int *ends)
{
	u64 *table = __va(__read_cr3() & PTE_PFN_MASK);

	for (unsigned int at = ATTACK_LEVELS;; at--) {
		u64 *entry = &table[attack_index(address, at)];

		if (at == level)
			return entry;
		if (!(*entry & _PAGE_PRESENT) || (*entry & _PAGE_PSE)) {
			if (ends)
				*ends = at;
			return NULL;
		}
		table = __va(*entry & PTE_PFN_MASK);
	}
}
EXPORT_SYMBOL_GPL(attack_slot);

/* The entry that maps address, of whatever size. */
static u64 leaf_of(const void *address, unsigned int *level)
{
	u64 *entry = attack_slot((unsigned long)address, 1, level);

	if (entry)
		*level = 1;
	else
		entry = attack_slot((unsigned long)address, *level, NULL);
	return *entry & _PAGE_PRESENT ? *entry : 0;
}

u64 attack_physical(const void *address)
{
	unsigned int level;
	u64 leaf = leaf_of(address, &level);
	u64 mask = ~0ull << attack_shift(level);

	return leaf ? (leaf & PTE_PFN_MASK & mask) | ((unsigned long)address & ~mask) : 0;
}
EXPORT_SYMBOL_GPL(attack_physical);

bool attack_read_only(const void *address)
{
	unsigned int level;
	u64 leaf = leaf_of(address, &level);

	return leaf && !(leaf & _PAGE_RW);
}
EXPORT_SYMBOL_GPL(attack_read_only);

/* A page of our own whose entry is redirected: the kernel's functions refuse most of what is wanted. */
void *attack_map(u64 physical, pgprot_t protection)
{
	void *page = vmalloc(PAGE_SIZE);
	u64 *slot = page ? attack_slot((unsigned long)page, 1, NULL) : NULL;
	u64 before;

	if (!slot)
		return NULL;
	before = *slot;
	if (!attack_store(slot, 0))
		return NULL;
	attack_flush();
	if (attack_store(slot, physical | pgprot_val(protection)))
		return page;
	(void)attack_store(slot, before);
	return NULL;
}
EXPORT_SYMBOL_GPL(attack_map);

/* 2 MiB of addresses that are ours; the slot is that of the table for them. */
static struct {
	unsigned long address;
	u64 *slot;
} area;

unsigned long attack_area(void)
{
	if (!area.slot) {
		/* Of its pages none is used; they keep others from its addresses. */
		void *room = vmalloc(2 * PMD_SIZE);

		if (!room)
			return 0;
		area.address = ALIGN((unsigned long)room, PMD_SIZE);
		area.slot = attack_slot(area.address, 2, NULL);
	}
	return attack_link(NULL) ? area.address : 0;
}
EXPORT_SYMBOL_GPL(attack_area);

bool attack_link(void *table)
{
	bool done;

	if (!area.slot || !attack_store(area.slot, 0))
		return false;
	attack_flush();
	done = !table || attack_store(area.slot, virt_to_phys(table) | ATTACK_TABLE);
	return done;
}
EXPORT_SYMBOL_GPL(attack_link);

bool attack_link_user(void *table)
{
	static u64 *upper[ATTACK_LEVELS - 2]; /* of levels 2 and 3 */
	u64 *root = attack_slot(ATTACK_USER_AREA, ATTACK_LEVELS, NULL);

	for (unsigned int i = 0; i < ATTACK_LEVELS - 2; i++) {
		if (!upper[i])
			upper[i] = attack_page(0);
		if (!upper[i])
			return false;
	}
	if (!attack_store(root, 0))
		return false;
	attack_flush();
	if (!table)
		return true;
	/* Not linked, both are ordinary memory: nothing else is in them. */
	return attack_store(upper[0] + attack_index(ATTACK_USER_AREA, 2),
			    virt_to_phys(table) | ATTACK_TABLE) &&
	       attack_store(upper[1] + attack_index(ATTACK_USER_AREA, 3),
			    virt_to_phys(upper[0]) | ATTACK_TABLE) &&
	       attack_store(root, virt_to_phys(upper[1]) | ATTACK_TABLE);
}
EXPORT_SYMBOL_GPL(attack_link_user);

/* In this order: the lower half is what makes it a root. */
u64 *attack_linked_table(unsigned int order, u64 *entry, int *error)
{
	u64 *table = attack_page(order);
	void *page = attack_page(0);

	*error = -ENOMEM;
	if (!attack_area() || !table || !page)
		return NULL;
	*entry = virt_to_phys(page) | ATTACK_DATA;
	for (unsigned int i = 0; i < ATTACK_ENTRIES; i++)
		table[i] = *entry;
	*error = -EINVAL;
	return attack_link(table) ? table : NULL;
}
EXPORT_SYMBOL_GPL(attack_linked_table);

void attack_forget_root(u64 *root)
{
	for (unsigned int i = 0; i < ATTACK_ENTRIES; i++)
		(void)attack_store(&root[i], 0);
}
EXPORT_SYMBOL_GPL(attack_forget_root);

/* mov $ATTACK_CALLED, %eax; ret */
void attack_write_code(void *page)
{
	static const u8 code[] = {0xb8, 0xde, 0xca, 0x5e, 0x00, 0xc3};

	memcpy(page, code, sizeof(code));
}
EXPORT_SYMBOL_GPL(attack_write_code);

/* Indirectly, and what is there has no mark for such calls: none of Linux 6.1 and 6.12 insists on it here. */
unsigned long attack_call(unsigned long address)
{
	unsigned long result = 0;

	asm volatile("call *%[address]"
		     : "+a"(result)
		     : [address] "r"(address)
		     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
	return result;
}
EXPORT_SYMBOL_GPL(attack_call);
