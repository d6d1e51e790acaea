/* SPDX-License-Identifier: MIT */
#include "secpod/paging/judge.h"

#include <errno.h>

#include "guest-support/include/secpod_abi.h"

/* Classes of entries, as bits: what the entry becomes, and where. */
#define USER_LEAF (1u << 0)
#define USER_TABLE (1u << 1)
#define KERNEL_LEAF (1u << 2)
#define KERNEL_TABLE (1u << 3)
#define KERNEL_CLEAR (1u << 4) /* was present, is not any more */
#define SPECIAL_LEAF (1u << 5)
#define SPECIAL_TABLE (1u << 6)
#define SPECIAL_CLEAR (1u << 7)
#define LEAF (USER_LEAF | KERNEL_LEAF | SPECIAL_LEAF)
#define TABLE (USER_TABLE | KERNEL_TABLE | SPECIAL_TABLE)
#define KERNEL (KERNEL_LEAF | KERNEL_TABLE | KERNEL_CLEAR)
#define SPECIAL (SPECIAL_LEAF | SPECIAL_TABLE | SPECIAL_CLEAR)

/*
 * Where Linux puts code that comes after boot: modules, BPF, ftrace and kprobe pages; the rest of
 * the 2 GiB behind the kernel's image. Documentation/arch/x86/x86_64/mm.rst: module mapping space.
 */
#define MODULES_BEGIN 0xffffffffa0000000ULL
#define MODULES_END 0xffffffffff000000ULL
/* In the tree for firmware calls only. Same document: EFI region mapping space. */
#define EFI_BEGIN 0xffffffef00000000ULL
#define EFI_END 0xffffffff00000000ULL

/* Bits no rule asks about. 62:52 are ignored or protection keys, which only take away. */
#define HARMLESS (PTE_A | PTE_D | PTE_G | 0x7ffULL << 52 | 7ULL << 9)

struct question {
	const struct paging *paging;
	const struct pte_place *place;
	uint64_t old;
	uint64_t next;
	uint64_t frame;	 /* leaf: first frame */
	uint64_t frames; /* leaf: how many */
};

struct pte_rule {
	uint8_t rule;	  /* SECPOD_RULE_* */
	bool locked;	  /* holds from LOCKED on; else from ACTIVE on */
	uint32_t classes; /* that it is about */
	bool (*broken)(const struct question *q);
	const char *reason;
};

/* Do all frames of the leaf have a type of the set (bits by enum frame_type)? */
static bool all_of(const struct question *q, uint32_t types)
{
	if ((types & 1u << FRAME_NONE) && frames_none(&q->paging->frames, q->frame, q->frames))
		return true;
	for (uint64_t i = 0; i < q->frames; i++) {
		if (!(types & 1u << frame_type(&q->paging->frames, q->frame + i)))
			return false;
	}
	return true;
}

#define ONE(type) (1u << FRAME_##type)
#define TABLES (ONE(L1) | ONE(L2) | ONE(L3) | ONE(L4))
#define CODE_TYPES (ONE(CODE) | ONE(CODE_DYN) | ONE(TRAMP))

static bool bad_form(const struct question *q)
{
	const uint32_t level = q->place->level;
	const bool large = q->next & PTE_PS;

	if (q->next & q->paging->reserved)
		return true;
	if (level == 1 || !large)
		return false;
	if (level == 4 || (level == 3 && !q->paging->pages_1g))
		return true;
	/* Below the frame only bit 12, PAT, may be set. */
	return q->next & (pte_span(level) - 1) & PTE_ADDR & ~(1ULL << PAGE_SHIFT);
}

static bool maps_monitor(const struct question *q)
{
	return ranges_overlap(q->frame << PAGE_SHIFT, q->frames << PAGE_SHIFT,
			      q->paging->secure_base, q->paging->secure_size);
}

static bool links_monitor(const struct question *q)
{
	return (q->next & PTE_ADDR) - q->paging->secure_base < q->paging->secure_size;
}

static bool is_firmware_place(const struct pte_place *place)
{
	return place->half == HALF_SPECIAL || (place->va >= EFI_BEGIN && place->va < EFI_END);
}

static bool executes_data(const struct question *q)
{
	if (!pte_is_kernel_exec(q->next))
		return false;
	/* Firmware without a table of memory attributes has its code writable. */
	if (is_firmware_place(q->place) && all_of(q, ONE(EFI_RT)))
		return false;
	if (q->next & PTE_RW)
		return true;
	if (judge_admits_code(q->paging, q->place, q->next))
		return false;
	return !all_of(q, CODE_TYPES);
}

/*
 * The CPU takes the user's mark from a page when one table above it has none: tables of the lower half
 * have it, those of firmware calls and CPU start may have it or not, so their pages may not.
 */
