/* SPDX-License-Identifier: MIT */
#include "secpod/paging/request.h"

#include <errno.h>

#include "guest-support/include/secpod_abi.h"
#include "secpod/paging/internal.h"
#include "vmm/guest_mem.h"

#define LOWER_HALF_END (1ULL << 47)
#define USER_WRITABLE (PTE_P | PTE_RW | PTE_US)

/* Bits the CPU ignores in a leaf of any size. SDM: "4-Level Paging and 5-Level Paging". */
#define IGNORED_BITS (7ULL << 9 | 0x7fULL << 52)

_Static_assert(sizeof(((struct paging_cpu *)0)->batch) == PAGE_SIZE &&
		       SECPOD_BATCH_MAX * sizeof(struct secpod_pt_op) == PAGE_SIZE,
	       "a list lies in one page");

/* ---- entries */

static int store(struct paging *paging, struct paging_cpu *cpu, uint64_t slot, paging_change change,
		 void *operand, uint64_t *old)
{
	const int error = paging_store(paging, cpu, slot, change, operand, old);

	/* Who is told to store himself has memory there. */
	if (error == -ENOENT && !guest_range_ok(slot, sizeof(uint64_t)))
		return -EFAULT;
	return error;
}

static uint64_t set(void *operand, uint64_t old)
{
	(void)old;
	return *(const uint64_t *)operand;
}

int paging_request_exchange(struct paging *paging, struct paging_cpu *cpu, uint64_t slot,
			    uint64_t value, uint64_t *old)
{
	return slot % sizeof(value) ? -EINVAL : store(paging, cpu, slot, set, &value, old);
}

/*
 * Between the caller's look at the entry and now the CPU may have set its flags. In an entry that is
 * not present the same bits are something else.
 */
static uint64_t keep_flags(uint64_t value, uint64_t old)
{
	if (!(old & value & PTE_P))
		return value;
	/* Dirty without write access means a shadow-stack page: never made here. */
	return value | (old & (value & PTE_RW ? PTE_AD : PTE_A));
}

/* Was the page written, and the new entry does not say so? */
static bool loses_dirty(uint64_t value, uint64_t old)
{
	return (old & PTE_P) && (old & ~keep_flags(value, old) & PTE_D);
}

struct commit {
	uint64_t value;
	uint64_t saved; /* set where dirty is lost */
};

static uint64_t commit(void *operand, uint64_t old)
{
	const struct commit *c = operand;

	return keep_flags(c->value, old) | (loses_dirty(c->value, old) ? c->saved : 0);
}

/* Result: 0, and *old is what the entry was; or as store(). */
static int commit_entry(struct paging *paging, struct paging_cpu *cpu, uint64_t slot,
			struct commit c, uint64_t *old)
{
	return slot % sizeof(c.value) ? -EINVAL : store(paging, cpu, slot, commit, &c, old);
}

int paging_request_commit(struct paging *paging, struct paging_cpu *cpu, uint64_t slot,
			  uint64_t value)
{
	uint64_t old;
	const int error = commit_entry(paging, cpu, slot, (struct commit){value, 0}, &old);

	return error ? error : loses_dirty(value, old) ? SECPOD_COMMIT_DIRTY : 0;
}

static int carry_out(struct paging *paging, struct paging_cpu *cpu, const struct secpod_pt_op *op,
		     uint64_t saved)
{
	const uint64_t slot = op->slot & ~(uint64_t)SECPOD_PT_OP_MASK;
	uint64_t old;

	switch (op->slot & SECPOD_PT_OP_MASK) {
	case SECPOD_PT_OP_SET:
		return paging_request_exchange(paging, cpu, slot, op->value, &old);
	case SECPOD_PT_OP_COMMIT:
		return commit_entry(paging, cpu, slot, (struct commit){op->value, saved}, &old);
	default:
		return -EINVAL;
	}
}

/*
 * Of count operations the first ones, as far as they are on entries of users' pages in one table and nothing more
 * has to be asked: the table is locked once for them. Result: how many were done.
 */
