/* SPDX-License-Identifier: MIT */
/*
 * The moment from which the guest's kernel is not trusted any more. Its tables are made read-only
 * and then read: what they execute is code, what the image maps read-only is constant, where the
 * frames lie in order is the direct map. No symbol of the kernel is needed.
 */
#include <errno.h>
#include <string.h>

#include "secpod/paging/internal.h"
#include "vmm/guest_mem.h"

/*
 * Where Linux links itself to run, and the gigabyte that its place is chosen from; modules come
 * behind. Documentation/arch/x86/x86_64/mm.rst: kernel text mapping.
 */
#define IMAGE_AREA_BEGIN 0xffffffff80000000ULL
#define IMAGE_AREA_END 0xffffffffc0000000ULL
#define LOWER_HALF_LAST 0x00007fffffffffffULL
/* The direct map begins behind a guard hole and the LDT remap. */
#define DIRECT_MAP_FIRST 0xffff888000000000ULL
/* In the last entry of a root the image is, and of roots for firmware calls the firmware. */
#define LAST_ENTRY_FIRST 0xffffff8000000000ULL
/* Start-up code of CPUs runs in real mode. */
#define REAL_MODE_END 0x100000ULL

/* Page tables that one request may make; the guest comes back for more, and finds these admitted. */
#define CLAIMS_MAX 65536u

struct activation {
	struct paging *paging;
	struct paging_cpu *cpu;
	struct promotion promotion;
	const uint64_t *root;
	uint32_t count;
	uint64_t special; /* bit by index in root[] */
	bool pair;	  /* root[0] has one */
	const char *failed;
};

/* Result: 0; positive: enough seen; negative: an error. */
typedef int (*leaf_visitor)(struct activation *a, uint64_t va, uint64_t leaf, uint32_t level);

/* Linear addresses up to and with the last byte: the uppermost one can be in it. */
struct walk_range {
	uint64_t first;
	uint64_t last;
};

static bool is_apart(const struct walk_range *range, uint64_t va, uint32_t level)
{
	return va > range->last || va + (pte_span(level) - 1) < range->first;
}

/*
 * Visit the leaves in the range that hang from a table, in order. No more than the range: elsewhere Linux has one
 * table in two thousand places (espfix), which would be walked as often.
 */
static int walk_leaves(struct activation *a, uint64_t frame, uint32_t level, uint64_t va,
		       const struct walk_range *range, leaf_visitor visit)
{
	const uint64_t *entry = read_table(a->cpu, frame, level);
	int result = entry ? 0 : -EFAULT;

	for (uint32_t i = 0; !result && (i = pte_next_present(entry, i)) < PT_ENTRIES; i++) {
		const uint64_t below = pte_canonical(va + i * pte_span(level));

		if (is_apart(range, below, level))
			continue;
		result = pte_is_leaf(entry[i], level) ? visit(a, below, entry[i], level)
						      : walk_leaves(a, pte_table_frame(entry[i]),
								    level - 1, below, range, visit);
	}
	return result;
}

static int walk_root(struct activation *a, uint64_t root, const struct walk_range *range,
		     leaf_visitor visit)
{
	const int result = walk_leaves(a, root >> PAGE_SHIFT, PT_LEVELS, 0, range, visit);

	return result < 0 ? result : 0;
}

/* The first leaf behind the fixed holes tells where the direct map is. */
static int find_direct_map(struct activation *a, uint64_t va, uint64_t leaf, uint32_t level)
{
	struct paging *paging = a->paging;
	const uint64_t begin = va - (pte_leaf_frame(leaf, level) << PAGE_SHIFT);
	const uint64_t ram_top = paging->frames.count << PAGE_SHIFT;

	if (!paging->direct.begin) {
		paging->direct.begin = begin;
		paging->direct.end = begin + ((ram_top + SIZE_1G - 1) & ~(SIZE_1G - 1));
	}
	if (va >= paging->direct.end)
		return 1;
	/* Not linear: this is no kernel we know. */
	return begin != paging->direct.begin ? -EINVAL : 0;
}

static bool is_image(uint64_t va)
{
	return va >= IMAGE_AREA_BEGIN && va < IMAGE_AREA_END;
}

static bool is_constant(uint64_t leaf)
{
	return (leaf & PTE_NX) && !(leaf & PTE_RW);
}

/*
 * The image lies in memory in one piece. Its constants are what is read-only first: of its pages
 * that were given back after boot some are read-only as well, for a module that got them.
 */
