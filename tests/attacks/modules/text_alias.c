/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A patch of kernel text as text_poke() makes it, in its address space and with interrupts off, but by other
 * instructions than the kernel's.
 */
#include "attack.h"

#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

/* A byte that Linux may well put there. */
#define INT3 0xcc

asm(".pushsection .text\n"
    ".balign 16\n"
    "text_alias_site:\n"
    "\t.byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
    "\tret\n"
    ".popsection\n");
extern u8 text_alias_site[];

static pte_t *entry_of(struct mm_struct *mm, unsigned long address)
{
	pud_t *pud = pud_offset(p4d_offset(pgd_offset_pgd(mm->pgd, address), address), address);
	pmd_t *pmd;

	if (pud_none(*pud))
		return NULL;
	pmd = pmd_offset(pud, address);
	return pmd_none(*pmd) ? NULL : pte_offset_kernel(pmd, address);
}

static void store(struct mm_struct *mm, pte_t *entry, unsigned long address)
{
	unsigned long flags, cr3;
	unsigned int fault = 1;
	pgprot_t protection = __pgprot(pgprot_val(PAGE_KERNEL) & ~_PAGE_GLOBAL);

	local_irq_save(flags);
	WRITE_ONCE(*entry, pfn_pte(vmalloc_to_pfn(text_alias_site), protection));
	cr3 = attack_read_cr3();
	attack_write_cr3(__pa(mm->pgd));
	asm volatile(ATTACK_TRY("movb %[value], (%[to])")
		     : [fault] "+r"(fault)
		     : [to] "r"(address + offset_in_page(text_alias_site)), [value] "i"(INT3)
		     : "memory");
	WRITE_ONCE(*entry, __pte(0));
	attack_write_cr3(cr3);
	local_irq_restore(flags);
}

static int attempt(void)
{
	struct mm_struct **mm = (void *)attack_symbol("poking_mm");
	unsigned long *address = (void *)attack_symbol("poking_addr");
	pte_t *entry;

	if (!mm || !address)
		return -ENOENT;
	entry = entry_of(*mm, *address);
	if (!entry)
		return -ENOENT;
	store(*mm, entry, *address);
	return 0;
}

static bool effect(void)
{
	attack_detail("the byte there is 0x%02x", READ_ONCE(text_alias_site[0]));
	return READ_ONCE(text_alias_site[0]) == INT3;
}

static const struct attack text_alias = {"text_alias", "code-store", NULL, attempt, effect, NULL};
ATTACK_MODULE(text_alias);
