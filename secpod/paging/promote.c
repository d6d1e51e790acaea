/* SPDX-License-Identifier: MIT */
/*
 * Memory becomes page tables. First the whole tree is claimed: each frame is made read-only and then
 * read to find the next ones, while the guest may still be writing it through old translations. Then
 * all CPUs invalidate; from there on what is claimed cannot change, and is judged, lowest level
 * first. An entry that has changed in between may lead to more memory: then that is claimed too, and
 * once more invalidated.
 */
#include "secpod/paging/internal.h"

#include <errno.h>

#include "guest-support/include/secpod_abi.h"
#include "vmm/guest_mem.h"

const uint64_t *read_table(struct paging_cpu *cpu, uint64_t frame, uint32_t level)
{
	uint64_t *snapshot = cpu->snapshot[level - 1];

	return guest_read(frame << PAGE_SHIFT, snapshot, PAGE_SIZE) ? NULL : snapshot;
}

static bool refuse(struct paging *paging, uint8_t rule, uint64_t slot, uint64_t value)
{
	return paging->ops.refuse(paging->ops.context, rule, slot, 0, value);
}

static struct table_info *info_of(const struct promotion *p, uint64_t number)
{
	return table_info_of(&p->paging->infos, number);
}

static void list_claim(struct promotion *p, uint32_t number)
{
	struct table_info *info = info_of(p, number);

	info->previous = 0;
	info->next = p->claimed;
	if (p->claimed)
		info_of(p, p->claimed)->previous = number;
	p->claimed = number;
}

/* From here on other lists may have it. */
static void unlist_claim(struct promotion *p, uint32_t number)
{
	struct table_info *info = info_of(p, number);

	if (info->previous)
		info_of(p, info->previous)->next = info->next;
	else
		p->claimed = info->next;
	if (info->next)
		info_of(p, info->next)->previous = info->previous;
	info->next = 0;
	info->previous = 0;
	__atomic_store_n(&info->owner, NULL, __ATOMIC_RELAXED);
}

static int claim_one(struct promotion *p, const struct tree_root *root)
{
	struct paging *paging = p->paging;
	uint32_t number;
	struct table_info *info;
	int error;

	/* What lies between the guest's memory has rights that are not ours to change. */
	if (!guest_range_ok(root->frame << PAGE_SHIFT, PAGE_SIZE))
		return -EFAULT;
	if (p->count == paging->claims_max)
		return -EAGAIN;
	number = table_info_alloc(&paging->infos, root->frame);
	if (!number)
		return -ENOMEM;
	info = info_of(p, number);
	info->half = (uint8_t)root->half;
	info->va = root->va;
	__atomic_store_n(&info->owner, p, __ATOMIC_RELAXED);
	error = frame_claim(&paging->frames, root->frame, root->level, number);
	if (error) {
		table_info_free(&paging->infos, number);
		return error;
	}
	list_claim(p, number);
	p->count++;
	p->incomplete = true;
	error = paging_protect(paging, root->frame, frame_read(&paging->frames, root->frame));
	return error < 0 ? error : 0;
}

/* The tree below entry index of a table of the tree. */
static struct tree_root below(const struct paging *paging, const struct table_info *info,
			      uint32_t level, uint32_t index, uint64_t entry)
{
	const struct pte_place place = pte_place_of(paging, info, level, index);

	return (struct tree_root){pte_table_frame(entry), level - 1, place.half, place.va, 0};
}

static struct table_info *info_of_frame(struct paging *paging, uint64_t frame)
{
	return table_info_of(&paging->infos, frame_word_info(frame_read(&paging->frames, frame)));
}

static bool is_locked(const struct paging *paging)
{
	return __atomic_load_n(&paging->locked, __ATOMIC_ACQUIRE);
}

/*
 * Linux marks tables for user pages as such in all its address spaces; only the roots for firmware
 * calls and CPU start have supervisor tables in the lower half. After LOCK there are no new ones.
 */
