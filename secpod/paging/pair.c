/* SPDX-License-Identifier: MIT */
/*
 * Page-table isolation: an address space has two roots side by side, that of the kernel in an even frame and behind it the
 * one that user mode runs on. Linux stores an entry of the lower half into the user's root first and then, not to be
 * executed, into the kernel's, and takes it out in that order, too (arch/x86/mm/pti.c, __pti_set_user_pgtbl()); that of
 * the LDT the other way round. So an entry may be missing in one of them at any time, but what is in both is the same:
 * else user mode would run on other memory than the kernel, and whoever looks through the kernel, sees there.
 *
 * Two stores at a time, one to each root, are held apart by a lock that nothing is waited for with.
 */
#include <errno.h>

#include "secpod/paging/internal.h"
#include "vmm/guest_mem.h"

static bool is_shared(uint32_t index)
{
	return index < PT_KERNEL_FIRST || index == LDT_REMAP_INDEX;
}

static bool is_misplaced(const struct table_info *info)
{
	return (info->frame & 1) != (info->root_kind == ROOT_KIND_USER);
}

/*
 * The same entry of the other root, be that admitted or only claimed: who claims it asks as well, later.
 * Result: is there one, and is it present?
 */
static bool read_other(const struct paging *paging, const struct table_info *info, uint32_t index,
		       uint64_t *entry)
{
	const uint64_t frame = info->frame ^ 1;
	const uint64_t word = frame_read(&paging->frames, frame);
	enum root_kind kind;

	if (is_misplaced(info) || frame_word_type(word) != FRAME_L4)
		return false;
	kind = table_info_root_kind(table_info_of(&paging->infos, frame_word_info(word)));
	return kind == (info->root_kind == ROOT_KIND_USER ? ROOT_KIND_NORMAL : ROOT_KIND_USER) &&
	       !guest_read((frame << PAGE_SHIFT) + index * sizeof(*entry), entry, sizeof(*entry)) &&
	       (*entry & PTE_P);
}

static bool differs(const struct paging *paging, const struct table_info *info, uint32_t index,
		    uint64_t entry)
{
	uint64_t other;

	return read_other(paging, info, index, &other) &&
	       !judge_is_harmless(entry | PTE_NX, other | PTE_NX);
}

static bool refuse(const struct paging *paging, uint64_t slot, uint64_t old, uint64_t next)
{
	return paging->ops.refuse(paging->ops.context, SECPOD_RULE_PT_PAIR, slot, old, next);
}

bool pair_has(const struct paging *paging, const struct table_info *info,
	      const struct pte_place *place, uint64_t next)
{
	return place->level == PT_LEVELS && (next & PTE_P) && is_shared(place->index) &&
	       info->root_kind != ROOT_KIND_SPECIAL && paging_is_isolated(paging);
}

int pair_exchange(struct paging *paging, const struct table_info *info,
		  const struct pte_place *place, uint64_t *expected, uint64_t next)
{
	bool let_pass = false;

	for (;;) {
		bool differ;
		int error = -EPERM;

		spin_lock(&paging->pair_lock);
		differ = !let_pass && differs(paging, info, place->index, next);
		if (!differ)
			error = guest_cmpxchg64(place->slot, expected, next);
		spin_unlock(&paging->pair_lock);
		if (!differ || refuse(paging, place->slot, *expected, next))
			return error;
		let_pass = true;
	}
}

int pair_judge(struct paging *paging, const struct table_info *info, const uint64_t *entry)
{
	const uint64_t root = info->frame << PAGE_SHIFT;

	if (info->root_kind == ROOT_KIND_SPECIAL || !paging_is_isolated(paging))
		return 0;
	if (is_misplaced(info) && refuse(paging, root, 0, root))
		return -EPERM;
	for (uint32_t i = 0; (i = pte_next_present(entry, i)) < PT_ENTRIES; i++) {
		bool differ;

		if (!is_shared(i))
			continue;
		spin_lock(&paging->pair_lock);
		differ = differs(paging, info, i, entry[i]);
		spin_unlock(&paging->pair_lock);
		if (differ && refuse(paging, root + i * sizeof(*entry), 0, entry[i]))
			return -EPERM;
	}
	return 0;
}