static bool user_in_kernel(const struct question *q)
{
	return q->next & PTE_US;
}

static bool kernel_in_user(const struct question *q)
{
	/* Text is patched through a page of the lower half that no user can reach and none executes. */
	return !(q->next & PTE_US) && !(q->next & PTE_NX);
}

static bool kernel_table_in_user(const struct question *q)
{
	/* It would make kernel pages of the user pages below. */
	return !(q->next & PTE_US);
}

static bool user_maps_protected(const struct question *q)
{
	uint32_t allowed = ONE(NONE) | ONE(OUTSIDE);

	if (!(q->next & PTE_US))
		return false;
	/* Constants the user may see are the vDSO; a read-only view of a page table does no harm. */
	if (!(q->next & PTE_RW))
		allowed |= ONE(RODATA) | TABLES;
	return !all_of(q, allowed);
}

static bool in_range(const struct paging_range *range, uint64_t va)
{
	return va >= range->begin && va < range->end;
}

static bool aliases_table(const struct question *q)
{
	/* In the direct map each frame has its place, and EPT keeps page tables read-only there. */
	if (!(q->next & PTE_RW) || in_range(&q->paging->direct, q->place->va))
		return false;
	/* Of the user's pages another rule tells. */
	if (q->next & PTE_US)
		return false;
	if (frames_none(&q->paging->frames, q->frame, q->frames))
		return false;
	for (uint64_t i = 0; i < q->frames; i++) {
		if (frame_is_table(frame_type(&q->paging->frames, q->frame + i)) &&
		    /* The kernel's first tables are part of its image. */
		    !in_range(&q->paging->image, q->place->va))
			return true;
	}
	return false;
}

static bool is_template(const struct question *q, enum root_kind kind)
{
	const uint64_t *upper = q->paging->template[kind];

	return judge_is_harmless(upper[q->place->index - PT_KERNEL_FIRST], q->next);
}

static bool another_upper_half(const struct question *q)
{
	const struct pte_place *place = q->place;

	if (place->level != PT_LEVELS || place->root == ROOT_KIND_SPECIAL)
		return false;
	if (place->index == LDT_REMAP_INDEX || !(q->paging->template_known & 1u << place->root))
		return false;
	return !is_template(q, place->root);
}

/* That of Linux as far as there is one, but for the last entry, where the firmware has its place. */
static bool another_special_half(const struct question *q)
{
	const struct pte_place *place = q->place;

	return place->level == PT_LEVELS && place->root == ROOT_KIND_SPECIAL &&
	       place->index != PT_ENTRIES - 1 && !is_template(q, ROOT_KIND_NORMAL);
}

/* Same frame or table as before, or a split, which is judged with the table's contents. */
static bool another_frame(const struct question *q)
{
	const uint32_t level = q->place->level;

	if (!(q->old & PTE_P) || !(q->next & PTE_P) || level == PT_LEVELS)
		return false;
	if (pte_is_leaf(q->old, level) && pte_is_table(q->next, level))
		return false;
	return ((q->old ^ q->next) & PTE_ADDR) ||
	       pte_is_leaf(q->old, level) != pte_is_leaf(q->next, level);
}

/* The same frame with rights that may only have shrunk: RW goes, NX comes. */
static bool only_shrinks(const struct question *q)
{
	const uint32_t level = q->place->level;

	return pte_is_leaf(q->old, level) && pte_is_leaf(q->next, level) &&
	       !((q->old ^ q->next) & ~(HARMLESS | PTE_RW | PTE_NX)) &&
	       !(q->next & ~q->old & PTE_RW) && !(q->old & ~q->next & PTE_NX);
}

static bool overlaps(const struct paging_range *range, const struct pte_place *place)
{
	return place->va < range->end && place->va + (pte_span(place->level) - 1) >= range->begin;
}

static uint64_t image_frame(const struct question *q)
{
	return (q->place->va - q->paging->image.begin + q->paging->image_gpa) >> PAGE_SHIFT;
}

/* Each address of the kernel's image has the frame it was linked to, or none. */
static bool moves_image(const struct question *q)
{
	return overlaps(&q->paging->image, q->place) && q->frame != image_frame(q);
}

/*
 * Text and constants, as
 * ACTIVATE found them frame by frame, keep their rights, too. The rest is data, and what Linux has
 * given back to its allocator: init sections and the gaps between sections. That a module gets such
 * a page and makes it read-only is seen in the image as well (arch/x86/mm/pat/set_memory.c,
 * cpa_process_alias()), and so is a page that page-table isolation unmaps there when it is given back
 * (arch/x86/mm/init.c, free_kernel_image_pages()).
 */
