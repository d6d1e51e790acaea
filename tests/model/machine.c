/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/model.h"
#include "vmm/guest_mem.h"

/* Stores the guest tries again when it is told to, before it does something else. */
#define TRIES_MAX 4u

struct model model;
int model_shaken;
_Thread_local struct cpu *this_cpu;

/* In one piece, whichever other thread fails at the same time. */
_Noreturn void model_fail(const char *file, int line, const char *what, uint64_t a, uint64_t b)
{
	static int failing;

	if (__atomic_exchange_n(&failing, 1, __ATOMIC_SEQ_CST) == 0) {
		fflush(stdout);
		fprintf(stderr,
			"model: %s:%d: not so: %s (%#" PRIx64 ", %#" PRIx64 ")\n"
			"model: seed %" PRIu64 ", burst %" PRIu32 ", CPU %" PRIu32 ", %s\n",
			file, line, what, a, b, model.seed, model.burst,
			this_cpu ? this_cpu->number : 0,
			model.threaded ? "threads: another run may differ"
				       : "one thread: will be so again");
	}
	abort();
}

static uint64_t *word_of(uint64_t gpa)
{
	return (uint64_t *)(model.world.ram + gpa);
}

/* ---- cached translations */

static void forget_translations(void *context)
{
	struct cpu *cpu = this_cpu;

	(void)context;
	for (uint32_t i = 0; i < CACHED_WRITES; i++)
		cpu->writes[i] = PAGING_NO_ROOT;
	for (uint32_t i = 0; i < CACHED_CODE; i++)
		cpu->code[i] = PAGING_NO_ROOT;
	for (uint32_t i = 0; i < CACHED_TABLES; i++)
		cpu->tables[i].frame = PAGING_NO_ROOT;
}

static bool may_write_cached(const struct cpu *cpu, uint64_t frame)
{
	for (uint32_t i = 0; i < CACHED_WRITES; i++) {
		if (cpu->writes[i] == frame)
			return true;
	}
	return false;
}

static uint32_t rights_of(uint64_t frame)
{
	struct ept_leaf leaf;

	if (ept_lookup(&model.world.ept.ept, frame << PAGE_SHIFT, &leaf))
		return EPT_NONE;
	return leaf.rights;
}

static bool may_write(struct cpu *cpu, uint64_t frame)
{
	if (frame >= PW_FRAMES)
		return false;
	if (may_write_cached(cpu, frame))
		return true;
	if (!(rights_of(frame) & EPT_WRITE))
		return false;
	if (dice(2))
		cpu->writes[cpu->next_write++ % CACHED_WRITES] = frame;
	return true;
}

/* The heart of it: what the CPU is about to write is nothing that is protected. */
static void check_written(uint64_t frame)
{
	const uint64_t word = frame_read(&model.world.paging.frames, frame);
	const enum frame_type type = frame_word_type(word);

	/* Being made, all may still write it; being unmade, none walks or executes it any more. */
	if ((frame_is_table(type) || frame_is_code(type)) && word & (FRAME_CLAIMED | FRAME_DOOMED))
		return;
	MODEL_CHECK(type == FRAME_NONE || type == FRAME_EFI_RT, frame, word);
}

static void write_word(uint64_t gpa, uint64_t value)
{
	check_written(gpa >> PAGE_SHIFT);
	__atomic_store_n(word_of(gpa), value, __ATOMIC_RELAXED);
	check_written(gpa >> PAGE_SHIFT);
}

/* And what it is about to walk is a page table, and stays one as long as it is in the guest. */
static void check_walked(uint64_t frame, uint32_t level)
{
	const uint64_t word = frame_read(&model.world.paging.frames, frame);

	MODEL_CHECK(frame_word_type(word) == (enum frame_type)level, frame, word);
	MODEL_CHECK(!(word & (FRAME_CLAIMED | FRAME_DOOMED)), frame, word);
	MODEL_CHECK(!(rights_of(frame) & EPT_WRITE), frame, word);
}