static uint32_t run_plain(struct paging *paging, const struct secpod_pt_op *op, uint32_t count,
			  uint64_t saved)
{
	const uint64_t page = op->slot & PAGE_MASK;
	const uint64_t word = frame_read(&paging->frames, page >> PAGE_SHIFT);
	uint8_t *table = NULL;
	uint32_t done = 0;

	if (!frame_try_lock(&paging->frames, page >> PAGE_SHIFT, word, FRAME_L1))
		return 0;
	if (table_info_of(&paging->infos, frame_word_info(word))->half == HALF_USER)
		table = (uint8_t *)guest_word_open(page);
	for (; table && done < count; done++, op++) {
		const uint64_t kind = op->slot & SECPOD_PT_OP_MASK;
		uint64_t *entry = (uint64_t *)(table + (op->slot & ~PAGE_MASK & ~kind));
		uint64_t value = op->value, old;

		if ((op->slot & PAGE_MASK) != page || kind > SECPOD_PT_OP_COMMIT)
			break;
		old = __atomic_load_n(entry, __ATOMIC_RELAXED);
		if (kind == SECPOD_PT_OP_COMMIT)
			value = commit(&(struct commit){value, saved}, old);
		if (!judge_is_plain(paging, old, value) ||
		    !__atomic_compare_exchange_n(entry, &old, value, false, __ATOMIC_SEQ_CST,
						 __ATOMIC_RELAXED))
			break;
	}
	if (table)
		guest_word_close();
	frame_unlock(&paging->frames, page >> PAGE_SHIFT);
	__atomic_fetch_add(&paging->stats.stores, done, __ATOMIC_RELAXED);
	return done;
}

int paging_request_batch(struct paging *paging, struct paging_cpu *cpu, uint64_t list,
			 uint64_t count, uint64_t saved)
{
	uint64_t done = 0;
	int error;

	if (list % sizeof(uint64_t) || count == 0 || count > SECPOD_BATCH_MAX ||
	    (list & ~PAGE_MASK) + count * sizeof(cpu->batch[0]) > PAGE_SIZE ||
	    saved & ~(IGNORED_BITS | PTE_D) || saved & (saved - 1))
		return -EINVAL;
	/* Once: another CPU may change the list after it was judged. */
	error = guest_read(list, cpu->batch, count * sizeof(cpu->batch[0]));
	while (!error && done < count) {
		const uint32_t plain =
			run_plain(paging, &cpu->batch[done], (uint32_t)(count - done), saved);

		done += plain;
		if (plain)
			continue;
		error = carry_out(paging, cpu, &cpu->batch[done], saved);
		if (error && done)
			return (int)done;
		done++;
	}
	return error ? error : (int)count;
}

/* ---- whole trees */

/* Is frame the root of an address space of Linux? Result: 0, -ENOENT, -EAGAIN, -EINVAL. */
static int address_space(const struct paging *paging, uint64_t frame)
{
	const uint64_t word = frame_read(&paging->frames, frame);

	if (frame_word_type(word) != FRAME_L4)
		return -ENOENT;
	if (word & (FRAME_CLAIMED | FRAME_DOOMED))
		return -EAGAIN;
	if ((word & FRAME_PERMANENT) ||
	    table_info_root_kind(table_info_of(&paging->infos, frame_word_info(word))) ==
		    ROOT_KIND_SPECIAL)
		return -EINVAL;
	return 0;
}

struct protection {
	struct paging *paging;
	struct paging_cpu *cpu;
	uint64_t begin;
	uint64_t end;
	uint64_t saved;
	uint64_t done;	 /* up to here */
	uint32_t tables; /* that may still be looked at */
};

/* The table is locked. In the meantime the CPU may set A, and D, and nothing else can happen. */
static int clear_write(const struct protection *p, uint64_t slot, uint64_t value)
{
	while ((value & USER_WRITABLE) == USER_WRITABLE) {
		uint64_t next = value & ~PTE_RW;
		int error;

		if (p->saved && (value & PTE_D))
			next = (next & ~PTE_D) | p->saved;
		error = guest_cmpxchg64(slot, &value, next);
		if (error != -EAGAIN)
			return error;
	}
	return 0;
}

