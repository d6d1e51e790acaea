/* SPDX-License-Identifier: MIT */
/*
 * While all CPUs stand still: everything the auditor says of itself in secpod/paging/paging.h, worked out from
 * the page tables in memory, table by table and from the roots down.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/model.h"

/* Rules that tell of a change, or of what a frame was when it was mapped: not to be seen in what is there. */
#define OF_CHANGES                                                             \
	(1ULL << SECPOD_RULE_KERNEL_REMAP | 1ULL << SECPOD_RULE_LOCKED_RANGE | \
	 1ULL << SECPOD_RULE_SPECIAL_ROOT | 1ULL << SECPOD_RULE_TABLE_ALIAS |  \
	 1ULL << SECPOD_RULE_USER_MAP)

/* Linear addresses that must translate as they did at LOCK. */
#define HELD_MAX 32u

static struct {
	uint64_t pinned[PW_FRAMES]; /* references that no entry and no CPU has */
	uint64_t held_va[HELD_MAX];
	uint64_t held_leaf[HELD_MAX];
	uint32_t held;
	uint64_t special[PT_ENTRIES];
	uint64_t upper[PT_ENTRIES / 2];
	uint64_t pages; /* of the monitor's that neither EPT nor side information accounts for */
} begun;

/* What was worked out. */
static struct {
	uint32_t refs[PW_FRAMES];
	bool reached[PW_FRAMES];
	uint64_t tables;
} now;

static uint64_t entry_of(uint64_t frame, uint32_t index)
{
	return pw_peek((frame << PAGE_SHIFT) + index * sizeof(uint64_t));
}

static uint64_t word_of(uint64_t frame)
{
	return frame_read(&model.world.paging.frames, frame);
}

static struct table_info *info_of(uint64_t frame)
{
	return table_info_of(&model.world.paging.infos, frame_word_info(word_of(frame)));
}

static uint64_t pages_used(void)
{
	return world_leaked(&model.world.ept) - model.world.paging.infos.pages;
}

/* ---- references */

static void count_references(void)
{
	memset(&now, 0, sizeof(now));
	for (uint32_t i = 0; i < model.cpus; i++) {
		for (uint32_t j = 0; j < PAGING_CPU_ROOTS; j++) {
			if (model.world.cpu[i].root[j] != PAGING_NO_ROOT)
				now.refs[model.world.cpu[i].root[j]]++;
		}
	}
	for (uint64_t frame = 0; frame < PW_FRAMES; frame++) {
		const uint32_t level = (uint32_t)type_now(frame);

		if (!frame_is_table((enum frame_type)level))
			continue;
		now.tables++;
		for (uint32_t i = 0; i < PT_ENTRIES; i++) {
			const uint64_t entry = entry_of(frame, i);

			if (pte_is_table(entry, level)) {
				MODEL_CHECK(pte_table_frame(entry) < PW_FRAMES, frame, entry);
				now.refs[pte_table_frame(entry)]++;
			} else if (pte_is_leaf(entry, level) && pte_is_kernel_exec(entry)) {
				for (uint64_t j = 0; j < pte_leaf_frames(level); j++)
					now.refs[pte_leaf_frame(entry, level) + j]++;
			}
		}
	}
}

static void check_references(void)
{
	for (uint64_t frame = 0; frame < PW_FRAMES; frame++) {
		const uint64_t word = word_of(frame);
		const enum frame_type type = frame_word_type(word);

		MODEL_CHECK(!(word & (FRAME_LOCKED | FRAME_CLAIMED | FRAME_DOOMED)), frame, word);
		if (frame_is_table(type) || type == FRAME_CODE_DYN)
			MODEL_CHECK(frame_word_refs(word) == now.refs[frame] + begun.pinned[frame],
				    frame, word);
	}
	MODEL_CHECK(model.world.paging.infos.used == now.tables, model.world.paging.infos.used,
		    now.tables);
}

/* ---- types and rights */

static void check_rights(uint64_t frame, bool short_of_memory)
{
	const enum frame_type type = type_now(frame);
	struct ept_leaf leaf;

	MODEL_CHECK(ept_lookup(&model.world.ept.ept, frame << PAGE_SHIFT, &leaf) == 0, frame, 0);
	switch (type) {
	case FRAME_NONE:
		if (frame == PW_DEVICE >> PAGE_SHIFT)
			MODEL_CHECK(leaf.rights == EPT_READ, frame, leaf.rights);
		else if (!short_of_memory)
			MODEL_CHECK(leaf.rights & EPT_WRITE, frame, leaf.rights);
		/* The kernel executes no data, where EPT can tell. */
		MODEL_CHECK(!model.world.mbec || !(leaf.rights & EPT_EXEC), frame, leaf.rights);
		break;
	case FRAME_EFI_RT:
		break;
	case FRAME_CODE:
	case FRAME_CODE_DYN:
	case FRAME_TRAMP:
		MODEL_CHECK((leaf.rights & EPT_EXEC) && !(leaf.rights & EPT_WRITE), frame,
			    leaf.rights);
		break;
	case FRAME_RODATA:
		MODEL_CHECK(!(leaf.rights & EPT_WRITE), frame, leaf.rights);
		break;
	case FRAME_SECURE:
		/* Outside of what this world's EPT takes away: the monitor does that at launch. */
		break;
	default:
		MODEL_CHECK(leaf.rights == EPT_READ, frame, leaf.rights);
	}
}