static void check_executed(uint64_t frame)
{
	const uint64_t word = frame_read(&model.world.paging.frames, frame);

	MODEL_CHECK(frame_is_code(frame_word_type(word)) || frame_word_type(word) == FRAME_EFI_RT,
		    frame, word);
}

static void cache_table(struct cpu *cpu, uint64_t frame, uint32_t level)
{
	for (uint32_t i = 0; i < CACHED_TABLES; i++) {
		if (cpu->tables[i].frame == frame && cpu->tables[i].level == level)
			return;
	}
	cpu->tables[cpu->next_table++ % CACHED_TABLES] = (struct cached_table){frame, level};
}

/* ---- VM entry and exit; as vmx/delegation.c has it */

static struct paging_cpu *paging_cpu(const struct cpu *cpu)
{
	return &model.world.cpu[cpu->number];
}

static void drop_target(struct cpu *cpu, uint64_t root)
{
	for (uint32_t i = 0; i < PAGING_CPU_ROOTS; i++) {
		if (cpu->target[i] == root)
			cpu->target[i] = PAGING_NO_ROOT;
	}
}

static void add_target(struct cpu *cpu, uint64_t root)
{
	drop_target(cpu, root);
	memmove(&cpu->target[1], &cpu->target[0], sizeof(cpu->target) - sizeof(cpu->target[0]));
	cpu->target[0] = root;
}

static int load_root(struct cpu *cpu, uint64_t root)
{
	uint64_t evicted;
	int error = paging_root_load(&model.world.paging, paging_cpu(cpu), root, &evicted);

	if (evicted != PAGING_NO_ROOT)
		drop_target(cpu, evicted);
	return error;
}

static void forget_other_roots(struct cpu *cpu)
{
	while (load_root(cpu, cpu->cr3) == -EAGAIN)
		(void)sched_yield();
	MODEL_CHECK(paging_root_known(paging_cpu(cpu), cpu->cr3), cpu->cr3, 0);
	paging_roots_trim(&model.world.paging, paging_cpu(cpu));
	for (uint32_t i = 0; i < PAGING_CPU_ROOTS; i++)
		cpu->target[i] = PAGING_NO_ROOT;
}

static void sync_roots(struct cpu *cpu)
{
	const uint64_t trims = __atomic_load_n(&model.trims, __ATOMIC_SEQ_CST);

	if (cpu->trims == trims)
		return;
	forget_other_roots(cpu);
	__atomic_store_n(&cpu->trims, trims, __ATOMIC_RELEASE);
}

static struct cpu *enter_guest(void)
{
	struct cpu *cpu = this_cpu;

	sync_roots(cpu);
	ept_flush_enter(&model.flush, &model.flush.cpu[cpu->number]);
	return cpu;
}

static void leave_guest(void)
{
	ept_flush_exit(&model.flush.cpu[this_cpu->number]);
}

static void kick(void *context, uint32_t cpu)
{
	/* They leave the guest soon by themselves. */
	(void)context;
	(void)cpu;
}

static void relax(void *context)
{
	(void)context;
	(void)sched_yield();
}

/* ---- what the auditor asks for */

static bool refuse(void *context, uint8_t rule, uint64_t slot, uint64_t old, uint64_t next)
{
	(void)context;
	(void)slot;
	(void)old;
	(void)next;
	/* Code that comes is let in, and is on record. */
	if (SECPOD_RULE_NEW_CODE(rule))
		return false;
	__atomic_fetch_or(&model.broken, 1ULL << rule, __ATOMIC_RELAXED);
	__atomic_fetch_add(&model.world.refusals[rule], 1u, __ATOMIC_RELAXED);
	return true;
}

