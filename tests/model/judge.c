/* SPDX-License-Identifier: MIT */
/*
 * The rules as their description has them (docs/abi.md, "Rules and answers"), frame by frame and without any
 * shortcut. Nothing here is taken from the code that it is held against but the names.
 */
#include "tests/model/model.h"

#define BROKEN(rule) (1ULL << SECPOD_RULE_##rule)
/* What the CPU and Linux change without meaning: A, D, G, 11:9, 62:52. */
#define MEANINGLESS (0x20ULL | 0x40ULL | 0x100ULL | 0xe00ULL | 0x7ff0000000000000ULL)
#define FRAME_BITS 0x000ffffffffff000ULL
#define MAXPHYADDR 39u
#define LINEAR_SIZE(level) (1ULL << (12u + 9u * ((level)-1u)))
#define MODULES_FROM 0xffffffffa0000000ULL
#define MODULES_TO 0xffffffffff000000ULL
#define LDT_INDEX 272u
#define IMAGE_END (PW_IMAGE + (PW_TEXT_PAGES + PW_RODATA_PAGES + PW_DATA_PAGES) * PAGE_SIZE)

static bool present(uint64_t entry)
{
	return entry & 1u;
}

static bool leaf(uint64_t entry, uint32_t level)
{
	return present(entry) && (level == 1 || (entry & 0x80u));
}

static bool table(uint64_t entry, uint32_t level)
{
	return present(entry) && !leaf(entry, level);
}

static bool writes(uint64_t entry)
{
	return entry & 2u;
}

static bool of_user(uint64_t entry)
{
	return entry & 4u;
}

static bool executes(uint64_t entry)
{
	return !(entry >> 63);
}

bool slow_same(uint64_t old, uint64_t next)
{
	if (!present(old) && !present(next))
		return true;
	return (old & ~MEANINGLESS) == (next & ~MEANINGLESS);
}

enum frame_type type_now(uint64_t frame)
{
	return frame_type(&model.world.paging.frames, frame);
}

struct slow_place slow_place_below(const struct slow_place *above, uint32_t index)
{
	struct slow_place place = *above;

	place.index = index;
	place.va = above->va + index * LINEAR_SIZE(above->level);
	if (above->level == 4) {
		place.half = above->root == ROOT_KIND_SPECIAL ? HALF_SPECIAL : HALF_USER;
		if (index >= 256) {
			place.half = HALF_KERNEL;
			place.va |= 0xffff000000000000ULL;
		}
	}
	return place;
}

/* ---- the frames of a leaf, one by one */

struct frames_of {
	uint64_t first;
	uint64_t count;
	uint32_t seen; /* bit by enum frame_type */
};

static struct frames_of frames_of(const struct slow_place *place, uint64_t entry)
{
	struct frames_of f = {.count = LINEAR_SIZE(place->level) >> 12};

	f.first = (entry & FRAME_BITS) >> 12;
	f.first -= f.first % f.count;
	for (uint64_t i = 0; i < f.count && f.first + i < PW_FRAMES; i++)
		f.seen |= 1u << place->type(f.first + i);
	if (f.first + f.count > PW_FRAMES)
		f.seen |= 1u << FRAME_OUTSIDE;
	return f;
}

#define SEES(f, type) ((f)->seen & 1u << (type))

static bool sees_table(const struct frames_of *f)
{
	return SEES(f, FRAME_L1) || SEES(f, FRAME_L2) || SEES(f, FRAME_L3) || SEES(f, FRAME_L4);
}

static bool sees_only(const struct frames_of *f, uint32_t types)
{
	return !(f->seen & ~types);
}

static bool in_direct_map(uint64_t va)
{
	/* Rounded up to what the largest page maps. */
	return va >= PW_DIRECT && va < PW_DIRECT + SIZE_1G;
}

static bool in_image(uint64_t va)
{
	return va >= PW_IMAGE && va < IMAGE_END;
}

/* ---- H: from ACTIVE on */

static bool form_is_wrong(const struct slow_place *place, uint64_t entry)
{
	const uint64_t too_high = (1ULL << 52) - (1ULL << MAXPHYADDR);

	if (entry & too_high)
		return true;
	if (place->level == 4)
		return entry & 0x80u;
	if (place->level == 1 || !(entry & 0x80u))
		return false;
	for (uint32_t bit = 13; LINEAR_SIZE(place->level) > 1ULL << bit; bit++) {
		if (entry >> bit & 1u)
			return true;
	}
	return false;
}

static bool code_may_come(const struct slow_place *place, uint64_t entry, const struct frames_of *f)
{
	return place->level == 1 && place->va >= MODULES_FROM && place->va < MODULES_TO &&
	       !in_image(place->va) && !writes(entry) && sees_only(f, 1u << FRAME_NONE);
}

