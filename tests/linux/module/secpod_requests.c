/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Each request for a change of page tables, made of the stock kernel, and what came of it. Loaded by the
 * test guest's "requests" with memory of the process that loads it, and another process that sleeps;
 * loading fails when a check does. Nothing stays: the entries are as they were afterwards, but for
 * write protection, which the kernel takes back page by page.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/stringify.h>
#include <linux/uaccess.h>
#include <asm/smap.h>
#include <asm/special_insns.h>

#include "secpod_abi.h"

#define RUNS 64u
/* Between the two RDTSC of measure(), beside VMCALL: see there. */
#define AROUND 7u

static unsigned long region;
module_param(region, ulong, 0);
MODULE_PARM_DESC(region, "memory of the loading process, PAGES pages that were written");
static int sleeper;
module_param(sleeper, int, 0);
MODULE_PARM_DESC(sleeper, "process with the same memory, asleep");

#define PAGES 512u

static u64 root;
static struct secpod_pt_op *list;
static int failed_line;

#define CHECK(condition)                        \
	do {                                    \
		if (!(condition)) {             \
			failed_line = __LINE__; \
			return -EIO;            \
		}                               \
	} while (0)

static long request(u32 number, u64 rdi, u64 rsi, u64 *rdx, u64 fourth)
{
	register u64 r10 asm("r10") = fourth;
	u64 rax = SECPOD_HYPERCALL | number;

	asm volatile("vmcall" : "+a"(rax), "+d"(*rdx), "+r"(r10) : "D"(rdi), "S"(rsi) : "memory");
	return (long)rax;
}

static long ask(u32 number, u64 first, u64 second)
{
	u64 rdx = 0;

	return request(number, first, second, &rdx, 0);
}

/* The entry for address in the table of level below root, through the direct map. */
static u64 *entry_of(u64 table, unsigned long address, int level)
{
	for (int at = 4;; at--) {
		u64 *entry = (u64 *)__va(table) + (address >> (3 + 9 * at) & 511);

		if (at == level || !(READ_ONCE(*entry) & _PAGE_PRESENT))
			return at == level ? entry : NULL;
		table = READ_ONCE(*entry) & PTE_PFN_MASK;
	}
}

static u64 slot_of(u64 *entry)
{
	return __pa(entry);
}

