// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Entries of page tables one by one, by hypercall instead of a trap. The functions through which the kernel
 * stores them (native_set_pte() and its like, of pv_ops) are redirected by SecPod to those here. A bitmap that SecPod
 * keeps up to date tells which stores would trap at all; the others are made as ever.
 *
 * Nothing is guessed: a function whose code SecPod does not know stays as it is, and so traps. And the bitmap
 * may be late: a store to what has just become a page table traps as without this module, and a request for what
 * is none any more is answered so, and the store is made.
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/stop_machine.h>
#include <linux/vmalloc.h>
#include <asm/paravirt_types.h>
#include <asm/processor.h>
#include <asm/sync_core.h>

#include "secpod.h"

static bool redirect = true;
module_param(redirect, bool, 0444);
MODULE_PARM_DESC(redirect, "ask for single entries of page tables, for good (default yes)");

static unsigned int redirected;

#ifdef CONFIG_PARAVIRT_XXL

/* A bit a frame from physical address 0 on, and the bytes of memory that it speaks of. */
static unsigned long *tables;
static u64 covered;

/* Page tables lie in the direct map; what does not is copied on a stack, or one of the kernel's few own. */
static __always_inline bool is_table(const void *slot, u64 *gpa)
{
	*gpa = (u64)slot - PAGE_OFFSET;
	return *gpa < covered && test_bit(*gpa >> PAGE_SHIFT, tables);
}

/*
 * For native_set_pte(), native_set_pmd(), native_set_pud(). What is refused, or has to be asked again, is left
 * to the trap: the answer to a store is the same in the end.
 */
static notrace __used void set_entry(u64 *slot, u64 value)
{
	u64 gpa;

	if (is_table(slot, &gpa) && !secpod_ask(SECPOD_CALL_PT_SET, gpa, value, 0, 0))
		return;
	WRITE_ONCE(*slot, value);
}
NOKPROBE_SYMBOL(set_entry);

/*
 * For __ptep_modify_prot_start(): the entry of a page table stays as it is until it is committed; CPUs may go on using
 * it. commit_entry() sees to the flags that they set meanwhile.
 */
static notrace __used u64 start_entry(struct vm_area_struct *vma, unsigned long address, u64 *slot)
{
	u64 gpa;

	return is_table(slot, &gpa) ? READ_ONCE(*slot) : xchg(slot, 0);
}
NOKPROBE_SYMBOL(start_entry);

/*
 * The same in memory: what was a page table when the change began may be none by now, and its entry is still there, and
 * used by CPUs. An entry that the start has emptied nobody but us changes.
 */
static __always_inline bool commit_in_memory(u64 *slot, u64 value)
{
	u64 old = READ_ONCE(*slot), next;

	do {
		next = value;
		if (old & value & _PAGE_PRESENT)
			next |= old & (_PAGE_ACCESSED | (value & _PAGE_RW ? _PAGE_DIRTY : 0));
	} while (!try_cmpxchg(slot, &old, next));
	return (old & _PAGE_PRESENT) && (old & ~next & _PAGE_DIRTY);
}

static __always_inline bool commit(u64 *slot, u64 value)
{
	u64 gpa;
	long result = is_table(slot, &gpa) ? secpod_ask(SECPOD_CALL_PT_COMMIT, gpa, value, 0, 0)
					   : -ENOENT;

	return result < 0 ? commit_in_memory(slot, value) : result == SECPOD_COMMIT_DIRTY;
}

/*
 * A page that was written after the kernel had read the entry is dirty. Later kernels say so of read-only pages in a bit of
 * their own.
 */
notrace void commit_alone(u64 *slot, u64 value)
{
	if (commit(slot, value) && !pte_dirty(__pte(value)))
		(void)commit(slot, pte_val(pte_mkdirty(__pte(value))));
}
NOKPROBE_SYMBOL(commit_alone);

/* For __ptep_modify_prot_commit(). */
static notrace __used void commit_entry(struct vm_area_struct *vma, unsigned long address,
					u64 *slot, u64 value)
{
	u64 gpa;

	if (!is_table(slot, &gpa) || !lazy_commit(gpa, value))
		commit_alone(slot, value);
}
NOKPROBE_SYMBOL(commit_entry);