static int find_image(struct activation *a, uint64_t va, uint64_t leaf, uint32_t level)
{
	struct paging *paging = a->paging;
	const uint64_t gpa = pte_leaf_frame(leaf, level) << PAGE_SHIFT;

	if (!paging->image.begin) {
		paging->image.begin = va;
		paging->image_gpa = gpa;
	}
	if (gpa - paging->image_gpa != va - paging->image.begin)
		return -EINVAL;
	paging->image.end = va + pte_span(level);
	if (!is_constant(leaf))
		return 0;
	if (!paging->constants.begin)
		paging->constants = (struct paging_range){va, va};
	if (paging->constants.end == va)
		paging->constants.end = paging->image.end;
	return 0;
}

static bool is_runtime(const struct paging *paging, uint64_t address)
{
	for (uint32_t i = 0; i < paging->range_count; i++) {
		const struct secpod_range *range = &paging->range[i];

		if ((range->kind == SECPOD_RANGE_EFI_RT_CODE ||
		     range->kind == SECPOD_RANGE_EFI_RT_DATA) &&
		    address - range->base < range->size)
			return true;
	}
	return false;
}

/* All frames of the leaf get type; those that are something already keep it. */
static int set_types(struct paging *paging, uint64_t leaf, uint32_t level, enum frame_type type)
{
	const uint64_t first = pte_leaf_frame(leaf, level);
	const uint64_t count = pte_leaf_frames(level);
	uint64_t run = 0;

	for (uint64_t i = 0; i <= count; i++) {
		const bool set =
			i < count && !frame_set(&paging->frames, first + i, FRAME_NONE, type);

		if (set) {
			run++;
		} else if (run) {
			const int error =
				ept_protect(paging->ept, (first + i - run) << PAGE_SHIFT,
					    run << PAGE_SHIFT, paging_rights(paging, type));

			if (error < 0)
				return error;
			run = 0;
		}
	}
	return 0;
}

static int set_code(struct paging *paging, uint64_t va, uint64_t leaf, uint32_t level,
		    enum frame_type type)
{
	const int error = set_types(paging, leaf, level, type);

	for (uint64_t i = 0; !error && i < pte_leaf_frames(level); i++)
		code_note(paging, pte_leaf_frame(leaf, level) + i, va + i * PAGE_SIZE);
	return error;
}

static int classify_kernel(struct activation *a, uint64_t va, uint64_t leaf, uint32_t level)
{
	struct paging *paging = a->paging;

	if (pte_is_kernel_exec(leaf)) {
		/* Left to the judge, who will not have it. */
		if (leaf & PTE_RW)
			return 0;
		if (is_image(va))
			return set_code(paging, va, leaf, level, FRAME_CODE);
		if (va - paging->direct.begin < REAL_MODE_END)
			return set_types(paging, leaf, level, FRAME_TRAMP);
		if (va >= IMAGE_AREA_END)
			return set_code(paging, va, leaf, level, FRAME_CODE_DYN);
		return 0;
	}
	if (va >= paging->constants.begin && va < paging->constants.end)
		return set_types(paging, leaf, level, FRAME_RODATA);
	return 0;
}

/* Code of the firmware; where it does not tell that from data the page stays writable. */
static int set_runtime(struct paging *paging, uint64_t frame, uint64_t leaf)
{
	(void)frame_set(&paging->frames, frame, FRAME_NONE, FRAME_EFI_RT);
	if (frame_type(&paging->frames, frame) != FRAME_EFI_RT)
		return 0;
	if (leaf & PTE_RW)
		frame_mark(&paging->frames, frame, FRAME_FLUID);
	return paging_protect(paging, frame, frame_read(&paging->frames, frame)) < 0 ? -ENOMEM : 0;
}

static int classify_special(struct activation *a, uint64_t va, uint64_t leaf, uint32_t level)
{
	struct paging *paging = a->paging;
	const uint64_t first = pte_leaf_frame(leaf, level);
	int error = 0;

	(void)va;
	if (!pte_is_kernel_exec(leaf))
		return 0;
	for (uint64_t i = 0; !error && i < pte_leaf_frames(level); i++) {
		if (is_runtime(paging, (first + i) << PAGE_SHIFT))
			error = set_runtime(paging, first + i, leaf);
	}
	return error;
}

/*
 * Of the roots that were loaded once some are memory of other use by now. What has the kernel's
 * upper half (but for the last entry, where the firmware has its place) and supervisor tables in
 * the lower one is not.
 */
