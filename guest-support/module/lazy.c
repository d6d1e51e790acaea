// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The entries that one mprotect() changes, in lists: PT_BATCH.
 *
 * Linux calls arch_enter_lazy_mmu_mode() and arch_leave_lazy_mmu_mode() around changes of entries that may be late
 * until the second call (include/linux/pgtable.h). On a machine of its own both are calls of nothing, of which the kernel
 * leaves NOPs; the tables that list them are gone before any module comes. secpod-profile(8) takes them from the
 * kernel's file, and SecPod makes calls of two of them again: those in change_protection(), where change_pte_range() is.
 *
 * What is late there, and why nobody can tell (Linux 6.1 and 6.12, mm/mprotect.c; Xen's guests have it so as well):
 *  - Only ptep_modify_prot_commit(). Entries that are set otherwise, and those of all other brackets, are as without.
 *  - The bracket holds the lock of one page table, a spinlock: it is not preempted, no other CPU changes an entry of this
 *    table, and whoever takes the lock next finds all entries changed. Where CPUs are free to take
 *    a task away between the two calls (PREEMPT_RT), nothing is late.
 *  - Each entry is visited once, and not looked at again after its commit. Who looks without the lock (the CPU's page walk,
 *    gup_fast, a fault before it takes the lock) finds the entry as it was before: so he may until TLBs are flushed, which the
 *    caller does behind the bracket, from what it has read and not from the table. The entry stays in place between
 *    start and commit; flags that CPUs set meanwhile are kept by COMMIT, and a dirty flag that cannot be is
 *    saved where the kernel keeps it.
 *  - An interrupt in the bracket changes no entry of a user's address space. What one commits all the same is not late.
 *
 * Nothing is guessed: the list is of this very build of the kernel, the two places are in the function by the
 * kernel's own table of symbols, and SecPod finds the NOPs there; else entries are asked for one by one.
 */
#include <linux/firmware.h>
#include <linux/io.h>
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/pgtable.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/utsname.h>
#include <linux/version.h>
#include <asm/paravirt_types.h>

#include "secpod.h"

#define LIST "secpod-brackets"
#define FUNCTION "change_protection"

static bool lazy = true;
module_param(lazy, bool, 0644);
MODULE_PARM_DESC(lazy, "ask for the entries of one mprotect() in lists (default yes)");
MODULE_FIRMWARE(LIST);

/* The kernels whose change_pte_range() was read. */
#define IS_SERIES(major, minor) (LINUX_VERSION_CODE >> 8 == KERNEL_VERSION(major, minor, 0) >> 8)

#if defined(CONFIG_PARAVIRT_XXL) && defined(CONFIG_PREEMPT_COUNT) && \
	(IS_SERIES(6, 1) || IS_SERIES(6, 12))

struct queue {
	struct secpod_pt_op *list; /* a page */
	u64 gpa;
	unsigned int count;
	bool open; /* in a bracket */
};

static DEFINE_PER_CPU(struct queue, queues);

enum bracket { ENTER, LEAVE, BRACKETS };

static struct {
	const char *operation;
	u64 linear;
	unsigned int found;
} brackets[BRACKETS] = {
	[ENTER] = {"lazy_mode.enter"},
	[LEAVE] = {"lazy_mode.leave"},
};

/* Of this CPU; NULL where something else could come between two looks at it: an interrupt's, a task that can be preempted. */
static __always_inline struct queue *own_queue(void)
{
	return in_interrupt() || !preempt_count() ? NULL : this_cpu_ptr(&queues);
}

/* What is refused, or has to be asked for again, is done by itself, as without lists. */
static notrace void flush(struct queue *queue)
{
	unsigned int done = 0;

	while (done < queue->count) {
		const struct secpod_pt_op *op = &queue->list[done];
		const long result =
			secpod_ask(SECPOD_CALL_PT_BATCH, queue->gpa + done * sizeof(*op),
				   queue->count - done, SECPOD_LOST_DIRTY, 0);

		if (result <= 0)
			commit_alone(__va(op->slot & ~(u64)SECPOD_PT_OP_MASK), op->value);
		done += result > 0 ? result : 1;
	}
	queue->count = 0;
}
NOKPROBE_SYMBOL(flush);

static notrace __used void enter_bracket(void)
{
	struct queue *queue = own_queue();

	if (queue && READ_ONCE(lazy))
		queue->open = true;
}
NOKPROBE_SYMBOL(enter_bracket);

static notrace __used void leave_bracket(void)
{
	struct queue *queue = own_queue();

	if (queue && queue->open) {
		flush(queue);
		queue->open = false;
	}
}
NOKPROBE_SYMBOL(leave_bracket);

notrace bool lazy_commit(u64 gpa, u64 value)
{
	struct queue *queue = own_queue();

	if (!queue || !queue->open)
		return false;
	queue->list[queue->count++] = (struct secpod_pt_op){gpa | SECPOD_PT_OP_COMMIT, value};
	if (queue->count == SECPOD_BATCH_MAX)
		flush(queue);
	return true;
}
NOKPROBE_SYMBOL(lazy_commit);

/* ---- where the brackets are */

/* OPERATION OFFSET FUNCTION; the offset is from pv_ops. */
static int take_line(char *line)
{
	const char *operation = strsep(&line, " "), *offset = strsep(&line, " ");
	s64 distance;

	if (!line || kstrtos64(offset, 0, &distance))
		return -EINVAL;
	for (size_t i = 0; i < BRACKETS; i++) {
		if (strcmp(line, FUNCTION) || strcmp(operation, brackets[i].operation))
			continue;
		brackets[i].linear = (u64)&pv_ops + distance;
		brackets[i].found++;
	}
	return 0;
}

static int take_list(char *text)
{
	const struct new_utsname *names = init_utsname();
	char *head = strsep(&text, "\n"), *kernel = strsep(&text, "\n");
	char name[2 * __NEW_UTS_LEN + sizeof("kernel  ")];
	int error = 0;

	snprintf(name, sizeof(name), "kernel %s %s", names->release, names->version);
	if (!text || strcmp(head, LIST " 1") || strcmp(kernel, name))
		return -ESTALE;
	while (!error && text && *text)
		error = take_line(strsep(&text, "\n"));
	return error;
}

/* By the kernel's own table, which names a module behind a function of one. */
static bool is_in_function(u64 linear)
{
	char name[KSYM_SYMBOL_LEN];

	sprint_symbol_no_offset(name, linear);
	return !strcmp(name, FUNCTION);
}

/* Result: 0; -ENOENT: no list; -ESTALE: of another kernel; -EINVAL: not what there is to be. */
static int find_brackets(void)
{
	const struct firmware *file;
	int error = request_firmware_direct(&file, LIST, NULL);
	char *text;

	if (error)
		return error;
	text = kmemdup_nul(file->data, file->size, GFP_KERNEL);
	release_firmware(file);
	if (!text)
		return -ENOMEM;
	error = take_list(text);
	kfree(text);
	for (size_t i = 0; !error && i < BRACKETS; i++) {
		if (brackets[i].found != 1 || !is_in_function(brackets[i].linear))
			error = -EINVAL;
	}
	return error;
}

static void free_lists(void)
{
	int cpu;

	for_each_possible_cpu(cpu) free_page((unsigned long)per_cpu(queues, cpu).list);
}

/* For CPUs that come later as well. */
static int make_lists(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
	{
		struct queue *queue = &per_cpu(queues, cpu);

		queue->list = (struct secpod_pt_op *)__get_free_page(GFP_KERNEL);
		if (!queue->list) {
			free_lists();
			return -ENOMEM;
		}
		queue->gpa = virt_to_phys(queue->list);
	}
	return 0;
}

static bool ready;
static long result = -ENOENT;

void lazy_prepare(void)
{
	int error;

	if (!lazy)
		return;
	error = find_brackets();
	if (!error)
		error = make_lists();
	ready = !error;
	if (error)
		result = error;
}

void lazy_rearm(void)
{
	const u64 stubs[BRACKETS] = {
		[ENTER] = (u64)enter_bracket,
		[LEAVE] = (u64)leave_bracket,
	};
	/* Empty yet. */
	struct queue *queue = this_cpu_ptr(&queues);
	struct secpod_call_site *sites = (struct secpod_call_site *)queue->list;

	if (!ready)
		return;
	for (size_t i = 0; i < BRACKETS; i++)
		sites[i] = (struct secpod_call_site){brackets[i].linear, stubs[i]};
	result = secpod_ask(SECPOD_CALL_REARM, queue->gpa, BRACKETS, 0, 0);
}

void lazy_finish(void)
{
	if (!lazy)
		return;
	if (!result) {
		pr_info("secpod: changes of protection are asked for in lists\n");
		return;
	}
	pr_info("secpod: changes of protection are asked for one by one: %s (error %ld)\n",
		ready		    ? "the calls around them stay as they are"
		: result == -ESTALE ? LIST " is of another kernel"
		: result == -ENOENT ? "there is no " LIST
				    : LIST " is not usable",
		result);
	if (ready)
		free_lists();
	ready = false;
}

unsigned int lazy_count(void)
{
	return ready ? BRACKETS : 0;
}

#else

bool lazy_commit(u64 gpa, u64 value)
{
	return false;
}

void lazy_prepare(void)
{
}

void lazy_rearm(void)
{
}

void lazy_finish(void)
{
	if (lazy)
		pr_info("secpod: changes of protection are asked for one by one: it is not known what this kernel does in between\n");
}

unsigned int lazy_count(void)
{
	return 0;
}

#endif