static bool executes_no_code(const struct slow_place *place, uint64_t entry,
			     const struct frames_of *f)
{
	const uint32_t code = 1u << FRAME_CODE | 1u << FRAME_CODE_DYN | 1u << FRAME_TRAMP;

	/* Firmware's code in firmware's place. */
	const bool firmware = place->half == HALF_SPECIAL || (place->va >= 0xffffffef00000000ULL &&
							      place->va < 0xffffffff00000000ULL);

	if (of_user(entry) || !executes(entry) || (firmware && sees_only(f, 1u << FRAME_EFI_RT)))
		return false;
	if (writes(entry))
		return true;
	if (place->half == HALF_KERNEL && code_may_come(place, entry, f))
		return false;
	return !sees_only(f, code);
}

/* Code of a place that is known is executed there. */
static bool executes_elsewhere(const struct slow_place *place, const struct frames_of *f)
{
	for (uint64_t i = 0; i < f->count && f->first + i < PW_FRAMES; i++) {
		const enum frame_type type = place->type(f->first + i);
		const uint64_t word = frame_read(&model.world.paging.frames, f->first + i);
		const uint64_t home = frame_word_place(word);

		if ((type == FRAME_CODE || type == FRAME_CODE_DYN) && home &&
		    home != place->va + (i << 12))
			return true;
	}
	return false;
}

static bool user_must_not(uint64_t entry, const struct frames_of *f)
{
	if (!of_user(entry))
		return false;
	if (SEES(f, FRAME_CODE) || SEES(f, FRAME_CODE_DYN) || SEES(f, FRAME_TRAMP) ||
	    SEES(f, FRAME_EFI_RT) || SEES(f, FRAME_SECURE))
		return true;
	return writes(entry) && (SEES(f, FRAME_RODATA) || sees_table(f));
}

static uint64_t rules_of_leaf(const struct slow_place *place, uint64_t entry)
{
	const struct frames_of f = frames_of(place, entry);
	uint64_t broken = 0;

	if (SEES(&f, FRAME_SECURE))
		broken |= BROKEN(PT_SECURE);
	if (executes_no_code(place, entry, &f))
		broken |= BROKEN(KERNEL_EXEC);
	if (place->half != HALF_USER && of_user(entry))
		broken |= BROKEN(KERNEL_USER);
	if (place->half == HALF_KERNEL && !of_user(entry) && executes(entry) &&
	    executes_elsewhere(place, &f))
		broken |= BROKEN(KERNEL_EXEC);
	if (place->half == HALF_USER && !of_user(entry) && executes(entry))
		broken |= BROKEN(KERNEL_USER);
	if (user_must_not(entry, &f))
		broken |= BROKEN(USER_MAP);
	if (place->half != HALF_SPECIAL && !of_user(entry) && writes(entry) && sees_table(&f) &&
	    !in_direct_map(place->va) && !in_image(place->va))
		broken |= BROKEN(TABLE_ALIAS);
	return broken;
}

static uint64_t rules_of_table(const struct slow_place *place, uint64_t entry)
{
	const uint64_t frame = (entry & FRAME_BITS) >> 12;
	uint64_t broken = 0;

	if (model.isolated && place->level == 4 && place->half == HALF_USER &&
	    place->root == ROOT_KIND_NORMAL && executes(entry))
		broken |= BROKEN(PT_PAIR);
	if (place->type(frame) == FRAME_SECURE)
		broken |= BROKEN(PT_SECURE);
	if (place->half == HALF_USER && !of_user(entry))
		broken |= BROKEN(KERNEL_USER);
	return broken;
}

/* ---- two roots side by side, with page-table isolation */

bool slow_misplaced(uint64_t frame, enum root_kind root)
{
	if (!model.isolated || root == ROOT_KIND_SPECIAL)
		return false;
	return frame % 2 ? root != ROOT_KIND_USER : root == ROOT_KIND_USER;
}

/* Of an entry that is in both halves: is it not the same? */
bool slow_differs(uint64_t frame, enum root_kind root, uint32_t index, uint64_t entry)
{
	const uint64_t other = frame % 2 ? frame - 1 : frame + 1;
	const struct frames *frames = &model.world.paging.frames;
	enum root_kind kind;
	uint64_t there;

	if (!model.isolated || root == ROOT_KIND_SPECIAL || slow_misplaced(frame, root) ||
	    (index >= 256 && index != LDT_INDEX) || type_now(other) != FRAME_L4)
		return false;
	kind = (enum root_kind)table_info_of(&model.world.paging.infos,
					     frame_word_info(frame_read(frames, other)))
		       ->root_kind;
	if (kind == ROOT_KIND_SPECIAL || kind == root)
		return false;
	there = pw_peek((other << PAGE_SHIFT) + index * sizeof(uint64_t));
	/* The kernel's may forbid to execute. */
	return present(entry) && present(there) &&
	       !slow_same(entry & ~(1ULL << 63), there & ~(1ULL << 63));
}

/* ---- L: from LOCKED on */

static bool template_says_no(const struct slow_place *place, uint64_t next)
{
	const struct paging *paging = &model.world.paging;

	if (place->level != 4 || place->half != HALF_KERNEL || place->root == ROOT_KIND_SPECIAL ||
	    place->index == LDT_INDEX || !(paging->template_known >> place->root & 1u))
		return false;
	return !slow_same(paging->template[place->root][place->index - 256], next);
}