static void check_types(bool short_of_memory)
{
	const struct frames *frames = &model.world.paging.frames;
	uint16_t typed[PW_RAM / SIZE_2M] = {0};
	uint64_t of_type[FRAME_TYPES] = {0};

	for (uint64_t frame = 0; frame < PW_FRAMES; frame++) {
		const bool monitor = (frame << PAGE_SHIFT) - PW_SECURE_BASE < PW_SECURE_SIZE;

		MODEL_CHECK((type_now(frame) == FRAME_SECURE) == monitor, frame, word_of(frame));
		check_rights(frame, short_of_memory);
		typed[frame / 512] =
			(uint16_t)(typed[frame / 512] + (type_now(frame) != FRAME_NONE));
	}
	for (uint64_t frame = 0; frame < PW_FRAMES; frame++)
		of_type[type_now(frame)]++;
	for (uint32_t i = FRAME_NONE + 1; i < FRAME_TYPES; i++)
		MODEL_CHECK(frames->of_type[i] == of_type[i], i, of_type[i]);
	for (uint64_t i = 0; i < PW_RAM / SIZE_2M; i++)
		MODEL_CHECK(frames->typed[i] == typed[i], i, typed[i]);
}

/* What the CPUs have cached is no way into anything. */
static void check_cached(void)
{
	for (uint32_t i = 0; i < model.cpus; i++) {
		const struct cpu *cpu = &model.cpu[i];
		const bool behind = model.flush.cpu[i].seen != model.flush.generation;

		/* Who is behind invalidates before it enters. */
		for (uint32_t j = 0; !behind && j < CACHED_WRITES; j++) {
			if (cpu->writes[j] != PAGING_NO_ROOT)
				MODEL_CHECK(type_now(cpu->writes[j]) == FRAME_NONE, i,
					    cpu->writes[j]);
		}
		for (uint32_t j = 0; !behind && j < CACHED_TABLES; j++) {
			if (cpu->tables[j].frame != PAGING_NO_ROOT)
				MODEL_CHECK(type_now(cpu->tables[j].frame) ==
						    (enum frame_type)cpu->tables[j].level,
					    i, cpu->tables[j].frame);
		}
		MODEL_CHECK(type_now(cpu->cr3 >> PAGE_SHIFT) == FRAME_L4, i, cpu->cr3);
		MODEL_CHECK(paging_root_known(&model.world.cpu[i], cpu->cr3), i, cpu->cr3);
	}
}

/* ---- the trees */

static void check_tree(uint64_t frame, const struct slow_place *place)
{
	const struct table_info *info = info_of(frame);
	uint32_t user = 0, references = 0;

	MODEL_CHECK(type_now(frame) == (enum frame_type)place->level, frame, word_of(frame));
	MODEL_CHECK(info->frame == frame, frame, info->frame);
	/* A tree at low addresses may have the direct map, which is at home elsewhere. */
	if (place->level < PT_LEVELS && place->half != HALF_SPECIAL) {
		MODEL_CHECK(info->half == (uint8_t)place->half, frame, place->half);
		MODEL_CHECK(place->half != HALF_KERNEL || info->va == place->va, frame, place->va);
	}
	now.reached[frame] = true;
	for (uint32_t i = 0; i < PT_ENTRIES; i++) {
		struct slow_place at = slow_place_below(place, i);
		const uint64_t entry = entry_of(frame, i);

		user += place->level == PT_LEVELS && i < PT_KERNEL_FIRST && (entry & PTE_P);
		references += pte_is_reference(entry, place->level);
		if (!(entry & PTE_P))
			continue;
		MODEL_CHECK(!(slow_rules(&at, 0, entry) & ~OF_CHANGES), frame << PAGE_SHIFT | i,
			    entry);
		MODEL_CHECK(place->level < PT_LEVELS || !slow_differs(frame, place->root, i, entry),
			    frame << PAGE_SHIFT | i, entry);
		if (pte_is_table(entry, place->level)) {
			at.level--;
			check_tree(pte_table_frame(entry), &at);
		}
	}
	MODEL_CHECK(info->references == references, frame, references);
	if (place->level == PT_LEVELS)
		MODEL_CHECK(info->user_entries == user, frame, user);
}