/* What a table maps of the range, as indices. */
struct span {
	uint32_t first;
	uint32_t last;
};

static struct span span_of(const struct protection *p, uint32_t level, uint64_t base)
{
	const uint64_t size = pte_span(level), end = base + size * PT_ENTRIES;

	return (struct span){
		.first = p->begin > base ? (uint32_t)((p->begin - base) / size) : 0,
		.last = (uint32_t)(((p->end < end ? p->end : end) - 1 - base) / size),
	};
}

/*
 * The leaves of one table that maps from base on. Clearing R/W breaks no rule, and user leaves
 * have no references. Result: 0, and the entries are in the snapshot of the level; -EAGAIN: the table
 * is not what it was when its parent was read.
 */
static int protect_leaves(struct protection *p, uint64_t frame, uint32_t level, uint64_t base)
{
	const uint64_t size = pte_span(level);
	const struct span span = span_of(p, level, base);
	const uint64_t *entry;
	const struct table_info *info;
	uint64_t word;
	int error;

	if (frame_lock(&p->paging->frames, frame, &word))
		return -EAGAIN;
	info = table_info_of(&p->paging->infos, frame_word_info(word));
	error = -EAGAIN;
	if (frame_word_type(word) != (enum frame_type)level ||
	    (level == PT_LEVELS ? info->root_kind == ROOT_KIND_SPECIAL : info->half != HALF_USER))
		goto out;
	entry = read_table(p->cpu, frame, level);
	error = entry ? 0 : -EFAULT;
	for (uint32_t i = span.first; !error && i <= span.last; i++) {
		const uint64_t va = base + i * size;

		if (pte_is_leaf(entry[i], level) && va >= p->begin && va + size <= p->end)
			error = clear_write(p, (frame << PAGE_SHIFT) + i * sizeof(*entry),
					    entry[i]);
	}
out:
	frame_unlock(&p->paging->frames, frame);
	return error;
}

/* Result: 0; -EINTR: enough for one call; or as protect_leaves(). */
static int protect_tree(struct protection *p, uint64_t frame, uint32_t level, uint64_t base)
{
	const struct span span = span_of(p, level, base);
	const uint64_t *entry = p->cpu->snapshot[level - 1];
	int error;

	if (p->tables == 0)
		return -EINTR;
	p->tables--;
	error = protect_leaves(p, frame, level, base);
	for (uint32_t i = span.first; level > 1 && !error && i <= span.last; i++) {
		const uint64_t va = base + i * pte_span(level);

		if (pte_is_table(entry[i], level))
			error = protect_tree(p, pte_table_frame(entry[i]), level - 1, va);
		if (!error)
			p->done = va + pte_span(level);
	}
	return error;
}

int64_t paging_request_protect(struct paging *paging, struct paging_cpu *cpu, uint64_t root,
			       uint64_t begin, uint64_t end, uint64_t saved)
{
	struct protection p = {
		.paging = paging,
		.cpu = cpu,
		.begin = begin,
		.end = end,
		.saved = saved,
		.done = begin,
		.tables = PAGING_PROTECT_TABLES,
	};
	int error;

	_Static_assert(PAGING_PROTECT_TABLES > PT_LEVELS, "each call gets on");
	if ((root | begin | end) & ~PAGE_MASK || begin >= end || end > LOWER_HALF_END ||
	    saved & ~IGNORED_BITS || saved & (saved - 1))
		return -EINVAL;
	error = address_space(paging, root >> PAGE_SHIFT);
	if (error)
		return error;
	error = protect_tree(&p, root >> PAGE_SHIFT, PT_LEVELS, 0);
	if (!error)
		return (int64_t)end;
	return p.done > begin ? (int64_t)p.done : error;
}

/* Doomed tables, in the order in which they were, linked through table_info.next. */
struct unpinning {
	struct paging *paging;
	struct paging_cpu *cpu;
	uint32_t first;
	uint32_t last;
	uint32_t count;
};

static bool doom(struct unpinning *u, uint64_t frame)
{
	uint32_t number;

	if (u->count == PAGING_UNPIN_TABLES)
		return false;
	number = retire_doom(u->paging, frame);
	if (!number)
		return false;
	if (u->last)
		table_info_of(&u->paging->infos, u->last)->next = number;
	else
		u->first = number;
	u->last = number;
	u->count++;
	return true;
}

