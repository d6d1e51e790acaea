/* SPDX-License-Identifier: MIT */
/*
 * An entry of a page table changes: by a store that was trapped, by request, or by the CPU's own
 * page walk. What the new entry references gets its reference before the entry is made, what the
 * old one referenced loses it after: so nothing is ever referenced without a reference, and an error
 * leaves everything as it was.
 */
#include <errno.h>

#include "guest-support/include/secpod_abi.h"
#include "secpod/paging/internal.h"
#include "vmm/guest_mem.h"

/* Times the CPU's own flag updates may come between reading and replacing an entry. */
#define TRIES_MAX 16u
/* The same for the second one of a pair, which nobody asks for again. */
#define PAIR_TRIES_MAX (1u << 16)
/* Retired tables released in passing, when an invalidation has covered them. */
#define SWEEP_STORE 4u

/* With page-table isolation the roots of an address space are two frames side by side. */
#define PAIR 1ULL

static int read_entry(uint64_t slot, uint64_t *value)
{
	return guest_read(slot, value, sizeof(*value));
}

/* After LOCK a large leaf of the kernel may be split, if nothing but its size changes. */
static int judge_split_at(struct paging *paging, struct paging_cpu *cpu,
			  const struct pte_place *place, uint64_t old, uint64_t next)
{
	const uint64_t *table;

	if (!place->locked || place->half != HALF_KERNEL || !pte_is_leaf(old, place->level) ||
	    !pte_is_table(next, place->level))
		return 0;
	table = read_table(cpu, pte_table_frame(next), place->level - 1);
	if (table && judge_split(old, place->level, table))
		return 0;
	return paging->ops.refuse(paging->ops.context, SECPOD_RULE_KERNEL_REMAP, place->slot, old,
				  next)
		       ? -EPERM
		       : 0;
}

/* Is there something reference_take() has to do, or may refuse, for this entry? */
static bool references(uint64_t entry, uint32_t level)
{
	if (pte_is_table(entry, level))
		return true;
	return pte_is_leaf(entry, level) && !(entry & PTE_NX);
}

/* Result: as paging_store(); -ESTALE: the entry is no longer *old, which becomes what it is. */
static int replace(struct paging *paging, struct paging_cpu *cpu, const struct table_info *info,
		   const struct pte_place *place, uint64_t *old, uint64_t next)
{
	const bool harmless = judge_is_harmless(*old, next);
	const bool counted =
		!harmless && (references(*old, place->level) || references(next, place->level));
	int error = harmless ? 0 : judge_entry(paging, place, *old, next);
	uint64_t found = *old;

	if (!error && counted)
		error = reference_take(paging, cpu, place, *old, next);
	if (error)
		return error;
	if (counted)
		error = judge_split_at(paging, cpu, place, *old, next);
	if (!error && !harmless && pair_has(paging, info, place, next))
		error = pair_exchange(paging, info, place, &found, next);
	else if (!error)
		error = guest_cmpxchg64(place->slot, &found, next);
	if (counted)
		reference_drop(paging, place, error ? next : *old);
	if (error != -EAGAIN)
		return error;
	*old = found;
	return -ESTALE;
}

static void count_user_entries(struct table_info *info, const struct pte_place *place, uint64_t old,
			       uint64_t next)
{
	if (place->level != PT_LEVELS || place->index >= PT_KERNEL_FIRST)
		return;
	if (!(old & PTE_P) && (next & PTE_P))
		__atomic_fetch_add(&info->user_entries, 1u, __ATOMIC_ACQ_REL);
	else if ((old & PTE_P) && !(next & PTE_P))
		__atomic_fetch_sub(&info->user_entries, 1u, __ATOMIC_ACQ_REL);
}

static void count_references(struct table_info *info, const struct pte_place *place, uint64_t old,
			     uint64_t next)
{
	info->references += pte_is_reference(next, place->level);
	info->references -= pte_is_reference(old, place->level);
}

static int store_locked(struct paging *paging, struct paging_cpu *cpu,
			const struct table_info *info, const struct pte_place *place,
			paging_change change, void *operand, uint64_t *old, uint64_t *next)
{
	int error = read_entry(place->slot, old);

	if (error)
		return error;
	for (uint32_t i = 0; i < TRIES_MAX; i++) {
		*next = change(operand, *old);
		error = replace(paging, cpu, info, place, old, *next);
		if (error != -ESTALE)
			return error;
	}
	return -EAGAIN;
}

/*
 * Linux frees the LDT's tables in the kernel's root only and leaves the entry in the user's: both
 * go together, or the freed table would stay a page table for ever.
 */
