/* SPDX-License-Identifier: MIT */
/*
 * What the auditor should answer, worked out on paper: tables that memory would become are noted here and
 * nowhere else, and each entry of them is held against the rules with that in mind.
 */
#include <string.h>

#include "tests/model/model.h"
#include "vmm/guest_mem.h"

#define TYPE_IS_WRONG (1ULL << SECPOD_RULE_PT_TYPE)
#define ROOT_IS_WRONG (1ULL << SECPOD_RULE_PT_ROOT)
#define REMAPS (1ULL << SECPOD_RULE_KERNEL_REMAP)
#define PAIR_DIFFERS (1ULL << SECPOD_RULE_PT_PAIR)

/* Frames that would be page tables: level, and once judged, where. */
static struct {
	uint8_t level;
	bool judged;
	struct slow_place place;
} paper[PW_FRAMES];

static enum frame_type type_on_paper(uint64_t frame)
{
	return frame < PW_FRAMES && paper[frame].level ? (enum frame_type)paper[frame].level
						       : type_now(frame);
}

static uint64_t entry_of(uint64_t frame, uint32_t index)
{
	return pw_peek((frame << PAGE_SHIFT) + index * sizeof(uint64_t));
}

static bool is_large(uint64_t entry)
{
	return (entry & (PTE_P | PTE_PS)) == (PTE_P | PTE_PS);
}

static bool is_memory(uint64_t frame)
{
	return type_on_paper(frame) == FRAME_NONE && guest_range_ok(frame << PAGE_SHIFT, PAGE_SIZE);
}

/* All memory below becomes page tables, whatever it holds, the first way it is met. */
static void note_tree(uint64_t frame, uint32_t level)
{
	if (!is_memory(frame))
		return;
	paper[frame].level = (uint8_t)level;
	for (uint32_t i = 0; level > 1 && i < PT_ENTRIES; i++) {
		const uint64_t entry = entry_of(frame, i);

		if ((entry & PTE_P) && !(entry & PTE_PS))
			note_tree(pte_table_frame(entry), level - 1);
	}
}

static uint64_t judge_tree(uint64_t frame, const struct slow_place *place, uint64_t leaf);

/* Is a table that is known to be at home elsewhere at home at place, too? */
static bool belongs(const struct slow_place *place, enum table_half half, uint64_t va)
{
	if (half == HALF_KERNEL && place->half == HALF_SPECIAL)
		return !place->locked;
	if (half != place->half)
		return false;
	return half != HALF_KERNEL || va == place->va;
}

static uint64_t expect_table(const struct slow_place *place, uint64_t old, uint64_t entry)
{
	const uint64_t frame = pte_table_frame(entry);
	struct slow_place inside = *place;
	const struct table_info *info;

	inside.level--;
	if (type_on_paper(frame) == FRAME_NONE)
		note_tree(frame, inside.level);
	if (type_on_paper(frame) != (enum frame_type)inside.level)
		return TYPE_IS_WRONG;
	if (paper[frame].level && !paper[frame].judged)
		return judge_tree(frame, &inside, is_large(old) && place->level > 1 ? old : 0);
	if (paper[frame].level)
		return belongs(place, paper[frame].place.half, paper[frame].place.va)
			       ? 0
			       : TYPE_IS_WRONG;
	info = table_info_of(&model.world.paging.infos,
			     frame_word_info(frame_read(&model.world.paging.frames, frame)));
	return belongs(place, (enum table_half)info->half, info->va) ? 0 : TYPE_IS_WRONG;
}

static uint64_t expect_entry(const struct slow_place *place, uint64_t old, uint64_t next)
{
	const uint64_t broken = slow_rules(place, old, next);

	if (broken || !(next & PTE_P))
		return broken;
	if (place->level > 1 && !(next & PTE_PS))
		return expect_table(place, old, next);
	/* New code is made of memory. */
	if (pte_is_kernel_exec(next) &&
	    place->type(pte_leaf_frame(next, place->level)) == FRAME_NONE &&
	    !is_memory(pte_leaf_frame(next, place->level)))
		return TYPE_IS_WRONG;
	return 0;
}

/* Entry i of the table that would do what the large leaf in a table of this level does. */
static uint64_t piece_of(uint64_t leaf, uint32_t level, uint32_t i)
{
	const uint64_t first = pte_leaf_frame(leaf, level) << PAGE_SHIFT;
	const uint64_t at = first + i * pte_span(level - 1);
	const uint64_t pat = leaf & 1ULL << 12;

	leaf &= ~(PTE_ADDR | PTE_PS);
	if (level - 1 > 1)
		return at | leaf | PTE_PS | pat;
	return at | leaf | (pat ? PTE_PS : 0);
}

