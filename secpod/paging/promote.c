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

/* Tables that one request may claim; the guest comes back for more, and finds these admitted. */
#define CLAIMS_MAX 65536u
const uint64_t *read_table(struct paging_cpu *cpu, uint64_t frame, uint32_t level)
{
	uint64_t *snapshot = cpu->snapshot[level - 1];

	return guest_read(frame << PAGE_SHIFT, snapshot, PAGE_SIZE) ? NULL : snapshot;
}

static bool refuse(struct paging *paging, uint8_t rule, uint64_t slot, uint64_t value)
{
	return paging->ops.refuse(paging->ops.context, rule, slot, 0, value);
}

static int claim_one(struct promotion *p, const struct tree_root *root)
{
	struct paging *paging = p->paging;
	uint32_t number;
	struct table_info *info;
	int error;

	if (p->count == CLAIMS_MAX)
		return -EAGAIN;
	number = table_info_alloc(&paging->infos, root->frame);
	if (!number)
		return -ENOMEM;
	info = table_info_of(&paging->infos, number);
	info->half = (uint8_t)root->half;
	info->va = root->va;
	info->owner = p;
	error = frame_claim(&paging->frames, root->frame, root->level, number);
	if (error) {
		table_info_free(&paging->infos, number);
		return error;
	}
	info->next = p->claimed;
	p->claimed = number;
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

	return (struct tree_root){pte_table_frame(entry), level - 1, place.half, place.va};
}

static struct table_info *info_of_frame(struct paging *paging, uint64_t frame)
{
	return table_info_of(&paging->infos, frame_word_info(frame_read(&paging->frames, frame)));
}

/*
 * Linux marks tables for user pages as such in all its address spaces; only the roots for firmware
 * calls and CPU start have supervisor tables in the lower half. After LOCK there are no new ones.
 */
static enum root_kind kind_of_root(const struct paging *paging, const uint64_t *entry)
{
	if (!paging->locked) {
		for (uint32_t i = 0; i < PT_KERNEL_FIRST; i++) {
			if (pte_is_table(entry[i], PT_LEVELS) && !(entry[i] & PTE_US))
				return ROOT_KIND_SPECIAL;
		}
	}
	if (!(paging->template_known & 1u << ROOT_KIND_NORMAL))
		return ROOT_KIND_NORMAL;
	for (uint32_t i = 0; i < PT_ENTRIES - PT_KERNEL_FIRST; i++) {
		if (!judge_is_harmless(paging->template[ROOT_KIND_NORMAL][i],
				       entry[PT_KERNEL_FIRST + i]))
			return ROOT_KIND_USER;
	}
	return ROOT_KIND_NORMAL;
}

static int claim_tree(struct promotion *p, const struct tree_root *root)
{
	struct table_info *info;
	const uint64_t *entry;
	int error = claim_one(p, root);

	if (error)
		return error;
	entry = read_table(p->cpu, root->frame, root->level);
	if (!entry)
		return -EFAULT;
	if (root->level == 1)
		return 0;
	info = info_of_frame(p->paging, root->frame);
	if (root->level == PT_LEVELS)
		info->root_kind = (uint8_t)kind_of_root(p->paging, entry);
	for (uint32_t i = 0; i < PT_ENTRIES; i++) {
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
	return frame_type(&p->paging->frames, root->frame) == FRAME_NONE ? claim_tree(p, root) : 0;
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
			return !paging->locked;
		return place->half == HALF_KERNEL &&
		       (child->va == place->va || (is_espfix(child->va) && is_espfix(place->va)));
	}
	return child->half == (uint8_t)place->half;
}

/* A claimed table is judged when the first entry that references it is. */
static int judge_claimed(struct promotion *p, const struct tree_root *root, uint64_t word)
{
	const struct table_info *info = table_info_of(&p->paging->infos, frame_word_info(word));

	if (!(word & FRAME_CLAIMED))
		return 0;
	/* Another CPU's is not waited for: that may be waiting for ours. */
	if (__atomic_load_n(&info->owner, __ATOMIC_RELAXED) != p)
		return -EAGAIN;
	return info->judged ? -EPERM : judge_table(p, root);
}

static int take_table(struct promotion *p, const struct pte_place *place, uint64_t value)
{
	struct paging *paging = p->paging;
	const struct tree_root root = {pte_table_frame(value), place->level - 1, place->half,
				       place->va};
	uint64_t word = frame_read(&paging->frames, root.frame);
	int error;

	if (frame_word_type(word) == FRAME_NONE) {
		error = claim_tree(p, &root);
		/* Another CPU has just made something of it. */
		if (error == -EPERM || error == -EBUSY)
			return -EAGAIN;
		if (error)
			return error;
		word = frame_read(&paging->frames, root.frame);
	}
	if (frame_word_type(word) != (enum frame_type)root.level)
		return -EACCES;
	error = judge_claimed(p, &root, word);
	if (error)
		return error;
	error = frame_get(&paging->frames, root.frame, root.level);
	if (error)
		return error == -EPERM ? -EACCES : error;
	if (fits(paging, place, info_of_frame(paging, root.frame)))
		return 0;
	if (frame_put(&paging->frames, root.frame))
		retire(paging, root.frame);
	return -EACCES;
}