static enum root_kind kind_of_root(const struct paging *paging, const uint64_t *entry)
{
	if (!is_locked(paging)) {
		for (uint32_t i = 0; i < PT_KERNEL_FIRST; i++) {
			if (pte_is_table(entry[i], PT_LEVELS) && !(entry[i] & PTE_US))
				return ROOT_KIND_SPECIAL;
		}
	}
	/* Without page-table isolation there is one kind of upper half. */
	if (!paging_is_isolated(paging))
		return ROOT_KIND_NORMAL;
	for (uint32_t i = PT_KERNEL_FIRST; i < PT_ENTRIES; i++) {
		if (i != LDT_REMAP_INDEX &&
		    !judge_is_harmless(paging->template[ROOT_KIND_NORMAL][i - PT_KERNEL_FIRST],
				       entry[i]))
			return ROOT_KIND_USER;
	}
	return ROOT_KIND_NORMAL;
}

static void set_root_kind(const struct paging *paging, struct table_info *info,
			  const uint64_t *entry)
{
	__atomic_store_n(&info->root_kind, (uint8_t)kind_of_root(paging, entry), __ATOMIC_RELAXED);
}

static int claim_tree(struct promotion *p, const struct tree_root *root)
{
	struct table_info *info;
	const uint64_t *entry;
	int error = claim_one(p, root);

	if (error)
		return error;
	if (root->level == 1)
		return 0;
	entry = read_table(p->cpu, root->frame, root->level);
	if (!entry)
		return -EFAULT;
	info = info_of_frame(p->paging, root->frame);
	if (root->level == PT_LEVELS)
		set_root_kind(p->paging, info, entry);
	for (uint32_t i = 0; (i = pte_next_present(entry, i)) < PT_ENTRIES; i++) {
		if (!pte_is_table(entry[i], root->level) ||
		    frame_type(&p->paging->frames, pte_table_frame(entry[i])) != FRAME_NONE)
			continue;
		const struct tree_root child = below(p->paging, info, root->level, i, entry[i]);

		error = claim_tree(p, &child);
		/* What does not fit now is met again, and answered, when the entry is judged. */
		if (error && error != -EPERM && error != -EBUSY && error != -EFAULT)
			return error;
	}
	return 0;
}

int promote_claim(struct promotion *p, const struct tree_root *root)
{
	int error = 0;

	if (frame_type(&p->paging->frames, root->frame) == FRAME_NONE)
		error = claim_tree(p, root);
	/* Another CPU has just made something of root: judged as that. Or enough for this time. */
	return error == -EPERM || error == -EBUSY || error == -EAGAIN ? 0 : error;
}

static int judge_table(struct promotion *p, const struct tree_root *root);

/*
 * Stacks for returns to 16-bit stack segments: their tables are there many times over, so that
 * bits 31:16 of the address are of no matter. Documentation/arch/x86/x86_64/mm.rst: %esp fixup stacks.
 */
static bool is_espfix(uint64_t va)
{
	return va >> 39 == 0xffffff0000000000ULL >> 39;
}

/* Is the table that place references one that belongs there? A reference to it is held. */
static bool fits(const struct paging *paging, const struct pte_place *place,
		 const struct table_info *child)
{
	if (child->half == HALF_KERNEL) {
		/* The direct map at low addresses, for CPUs that start. */
		if (place->half == HALF_SPECIAL)
			return !is_locked(paging);
		return place->half == HALF_KERNEL &&
		       (child->va == place->va || (is_espfix(child->va) && is_espfix(place->va)));
	}
	return child->half == (uint8_t)place->half;
}

/*
 * A reference to the table that root is; what was claimed is judged for that, when it is referenced for
 * the first time. Result: 0; -EACCES (it is something else); or as judge_table().
 */
static int hold_table(struct promotion *p, const struct tree_root *root)
{
	struct frames *frames = &p->paging->frames;
	const uint64_t word = frame_read(frames, root->frame);
	const struct table_info *info;
	int error;

	/* When it was to be claimed it was a table still, and another CPU has released it since. */
	if (frame_word_type(word) == FRAME_NONE)
		return -EAGAIN;
	if (frame_word_type(word) != (enum frame_type)root->level)
		return -EACCES;
	if (!(word & FRAME_CLAIMED)) {
		error = frame_get(frames, root->frame, root->level);
		/* It has just ceased to be what it was. */
		return error == -EPERM ? -EAGAIN : error;
	}
	info = info_of(p, frame_word_info(word));
	/* Another CPU's is not waited for: that may be waiting for ours. */
	if (__atomic_load_n(&info->owner, __ATOMIC_RELAXED) != p)
		return -EAGAIN;
	return info->judged ? -EPERM : judge_table(p, root);
}