static void forget(unsigned long address)
{
	asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static u64 seen_at(unsigned long address)
{
	u64 value = 0;

	return copy_from_user_nofault(&value, (void __user *)address, sizeof(value)) ? 0 : value;
}

static int check_info(void)
{
	struct secpod_info *info = (struct secpod_info *)list;

	CHECK(ask(SECPOD_CALL_INFO, __pa(info), sizeof(*info)) == sizeof(*info));
	CHECK(info->phase == SECPOD_PHASE_LOCKED && info->features & SECPOD_FEATURE_PAGING);
	return 0;
}

/* The second page shows what is in the first, and nothing of the kind when it is unmapped. */
static int check_entries(void)
{
	const unsigned long other = region + PAGE_SIZE;
	u64 *first = entry_of(root, region, 1), *second = entry_of(root, other, 1);
	const u64 mine = seen_at(region), theirs = seen_at(other);
	u64 old = 0, before;

	CHECK(first && second && mine && theirs && mine != theirs);
	before = READ_ONCE(*second);
	CHECK(request(SECPOD_CALL_PT_XCHG, slot_of(second), 0, &old, 0) == 0 && old == before);
	forget(other);
	CHECK(READ_ONCE(*second) == 0 && seen_at(other) == 0);
	CHECK(ask(SECPOD_CALL_PT_SET, slot_of(second), *first) == 0);
	CHECK(READ_ONCE(*second) == READ_ONCE(*first) && seen_at(other) == mine);
	/* Accessed and dirty are the CPU's: they are kept. */
	CHECK(ask(SECPOD_CALL_PT_COMMIT, slot_of(second),
		  before & ~(u64)(_PAGE_ACCESSED | _PAGE_DIRTY)) == 0);
	forget(other);
	CHECK(READ_ONCE(*second) == before && seen_at(other) == theirs);
	return 0;
}

static int check_refusals(void)
{
	u64 *first = entry_of(root, region, 1);
	const u64 before = READ_ONCE(*first);
	const u64 text = slow_virt_to_phys((void *)(unsigned long)&__request_module);

	CHECK(ask(SECPOD_CALL_PT_SET, slot_of(first), (before & ~PTE_PFN_MASK) | text) ==
	      -SECPOD_EPERM);
	CHECK(ask(SECPOD_CALL_PT_SET, slot_of(first) + 4, 0) == -SECPOD_EINVAL);
	CHECK(ask(SECPOD_CALL_UNPIN, root, 0) == -SECPOD_EBUSY);
	CHECK(READ_ONCE(*first) == before);
	/* Memory of ours that is no page table. */
	list->value = 1;
	CHECK(ask(SECPOD_CALL_PT_SET, __pa(&list->value), 2) == -SECPOD_ENOENT && list->value == 1);
	return 0;
}

static int check_batch(void)
{
	u64 *first = entry_of(root, region, 1);

	for (unsigned int i = 0; i < SECPOD_BATCH_MAX; i++) {
		CHECK(READ_ONCE(first[i]) & _PAGE_RW);
		list[i] = (struct secpod_pt_op){slot_of(&first[i]),
						READ_ONCE(first[i]) & ~(u64)_PAGE_RW};
	}
	CHECK(ask(SECPOD_CALL_PT_BATCH, __pa(list), SECPOD_BATCH_MAX) == SECPOD_BATCH_MAX);
	for (unsigned int i = 0; i < SECPOD_BATCH_MAX; i++) {
		CHECK(READ_ONCE(first[i]) == list[i].value);
		list[i].value |= _PAGE_RW;
		list[i].slot |= SECPOD_PT_OP_COMMIT;
	}
	list[100].slot |= SECPOD_PT_OP_MASK;
	CHECK(ask(SECPOD_CALL_PT_BATCH, __pa(list), SECPOD_BATCH_MAX) == 100);
	CHECK((READ_ONCE(first[99]) & _PAGE_RW) && !(READ_ONCE(first[100]) & _PAGE_RW));
	list[100].slot -= SECPOD_PT_OP_MASK - SECPOD_PT_OP_COMMIT;
	CHECK(ask(SECPOD_CALL_PT_BATCH, __pa(&list[100]), 156) == 156);
	for (unsigned int i = 0; i < SECPOD_BATCH_MAX; i++)
		CHECK(READ_ONCE(first[i]) & _PAGE_RW);
	return 0;
}

static int check_protection(void)
{
	const unsigned long end = region + (PAGES - 1) * PAGE_SIZE;
	u64 at = region, rdx;

	while (at < end) {
		long result;

		rdx = end;
		result = request(SECPOD_CALL_WRPROTECT, root, at, &rdx, 0);
		CHECK(result > (long)at && rdx == end);
		at = result;
	}
	CHECK(at == end);
	for (unsigned long va = region; va <= end; va += PAGE_SIZE) {
		CHECK(!(READ_ONCE(*entry_of(root, va, 1)) & _PAGE_RW) == (va != end));
		forget(va);
	}
	return 0;
}

/* The sleeping process finds everything in its place when it is loaded again. */
static int check_unpin(void)
{
	struct pid *pid = find_get_pid(sleeper);
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);
	struct mm_struct *mm = task ? get_task_mm(task) : NULL;
	u64 other = mm ? __pa(mm->pgd) : 0, before = 0;
	u64 *first = mm ? entry_of(other, region, 1) : NULL;
	long set = -1, unpin = -1, after = -1;

	if (first) {
		before = READ_ONCE(*first);
		set = ask(SECPOD_CALL_PT_SET, slot_of(first), before);
		unpin = ask(SECPOD_CALL_UNPIN, other,
			    boot_cpu_has(X86_FEATURE_PTI) ? other + PAGE_SIZE : 0);
		after = ask(SECPOD_CALL_PT_SET, slot_of(first), 0);
	}
	if (mm)
		mmput(mm);
	if (task)
		put_task_struct(task);
	put_pid(pid);
	CHECK(first && before);
	pr_info("GUEST: requests: UNPIN of a sleeping process %ld\n", unpin);
	CHECK(set == 0 && unpin == 0);
	CHECK(after == -SECPOD_ENOENT && READ_ONCE(*first) == before);
	return 0;
}

/* ---- calls that come back */

static unsigned int calls_made;

static noinline void count_call(void)
{
	WRITE_ONCE(calls_made, calls_made + 1);
}