static bool changes_image(const struct question *q)
{
	const uint32_t level = q->place->level;
	const uint64_t linear = image_frame(q);

	/*
	 * Tables stay. They come by a split, or where nothing is: Linux splits large pages that are not
	 * present, too. Their entries are judged one by one.
	 */
	if (pte_is_table(q->old, level))
		return true;
	if (pte_is_table(q->next, level))
		return false;
	for (uint64_t i = 0; i < pte_leaf_frames(level); i++) {
		const enum frame_type type = frame_type(&q->paging->frames, linear + i);

		if (type == FRAME_CODE || type == FRAME_RODATA)
			return true;
	}
	return false;
}

static bool changes_locked(const struct question *q)
{
	const uint32_t level = q->place->level;

	if (judge_is_harmless(q->old, q->next) || level == PT_LEVELS || only_shrinks(q))
		return false;
	/* A split, judged with the table's contents. */
	if (pte_is_leaf(q->old, level) && pte_is_table(q->next, level))
		return false;
	for (uint32_t i = 0; i < q->paging->locked_ranges; i++) {
		if (overlaps(&q->paging->locked_range[i], q->place))
			return true;
	}
	return overlaps(&q->paging->image, q->place) && changes_image(q);
}

static bool bends_direct_map(const struct question *q)
{
	if (!in_range(&q->paging->direct, q->place->va))
		return false;
	if (q->place->va - q->paging->direct.begin != q->frame << PAGE_SHIFT)
		return true;
	return pte_is_kernel_exec(q->next) && !all_of(q, ONE(TRAMP));
}

static bool changes_special(const struct question *q)
{
	return !judge_is_harmless(q->old, q->next);
}

static bool changes_special_root(const struct question *q)
{
	return q->place->level == PT_LEVELS && q->place->root == ROOT_KIND_SPECIAL &&
	       changes_special(q);
}

static const struct pte_rule rules[] = {
	{SECPOD_RULE_PT_ENTRY, false, LEAF | TABLE, bad_form,
	 "the CPU would fault, or read another level's form"},
	{SECPOD_RULE_PT_SECURE, false, LEAF, maps_monitor, "nothing of the monitor is the guest's"},
	{SECPOD_RULE_PT_SECURE, false, TABLE, links_monitor,
	 "the CPU would walk through the monitor's memory"},
	{SECPOD_RULE_KERNEL_EXEC, false, LEAF, executes_data,
	 "the kernel executes only what was admitted as code, and nobody writes that"},
	{SECPOD_RULE_KERNEL_USER, false, KERNEL_LEAF, user_in_kernel,
	 "Linux has no user page in the upper half (vsyscall=none)"},
	{SECPOD_RULE_KERNEL_USER, false, SPECIAL_LEAF, user_in_kernel,
	 "firmware calls and CPU start are the kernel's alone"},
	{SECPOD_RULE_KERNEL_USER, false, USER_LEAF, kernel_in_user,
	 "SMEP guards user pages only while they are user pages"},
	{SECPOD_RULE_KERNEL_USER, false, USER_TABLE, kernel_table_in_user,
	 "SMEP guards user pages only while they are user pages"},
	{SECPOD_RULE_USER_MAP, false, LEAF, user_maps_protected,
	 "user mode has no business in code, constants and page tables"},
	{SECPOD_RULE_TABLE_ALIAS, false, KERNEL_LEAF | USER_LEAF, aliases_table,
	 "Linux reaches its page tables through the direct map only"},
	{SECPOD_RULE_KERNEL_TEMPLATE, true, KERNEL_TABLE | KERNEL_CLEAR, another_upper_half,
	 "all address spaces share one upper half, complete since boot"},
	{SECPOD_RULE_KERNEL_REMAP, true, KERNEL_LEAF | KERNEL_TABLE, another_frame,
	 "Linux clears a kernel entry before it uses it for something else"},
	{SECPOD_RULE_LOCKED_RANGE, true, KERNEL_LEAF, moves_image,
	 "nothing moves what the kernel was linked to be"},
	{SECPOD_RULE_LOCKED_RANGE, true, KERNEL, changes_locked,
	 "nothing moves what the kernel was linked to be"},
	{SECPOD_RULE_DIRECT_MAP, true, KERNEL_LEAF, bends_direct_map,
	 "the direct map is linear and not executable"},
	{SECPOD_RULE_SPECIAL_ROOT, true, KERNEL_TABLE, another_special_half,
	 "firmware is called, and CPUs start, with the kernel that all have"},
	{SECPOD_RULE_SPECIAL_ROOT, true, SPECIAL, changes_special,
	 "complete since boot; firmware calls only store the same again"},
	{SECPOD_RULE_SPECIAL_ROOT, true, KERNEL, changes_special_root,
	 "complete since boot; firmware calls only store the same again"},
};