/* Kernel code: each frame keeps a reference for each leaf that executes it. */
static int take_code(struct paging *paging, const struct pte_place *place, uint64_t value)
{
	const uint64_t first = pte_leaf_frame(value, place->level);
	const uint64_t count = pte_leaf_frames(place->level);

	if (judge_admits_code(paging, place, value)) {
		if (paging->ops.refuse(paging->ops.context, SECPOD_RULE_CODE_NEW,
				       first << PAGE_SHIFT, place->slot, value))
			return -EPERM;
		if (!frame_set(&paging->frames, first, FRAME_NONE, FRAME_CODE_DYN)) {
			/* Read-only before it can be executed. */
			if (paging_protect(paging, first, FRAME_CODE_DYN) < 0)
				return -ENOMEM;
			paging_flush(paging);
		}
	}
	for (uint64_t i = 0; i < count; i++) {
		int error = 0;

		if (frame_type(&paging->frames, first + i) == FRAME_CODE_DYN)
			error = frame_get(&paging->frames, first + i, 0);
		if (error) {
			while (i-- > 0) {
				if (frame_type(&paging->frames, first + i) == FRAME_CODE_DYN)
					frame_put(&paging->frames, first + i);
			}
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

static int take(struct promotion *p, const struct pte_place *place, uint64_t value)
{
	if (pte_is_leaf(value, place->level)) {
		if (pte_is_kernel_exec(value))
			return take_code(p->paging, place, value);
		return value & PTE_US ? take_user_page(p->paging, place, value) : 0;
	}
	return value & PTE_P ? take_table(p, place, value) : 0;
}

/* -EACCES: the frame is something else, or has more references than can be counted. */
static int take_judged(struct promotion *p, const struct pte_place *place, uint64_t value)
{
	int error = take(p, place, value);

	if (error == -EFAULT || error == -EOVERFLOW)
		error = -EACCES;
	if (error == -EACCES) {
		(void)refuse(p->paging, SECPOD_RULE_PT_TYPE, place->slot, value);
		return -EPERM;
	}
	return error;
}

int reference_take(struct paging *paging, struct paging_cpu *cpu, const struct pte_place *place,
		   uint64_t value)
{
	struct promotion p = {.paging = paging, .cpu = cpu};
	int error = take_judged(&p, place, value);

	promote_end(&p);
	return error;
}

static void drop_code(struct paging *paging, uint64_t frame)
{
	if (frame_type(&paging->frames, frame) != FRAME_CODE_DYN ||
	    !frame_put(&paging->frames, frame))
		return;
	/* No CPU may execute it any more when it can be written again. */
	paging_flush(paging);
	if (!frame_set(&paging->frames, frame, FRAME_CODE_DYN, FRAME_NONE))
		(void)paging_protect(paging, frame, FRAME_NONE);
}

void reference_drop(struct paging *paging, const struct pte_place *place, uint64_t value)
{
	if (pte_is_table(value, place->level)) {
		if (frame_put(&paging->frames, pte_table_frame(value)))
			retire(paging, pte_table_frame(value));
	} else if (pte_is_leaf(value, place->level) && pte_is_kernel_exec(value)) {
		for (uint64_t i = 0; i < pte_leaf_frames(place->level); i++)
			drop_code(paging, pte_leaf_frame(value, place->level) + i);
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

static int judge_one(struct promotion *p, const struct pte_place *place, uint64_t value)
{
	int error = judge_entry(p->paging, place, 0, value);

	return error ? error : take_judged(p, place, value);
}

/* The frame is claimed by us, and no CPU has an old translation of it any more. */
static int judge_table(struct promotion *p, const struct tree_root *root)
{
	struct paging *paging = p->paging;
	struct table_info *info = info_of_frame(paging, root->frame);
	const uint64_t *entry;

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
		info->root_kind = (uint8_t)kind_of_root(paging, entry);
		for (uint32_t i = 0; i < PT_KERNEL_FIRST; i++)
			info->user_entries += entry[i] & PTE_P;
	}
	for (uint32_t i = 0; i < PT_ENTRIES; i++) {
		struct pte_place place;
		int error;

		if (!(entry[i] & PTE_P))
			continue;
		place = pte_place_of(paging, info, root->level, i);
		error = judge_one(p, &place, entry[i]);
		if (error) {
			drop_entries(p, info, root->level, entry, i);
			return error;
		}
	}
	frame_admit(&paging->frames, root->frame);
	__atomic_fetch_add(&paging->stats.promoted, 1u, __ATOMIC_RELAXED);
	return 0;
}

int promote_judge(struct promotion *p, const struct tree_root *root)
{
	uint64_t word = frame_read(&p->paging->frames, root->frame);
	int error;

	if (frame_word_type(word) != (enum frame_type)root->level)
		return -EACCES;
	error = judge_claimed(p, root, word);
	if (!error)
		error = frame_get(&p->paging->frames, root->frame, root->level);
	return error;
}

void promote_end(struct promotion *p)
{
	while (p->claimed) {
		const uint32_t number = p->claimed;
		struct table_info *info = table_info_of(&p->paging->infos, number);
		const uint64_t frame = info->frame;

		p->claimed = info->next;
		info->next = 0;
		info->owner = NULL;
		if (!(frame_read(&p->paging->frames, frame) & FRAME_CLAIMED)) {
			/* Admitted; but nobody may have come to reference it. */
			retire(p->paging, frame);
			continue;
		}
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