/* In this order: start_entry() is nothing without commit_entry(). */
enum function { COMMIT, START, SET_PTE, SET_PMD, SET_PUD, FUNCTIONS };

static struct redirection {
	const char *name;
	u64 function;
	u64 stub;
	long result;
} redirections[FUNCTIONS] = {
	[COMMIT] = {"ptep_modify_prot_commit"},
	[START] = {"ptep_modify_prot_start"},
	[SET_PTE] = {"set_pte"},
	[SET_PMD] = {"set_pmd"},
	[SET_PUD] = {"set_pud"},
};

static void name_functions(void)
{
	redirections[COMMIT].function = (u64)pv_ops.mmu.ptep_modify_prot_commit;
	redirections[COMMIT].stub = (u64)commit_entry;
	redirections[START].function = (u64)pv_ops.mmu.ptep_modify_prot_start;
	redirections[START].stub = (u64)start_entry;
	redirections[SET_PTE].function = (u64)pv_ops.mmu.set_pte;
	redirections[SET_PMD].function = (u64)pv_ops.mmu.set_pmd;
	redirections[SET_PUD].function = (u64)pv_ops.mmu.set_pud;
	for (size_t i = SET_PTE; i <= SET_PUD; i++)
		redirections[i].stub = (u64)set_entry;
}

static atomic_t turn;
static int done;

/* On all CPUs at once, with interrupts off: none of them is in one of the functions, but one does it. */
static int redirect_all(void *unused)
{
	if (atomic_fetch_inc(&turn) == 0) {
		for (size_t i = 0; i < FUNCTIONS; i++) {
			struct redirection *r = &redirections[i];

			r->result = i == START && redirections[COMMIT].result
					    ? -ENOENT
					    : secpod_call(SECPOD_CALL_REDIRECT, r->function,
							  r->stub, 0, 0);
		}
		if (!redirections[START].result)
			lazy_rearm();
		smp_store_release(&done, 1);
	} else {
		while (!smp_load_acquire(&done))
			cpu_relax();
	}
	sync_core();
	return 0;
}

/*
 * Result: 0; negative errno: pages may be SecPod's by then, and are left alone for ever.
 */
static int show_tables(void)
{
	const u64 pages = DIV_ROUND_UP(__pa(high_memory) >> PAGE_SHIFT, SECPOD_SETUP_FRAMES);
	long error = 0;
	u64 i;

	tables = vzalloc(pages << PAGE_SHIFT);
	if (!tables)
		return -ENOMEM;
	for (i = 0; !error && i < pages; i++)
		error = secpod_call(
			SECPOD_CALL_SETUP, i,
			(u64)vmalloc_to_pfn((u8 *)tables + (i << PAGE_SHIFT)) << PAGE_SHIFT, 0, 0);
	if (!error)
		covered = (pages * SECPOD_SETUP_FRAMES) << PAGE_SHIFT;
	else if (i == 1)
		vfree(tables);
	return (int)error;
}

int redirect_start(void)
{
	struct secpod_info info;
	int error = secpod_get_info(&info);

	if (error)
		return error;
	if (!redirect || !(info.features & SECPOD_FEATURE_PAGING))
		return 0;
	error = show_tables();
	if (error) {
		pr_warn("secpod: page tables are not shown (error %d): single stores trap\n",
			error);
		return 0;
	}
	name_functions();
	lazy_prepare();
	/* From here on the kernel's functions lead into this module. */
	__module_get(THIS_MODULE);
	stop_machine(redirect_all, NULL, cpu_online_mask);
	for (size_t i = 0; i < FUNCTIONS; i++) {
		redirected += !redirections[i].result;
		if (redirections[i].result)
			pr_warn("secpod: %s stays as it is (error %ld): its stores trap\n",
				redirections[i].name, redirections[i].result);
	}
	if (!redirected)
		module_put(THIS_MODULE);
	pr_info("secpod: %u of %d functions that store page-table entries redirected\n", redirected,
		FUNCTIONS);
	lazy_finish();
	return 0;
}

#else

int redirect_start(void)
{
	if (redirect)
		pr_info("secpod: this kernel stores page-table entries in no function of their own\n");
	return 0;
}

#endif

unsigned int redirect_count(void)
{
	return redirected;
}

/* The module does not go once a function leads into it; before that there is nothing to undo. */
void redirect_stop(void)
{
}