struct pte_place pte_place_of(const struct paging *paging, const struct table_info *info,
			      uint32_t level, uint32_t index)
{
	struct pte_place place = {
		.level = level,
		.index = index,
		.half = (enum table_half)info->half,
		.root = (enum root_kind)info->root_kind,
		.slot = (info->frame << PAGE_SHIFT) + index * sizeof(uint64_t),
		.locked = __atomic_load_n(&paging->locked, __ATOMIC_ACQUIRE),
	};

	if (level == PT_LEVELS) {
		if (index >= PT_KERNEL_FIRST)
			place.half = HALF_KERNEL;
		else
			place.half =
				info->root_kind == ROOT_KIND_SPECIAL ? HALF_SPECIAL : HALF_USER;
	}
	if (place.half == HALF_KERNEL)
		place.va = pte_canonical(info->va + index * pte_span(level));
	return place;
}

static uint32_t class_of(const struct pte_place *place, uint64_t next)
{
	static const uint32_t leaf[] = {[HALF_USER] = USER_LEAF,
					[HALF_KERNEL] = KERNEL_LEAF,
					[HALF_SPECIAL] = SPECIAL_LEAF};
	static const uint32_t table[] = {[HALF_USER] = USER_TABLE,
					 [HALF_KERNEL] = KERNEL_TABLE,
					 [HALF_SPECIAL] = SPECIAL_TABLE};
	static const uint32_t clear[] = {
		[HALF_USER] = 0, [HALF_KERNEL] = KERNEL_CLEAR, [HALF_SPECIAL] = SPECIAL_CLEAR};

	if (pte_is_leaf(next, place->level))
		return leaf[place->half];
	return next & PTE_P ? table[place->half] : clear[place->half];
}

bool judge_is_harmless(uint64_t old, uint64_t next)
{
	return !((old | next) & PTE_P) || !((old ^ next) & ~HARMLESS);
}

bool judge_is_template(const struct paging *paging, const struct table_info *info, uint32_t index,
		       uint64_t value)
{
	return __atomic_load_n(&paging->locked, __ATOMIC_ACQUIRE) && index >= PT_KERNEL_FIRST &&
	       info->root_kind != ROOT_KIND_SPECIAL && index != LDT_REMAP_INDEX &&
	       (__atomic_load_n(&paging->template_known, __ATOMIC_ACQUIRE) &
		1u << info->root_kind) &&
	       (value & PTE_P) &&
	       judge_is_harmless(paging->template[info->root_kind][index - PT_KERNEL_FIRST], value);
}

bool judge_admits_code(const struct paging *paging, const struct pte_place *place, uint64_t next)
{
	return place->half == HALF_KERNEL && place->level == 1 && pte_is_kernel_exec(next) &&
	       !(next & PTE_RW) && place->va >= MODULES_BEGIN && place->va < MODULES_END &&
	       !in_range(&paging->image, place->va) &&
	       frame_type(&paging->frames, pte_leaf_frame(next, 1)) == FRAME_NONE;
}

/* The rules that place is under, or only those of LOCKED. */
static int ask(const struct paging *paging, const struct pte_place *place, uint64_t old,
	       uint64_t next, bool locked_only)
{
	struct question q = {.paging = paging, .place = place, .old = old, .next = next};
	const uint32_t class = class_of(place, next);

	if (pte_is_leaf(next, place->level)) {
		q.frame = pte_leaf_frame(next, place->level);
		q.frames = pte_leaf_frames(place->level);
	}
	for (uint32_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct pte_rule *rule = &rules[i];

		if ((rule->classes & class) && (rule->locked ? place->locked : !locked_only) &&
		    rule->broken(&q) &&
		    paging->ops.refuse(paging->ops.context, rule->rule, place->slot, old, next))
			return -EPERM;
	}
	return 0;
}

int judge_entry(const struct paging *paging, const struct pte_place *place, uint64_t old,
		uint64_t next)
{
	return ask(paging, place, old, next, false);
}

int judge_standing(const struct paging *paging, const struct pte_place *place, uint64_t entry)
{
	return ask(paging, place, entry, entry, true);
}

bool judge_split(uint64_t leaf, uint32_t level, const uint64_t *table)
{
	const uint64_t first = pte_leaf_frame(leaf, level);
	const uint64_t step = pte_leaf_frames(level - 1);

	for (uint32_t i = 0; i < PT_ENTRIES; i++) {
		const uint64_t piece = table[i];

		if (!(piece & PTE_P))
			continue;
		if (!pte_is_leaf(piece, level - 1) ||
		    pte_leaf_frame(piece, level - 1) != first + i * step)
			return false;
		if ((piece & ~leaf & (PTE_RW | PTE_US)) || (leaf & ~piece & PTE_NX))
			return false;
	}
	return true;
}