/* One thread: the others go on with what they have cached while one asks them to invalidate. */
static void play_others(void)
{
	struct cpu *waiting = this_cpu;
	uint64_t steps = dice(6);

	if (model.threaded || model.quiet || waiting->depth > 0)
		return;
	while (steps-- > 0) {
		this_cpu = &model.cpu[(waiting->number + 1 + dice(model.cpus - 1)) % model.cpus];
		this_cpu->depth = 1;
		guest_step();
		this_cpu->depth = 0;
		this_cpu = waiting;
	}
}

/* What an entry references has a reference for it, as long as the entry can be found. */
static void check_referenced(uint64_t gpa, uint64_t entry)
{
	const struct frames *frames = &model.world.paging.frames;
	const uint32_t level = (uint32_t)type_now(gpa >> PAGE_SHIFT);
	const uint64_t word = frame_read(frames, pte_table_frame(entry));

	if (!pte_is_table(entry, level))
		return;
	MODEL_CHECK(frame_word_type(word) == (enum frame_type)(level - 1), gpa, word);
	MODEL_CHECK(frame_word_refs(word) > 0, gpa, word);
}

static void before_exchange(struct paging_world *world, uint64_t gpa, uint64_t next)
{
	const struct spinlock *lock = &world->paging.pair_lock;

	/* Where pairs are compared nobody comes between: with one thread he would wait for its own lock. */
	if (!model.threaded && lock->next == lock->serving && dice(4) == 0)
		play_others();
	check_referenced(gpa, __atomic_load_n(word_of(gpa), __ATOMIC_RELAXED));
	check_referenced(gpa, next);
}

static void flush(void *context)
{
	(void)context;
	play_others();
	(void)ept_flush_map(&model.flush, this_cpu->number, &model.world.ept.ept);
}

static bool trim_roots(void *context)
{
	const uint64_t trims = __atomic_add_fetch(&model.trims, 1u, __ATOMIC_SEQ_CST);
	bool all = true;

	sync_roots(this_cpu);
	flush(context);
	for (uint32_t i = 0; i < model.cpus; i++)
		all = all && __atomic_load_n(&model.cpu[i].trims, __ATOMIC_ACQUIRE) >= trims;
	return all;
}

static void trim_own(void *context)
{
	(void)context;
	forget_other_roots(this_cpu);
}

/*
 * One thread: a table whose lock is held by the CPU that waits would be waited for for ever. With the
 * second one a store may go to.
 */
static bool would_wait(uint64_t frame)
{
	const struct frames *frames = &model.world.paging.frames;

	return this_cpu->depth > 0 &&
	       ((frame_read(frames, frame) | frame_read(frames, frame ^ 1u)) & FRAME_LOCKED);
}

/* ---- what a guest can do */

struct told {
	paging_change change;
	void *operand;
	uint64_t next; /* what came out of it last */
};

static uint64_t tell(void *context, uint64_t old)
{
	struct told *told = context;

	told->next = told->change(told->operand, old);
	return told->next;
}

/* One CPU at a time, nothing meanwhile: the answer is known beforehand. */
static int store_compared(uint64_t gpa, paging_change change, void *operand)
{
	const uint64_t old = __atomic_load_n(word_of(gpa), __ATOMIC_RELAXED);
	const uint64_t expected = expect_store(gpa, old, change(operand, old));
	const bool quiet = model.quiet;
	struct told told = {change, operand, 0};
	uint64_t found;
	int error;

	model.broken = 0;
	model.quiet = true;
	error = paging_store(&model.world.paging, paging_cpu(this_cpu), gpa, tell, &told, &found);
	model.quiet = quiet;
	if (error != 0 && error != -EPERM)
		return error;
	MODEL_CHECK(found == old, found, old);
	model.compared++;
	if (error)
		MODEL_CHECK(model.broken & expected, model.broken, expected);
	else
		MODEL_CHECK(expected == 0, expected, told.next);
	MODEL_CHECK(__atomic_load_n(word_of(gpa), __ATOMIC_RELAXED) == (error ? old : told.next),
		    gpa, told.next);
	return error;
}