static int take_table(struct promotion *p, const struct pte_place *place, uint64_t old,
		      uint64_t value)
{
	struct paging *paging = p->paging;
	const struct tree_root root = {pte_table_frame(value), place->level - 1, place->half,
				       place->va, pte_is_leaf(old, place->level) ? old : 0};
	int error = 0;

	if (frame_type(&paging->frames, root.frame) == FRAME_NONE)
		error = claim_tree(p, &root);
	/* Another CPU has just made something of it. */
	if (error == -EPERM || error == -EBUSY)
		return -EAGAIN;
	if (!error)
		error = hold_table(p, &root);
	if (error || fits(paging, place, info_of_frame(paging, root.frame)))
		return error;
	if (frame_put(&paging->frames, root.frame))
		retire(paging, root.frame);
	return -EACCES;
}

/* Result: 0; -ENOEXEC: it is no code. */
static int hold_code(struct paging *paging, uint64_t frame)
{
	const enum frame_type type = frame_type(&paging->frames, frame);
	int error;

	if (type == FRAME_CODE_DYN) {
		error = frame_get(&paging->frames, frame, FRAME_CODE_LEVEL);
		return error == -EPERM ? -EAGAIN : error;
	}
	return frame_is_code(type) || type == FRAME_EFI_RT ? 0 : -ENOEXEC;
}

int code_hold(struct paging *paging, uint64_t frame)
{
	const int error = hold_code(paging, frame);

	return error == -ENOEXEC ? -ENOENT : error;
}

/* References to code whose last one this was go a few at a time, with one invalidation for them. */
#define CODE_BATCH 64u

static void drop_code(struct paging *paging, uint64_t first, uint64_t count)
{
	uint64_t doomed = 0;

	for (uint64_t i = 0; i < count; i++) {
		if (frame_put_code(&paging->frames, first + i) &&
		    !frame_doom(&paging->frames, first + i))
			doomed |= 1ULL << i;
	}
	if (!doomed)
		return;
	/* No CPU may execute it any more when it can be written again. */
	paging_flush(paging);
	for (uint64_t i = 0; i < count; i++) {
		if (!(doomed & 1ULL << i))
			continue;
		if (paging_protect(paging, first + i, FRAME_NONE) < 0)
			frame_undoom(&paging->frames, first + i);
		else
			frame_free(&paging->frames, first + i);
	}
}

static void drop_code_leaf(struct paging *paging, uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i += CODE_BATCH)
		drop_code(paging, first + i, count - i < CODE_BATCH ? count - i : CODE_BATCH);
}

void code_drop(struct paging *paging, uint64_t frame)
{
	drop_code(paging, frame, 1);
}

/*
 * From ACTIVE on code is executed where it was measured. Elsewhere its jumps lead elsewhere, and what lies across the end of a
 * page is an instruction that nobody was asked about. frame: held.
 */
static bool is_elsewhere(const struct paging *paging, const struct pte_place *place, uint64_t frame,
			 uint64_t va)
{
	const uint64_t home = frame_word_place(frame_read(&paging->frames, frame));

	return home && home != va && place->half == HALF_KERNEL &&
	       __atomic_load_n(&paging->active, __ATOMIC_ACQUIRE);
}

/*
 * Kernel code: each frame that may cease to be code has a reference for each leaf that executes it. What
 * was code when the entry was judged may be none by now, or code of another place, and then is refused by the same rule.
 */
