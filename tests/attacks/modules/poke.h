/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Patches of kernel text as text_poke() makes them: in its address space, with interrupts off. */
#ifndef SECPOD_TESTS_ATTACKS_POKE_H
#define SECPOD_TESTS_ATTACKS_POKE_H

#include "attack.h"

#include <linux/pgtable.h>
#include <linux/sched.h>
#include <asm/pgtable_types.h>

/* What the kernel patches with: a root, an address below it, and the entry for that. */
struct poke {
	unsigned long root;
	unsigned long address;
	pte_t *entry;
};

/* Result: 0; -ENOENT: the kernel has patched nothing yet. */
static inline int poke_find(struct poke *poke)
{
	struct mm_struct **mm = (void *)attack_symbol("poking_mm");
	unsigned long *address = (void *)attack_symbol("poking_addr");
	pud_t *pud;
	pmd_t *pmd;

	if (!mm || !address)
		return -ENOENT;
	poke->root = __pa((*mm)->pgd);
	poke->address = *address;
	pud = pud_offset(p4d_offset(pgd_offset_pgd((*mm)->pgd, *address), *address), *address);
	if (pud_none(*pud))
		return -ENOENT;
	pmd = pmd_offset(pud, *address);
	if (pmd_none(*pmd))
		return -ENOENT;
	poke->entry = pte_offset_kernel(pmd, *address);
	return 0;
}

/* write() stores len bytes of the text; to is where that is now. It may not return. */
static inline void poke_store(const struct poke *poke, const u8 *text, const void *from, size_t len,
			      void *(*write)(void *to, const void *from, size_t len))
{
	const pgprot_t protection = __pgprot(pgprot_val(PAGE_KERNEL) & ~_PAGE_GLOBAL);
	unsigned long flags, cr3;

	local_irq_save(flags);
	WRITE_ONCE(*poke->entry,
		   pfn_pte(slow_virt_to_phys((void *)text) >> PAGE_SHIFT, protection));
	cr3 = attack_read_cr3();
	attack_write_cr3(poke->root);
	write((void *)(poke->address + offset_in_page(text)), from, len);
	WRITE_ONCE(*poke->entry, __pte(0));
	attack_write_cr3(cr3);
	local_irq_restore(flags);
}

#endif