static bool is_special(const struct paging *paging, const uint64_t *entry)
{
	const uint64_t *upper = entry + PT_KERNEL_FIRST;
	bool supervisor = false;

	for (uint32_t i = 0; i < PT_ENTRIES - PT_KERNEL_FIRST - 1; i++) {
		if ((upper[i] & PTE_P) &&
		    !judge_is_harmless(paging->template[ROOT_KIND_NORMAL][i], upper[i]))
			return false;
	}
	for (uint32_t i = 0; i < PT_KERNEL_FIRST; i++) {
		if (!(entry[i] & PTE_P))
			continue;
		if (entry[i] & PTE_US || entry[i] & (PTE_PS | paging->reserved))
			return false;
		supervisor = true;
	}
	return supervisor && (upper[PT_ENTRIES - PT_KERNEL_FIRST - 1] & PTE_P);
}

static struct tree_root tree_of(uint64_t root)
{
	return (struct tree_root){.frame = root >> PAGE_SHIFT, .level = PT_LEVELS};
}

/*
 * With page-table isolation the frame behind a root is the one that user mode runs on: the same lower
 * half (which the kernel's may forbid to execute) and an upper half of its own.
 */
static bool is_pair(const struct paging *paging, const uint64_t *kernel, const uint64_t *user)
{
	bool upper = false;

	for (uint32_t i = 0; i < PT_KERNEL_FIRST; i++) {
		if ((kernel[i] ^ user[i]) & ~(PTE_AD | PTE_NX))
			return false;
	}
	for (uint32_t i = PT_KERNEL_FIRST; i < PT_ENTRIES; i++) {
		if (!(user[i] & PTE_P))
			continue;
		if (user[i] & (PTE_PS | paging->reserved))
			return false;
		upper = true;
	}
	return upper;
}

#define ROOTS_MAX 64u

/* The root that user mode runs on, behind root[0]. */
static struct tree_root pair_of(const struct activation *a)
{
	return (struct tree_root){.frame = (a->root[0] >> PAGE_SHIFT) + 1, .level = PT_LEVELS};
}

/* Claimed like the others, and its upper half noted. Two tables of one level: read apart. */
static int claim_pair(struct activation *a)
{
	const struct tree_root tree = pair_of(a);
	uint64_t *kernel = a->cpu->snapshot[PT_LEVELS - 2];
	const uint64_t *user;

	if (tree.frame % 2 == 0 || guest_read(a->root[0] & PTE_ADDR, kernel, PAGE_SIZE))
		return 0;
	user = read_table(a->cpu, tree.frame, PT_LEVELS);
	if (!user || !is_pair(a->paging, kernel, user))
		return 0;
	a->pair = true;
	memcpy(a->paging->template[ROOT_KIND_USER], user + PT_KERNEL_FIRST,
	       sizeof(a->paging->template[ROOT_KIND_USER]));
	a->paging->template_known |= 1u << ROOT_KIND_USER;
	return promote_claim(&a->promotion, &tree);
}

static int step_claim(struct activation *a)
{
	const uint64_t *entry = read_table(a->cpu, a->root[0] >> PAGE_SHIFT, PT_LEVELS);
	int error;

	if (!entry)
		return -EFAULT;
	memcpy(a->paging->template[ROOT_KIND_NORMAL], entry + PT_KERNEL_FIRST,
	       sizeof(a->paging->template[ROOT_KIND_NORMAL]));
	a->paging->template_known = 1u << ROOT_KIND_NORMAL;
	for (uint32_t i = 0; i < a->count; i++) {
		const struct tree_root tree = tree_of(a->root[i]);

		if (i > 0) {
			entry = read_table(a->cpu, tree.frame, PT_LEVELS);
			if (!entry || !is_special(a->paging, entry))
				continue;
			a->special |= 1ULL << i;
		}
		error = promote_claim(&a->promotion, &tree);
		if (error)
			return error;
	}
	error = claim_pair(a);
	if (error)
		return error;
	paging_flush(a->paging);
	a->promotion.incomplete = false;
	return 0;
}

static int walk_kernel(struct activation *a, uint64_t first, uint64_t last, leaf_visitor visit)
{
	const struct walk_range range = {first, last};

	return walk_root(a, a->root[0], &range, visit);
}