static bool has_users(uint64_t root)
{
	for (uint32_t i = 0; i < PT_KERNEL_FIRST; i++) {
		if (entry_of(root, i) & PTE_P)
			return true;
	}
	return false;
}

static void check_trees(void)
{
	for (uint64_t frame = 0; frame < PW_FRAMES; frame++) {
		struct slow_place place = {
			.level = PT_LEVELS,
			.locked = model.locked,
			.type = type_now,
		};

		if (type_now(frame) != FRAME_L4)
			continue;
		place.root = (enum root_kind)info_of(frame)->root_kind;
		MODEL_CHECK(!slow_misplaced(frame, place.root), frame, place.root);
		MODEL_CHECK(place.root != ROOT_KIND_SPECIAL || !model.locked ||
				    frame == model.special >> PAGE_SHIFT,
			    frame, place.root);
		check_tree(frame, &place);
	}
}

/* ---- what waits, and what is held for nothing */

static void check_retired(void)
{
	const struct paging *paging = &model.world.paging;
	uint64_t listed = 0;
	uint32_t previous = 0;

	for (uint32_t number = paging->retired_first; number; listed++) {
		const struct table_info *info = table_info_of(&paging->infos, number);

		MODEL_CHECK(info->retired && info->previous == previous, number, info->previous);
		MODEL_CHECK(frame_word_info(word_of(info->frame)) == number, number, info->frame);
		previous = number;
		number = info->next;
	}
	MODEL_CHECK(previous == paging->retired_last, previous, paging->retired_last);
	MODEL_CHECK(listed == paging->retired_count, listed, paging->retired_count);
	for (uint64_t frame = 0; frame < PW_FRAMES; frame++) {
		const uint64_t word = word_of(frame);

		if (!frame_is_table(frame_word_type(word)) || frame_word_refs(word) ||
		    word & FRAME_PERMANENT)
			continue;
		/* Nobody needs it: it is known to be so, or lives on what is below. */
		MODEL_CHECK(info_of(frame)->retired ||
				    (frame_word_type(word) == FRAME_L4 && has_users(frame)),
			    frame, word);
	}
}

/* ---- what is frozen */

/* The leaf that translates va below a root, made one of 4 KiB; 0: none. */
static uint64_t translate(uint64_t root, uint64_t va)
{
	for (uint32_t level = PT_LEVELS; level > 0; level--) {
		const uint64_t slot = pw_slot(root, va, level);
		const uint64_t entry = slot ? pw_peek(slot) : 0;

		if (!(entry & PTE_P))
			return 0;
		if (pte_is_leaf(entry, level))
			return (pte_leaf_frame(entry, level) +
				(va >> PAGE_SHIFT) % pte_leaf_frames(level))
				       << PAGE_SHIFT |
			       (entry & (PTE_P | PTE_RW | PTE_US | PTE_NX));
	}
	return 0;
}

static void check_held(void)
{
	for (uint64_t frame = 0; model.locked && frame < PW_FRAMES; frame++) {
		if (type_now(frame) != FRAME_L4)
			continue;
		for (uint32_t i = 0; i < begun.held; i++) {
			const uint64_t was = begun.held_leaf[i];
			const uint64_t is = translate(frame << PAGE_SHIFT, begun.held_va[i]);

			/* A root may lack the kernel; it must not have another one. */
			if (!is)
				continue;
			MODEL_CHECK(!((is ^ was) & PTE_ADDR), begun.held_va[i], is);
			MODEL_CHECK(!(is & ~was & (PTE_RW | PTE_US)), begun.held_va[i], is);
			MODEL_CHECK(!(was & ~is & PTE_NX), begun.held_va[i], is);
		}
	}
	for (uint32_t i = 0; model.locked && i < begun.held; i++)
		MODEL_CHECK(translate(model.world.swapper, begun.held_va[i]), begun.held_va[i], 0);
	for (uint32_t i = 0; model.locked && i < PT_ENTRIES; i++)
		MODEL_CHECK(slow_same(begun.special[i], entry_of(model.special >> PAGE_SHIFT, i)),
			    i, begun.special[i]);
	for (uint32_t i = 0; model.locked && i < PT_ENTRIES / 2; i++)
		MODEL_CHECK(
			slow_same(begun.upper[i], model.world.paging.template[ROOT_KIND_NORMAL][i]),
			i, begun.upper[i]);
}

static void hold(uint64_t va, uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++) {
		MODEL_CHECK(begun.held < HELD_MAX, begun.held, 0);
		begun.held_va[begun.held] = va + i * PAGE_SIZE;
		begun.held_leaf[begun.held] = translate(model.world.swapper, va + i * PAGE_SIZE);
		MODEL_CHECK(begun.held_leaf[begun.held], va, i);
		begun.held++;
	}
}