static int take_code(struct promotion *p, const struct pte_place *place, uint64_t value)
{
	struct paging *paging = p->paging;
	const uint64_t first = pte_leaf_frame(value, place->level);
	const uint64_t count = pte_leaf_frames(place->level);
	bool let_pass = false;

	if (judge_admits_code(paging, place, value))
		return code_admit(paging, p->cpu, place, first);
	for (uint64_t i = 0; i < count; i++) {
		int error = hold_code(paging, first + i);
		const bool held = !error;

		if (held && is_elsewhere(paging, place, first + i, place->va + i * PAGE_SIZE))
			error = -ENOEXEC;
		if (error == -ENOEXEC && !let_pass) {
			let_pass = !refuse(paging, SECPOD_RULE_KERNEL_EXEC, place->slot, value);
			error = let_pass ? 0 : -EPERM;
		}
		if (error && error != -ENOEXEC) {
			drop_code_leaf(paging, first, i + held);
			return error;
		}
	}
	return 0;
}

/* Constants that user mode may execute: the vDSO. */
static int take_user_page(struct paging *paging, const struct pte_place *place, uint64_t value)
{
	const uint64_t frame = pte_leaf_frame(value, place->level);
	const uint64_t word = frame_read(&paging->frames, frame);

	if (place->level != 1 || (value & PTE_NX) || frame_word_type(word) != FRAME_RODATA ||
	    (word & FRAME_USER_EXEC))
		return 0;
	frame_mark(&paging->frames, frame, FRAME_USER_EXEC);
	return paging_protect(paging, frame, word | FRAME_USER_EXEC) < 0 ? -ENOMEM : 0;
}

static int take(struct promotion *p, const struct pte_place *place, uint64_t old, uint64_t value)
{
	if (pte_is_leaf(value, place->level)) {
		if (pte_is_kernel_exec(value))
			return take_code(p, place, value);
		return value & PTE_US ? take_user_page(p->paging, place, value) : 0;
	}
	return value & PTE_P ? take_table(p, place, old, value) : 0;
}

/*
 * -EACCES: the frame is something else, or has more references than can be counted. -ENOEXEC: of a leaf
 * itself; a table in which there is one is refused as others are.
 */
static int take_judged(struct promotion *p, const struct pte_place *place, uint64_t old,
		       uint64_t value)
{
	int error = take(p, place, old, value);

	if (error == -ENOEXEC && !pte_is_leaf(value, place->level))
		return -EPERM;
	if (error == -EFAULT || error == -EOVERFLOW)
		error = -EACCES;
	if (error == -EACCES) {
		(void)refuse(p->paging, SECPOD_RULE_PT_TYPE, place->slot, value);
		return -EPERM;
	}
	return error;
}

int reference_take(struct paging *paging, struct paging_cpu *cpu, const struct pte_place *place,
		   uint64_t old, uint64_t value)
{
	struct promotion p = {.paging = paging, .cpu = cpu};
	int error = take_judged(&p, place, old, value);

	promote_end(&p);
	return error;
}

void reference_drop(struct paging *paging, const struct pte_place *place, uint64_t value)
{
	if (pte_is_table(value, place->level)) {
		if (frame_put(&paging->frames, pte_table_frame(value)))
			retire(paging, pte_table_frame(value));
	} else if (pte_is_leaf(value, place->level) && pte_is_kernel_exec(value)) {
		drop_code_leaf(paging, pte_leaf_frame(value, place->level),
			       pte_leaf_frames(place->level));
	}
}

/* The first count entries of a table that is not admitted after all. */
static void drop_entries(struct promotion *p, const struct table_info *info, uint32_t level,
			 const uint64_t *entry, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct pte_place place = pte_place_of(p->paging, info, level, i);

		reference_drop(p->paging, &place, entry[i]);
	}
}

/*
 * The upper half of a root is that of all the others, entry by entry: the rules have been asked
 * before, and the reference is what is left to take. Result: is it, and was it taken?
 */
static bool take_template_entry(struct promotion *p, const struct table_info *info, uint32_t index,
				uint64_t value)
{
	struct frames *frames = &p->paging->frames;
	const uint64_t frame = pte_table_frame(value);
	const struct table_info *child;

	if (!judge_is_template(p->paging, info, index, value) ||
	    frame_get(frames, frame, PT_LEVELS - 1))
		return false;
	child = info_of_frame(p->paging, frame);
	if (child->half == HALF_KERNEL && child->va == pte_canonical(index * pte_span(PT_LEVELS)))
		return true;
	if (frame_put(frames, frame))
		retire(p->paging, frame);
	return false;
}