static int exit_store(uint64_t gpa, paging_change change, void *operand)
{
	const uint64_t frame = gpa >> PAGE_SHIFT;
	const enum frame_type type = frame_type(&model.world.paging.frames, frame);
	uint64_t old;
	int error;

	if (would_wait(frame))
		return 0;
	if (type == FRAME_NONE || frame_is_table(type)) {
		error = paging_settle(&model.world.paging, paging_cpu(this_cpu), frame);
		if (error == 0 || type == FRAME_NONE)
			return -EAGAIN;
	}
	if (!frame_is_table(type))
		return -EPERM;
	if (!model.threaded && this_cpu->depth == 0 && model.world.ept.pool.free_count > 64 &&
	    dice(2))
		return store_compared(gpa, change, operand);
	return paging_store(&model.world.paging, paging_cpu(this_cpu), gpa, change, operand, &old);
}

void machine_store(uint64_t gpa, paging_change change, void *operand)
{
	int error = -EAGAIN;

	if (!guest_range_ok(gpa, sizeof(uint64_t)))
		return;
	for (uint32_t i = 0; i < TRIES_MAX && (error == -EAGAIN || error == -ENOENT); i++) {
		struct cpu *cpu = enter_guest();
		const bool direct = may_write(cpu, gpa >> PAGE_SHIFT);

		if (direct)
			write_word(gpa, change(operand,
					       __atomic_load_n(word_of(gpa), __ATOMIC_RELAXED)));
		leave_guest();
		if (direct)
			return;
		error = exit_store(gpa, change, operand);
	}
}

void machine_fill(uint64_t frame, const uint64_t *words)
{
	struct cpu *cpu = enter_guest();

	if (may_write(cpu, frame)) {
		for (uint32_t i = 0; i < PT_ENTRIES; i++)
			write_word((frame << PAGE_SHIFT) + i * sizeof(uint64_t), words[i]);
	}
	leave_guest();
}

void machine_settle(uint64_t frame)
{
	if (frame < PW_FRAMES && !would_wait(frame))
		(void)paging_settle(&model.world.paging, paging_cpu(this_cpu), frame);
}