/* leaf: what was there before the table, if it was a large page. */
static uint64_t judge_tree(uint64_t frame, const struct slow_place *place, uint64_t leaf)
{
	paper[frame].judged = true;
	paper[frame].place = *place;
	for (uint32_t i = 0; i < PT_ENTRIES; i++) {
		const struct slow_place at = slow_place_below(place, i);
		const uint64_t entry = entry_of(frame, i);
		const uint64_t old = leaf ? piece_of(leaf, place->level + 1, i) : 0;
		const uint64_t broken = (entry | old) & PTE_P ? expect_entry(&at, old, entry) : 0;

		if (broken)
			return broken;
	}
	return 0;
}

/* The pieces of a large page: the same frames in order or nothing, no right more. */
static bool are_pieces(const struct slow_place *place, uint64_t leaf, uint64_t table)
{
	const uint64_t pages = pte_leaf_frames(place->level - 1);

	for (uint32_t i = 0; i < PT_ENTRIES; i++) {
		const uint64_t entry = entry_of(pte_table_frame(table), i);

		if (!(entry & PTE_P))
			continue;
		if (place->level > 2 && !(entry & PTE_PS))
			return false;
		if (pte_leaf_frame(entry, place->level - 1) !=
		    pte_leaf_frame(leaf, place->level) + i * pages)
			return false;
		if ((entry & PTE_RW) > (leaf & PTE_RW) || (entry & PTE_US) > (leaf & PTE_US) ||
		    (entry & PTE_NX) < (leaf & PTE_NX))
			return false;
	}
	return true;
}

static struct slow_place place_of_table(uint64_t frame)
{
	const uint64_t word = frame_read(&model.world.paging.frames, frame);
	const struct table_info *info =
		table_info_of(&model.world.paging.infos, frame_word_info(word));

	return (struct slow_place){
		.level = (uint32_t)frame_word_type(word),
		.half = (enum table_half)info->half,
		.root = (enum root_kind)info->root_kind,
		.va = info->va,
		.locked = model.locked,
		.type = type_on_paper,
	};
}

uint64_t expect_store(uint64_t slot, uint64_t old, uint64_t next)
{
	const struct slow_place table = place_of_table(slot >> PAGE_SHIFT);
	const struct slow_place place =
		slow_place_below(&table, (uint32_t)(slot % PAGE_SIZE / sizeof(uint64_t)));
	uint64_t broken;

	if (slow_same(old, next))
		return 0;
	memset(paper, 0, sizeof(paper));
	broken = expect_entry(&place, old, next);
	if (!broken && place.locked && place.half == HALF_KERNEL && place.level > 1 &&
	    is_large(old) && (next & (PTE_P | PTE_PS)) == PTE_P && !are_pieces(&place, old, next))
		return REMAPS;
	if (!broken && place.level == PT_LEVELS &&
	    slow_differs(slot >> PAGE_SHIFT, place.root, place.index, next))
		return PAIR_DIFFERS;
	return broken;
}

/* What kind of root would this be? The LDT is each address space's own. */
static enum root_kind kind_of(uint64_t frame)
{
	const uint64_t *template = model.world.paging.template[ROOT_KIND_NORMAL];

	for (uint32_t i = 0; !model.locked && i < PT_KERNEL_FIRST; i++) {
		if ((entry_of(frame, i) & (PTE_P | PTE_PS | PTE_US)) == PTE_P)
			return ROOT_KIND_SPECIAL;
	}
	for (uint32_t i = PT_KERNEL_FIRST; model.isolated && i < PT_ENTRIES; i++) {
		if (i != LDT_REMAP_INDEX &&
		    !slow_same(template[i - PT_KERNEL_FIRST], entry_of(frame, i)))
			return ROOT_KIND_USER;
	}
	return ROOT_KIND_NORMAL;
}

uint64_t expect_root(uint64_t frame)
{
	struct slow_place place = {
		.level = PT_LEVELS,
		.locked = model.locked,
		.type = type_on_paper,
	};
	const enum frame_type type = type_now(frame);

	memset(paper, 0, sizeof(paper));
	if (type != FRAME_L4 && !is_memory(frame))
		return ROOT_IS_WRONG;
	if (type == FRAME_L4)
		return 0;
	place.root = kind_of(frame);
	if (slow_misplaced(frame, place.root))
		return PAIR_DIFFERS;
	for (uint32_t i = 0; i < PT_ENTRIES; i++) {
		if (slow_differs(frame, place.root, i, entry_of(frame, i)))
			return PAIR_DIFFERS;
	}
	note_tree(frame, PT_LEVELS);
	return judge_tree(frame, &place, 0);
}