static bool clears_pair(struct paging *paging, const struct pte_place *place,
			const struct table_info *info, uint64_t old, uint64_t next)
{
	uint64_t word;

	if (place->level != PT_LEVELS || place->root != ROOT_KIND_NORMAL || (info->frame & PAIR) ||
	    !(old & PTE_P) || (next & PTE_P))
		return false;
	word = frame_read(&paging->frames, info->frame + PAIR);
	return frame_word_type(word) == FRAME_L4 &&
	       table_info_root_kind(table_info_of(&paging->infos, frame_word_info(word))) ==
		       ROOT_KIND_USER;
}

static uint64_t clear_same(void *operand, uint64_t old)
{
	const uint64_t *gone = operand;

	return (old & PTE_P) && !((old ^ *gone) & PTE_ADDR) ? 0 : old;
}

/* No CPU has it in CR3, and it maps nothing of a user: what CPUs keep of it they need not keep. */
static int reclaim_root(struct paging *paging, struct paging_cpu *cpu, uint64_t frame,
			uint64_t word)
{
	const bool trimmed = !frame_word_refs(word) || paging->ops.trim_roots(paging->ops.context);
	int error;

	retire(paging, frame);
	error = paging_settle(paging, cpu, frame);
	return error == -EBUSY && !trimmed ? -EAGAIN : error;
}

/* Where slot is, in the table that word and info are of. */
static struct pte_place place_of(const struct paging *paging, const struct table_info *info,
				 uint64_t word, uint64_t slot)
{
	return pte_place_of(paging, info, (uint32_t)frame_word_type(word),
			    (uint32_t)(slot & ~PAGE_MASK) / (uint32_t)sizeof(uint64_t));
}

static int store(struct paging *paging, struct paging_cpu *cpu, uint64_t slot, paging_change change,
		 void *operand, uint64_t *old, bool pair);

/* Again while another CPU is about to make a page table of it: it does not wait for this one. */
static void clear_pair(struct paging *paging, struct paging_cpu *cpu, uint64_t slot, uint64_t *gone)
{
	uint64_t other;

	for (uint32_t i = 0; i < PAIR_TRIES_MAX; i++) {
		if (store(paging, cpu, slot, clear_same, gone, &other, false) != -EAGAIN)
			return;
		__builtin_ia32_pause();
	}
}

/*
 * The entry of a user's page, with no more to it than judge_is_plain() says, in a table that had this word a
 * moment ago. Result: is it one, and was it done? If not, nothing was.
 */