/* What a doomed table references loses the reference; tables that nobody else has are doomed too. */
static void drop_entries(struct unpinning *u, const struct table_info *info)
{
	const uint32_t level = (uint32_t)frame_type(&u->paging->frames, info->frame);
	const uint64_t *entry = info->references ? read_table(u->cpu, info->frame, level) : NULL;

	for (uint32_t i = 0; entry && (i = pte_next_present(entry, i)) < PT_ENTRIES; i++) {
		if (pte_is_table(entry[i], level)) {
			const uint64_t below = pte_table_frame(entry[i]);

			if (frame_put(&u->paging->frames, below) && !doom(u, below))
				retire(u->paging, below);
		} else if (pte_is_reference(entry[i], level)) {
			const struct pte_place place = pte_place_of(u->paging, info, level, i);

			reference_drop(u->paging, &place, entry[i]);
		}
	}
}

/*
 * Nothing references the doomed tables when the invalidation begins, and nothing can: after it no CPU
 * has any of them in its caches.
 */
static void release_doomed(struct unpinning *u)
{
	struct paging *paging = u->paging;
	uint32_t next;

	for (uint32_t number = u->first; number;
	     number = table_info_of(&paging->infos, number)->next)
		drop_entries(u, table_info_of(&paging->infos, number));
	paging_flush(paging);
	for (uint32_t number = u->first; number; number = next) {
		const uint64_t frame = table_info_of(&paging->infos, number)->frame;

		next = table_info_of(&paging->infos, number)->next;
		/* Where that fails the guest asks for it: see paging_settle(). */
		(void)paging_protect(paging, frame, FRAME_NONE);
		frame_free(&paging->frames, frame);
		shown_update(paging, frame);
		table_info_free(&paging->infos, number);
	}
	__atomic_fetch_add(&paging->stats.released, u->count, __ATOMIC_RELAXED);
}

static bool in_use(const struct paging *paging, uint64_t frame)
{
	return frame != PAGING_NO_ROOT && frame_word_refs(frame_read(&paging->frames, frame)) != 0;
}

/* Result: 0: no CPU may load the roots without asking. */
static int make_cpus_give_up(struct paging *paging, const struct paging_cpu *cpu, uint64_t root,
			     uint64_t pair)
{
	if (!in_use(paging, root) && !in_use(paging, pair))
		return 0;
	/* Mostly it is this CPU alone, which has just left the address space. */
	paging->ops.trim_own(paging->ops.context);
	if (cpu->root[0] == root || cpu->root[0] == pair)
		return -EBUSY;
	if ((in_use(paging, root) || in_use(paging, pair)) &&
	    !paging->ops.trim_roots(paging->ops.context))
		return -EAGAIN;
	return in_use(paging, root) || in_use(paging, pair) ? -EBUSY : 0;
}

int paging_request_unpin(struct paging *paging, struct paging_cpu *cpu, uint64_t root,
			 uint64_t pair)
{
	struct unpinning u = {.paging = paging, .cpu = cpu};
	const uint64_t frame = root >> PAGE_SHIFT;
	uint64_t second = PAGING_NO_ROOT;
	int error;

	if ((root | pair) & ~PAGE_MASK || root == pair)
		return -EINVAL;
	error = address_space(paging, frame);
	if (!error && pair) {
		error = address_space(paging, pair >> PAGE_SHIFT);
		if (!error)
			second = pair >> PAGE_SHIFT;
		/* It has never come to user mode. */
		else if (error == -ENOENT)
			error = 0;
	}
	if (!error)
		error = make_cpus_give_up(paging, cpu, frame, second);
	if (error)
		return error;
	if (!doom(&u, frame))
		return -EAGAIN;
	if (second != PAGING_NO_ROOT && !doom(&u, second)) {
		frame_undoom(&paging->frames, frame);
		retire(paging, frame);
		return -EAGAIN;
	}
	release_doomed(&u);
	return 0;
}