static int judge_one(struct promotion *p, const struct table_info *info, uint32_t level,
		     uint32_t index, uint64_t old, uint64_t value)
{
	struct pte_place place;
	int error;

	if (level == PT_LEVELS && take_template_entry(p, info, index, value))
		return 0;
	place = pte_place_of(p->paging, info, level, index);
	error = judge_entry(p->paging, &place, old, value);
	return error ? error : take_judged(p, &place, old, value);
}

static void count_user_entries(struct table_info *info, const uint64_t *entry)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < PT_KERNEL_FIRST; i++)
		count += entry[i] & PTE_P;
	__atomic_store_n(&info->user_entries, count, __ATOMIC_RELAXED);
}

/* How many entries from index i on are those of users' pages, one behind the other? */
static uint32_t plain_run(const struct paging *paging, const uint64_t *entry, uint32_t i)
{
	const uint32_t first = i;

	while (i < PT_ENTRIES && (entry[i] & PTE_P) && judge_is_plain(paging, 0, entry[i]))
		i++;
	return i - first;
}

/* A table claimed by us. Result: 0: it is admitted, and the caller has a reference to it. */
static int judge_table(struct promotion *p, const struct tree_root *root)
{
	struct paging *paging = p->paging;
	const uint32_t number = (uint32_t)frame_word_info(frame_read(&paging->frames, root->frame));
	struct table_info *info = info_of(p, number);
	const uint64_t *entry;
	uint32_t present = 0;
	bool pages;

	info->judged = 1;
	if (p->incomplete) {
		paging_flush(paging);
		p->incomplete = false;
	}
	/* Where the claim came over another place, that of the judgement counts. */
	info->half = (uint8_t)root->half;
	info->va = root->va;
	entry = read_table(p->cpu, root->frame, root->level);
	if (!entry)
		return -EFAULT;
	if (root->level == PT_LEVELS) {
		int error;

		set_root_kind(paging, info, entry);
		count_user_entries(info, entry);
		error = pair_judge(paging, info, entry);
		if (error)
			return error;
	}
	pages = root->level == 1 && root->half == HALF_USER && !root->leaf;
	for (uint32_t i = 0; i < PT_ENTRIES; i++) {
		uint64_t old = 0;
		uint32_t run = 0;
		int error;

		if (root->leaf)
			old = pte_piece(root->leaf, root->level + 1, i);
		else
			i = pte_next_present(entry, i);
		if (i == PT_ENTRIES)
			break;
		if (!((entry[i] | old) & PTE_P))
			continue;
		if (pages)
			run = plain_run(paging, entry, i);
		if (run) {
			present += run;
			i += run - 1;
			continue;
		}
		present += entry[i] & PTE_P;
		error = judge_one(p, info, root->level, i, old, entry[i]);
		if (error) {
			drop_entries(p, info, root->level, entry, i);
			return error;
		}
		info->references += pte_is_reference(entry[i], root->level);
	}
	unlist_claim(p, number);
	frame_admit(&paging->frames, root->frame);
	shown_update(paging, root->frame);
	__atomic_fetch_add(&paging->stats.promoted, 1u, __ATOMIC_RELAXED);
	__atomic_fetch_add(&paging->stats.entries, present, __ATOMIC_RELAXED);
	return 0;
}

int promote_judge(struct promotion *p, const struct tree_root *root)
{
	return hold_table(p, root);
}

void promote_end(struct promotion *p)
{
	while (p->claimed) {
		const uint32_t number = p->claimed;
		const uint64_t frame = info_of(p, number)->frame;

		unlist_claim(p, number);
		/* Where that fails the guest asks for it: see paging_settle(). */
		(void)paging_protect(p->paging, frame, FRAME_NONE);
		frame_unclaim(&p->paging->frames, frame);
		table_info_free(&p->paging->infos, number);
	}
}

int promote_tree(struct paging *paging, struct paging_cpu *cpu, const struct tree_root *root)
{
	struct promotion p = {.paging = paging, .cpu = cpu};
	int error = promote_claim(&p, root);

	if (!error)
		error = promote_judge(&p, root);
	promote_end(&p);
	return error;
}