static inline bool store_plain(struct paging *paging, uint64_t word, uint64_t slot,
			       paging_change change, void *operand, uint64_t *old)
{
	const uint64_t frame = slot >> PAGE_SHIFT;
	bool done = false;
	uint64_t *entry, next;

	if (!frame_try_lock(&paging->frames, frame, word, FRAME_L1))
		return false;
	if (table_info_of(&paging->infos, frame_word_info(word))->half == HALF_USER) {
		entry = guest_word_open(slot);
		if (entry) {
			*old = __atomic_load_n(entry, __ATOMIC_RELAXED);
			next = change(operand, *old);
			done = judge_is_plain(paging, *old, next) &&
			       __atomic_compare_exchange_n(entry, old, next, false,
							   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
			guest_word_close();
		}
	}
	frame_unlock(&paging->frames, frame);
	return done;
}

static int store(struct paging *paging, struct paging_cpu *cpu, uint64_t slot, paging_change change,
		 void *operand, uint64_t *old, bool pair)
{
	const uint64_t frame = slot >> PAGE_SHIFT;
	struct table_info *info;
	struct pte_place place;
	uint64_t word, next = 0;
	bool dead;
	int error = frame_lock(&paging->frames, frame, &word);

	if (error)
		return error;
	info = table_info_of(&paging->infos, frame_word_info(word));
	place = place_of(paging, info, word, slot);
	error = store_locked(paging, cpu, info, &place, change, operand, old, &next);
	if (!error) {
		count_user_entries(info, &place, *old, next);
		count_references(info, &place, *old, next);
	}
	dead = !error && place.level == PT_LEVELS && table_info_user_entries(info) == 0;
	pair = pair && !error && clears_pair(paging, &place, info, *old, next);
	frame_unlock(&paging->frames, frame);

	if (dead)
		retire(paging, frame);
	if (pair)
		clear_pair(paging, cpu, slot + PAGE_SIZE, old);
	return error;
}

static inline uint64_t replace_by(void *operand, uint64_t old)
{
	(void)old;
	return *(uint64_t *)operand;
}

bool paging_set_plain(struct paging *paging, uint64_t slot, uint64_t value)
{
	const uint64_t word = frame_read(&paging->frames, slot >> PAGE_SHIFT);
	uint64_t old;

	if (!store_plain(paging, word, slot, replace_by, &value, &old))
		return false;
	__atomic_fetch_add(&paging->stats.stores, 1u, __ATOMIC_RELAXED);
	return true;
}

int paging_store(struct paging *paging, struct paging_cpu *cpu, uint64_t slot, paging_change change,
		 void *operand, uint64_t *old)
{
	const uint64_t frame = slot >> PAGE_SHIFT;
	const uint64_t word = frame_read(&paging->frames, frame);
	int error;

	if (slot % sizeof(uint64_t))
		return -EINVAL;
	if (!frame_is_table(frame_word_type(word)))
		return -ENOENT;
	if (word & (FRAME_CLAIMED | FRAME_DOOMED))
		return -EAGAIN;
	/* A store to a table that is none any more: the frame is somebody else's memory. */
	if (!(word & FRAME_PERMANENT) &&
	    (frame_word_refs(word) == 0 ||
	     (frame_word_type(word) == FRAME_L4 &&
	      (slot & ~PAGE_MASK) / sizeof(uint64_t) >= PT_KERNEL_FIRST))) {
		const struct table_info *info =
			table_info_of(&paging->infos, frame_word_info(word));

		if (frame_word_type(word) != FRAME_L4)
			error = paging_settle(paging, cpu, frame);
		else
			error = table_info_user_entries(info)
					? -EBUSY
					: reclaim_root(paging, cpu, frame, word);
		if (!error)
			return -ENOENT;
		if (error == -EAGAIN)
			return error;
	}
	error = store_plain(paging, word, slot, change, operand, old)
			? 0
			: store(paging, cpu, slot, change, operand, old, true);
	if (!error)
		__atomic_fetch_add(&paging->stats.stores, 1u, __ATOMIC_RELAXED);
	else if (error == -EPERM || error == -ENOEXEC)
		__atomic_fetch_add(&paging->stats.refused, 1u, __ATOMIC_RELAXED);
	if (retire_due(paging))
		retire_sweep(paging, cpu, SWEEP_STORE);
	return error;
}

/* Is it the code that was judged, and has it been measured? */
static bool is_same_code(const struct paging *paging, uint64_t frame, uint64_t word)
{
	return !((frame_read(&paging->frames, frame) ^ word) & FRAME_CODE_BITS) &&
	       __atomic_load_n(&paging->active, __ATOMIC_ACQUIRE);
}

int paging_code_store(struct paging *paging, uint64_t word, uint64_t slot, paging_change change,
		      void *operand, uint64_t *old)
{
	const uint64_t frame = slot >> PAGE_SHIFT;
	/* Else it could be a page table by the time it is written. The image's is code for ever. */
	const bool held = frame_word_type(word) != FRAME_CODE;
	int error = held ? code_hold(paging, frame) : 0;
	uint32_t tries = 0;

	if (error)
		return error;
	error = is_same_code(paging, frame, word) ? read_entry(slot, old) : -EAGAIN;
	if (!error) {
		do
			error = guest_cmpxchg64(slot, old, change(operand, *old));
		while (error == -EAGAIN && ++tries < TRIES_MAX);
	}
	if (held)
		code_drop(paging, frame);
	return error;
}

bool paging_maps_users(const struct paging *paging, uint64_t slot)
{
	const uint64_t word = frame_read(&paging->frames, slot >> PAGE_SHIFT);
	const struct table_info *info;

	if (!frame_is_table(frame_word_type(word)))
		return false;
	info = table_info_of(&paging->infos, frame_word_info(word));
	return place_of(paging, info, word, slot).half == HALF_USER;
}

/* What the CPU would make of the entry: A first, D where the access was let through by a leaf. */
static uint64_t with_flags(uint64_t entry, uint32_t level)
{
	if (!(entry & PTE_P))
		return entry;
	if (!(entry & PTE_A))
		return entry | PTE_A;
	/* Dirty without write access means a shadow-stack page: never made here. */
	return pte_is_leaf(entry, level) && (entry & PTE_RW) ? entry | PTE_D : entry;
}

int paging_flag_update(struct paging *paging, uint64_t slot)
{
	uint64_t word = frame_read(&paging->frames, slot >> PAGE_SHIFT);
	uint32_t tries = TRIES_MAX;
	uint64_t old, next;
	uint64_t *entry;
	int error = 0;

	if (!frame_is_table(frame_word_type(word)) ||
	    !frame_try_lock(&paging->frames, slot >> PAGE_SHIFT, word, frame_word_type(word)))
		error = frame_lock(&paging->frames, slot >> PAGE_SHIFT, &word);

	if (error)
		return error;
	entry = guest_word_open(slot & ~(sizeof(*entry) - 1));
	if (entry) {
		old = __atomic_load_n(entry, __ATOMIC_RELAXED);
		do {
			next = with_flags(old, (uint32_t)frame_word_type(word));
		} while (next != old && tries-- &&
			 !__atomic_compare_exchange_n(entry, &old, next, false, __ATOMIC_SEQ_CST,
						      __ATOMIC_RELAXED));
		guest_word_close();
	} else {
		error = -EFAULT;
	}
	frame_unlock(&paging->frames, slot >> PAGE_SHIFT);
	__atomic_fetch_add(&paging->stats.flag_updates, 1u, __ATOMIC_RELAXED);
	return error;
}
