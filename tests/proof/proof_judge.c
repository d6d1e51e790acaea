/* SPDX-License-Identifier: MIT */
/*
 * What the judge lets pass (secpod/paging/judge.c), for every entry, place and frame table: the rules here
 * are said anew, from what must not be, and not from the table of rules. Policy is to refuse.
 *
 * A large leaf has LARGE frames here, so that the judge's loops over them end; any of them is looked at.
 */
#include "secpod/paging/judge.h"

#include "tests/proof/proof.h"

/* As long as it may be: addresses have 52 bits. */
#define FRAMES_MAX (1ULL << 40)
/* Frames of RAM: a large leaf may lie in it, at its end, and outside. */
#define TABLE_MAX 3u

static uint64_t word[TABLE_MAX];
static struct paging paging;
static unsigned int refused;

static bool refuse(void *context, uint8_t rule, uint64_t slot, uint64_t old, uint64_t next)
{
	(void)context, (void)rule, (void)slot, (void)old, (void)next;
	refused++;
	return true;
}

/* Of the summary it is asked only when leaves are 2 MiB. */
static void any_paging(void)
{
	const uint32_t physical_bits = 32 + (uint32_t)any_below(21);

	__CPROVER_havoc_object(&paging);
	__CPROVER_havoc_object(word);
	paging.frames.word = word;
	paging.frames.count = any_below(TABLE_MAX + 1);
	paging.ops.refuse = refuse;
	paging.secure_base = any_below(FRAMES_MAX) << PAGE_SHIFT;
	paging.secure_size = any_below(FRAMES_MAX - (paging.secure_base >> PAGE_SHIFT))
			     << PAGE_SHIFT;
	paging.reserved = ~0ULL >> 12 & ~((1ULL << physical_bits) - 1);
	paging.pages_1g = nondet_bool();
	paging.locked_ranges = nondet_bool() ? PAGING_RANGES : 0;
}

static struct pte_place any_place(void)
{
	struct pte_place place = {
		.level = 1 + (uint32_t)any_below(PT_LEVELS),
		.index = (uint32_t)any_below(PT_ENTRIES),
		.half = (enum table_half)any_below(HALF_SPECIAL + 1),
		.root = (enum root_kind)any_below(ROOT_KINDS),
		.slot = nondet_u64(),
		.locked = nondet_bool(),
	};

	/* As pte_place_of() has them. */
	if (place.half == HALF_KERNEL)
		place.va = pte_canonical(nondet_u64() << pte_shift(place.level));
	if (place.level == PT_LEVELS)
		assume((place.half == HALF_KERNEL) == (place.index >= PT_KERNEL_FIRST));
	return place;
}

static bool is_in(const struct paging_range *range, uint64_t va)
{
	return range->begin <= va && va < range->end;
}

/* Any one frame that an accepted leaf maps. */
static void leaf_is_sound(const struct pte_place *place, uint64_t next)
{
	const uint64_t frame =
		pte_leaf_frame(next, place->level) + any_below(pte_leaf_frames(place->level));
	const enum frame_type type = frame_type(&paging.frames, frame);
	const bool user = next & PTE_US, writable = next & PTE_RW;
	const bool kernel_executes = !user && !(next & PTE_NX);

	prove((frame << PAGE_SHIFT) - paging.secure_base >= paging.secure_size,
	      "nothing of the monitor is mapped");
	prove(!user || !frame_is_code(type), "no user mapping of code");
	prove(!user || type != FRAME_SECURE, "no user mapping of the monitor");
	prove(!user || type != FRAME_EFI_RT, "no user mapping of firmware code");
	prove(!user || !writable || (type != FRAME_RODATA && !frame_is_table(type)),
	      "no user writes constants or page tables");
	prove(!user || place->half != HALF_KERNEL, "no user page in the upper half");
	if (kernel_executes && type != FRAME_EFI_RT) {
		prove(!writable, "what the kernel executes is not writable");
		prove(frame_is_code(type) || judge_admits_code(&paging, place, next),
		      "the kernel executes code, or what becomes code now");
		prove(frame_is_code(type) || (place->half == HALF_KERNEL && place->level == 1 &&
					      type == FRAME_NONE),
		      "only a single frame of ordinary memory becomes code");
		prove(place->half != HALF_USER, "the kernel executes nothing in the lower half");
	}
	if (place->half == HALF_KERNEL && frame_is_table(type))
		prove(!writable || is_in(&paging.direct, place->va) ||
			      is_in(&paging.image, place->va),
		      "page tables have one writable address at most");
}

static void locked_is_sound(const struct pte_place *place, uint64_t old, uint64_t next)
{
	const bool leaf = pte_is_leaf(next, place->level);
	const bool split = pte_is_leaf(old, place->level) && pte_is_table(next, place->level);
	const uint64_t grown = (next & ~old & (PTE_RW | PTE_US)) | (old & ~next & PTE_NX);

	if (place->half == HALF_SPECIAL ||
	    (place->half == HALF_KERNEL && place->level == PT_LEVELS &&
	     place->root == ROOT_KIND_SPECIAL))
		prove(judge_is_harmless(old, next), "trees for firmware calls are frozen");
	if (place->half != HALF_KERNEL)
		return;
	if (place->level < PT_LEVELS && (old & PTE_P) && (next & PTE_P) && !split)
		prove(!((old ^ next) & PTE_ADDR) && leaf == pte_is_leaf(old, place->level),
		      "a linear address of the kernel keeps its frame");
	if (place->level == PT_LEVELS && place->root != ROOT_KIND_SPECIAL &&
	    place->index != LDT_REMAP_INDEX && (paging.template_known & 1u << place->root))
		prove(judge_is_harmless(
			      paging.template[place->root][place->index - PT_KERNEL_FIRST], next),
		      "all address spaces have one upper half");
	for (uint32_t i = 0; i < paging.locked_ranges && place->level < PT_LEVELS; i++) {
		if (!is_in(&paging.locked_range[i], place->va) || split)
			continue;
		prove(!((old ^ next) & PTE_P), "nothing comes or goes in a locked range");
		prove(!(next & PTE_P) || !((old ^ next) & PTE_ADDR),
		      "nothing moves in a locked range");
		prove(!(next & PTE_P) || !grown, "no right grows in a locked range");
	}
	if (leaf && is_in(&paging.direct, place->va))
		prove(place->va - paging.direct.begin == pte_leaf_frame(next, place->level)
								 << PAGE_SHIFT,
		      "the direct map is linear");
}

int main(void)
{
	const uint64_t old = nondet_u64(), next = nondet_u64();
	struct pte_place place;

	any_paging();
	place = any_place();
	if (judge_entry(&paging, &place, old, next)) {
		prove(refused == 1, "what is not accepted was refused by one rule");
		return 0;
	}
	prove(!refused, "what a rule refuses is not accepted");
	if (next & PTE_P)
		prove(!(next & paging.reserved), "no reserved bit");
	if (pte_is_leaf(next, place.level)) {
		prove(place.level < 3 || (place.level == 3 && paging.pages_1g),
		      "no leaf at a level that has none");
		leaf_is_sound(&place, next);
	} else if (next & PTE_P) {
		prove((next & PTE_ADDR) - paging.secure_base >= paging.secure_size,
		      "the monitor is no page table");
		prove(place.half != HALF_USER || (next & PTE_US),
		      "no table takes the user's mark from the pages below");
	}
	if (place.locked)
		locked_is_sound(&place, old, next);
	return 0;
}