/* A large page gives way to a table: looked at with what is in the table. */
static bool splits(uint32_t level, uint64_t old, uint64_t next)
{
	return leaf(old, level) && table(next, level);
}

static bool moves(const struct slow_place *place, uint64_t old, uint64_t next)
{
	if (place->level == 4 || !present(old) || !present(next) || splits(place->level, old, next))
		return false;
	return leaf(old, place->level) != leaf(next, place->level) ||
	       ((old ^ next) & FRAME_BITS) != 0;
}

static bool rights_only_go(uint32_t level, uint64_t old, uint64_t next)
{
	const uint64_t rest = ~(MEANINGLESS | 2u | 1ULL << 63);

	return leaf(old, level) && leaf(next, level) && (old & rest) == (next & rest) &&
	       (writes(old) || !writes(next)) && (executes(old) || !executes(next));
}

static bool overlaps(const struct slow_place *place, uint64_t begin, uint64_t end)
{
	return place->va < end && place->va + LINEAR_SIZE(place->level) - 1 >= begin;
}

/* The image has the frames it was linked to, or none; where these are text or constants, it has them. */
static bool changes_image(const struct slow_place *place, uint64_t old, uint64_t next)
{
	const uint64_t frame = (place->va - PW_IMAGE + PW_IMAGE_GPA) >> 12;
	bool constant = false;

	for (uint64_t i = 0; i < LINEAR_SIZE(place->level) >> 12; i++)
		constant |= place->type(frame + i) == FRAME_CODE ||
			    place->type(frame + i) == FRAME_RODATA;
	if (table(old, place->level))
		return true;
	/* Its entries are asked about. */
	if (table(next, place->level))
		return false;
	return constant || (present(next) && frames_of(place, next).first != frame);
}

static bool changes_locked(const struct slow_place *place, uint64_t old, uint64_t next)
{
	if (place->level == 4 || slow_same(old, next) || splits(place->level, old, next) ||
	    rights_only_go(place->level, old, next))
		return false;
	/* The CPU entry area has entries of a root for itself. */
	if (overlaps(place, 0xfffffe0000000000ULL, 0xfffffe8000000000ULL))
		return true;
	/* Firmware's region has its own tables below the last one. */
	if (overlaps(place, 0xffffffef00000000ULL, 0xffffffff00000000ULL))
		return true;
	return overlaps(place, PW_IMAGE, IMAGE_END) && changes_image(place, old, next);
}

static bool bends(const struct slow_place *place, uint64_t next)
{
	struct frames_of f;

	if (!leaf(next, place->level) || !in_direct_map(place->va))
		return false;
	f = frames_of(place, next);
	if (place->va - PW_DIRECT != f.first << 12)
		return true;
	return !of_user(next) && executes(next) && !sees_only(&f, 1u << FRAME_TRAMP);
}

static uint64_t rules_of_lock(const struct slow_place *place, uint64_t old, uint64_t next)
{
	uint64_t broken = 0;

	if (place->half == HALF_SPECIAL ||
	    (place->level == 4 && place->root == ROOT_KIND_SPECIAL && place->half == HALF_KERNEL))
		return slow_same(old, next) ? 0 : BROKEN(SPECIAL_ROOT);
	if (place->half != HALF_KERNEL)
		return 0;
	if (template_says_no(place, next))
		broken |= BROKEN(KERNEL_TEMPLATE);
	if (moves(place, old, next))
		broken |= BROKEN(KERNEL_REMAP);
	if (changes_locked(place, old, next))
		broken |= BROKEN(LOCKED_RANGE);
	if (bends(place, next))
		broken |= BROKEN(DIRECT_MAP);
	return broken;
}

bool slow_stands(const struct slow_place *place, uint64_t entry)
{
	const uint64_t *upper = model.world.paging.template[ROOT_KIND_NORMAL];

	if (place->half != HALF_KERNEL)
		return true;
	if (place->level == 4 && place->root == ROOT_KIND_SPECIAL)
		/* The last entry is the firmware's. */
		return place->index == 511 || !present(entry) ||
		       slow_same(upper[place->index - 256], entry);
	if (template_says_no(place, entry) || bends(place, entry))
		return false;
	return !leaf(entry, place->level) || !overlaps(place, PW_IMAGE, IMAGE_END) ||
	       frames_of(place, entry).first == (place->va - PW_IMAGE + PW_IMAGE_GPA) >> 12;
}

uint64_t slow_rules(const struct slow_place *place, uint64_t old, uint64_t next)
{
	uint64_t broken = 0;

	if (present(next)) {
		if (form_is_wrong(place, next))
			broken |= BROKEN(PT_ENTRY);
		if (leaf(next, place->level))
			broken |= rules_of_leaf(place, next);
		else
			broken |= rules_of_table(place, next);
	}
	if (place->locked)
		broken |= rules_of_lock(place, old, next);
	return broken;
}