static int step_layout(struct activation *a)
{
	int error = walk_kernel(a, DIRECT_MAP_FIRST, ~0ULL, find_direct_map);

	if (!error)
		error = walk_kernel(a, IMAGE_AREA_BEGIN, IMAGE_AREA_END - 1, find_image);
	if (!error && (!a->paging->direct.begin || !a->paging->image.begin))
		error = -ENOENT;
	return error;
}

static int step_classify(struct activation *a)
{
	const struct walk_range lower = {0, LOWER_HALF_LAST}, last = {LAST_ENTRY_FIRST, ~0ULL};
	int error = 0;

	for (uint32_t i = 1; !error && i < a->count; i++) {
		if (!(a->special & 1ULL << i))
			continue;
		error = walk_root(a, a->root[i], &lower, classify_special);
		if (!error)
			error = walk_root(a, a->root[i], &last, classify_special);
	}
	/* Start-up code of CPUs, then the image and what is behind it. */
	if (!error)
		error = walk_kernel(a, a->paging->direct.begin,
				    a->paging->direct.begin + REAL_MODE_END - 1, classify_kernel);
	if (!error)
		error = walk_kernel(a, IMAGE_AREA_BEGIN, ~0ULL, classify_kernel);
	if (!error)
		error = paging_restrict_data(a->paging);
	if (!error)
		paging_flush(a->paging);
	return error;
}

static int note_later_code(struct activation *a, uint64_t va, uint64_t leaf, uint32_t level)
{
	int error = 0;

	(void)va;
	for (uint64_t i = 0; !error && i < pte_leaf_frames(level); i++)
		error = code_note_fluid(a->paging, a->cpu, pte_leaf_frame(leaf, level) + i);
	return error;
}

static int step_measure(struct activation *a)
{
	const int error = code_measure_image(a->paging, a->cpu);

	return error ? error : walk_kernel(a, IMAGE_AREA_END, ~0ULL, note_later_code);
}

static int step_judge(struct activation *a)
{
	for (uint32_t i = 0; i < a->count; i++) {
		const struct tree_root tree = tree_of(a->root[i]);
		int error;

		if (i > 0 && !(a->special & 1ULL << i))
			continue;
		error = promote_judge(&a->promotion, &tree);
		if (error)
			return error;
		if (a->special & 1ULL << i)
			frame_mark(&a->paging->frames, tree.frame, FRAME_PERMANENT);
	}
	if (a->pair) {
		const struct tree_root tree = pair_of(a);

		return promote_judge(&a->promotion, &tree);
	}
	return 0;
}

/* What all upper halves have in common stays, whichever address spaces come and go. */
static int keep_template(struct paging *paging, enum root_kind kind)
{
	for (uint32_t i = 0; i < PT_ENTRIES - PT_KERNEL_FIRST; i++) {
		const uint64_t entry = paging->template[kind][i];
		int error = 0;

		if (pte_is_table(entry, PT_LEVELS) && i + PT_KERNEL_FIRST != LDT_REMAP_INDEX)
			error = frame_get(&paging->frames, pte_table_frame(entry), PT_LEVELS - 1);
		if (error)
			return error;
	}
	return 0;
}

/* The kernel's own root is part of its image, and never ends. */
static int mark_image_roots(struct activation *a, uint64_t va, uint64_t leaf, uint32_t level)
{
	struct paging *paging = a->paging;

	(void)va;
	for (uint64_t i = 0; i < pte_leaf_frames(level); i++) {
		const uint64_t frame = pte_leaf_frame(leaf, level) + i;

		if (frame_type(&paging->frames, frame) == FRAME_L4)
			frame_mark(&paging->frames, frame, FRAME_PERMANENT);
	}
	return 0;
}

static int step_keep(struct activation *a)
{
	const uint64_t first = a->root[0] >> PAGE_SHIFT;
	int error = walk_kernel(a, IMAGE_AREA_BEGIN, IMAGE_AREA_END - 1, mark_image_roots);

	if (!error && a->pair)
		error = keep_template(a->paging, ROOT_KIND_USER);
	if (error)
		return error;
	/* The CPU that runs on them takes its own references. */
	if (frame_put(&a->paging->frames, first))
		retire(a->paging, first);
	if (a->pair && frame_put(&a->paging->frames, first + 1))
		retire(a->paging, first + 1);
	__atomic_store_n(&a->paging->active, true, __ATOMIC_RELEASE);
	return 0;
}

static const struct {
	int (*take)(struct activation *a);
	const char *name;
} steps[] = {
	{step_claim, "claiming the page tables"},
	{step_layout, "finding direct map and kernel image"},
	{step_classify, "telling code from data"},
	{step_measure, "measuring the kernel's text"},
	{step_judge, "judging the page tables"},
	{step_keep, "keeping the kernel's roots"},
};

