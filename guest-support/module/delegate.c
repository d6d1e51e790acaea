// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Two things the kernel does entry by entry, asked for as a whole before it does them:
 *  - exit_mmap() empties an address space that no CPU will use any more: UNPIN makes its page tables
 *    ordinary memory first;
 *  - copy_page_range() takes write access from what parent and child share: WRPROTECT does it for a range,
 *    and the kernel finds nothing left to do.
 * Only exported symbols, and ftrace, whose hooks go with the module. Whatever a hook leaves undone the kernel does
 * by itself, a trapped store each.
 */
#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <linux/version.h>
#include <asm/cpufeature.h>
#include <asm/mmu.h>
#include <asm/processor.h>

#include "secpod.h"

static bool unpin = true;
module_param(unpin, bool, 0444);
MODULE_PARM_DESC(unpin,
		 "give up page tables of an address space before it is emptied (default yes)");

static bool wrprotect = true;
module_param(wrprotect, bool, 0444);
MODULE_PARM_DESC(wrprotect, "take write access from a range at once at fork (default yes)");

static unsigned long argument(struct ftrace_regs *fregs, unsigned int n)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	return ftrace_regs_get_argument(fregs, n);
#else
	return regs_get_kernel_argument(&fregs->regs, n);
#endif
}

/* On a CPU that may have the address space loaded: a kernel thread runs on it, or what is left of its last task. */
static void leave(void *pgd)
{
	if (read_cr3_pa() != __pa(pgd))
		return;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	leave_mm();
#else
	leave_mm(smp_processor_id());
#endif
}

/* With page-table isolation an address space has a second root behind the first. 0: none. */
static u64 user_root(const struct mm_struct *mm)
{
	return boot_cpu_has(X86_FEATURE_PTI) ? __pa(mm->pgd) + PAGE_SIZE : 0;
}

/* No task uses it any more; what is in CR3 somewhere is there because nothing else was needed yet. */
static void on_exit_mmap(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			 struct ftrace_regs *fregs)
{
	struct mm_struct *mm = (struct mm_struct *)argument(fregs, 0);

	if (irqs_disabled())
		return;
	on_each_cpu_mask(mm_cpumask(mm), leave, mm->pgd, true);
	/* Busy, or not a page table: the kernel's own stores will do. */
	(void)secpod_call(SECPOD_CALL_UNPIN, __pa(mm->pgd), user_root(mm), 0, 0);
}

/* Will the kernel take write access from its pages? As in copy_page_range() and vma_needs_copy(). */
static bool is_copied(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE && vma->anon_vma &&
	       !(vma->vm_flags & (VM_HUGETLB | VM_PFNMAP | VM_MIXEDMAP));
}

static void on_copy_page_range(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			       struct ftrace_regs *fregs)
{
	const struct vm_area_struct *vma = (const struct vm_area_struct *)argument(fregs, 1);
	u64 start = vma->vm_start;

	if (!is_copied(vma))
		return;
	/* dup_mmap() holds mmap_lock for writing, and flushes the parent's TLBs at its end. */
	while (start < vma->vm_end) {
		long next = secpod_call(SECPOD_CALL_WRPROTECT, __pa(vma->vm_mm->pgd), start,
					vma->vm_end, SECPOD_SAVED_DIRTY);

		if (next <= (long)start)
			break;
		start = next;
	}
}

static struct hook {
	char *function;
	const bool *wanted;
	struct ftrace_ops ops;
	bool set;
} hooks[] = {
	{"exit_mmap", &unpin, {.func = on_exit_mmap}, false},
	{"copy_page_range", &wrprotect, {.func = on_copy_page_range}, false},
};

static int set_hook(struct hook *hook)
{
	int error = ftrace_set_filter(&hook->ops, hook->function, strlen(hook->function), 1);

	if (!error)
		error = register_ftrace_function(&hook->ops);
	hook->set = !error;
	if (error)
		pr_warn("secpod: no hook at %s (error %d): its stores trap one by one\n",
			hook->function, error);
	return error;
}

int delegate_start(void)
{
	struct secpod_info info;
	int error = secpod_get_info(&info);

	if (error)
		return error;
	/* Nothing to ask for where page tables are the kernel's own. */
	if (!(info.features & SECPOD_FEATURE_PAGING))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (*hooks[i].wanted)
			set_hook(&hooks[i]);
	}
	return 0;
}

void delegate_stop(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (hooks[i].set)
			unregister_ftrace_function(&hooks[i].ops);
		ftrace_free_filter(&hooks[i].ops);
	}
}