/* The CPU writes the flag by itself, if it can and the entry is still what it was. */
static bool set_flag(uint64_t slot, uint64_t entry, uint64_t flag)
{
	entry |= __atomic_load_n(word_of(slot), __ATOMIC_RELAXED) & PTE_A;
	return model.sets_flags &&
	       __atomic_compare_exchange_n(word_of(slot), &entry, entry | flag, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Use a translation that the CPU has found: read, write, execute. Result: the slot that needs D, or 0. */
static uint64_t use_leaf(struct cpu *cpu, uint64_t slot, uint64_t leaf, uint32_t level)
{
	const uint64_t frame = pte_leaf_frame(leaf, level) + dice(pte_leaf_frames(level));

	if (pte_is_kernel_exec(leaf) && frame < PW_FRAMES && rights_of(frame) & EPT_EXEC) {
		check_executed(frame);
		cpu->code[cpu->next_code++ % CACHED_CODE] = frame;
	}
	if (!(leaf & PTE_RW))
		return 0;
	if (!(leaf & PTE_D) && !set_flag(slot, leaf, PTE_D))
		return slot;
	if (may_write(cpu, frame)) {
		const uint64_t gpa = (frame << PAGE_SHIFT) + dice(8) * sizeof(uint64_t);

		write_word(gpa, guest_value(gpa));
	}
	return 0;
}

/* The index of an entry to go on with: that of va, or, where va is 0, of one that is present. */
static uint32_t index_of(uint64_t frame, uint32_t level, uint64_t va)
{
	uint32_t index = (uint32_t)dice(PT_ENTRIES);

	if (va)
		return (uint32_t)(va >> pte_shift(level)) % PT_ENTRIES;
	for (uint32_t i = 0; i < PT_ENTRIES; i++) {
		const uint64_t slot = (frame << PAGE_SHIFT) + index * sizeof(uint64_t);

		if (__atomic_load_n(word_of(slot), __ATOMIC_RELAXED) & PTE_P)
			break;
		index = (index + 1) % PT_ENTRIES;
	}
	return index;
}

/* Down from a table. Result: the slot whose flags the CPU would have to write, or 0. */
static uint64_t walk_from(struct cpu *cpu, uint64_t frame, uint32_t level, uint64_t va)
{
	for (;; level--) {
		uint64_t slot, entry;

		check_walked(frame, level);
		slot = (frame << PAGE_SHIFT) + index_of(frame, level, va) * sizeof(uint64_t);
		entry = __atomic_load_n(word_of(slot), __ATOMIC_RELAXED);
		if (!(entry & PTE_P))
			return 0;
		if (!(entry & PTE_A) && !set_flag(slot, entry, PTE_A))
			return slot;
		if (pte_is_leaf(entry, level))
			return use_leaf(cpu, slot, entry, level);
		frame = pte_table_frame(entry);
		cache_table(cpu, frame, level - 1);
	}
}

/* The CPU leaves the guest where it would have to write to a read-only page table. */
static void walked(uint64_t flags)
{
	leave_guest();
	if (flags && !would_wait(flags >> PAGE_SHIFT))
		(void)paging_flag_update(&model.world.paging, flags);
}

void machine_walk(void)
{
	struct cpu *cpu = enter_guest();
	struct cached_table from = {cpu->cr3 >> PAGE_SHIFT, PT_LEVELS};

	if (dice(2)) {
		const struct cached_table *cached = &cpu->tables[dice(CACHED_TABLES)];

		if (cached->frame != PAGING_NO_ROOT)
			from = *cached;
	}
	walked(walk_from(cpu, from.frame, from.level, 0));
}

void machine_access(uint64_t va)
{
	struct cpu *cpu = enter_guest();

	walked(walk_from(cpu, cpu->cr3 >> PAGE_SHIFT, PT_LEVELS, va));
}

void machine_reuse(void)
{
	struct cpu *cpu = enter_guest();
	const uint64_t data = cpu->writes[dice(CACHED_WRITES)];
	const uint64_t code = cpu->code[dice(CACHED_CODE)];

	if (data != PAGING_NO_ROOT) {
		const uint64_t gpa = (data << PAGE_SHIFT) + dice(8) * sizeof(uint64_t);

		write_word(gpa, guest_value(gpa));
	}
	if (code != PAGING_NO_ROOT)
		check_executed(code);
	leave_guest();
}

void machine_request(void (*request)(struct paging *paging, struct paging_cpu *cpu))
{
	struct cpu *cpu = enter_guest();

	leave_guest();
	/* One thread: it may come to any table, and that may be locked. */
	if (cpu->depth == 0)
		request(&model.world.paging, paging_cpu(cpu));
}

static int load_compared(struct cpu *cpu, uint64_t root)
{
	const uint64_t expected =
		paging_root_known(paging_cpu(cpu), root) ? 0 : expect_root(root >> PAGE_SHIFT);
	const bool quiet = model.quiet;
	int error;

	model.broken = 0;
	model.quiet = true;
	error = load_root(cpu, root);
	model.quiet = quiet;
	if (error != 0 && error != -EPERM)
		return error;
	model.compared++;
	if (error)
		MODEL_CHECK(model.broken & expected, model.broken, expected);
	else
		MODEL_CHECK(expected == 0, expected, root);
	return error;
}

void machine_load(uint64_t root)
{
	struct cpu *cpu = enter_guest();
	int error;

	leave_guest();
	if (!model.threaded && cpu->depth == 0 && model.world.ept.pool.free_count > 64)
		error = load_compared(cpu, root);
	else
		error = load_root(cpu, root);
	if (error)
		return;
	cpu->cr3 = root;
	add_target(cpu, root);
}

void machine_switch(void)
{
	struct cpu *cpu = enter_guest();
	const uint64_t root = cpu->target[dice(PAGING_CPU_ROOTS)];

	if (root != PAGING_NO_ROOT)
		cpu->cr3 = root;
	check_walked(cpu->cr3 >> PAGE_SHIFT, PT_LEVELS);
	leave_guest();
}

/* ---- set-up */

static void *taken[4096];
static uint32_t taken_count;

void machine_memory(uint64_t pages)
{
	struct page_pool *pool = &model.world.ept.pool;

	while (page_pool_left(pool) > pages)
		taken[taken_count++] = page_pool_alloc(pool);
	while (taken_count && page_pool_left(pool) < pages)
		MODEL_CHECK(page_pool_free(pool, taken[--taken_count]) == 0, taken_count, pages);
}

/* With page-table isolation: the root behind the kernel's, with little in its upper half. */
static void build_pair(void)
{
	const uint32_t entry_area = (uint32_t)(PW_CPU_ENTRY >> pte_shift(4)) % PT_ENTRIES;

	*word_of(model.world.swapper + PAGE_SIZE + entry_area * 8) =
		*word_of(model.world.swapper + entry_area * 8);
}

/* The tree for CPUs that start: the direct map at address 0, and the kernel's image. */
static void build_special(void)
{
	const uint32_t direct = (uint32_t)(PW_DIRECT >> pte_shift(4)) % PT_ENTRIES;

	model.special = pw_frame(&model.world) << PAGE_SHIFT;
	*word_of(model.special) = *word_of(model.world.swapper + direct * 8);
	*word_of(model.special + 511 * 8) = *word_of(model.world.swapper + 511 * 8);
}

static void note_kernel_tables(void)
{
	for (uint64_t frame = 0; frame < PW_FRAMES; frame++) {
		if (frame_is_table(type_now(frame)) && model.kernel_tables < KERNEL_TABLES_MAX)
			model.kernel_table[model.kernel_tables++] = frame;
	}
}

void machine_lock(void)
{
	MODEL_CHECK(paging_lock(&model.world.paging) == 0, 0, 0);
	model.locked = true;
}

void machine_open(uint64_t seed, uint32_t cpus, bool threaded)
{
	const struct ept_flush_ops flush_ops = {forget_translations, kick, relax, NULL};
	const struct paging_ops ops = {refuse, flush, trim_roots, trim_own, NULL};
	uint64_t roots[2];

	memset(&model, 0, sizeof(model));
	model.seed = seed;
	model.cpus = cpus;
	model.threaded = threaded;
	model.isolated = seed & 1u;
	model.world.mbec = seed & 2u;
	model.sets_flags = seed & 4u;
	pw_open(&model.world);
	model.world.paging.ops = ops;
	model.world.before_exchange = before_exchange;
	MODEL_CHECK(ept_flush_init(&model.flush, cpus, &flush_ops) == 0, cpus, 0);
	for (uint32_t i = 0; i < cpus; i++) {
		struct cpu *cpu = &model.cpu[i];

		cpu->number = i;
		cpu->own.state = seed * 977 + i;
		cpu->random = threaded ? &cpu->own : &model.cpu[0].own;
		cpu->cr3 = model.world.swapper;
		cpu->target[0] = cpu->target[1] = PAGING_NO_ROOT;
		this_cpu = cpu;
		forget_translations(NULL);
	}
	this_cpu = &model.cpu[0];
	model.quiet = true;
	if (model.isolated)
		build_pair();
	build_special();
	roots[0] = model.world.swapper;
	roots[1] = model.special;
	MODEL_CHECK(paging_activate(&model.world.paging, paging_cpu(this_cpu), roots, 2, NULL) == 0,
		    0, 0);
	for (uint32_t i = 0; i < cpus; i++) {
		this_cpu = &model.cpu[i];
		MODEL_CHECK(load_root(this_cpu, this_cpu->cr3) == 0, i, 0);
	}
	this_cpu = &model.cpu[0];
	model.quiet = false;
	note_kernel_tables();
}

void machine_close(void)
{
	pw_close(&model.world);
}