/* Everything is memory again. Not for a running system: only when activation has failed. */
static void forget_all(struct paging *paging)
{
	paging_free_data(paging);
	for (uint64_t i = 0; i < paging->frames.count; i++) {
		uint64_t word = frame_read(&paging->frames, i);

		if (frame_word_type(word) == FRAME_NONE || frame_word_type(word) == FRAME_SECURE)
			continue;
		/* A CPU may be at a store that came while we tried. */
		if (!frame_lock(&paging->frames, i, &word)) {
			table_info_of(&paging->infos, frame_word_info(word))->retired = 0;
			table_info_free(&paging->infos, (uint32_t)frame_word_info(word));
		}
		(void)paging_protect(paging, i, FRAME_NONE);
		frame_free(&paging->frames, i);
	}
	paging->retired_first = 0;
	paging->retired_last = 0;
	paging->retired_count = 0;
	paging->template_known = 0;
	paging->direct = (struct paging_range){0, 0};
	paging->image = (struct paging_range){0, 0};
	paging->constants = (struct paging_range){0, 0};
}

int paging_activate(struct paging *paging, struct paging_cpu *cpu, const uint64_t *root,
		    uint32_t count, const char **failed)
{
	struct activation a = {
		.paging = paging,
		.cpu = cpu,
		.promotion = {.paging = paging, .cpu = cpu},
		.root = root,
		.count = count < ROOTS_MAX ? count : ROOTS_MAX,
	};
	int error = count ? 0 : -EINVAL;

	for (uint32_t i = 0; !error && i < sizeof(steps) / sizeof(steps[0]); i++) {
		error = steps[i].take(&a);
		a.failed = error ? steps[i].name : NULL;
	}
	promote_end(&a.promotion);
	if (error)
		forget_all(paging);
	if (failed)
		*failed = a.failed;
	return error;
}

int paging_make_constant(struct paging *paging, uint64_t frame)
{
	int error;

	if (!guest_range_ok(frame << PAGE_SHIFT, PAGE_SIZE))
		return -EFAULT;
	if (frame_type(&paging->frames, frame) == FRAME_RODATA)
		return 0;
	error = frame_set(&paging->frames, frame, FRAME_NONE, FRAME_RODATA);
	if (!error)
		error = paging_protect(paging, frame, FRAME_RODATA);
	if (error == -ENOMEM)
		(void)frame_set(&paging->frames, frame, FRAME_RODATA, FRAME_NONE);
	return error < 0 ? error : 0;
}

int paging_free_constant(struct paging *paging, struct paging_cpu *cpu, uint64_t frame)
{
	const int error = frame_set(&paging->frames, frame, FRAME_RODATA, FRAME_NONE);

	return error ? error : paging_settle(paging, cpu, frame);
}

int paging_init(struct paging *paging, struct page_pool *pool, struct ept *ept,
		const struct paging_config *config, const struct paging_ops *ops)
{
	const uint64_t all = ~0ULL >> 12; /* bits 51:0 */
	int error;

	if (config->physical_bits < 32 || config->physical_bits > 52)
		return -EINVAL;
	*paging = (struct paging){
		.ept = ept,
		.ops = *ops,
		.secure_base = config->secure_base,
		.secure_size = config->secure_size,
		.reserved = all & ~((1ULL << config->physical_bits) - 1),
		.claims_max = CLAIMS_MAX,
		.pages_1g = config->pages_1g,
		.mbec = ept->features.mbec,
		.range = config->range,
		.range_count = config->range_count,
		.code_list = config->code_list,
		.listed = config->listed,
		.profiles = config->profiles,
		.profiled = config->profiled,
		.profile_room = config->profile_room,
	};
	error = frames_init(&paging->frames, pool, config->ram_top);
	if (!error)
		error = table_infos_init(&paging->infos, pool, paging->frames.count);
	if (!error)
		error = text_init(&paging->text, pool);
	if (!error)
		error = code_names_init(&paging->names, pool);
	if (!error)
		error = shown_init(paging, pool);
	for (uint64_t at = 0; !error && at < config->secure_size; at += PAGE_SIZE)
		error = frame_set(&paging->frames, (config->secure_base + at) >> PAGE_SHIFT,
				  FRAME_NONE, FRAME_SECURE);
	return error;
}