/* As Linux leaves a call of nothing. */
#define ABSENT 0x66, 0x0f, 0x1f, 0x44, 0, 0
static const u8 absent[] = {ABSENT};

/* Two of them in a row. */
static noinline __noclone void make_calls(void)
{
	asm volatile(".byte " __stringify(ABSENT) ", " __stringify(ABSENT)
		     : ASM_CALL_CONSTRAINT
		     :
		     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc", "memory");
}

/* The first bytes of the function are the compiler's. */
static u64 find_calls(void)
{
	const u8 *code = (const u8 *)make_calls;

	/* Else its end is an address of code that is not marked as a target. */
	OPTIMIZER_HIDE_VAR(code);
	for (unsigned int i = 0; i < 32; i++) {
		if (!memcmp(code + i, absent, sizeof(absent)))
			return (u64)(code + i);
	}
	return 0;
}

static int check_rearm(void)
{
	struct secpod_call_site *site = (struct secpod_call_site *)list;
	const u64 mine = (u64)count_call, first = find_calls(), second = first + sizeof(absent);
	const struct {
		u64 linear, stub;
		long result;
	} refused[] = {
		{second, (u64)&__request_module, -SECPOD_EINVAL}, /* no module's */
		{second, (u64)list, -SECPOD_EINVAL},
		{second, region, -SECPOD_EINVAL},
		{second, 0, -SECPOD_EINVAL},
		{second + 1, mine, -SECPOD_ENOENT},
		{first, mine, -SECPOD_ENOENT}, /* not a second time */
		{(u64)list, mine, -SECPOD_ENOENT},
		{0, mine, -SECPOD_ENOENT},
		{~0ull, mine, -SECPOD_ENOENT},
	};

	CHECK(first);
	for (unsigned int i = 0; i < ARRAY_SIZE(refused); i++) {
		site[0] = (struct secpod_call_site){first, mine};
		site[1] = (struct secpod_call_site){refused[i].linear, refused[i].stub};
		CHECK(ask(SECPOD_CALL_REARM, __pa(site), 2) == refused[i].result);
		/* None, where one of them cannot be. */
		make_calls();
		CHECK(READ_ONCE(calls_made) == 0);
	}
	site[1] = (struct secpod_call_site){second, mine};
	CHECK(ask(SECPOD_CALL_REARM, __pa(site), 2) == 0);
	make_calls();
	CHECK(READ_ONCE(calls_made) == 2);
	CHECK(ask(SECPOD_CALL_REARM, __pa(site), 1) == -SECPOD_ENOENT);
	return 0;
}

/*
 * From exit to entry, and AROUND; the TSC of the emulator counts instructions. From the first RDTSC on there
 * are SHL, OR, two MOV, XOR, VMCALL and RDTSC.
 */
static u64 measure(u32 number, u64 rdi, u64 rsi)
{
	u64 rax = SECPOD_HYPERCALL | number, begin, rdx = 0;
	register u64 r10 asm("r10") = 0;

	asm volatile("rdtsc\n\t"
		     "shl $32, %%rdx\n\t"
		     "or %%rdx, %%rax\n\t"
		     "mov %%rax, %[begin]\n\t"
		     "mov %[call], %%rax\n\t"
		     "xor %%edx, %%edx\n\t"
		     "vmcall\n\t"
		     "rdtsc\n\t"
		     "shl $32, %%rdx\n\t"
		     "or %%rdx, %%rax"
		     : [begin] "=&r"(begin), "=&a"(rax), "=&d"(rdx), "+r"(r10)
		     : [call] "r"(rax), "D"(rdi), "S"(rsi)
		     : "memory");
	return rax - begin;
}

static u64 best(u32 number, u64 rdi, u64 rsi, u64 undo_slot, u64 undo)
{
	u64 least = ~0ull;

	for (unsigned int i = 0; i < RUNS; i++) {
		unsigned long flags;

		local_irq_save(flags);
		least = min(least, measure(number, rdi, rsi));
		local_irq_restore(flags);
		if (undo_slot)
			ask(SECPOD_CALL_PT_SET, undo_slot, undo);
	}
	return least;
}

/* What is not the monitor's between the two RDTSC of measure_walk(): two MOV, the access, RDTSC. */
#define AROUND_WALK 4u

/* By the kernel's own function, as all of the kernel does it. */
static u64 measure_store(pte_t *entry, u64 value)
{
	const u64 begin = rdtsc();

	set_pte(entry, native_make_pte(value));
	return rdtsc() - begin;
}

/* A read by which the CPU sets the accessed flag, which it may not. */
static u64 measure_walk(unsigned long address)
{
	u32 low1, high1, low2, high2;
	u64 value;

	stac();
	asm volatile("rdtsc\n\t"
		     "mov %%eax, %0\n\t"
		     "mov %%edx, %1\n\t"
		     "mov (%[address]), %[value]\n\t"
		     "rdtsc"
		     : "=&r"(low1), "=&r"(high1), "=&a"(low2), "=&d"(high2), [value] "=&r"(value)
		     : [address] "r"(address)
		     : "memory");
	clac();
	return ((u64)high2 << 32 | low2) - ((u64)high1 << 32 | low1) - AROUND_WALK;
}

/*
 * The entry is cleared, then what it was but for its accessed flag. The same stores to memory that is no page
 * table tell what the guest spends on them.
 */
static void bench_traps(u64 *entry)
{
	const u64 value = READ_ONCE(*entry);
	u64 trapped, plain = ~0ull, cleared = ~0ull, set = ~0ull, walk = ~0ull;
	pte_t ordinary;

	for (unsigned int i = 0; i < RUNS; i++) {
		unsigned long flags;

		local_irq_save(flags);
		plain = min(plain, measure_store(&ordinary, value));
		cleared = min(cleared, measure_store((pte_t *)entry, 0));
		set = min(set, measure_store((pte_t *)entry, value & ~(u64)_PAGE_ACCESSED));
		forget(region);
		walk = min(walk, measure_walk(region));
		local_irq_restore(flags);
	}
	WRITE_ONCE(*entry, value);
	trapped = max(cleared, set);
	pr_info("GUEST: bench trapped store: %llu root-mode instructions\n", trapped - plain);
	pr_info("GUEST: bench flag update: %llu root-mode instructions\n", walk);
}

static void bench(void)
{
	u64 *first = entry_of(root, region, 1);
	const u64 slot = slot_of(first), value = READ_ONCE(*first);
	u64 whole, one;

	/* 256 entries that change each time: the second half of the list undoes what the first does. */
	for (unsigned int i = 0; i < SECPOD_BATCH_MAX; i++)
		list[i] = (struct secpod_pt_op){slot, i % 2 ? value : value & ~(u64)_PAGE_RW};
	whole = best(SECPOD_CALL_PT_BATCH, __pa(list), SECPOD_BATCH_MAX, 0, 0);
	one = best(SECPOD_CALL_PT_BATCH, __pa(list), 1, slot, value);
	pr_info("GUEST: bench entry of a batch: %llu root-mode instructions\n",
		(whole - one) / (SECPOD_BATCH_MAX - 1));
	pr_info("GUEST: bench PT_SET: %llu root-mode instructions\n",
		best(SECPOD_CALL_PT_SET, slot, value & ~(u64)_PAGE_RW, slot, value) - AROUND);
	pr_info("GUEST: bench PT_SET of an empty entry: %llu root-mode instructions\n",
		best(SECPOD_CALL_PT_SET, slot, value & ~(u64)_PAGE_PRESENT, 0, 0) - AROUND);
	ask(SECPOD_CALL_PT_SET, slot, value);
	bench_traps(first);
}

static int __init requests_init(void)
{
	static int (*const checks[])(void) = {check_info,  check_entries,    check_refusals,
					      check_batch, check_protection, check_unpin,
					      check_rearm};
	unsigned int passed = 0;
	int error = 0;

	list = (struct secpod_pt_op *)get_zeroed_page(GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	root = __read_cr3() & CR3_ADDR_MASK;
	mmap_write_lock(current->mm);
	bench();
	for (; !error && passed < ARRAY_SIZE(checks); passed += !error)
		error = checks[passed]();
	mmap_write_unlock(current->mm);
	free_page((unsigned long)list);
	if (error)
		pr_info("GUEST: requests: check in line %d FAILED\n", failed_line);
	else
		pr_info("GUEST: requests: %u checks passed\n", passed);
	return error;
}

static void __exit requests_exit(void)
{
}

module_init(requests_init);
module_exit(requests_exit);
MODULE_DESCRIPTION("Requests for changes of page tables, for tests");
MODULE_LICENSE("Dual MIT/GPL");