void reference_begin(void)
{
	memset(&begun, 0, sizeof(begun));
	count_references();
	begun.pages = pages_used();
	for (uint64_t frame = 0; frame < PW_FRAMES; frame++) {
		if (frame_is_table(type_now(frame)))
			begun.pinned[frame] = frame_word_refs(word_of(frame)) - now.refs[frame];
		/* At most one for each upper half that is known. */
		MODEL_CHECK(begun.pinned[frame] <= 2, frame, begun.pinned[frame]);
	}
	hold(PW_IMAGE, PW_TEXT_PAGES + PW_RODATA_PAGES);
	hold(PW_CPU_ENTRY, 1);
	for (uint32_t i = 0; i < PT_ENTRIES; i++)
		begun.special[i] = entry_of(model.special >> PAGE_SHIFT, i);
	for (uint32_t i = 0; i < PT_ENTRIES / 2; i++)
		begun.upper[i] = entry_of(model.world.swapper >> PAGE_SHIFT, PT_KERNEL_FIRST + i);
}

void reference_check(bool short_of_memory)
{
	count_references();
	check_references();
	check_types(short_of_memory);
	check_cached();
	check_trees();
	check_retired();
	check_held();
	if (!short_of_memory)
		MODEL_CHECK(pages_used() == begun.pages, pages_used(), begun.pages);
}

/* ---- LOCK */

static bool all_stands(uint64_t frame)
{
	const struct table_info *info = info_of(frame);
	const struct slow_place place = {
		.level = (uint32_t)type_now(frame),
		.half = (enum table_half)info->half,
		.root = (enum root_kind)info->root_kind,
		.va = info->va,
		.type = type_now,
	};

	for (uint32_t i = 0; i < PT_ENTRIES; i++) {
		const struct slow_place at = slow_place_below(&place, i);

		if (!slow_stands(&at, entry_of(frame, i)))
			return false;
	}
	return true;
}

void reference_lock(void)
{
	bool stands = true;

	for (uint64_t frame = 0; frame < PW_FRAMES; frame++) {
		if (frame_is_table(type_now(frame)))
			stands = stands && all_stands(frame);
	}
	MODEL_CHECK((paging_lock(&model.world.paging) == 0) == stands, stands, 0);
	MODEL_CHECK(model.world.paging.locked == stands, stands, 0);
	model.world.paging.locked = false;
}

/* ---- nothing is left */

static uint64_t clear_entry(void *operand, uint64_t old)
{
	(void)operand;
	(void)old;
	return 0;
}

static void clear_users(uint64_t root)
{
	for (uint32_t i = 0; i < PT_KERNEL_FIRST; i++) {
		const uint64_t slot = (root << PAGE_SHIFT) + i * sizeof(uint64_t);

		if (type_now(root) == FRAME_L4 && (pw_peek(slot) & PTE_P))
			machine_store(slot, clear_entry, NULL);
	}
}

void reference_end(void)
{
	for (uint32_t i = 0; i < model.cpus; i++) {
		this_cpu = &model.cpu[i];
		/* First of its roots, too. */
		machine_load(model.world.swapper);
		MODEL_CHECK(this_cpu->cr3 == model.world.swapper, i, this_cpu->cr3);
		paging_roots_trim(&model.world.paging, &model.world.cpu[i]);
		this_cpu->target[0] = this_cpu->target[1] = PAGING_NO_ROOT;
	}
	this_cpu = &model.cpu[0];
	model.quiet = true;
	for (uint64_t frame = 0; frame < PW_FRAMES; frame++) {
		if (type_now(frame) == FRAME_L4 && frame != model.special >> PAGE_SHIFT)
			clear_users(frame);
	}
	/* A table that goes lets those below it go: one invalidation for each level. */
	for (uint32_t i = 0; i < 2 * PT_LEVELS; i++) {
		paging_flush(&model.world.paging);
		retire_sweep(&model.world.paging, &model.world.cpu[0], ~0u);
	}
	reference_check(false);
	for (uint64_t frame = 0; frame < PW_FRAMES; frame++) {
		const bool at_home = frame_is_table(type_now(frame)) && now.reached[frame] &&
				     info_of(frame)->half == HALF_KERNEL;

		if (!frame_is_table(type_now(frame)) || at_home)
			continue;
		/* What is not the kernel's is its roots and what they have, or pinned. */
		MODEL_CHECK(now.reached[frame] || begun.pinned[frame], frame, word_of(frame));
		MODEL_CHECK(word_of(frame) & FRAME_PERMANENT || frame_word_refs(word_of(frame)),
			    frame, word_of(frame));
		MODEL_CHECK(type_now(frame) == FRAME_L4 || begun.pinned[frame] || !model.locked,
			    frame, word_of(frame));
	}
	MODEL_CHECK(model.world.paging.retired_count == 0, model.world.paging.retired_count, 0);
}
