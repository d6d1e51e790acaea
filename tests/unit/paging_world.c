/* SPDX-License-Identifier: MIT */
#include "tests/unit/paging_world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/guest_mem.h"

struct paging_world *paging_world;

/* Each CPU has one window onto the guest's memory, which is not to be used twice at a time. */
static _Thread_local bool window_open;

/* ---- vmm/guest_mem.h: all RAM but the monitor's */

bool guest_range_ok(uint64_t gpa, uint64_t len)
{
	return len <= PW_RAM && gpa <= PW_RAM - len &&
	       !ranges_overlap(gpa, len, PW_SECURE_BASE, PW_SECURE_SIZE) &&
	       !ranges_overlap(gpa, len, PW_DEVICE, PAGE_SIZE);
}

int guest_read(uint64_t gpa, void *to, uint64_t len)
{
	const uint64_t *from;
	uint64_t *words = to;

	assert_false(window_open);
	if (paging_world->before_read)
		paging_world->before_read(paging_world, gpa);
	if (!guest_range_ok(gpa, len))
		return -EFAULT;
	/* Page tables are read by whole entries. */
	if (gpa % sizeof(*from) || len % sizeof(*from)) {
		memcpy(to, paging_world->ram + gpa, len);
		return 0;
	}
	from = (const uint64_t *)(paging_world->ram + gpa);
	for (uint64_t i = 0; i < len / sizeof(*from); i++)
		words[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	return 0;
}

uint64_t *guest_word_open(uint64_t gpa)
{
	if (gpa % sizeof(uint64_t) || !guest_range_ok(gpa, sizeof(uint64_t)))
		return NULL;
	assert_false(window_open);
	window_open = true;
	return (uint64_t *)(paging_world->ram + gpa);
}

void guest_word_close(void)
{
	assert_true(window_open);
	window_open = false;
}

int guest_cmpxchg64(uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	assert_false(window_open);
	if (gpa % sizeof(uint64_t))
		return -EINVAL;
	if (!guest_range_ok(gpa, sizeof(uint64_t)))
		return -EFAULT;
	if (paging_world->before_exchange)
		paging_world->before_exchange(paging_world, gpa, desired);
	return __atomic_compare_exchange_n((uint64_t *)(paging_world->ram + gpa), expected, desired,
					   false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
		       ? 0
		       : -EAGAIN;
}

/* ---- the machine */

static bool refuse(void *context, uint8_t rule, uint64_t slot, uint64_t old, uint64_t next)
{
	struct paging_world *world = context;

	(void)old;
	(void)next;
	__atomic_fetch_add(&world->refusals[rule], 1u, __ATOMIC_RELAXED);
	world->last_rule = rule;
	world->last_slot = slot;
	if (rule_of(rule)->mandatory)
		return true;
	if (SECPOD_RULE_DEFAULT(rule) == SECPOD_ANSWER_LOG)
		return world->deny_code;
	return !world->let_pass;
}

static void flush(void *context)
{
	struct paging_world *world = context;

	const uint64_t ticket = ept_reclaim_ticket(&world->ept.ept);
	void (*meanwhile)(struct paging_world * world) = world->meanwhile;

	__atomic_fetch_add(&world->flushes, 1u, __ATOMIC_RELAXED);
	if (meanwhile) {
		world->meanwhile = NULL;
		meanwhile(world);
		world->meanwhile = meanwhile;
	}
	ept_reclaim_until(&world->ept.ept, ticket);
}

static bool trim_roots(void *context)
{
	struct paging_world *world = context;

	world->trims++;
	if (world->trims_late) {
		world->trims_late--;
		return false;
	}
	for (uint32_t i = 0; i < PW_CPUS; i++)
		paging_roots_trim(&world->paging, &world->cpu[i]);
	return true;
}

static void trim_own(void *context)
{
	struct paging_world *world = context;

	paging_roots_trim(&world->paging, &world->cpu[world->own]);
}

/* ---- the guest */

uint64_t pw_frame(struct paging_world *world)
{
	const uint64_t frame = world->next_frame++;

	assert_true(frame < PW_DEVICE >> PAGE_SHIFT);
	if (world->next_frame << PAGE_SHIFT == PW_SECURE_BASE)
		world->next_frame = (PW_SECURE_BASE + PW_SECURE_SIZE) >> PAGE_SHIFT;
	memset(world->ram + (frame << PAGE_SHIFT), 0, PAGE_SIZE);
	return frame;
}

static uint64_t *word_at(uint64_t gpa)
{
	assert_true(guest_range_ok(gpa, sizeof(uint64_t)));
	return (uint64_t *)(paging_world->ram + gpa);
}

uint64_t pw_peek(uint64_t gpa)
{
	return __atomic_load_n(word_at(gpa), __ATOMIC_RELAXED);
}

uint64_t pw_set_value(void *operand, uint64_t old)
{
	(void)old;
	return *(uint64_t *)operand;
}

int pw_poke(struct paging_world *world, uint32_t cpu, uint64_t gpa, uint64_t value)
{
	for (int i = 0; i < 1000; i++) {
		struct ept_leaf leaf;
		uint64_t old;
		int error;

		assert_int_equal(ept_lookup(&world->ept.ept, gpa, &leaf), 0);
		if (leaf.rights & EPT_WRITE) {
			__atomic_store_n(word_at(gpa), value, __ATOMIC_RELAXED);
			return 0;
		}
		error = paging_store(&world->paging, &world->cpu[cpu], gpa, pw_set_value, &value,
				     &old);
		if (error != -EAGAIN && error != -ENOENT)
			return error;
	}
	return -EAGAIN;
}

uint64_t pw_slot(uint64_t root, uint64_t va, uint32_t level)
{
	uint64_t table = root;

	for (uint32_t at = PT_LEVELS;; at--) {
		const uint64_t slot =
			table + (va >> pte_shift(at) & (PT_ENTRIES - 1)) * sizeof(uint64_t);
		const uint64_t entry = pw_peek(slot);

		if (at == level)
			return slot;
		if (!pte_is_table(entry, at))
			return 0;
		table = entry & PTE_ADDR;
	}
}

int pw_map(struct paging_world *world, uint32_t cpu, uint64_t root, uint64_t va, uint64_t leaf,
	   uint32_t level, uint64_t table_bits)
{
	for (uint32_t at = PT_LEVELS; at > level; at--) {
		const uint64_t slot = pw_slot(root, va, at);

		if (!(pw_peek(slot) & PTE_P)) {
			int error = pw_poke(world, cpu, slot,
					    pw_frame(world) << PAGE_SHIFT | table_bits);

			if (error)
				return error;
		}
	}
	return pw_poke(world, cpu, pw_slot(root, va, level), leaf);
}

static void map_kernel(struct paging_world *world, uint64_t va, uint64_t gpa, uint64_t pages,
		       uint64_t bits)
{
	for (uint64_t i = 0; i < pages; i++)
		assert_int_equal(pw_map(world, 0, world->swapper, va + i * PAGE_SIZE,
					(gpa + i * PAGE_SIZE) | bits, 1, PW_KERNEL_TABLE),
				 0);
}

static void build_kernel(struct paging_world *world)
{
	const uint64_t rodata = PW_TEXT_PAGES, data = rodata + PW_RODATA_PAGES;

	/* The root lies in the image's data. */
	world->swapper = PW_IMAGE_GPA + data * PAGE_SIZE;
	for (uint64_t gpa = 0; gpa < PW_RAM; gpa += SIZE_2M) {
		if (gpa != PW_SECURE_BASE)
			assert_int_equal(pw_map(world, 0, world->swapper, PW_DIRECT + gpa,
						gpa | PW_KERNEL_RW | PTE_PS, 2, PW_KERNEL_TABLE),
					 0);
	}
	map_kernel(world, PW_IMAGE, PW_IMAGE_GPA, PW_TEXT_PAGES, PW_KERNEL_RX);
	map_kernel(world, PW_IMAGE + rodata * PAGE_SIZE, PW_IMAGE_GPA + rodata * PAGE_SIZE,
		   PW_RODATA_PAGES, PW_KERNEL_RO);
	map_kernel(world, PW_IMAGE + data * PAGE_SIZE, PW_IMAGE_GPA + data * PAGE_SIZE,
		   PW_DATA_PAGES, PW_KERNEL_RW);
	map_kernel(world, PW_CPU_ENTRY, pw_frame(world) << PAGE_SHIFT, 1, PW_KERNEL_RO);
	map_kernel(world, PW_VMALLOC, pw_frame(world) << PAGE_SHIFT, 1, PW_KERNEL_RW);
	map_kernel(world, PW_MODULES, pw_frame(world) << PAGE_SHIFT, 1, PW_KERNEL_RX);
}

void pw_open(struct paging_world *world)
{
	const struct paging_ops ops = {refuse, flush, trim_roots, trim_own, world};
	const struct paging_config config = {
		.ram_top = PW_RAM,
		.secure_base = PW_SECURE_BASE,
		.secure_size = PW_SECURE_SIZE,
		.physical_bits = 39,
		.pages_1g = true,
	};

	const bool mbec = world->mbec;

	memset(world, 0, sizeof(*world));
	world->mbec = mbec;
	paging_world = world;
	world->ram = aligned_alloc(PAGE_SIZE, PW_RAM);
	assert_non_null(world->ram);
	memset(world->ram, 0, PW_RAM);
	world_open(&world->ept, 4096, 39, WORLD_1G | (mbec ? WORLD_MBEC : 0));
	assert_int_equal(world_map(&world->ept, PW_RAM), 0);
	assert_int_equal(ept_protect(&world->ept.ept, PW_DEVICE, PAGE_SIZE, EPT_READ),
			 EPT_FLUSH_NEEDED);
	assert_int_equal(
		paging_init(&world->paging, &world->ept.pool, &world->ept.ept, &config, &ops), 0);
	for (uint32_t i = 0; i < PW_CPUS; i++)
		paging_cpu_init(&world->cpu[i]);
	/* Behind the image. */
	world->next_frame = (PW_IMAGE_GPA + SIZE_2M) >> PAGE_SHIFT;
	build_kernel(world);
}

void pw_close(struct paging_world *world)
{
	free(world->ram);
	world_close(&world->ept);
	paging_world = NULL;
}

void pw_activate(struct paging_world *world)
{
	const char *failed = NULL;

	assert_int_equal(
		paging_activate(&world->paging, &world->cpu[0], &world->swapper, 1, &failed), 0);
	assert_null(failed);
	assert_int_equal(paging_lock(&world->paging), 0);
	assert_int_equal(pw_load(world, 0, world->swapper), 0);
}

void pw_start(struct paging_world *world)
{
	pw_open(world);
	pw_activate(world);
}

uint64_t pw_process(struct paging_world *world)
{
	const uint64_t root = pw_frame(world) << PAGE_SHIFT;

	memcpy(world->ram + root + PAGE_SIZE / 2, world->ram + world->swapper + PAGE_SIZE / 2,
	       PAGE_SIZE / 2);
	return root;
}

int pw_load(struct paging_world *world, uint32_t cpu, uint64_t root)
{
	int error = -EAGAIN;

	for (int i = 0; i < 1000 && error == -EAGAIN; i++) {
		uint64_t evicted;

		error = paging_root_load(&world->paging, &world->cpu[cpu], root, &evicted);
	}
	return error;
}

/* ---- invariants, recomputed */

static bool is_special_root(const struct paging *paging, uint64_t frame)
{
	const uint64_t word = frame_read(&paging->frames, frame);

	return frame_word_type(word) == FRAME_L4 && (word & FRAME_PERMANENT) &&
	       table_info_root_kind(table_info_of(&paging->infos, frame_word_info(word))) ==
		       ROOT_KIND_SPECIAL;
}

/* What else a leaf executes, where policy lets it, has no references. */
static void count_code(const struct paging *paging, uint32_t *refs, uint64_t first, uint64_t count)
{
	for (uint64_t frame = first; frame < first + count; frame++) {
		if (frame_type(&paging->frames, frame) == FRAME_CODE_DYN)
			refs[frame]++;
	}
}

static void count_references(struct paging_world *world, uint32_t *refs)
{
	const struct paging *paging = &world->paging;

	for (uint32_t i = 0; i < PW_CPUS; i++) {
		for (uint32_t slot = 0; slot < PAGING_CPU_ROOTS; slot++) {
			if (world->cpu[i].root[slot] != PAGING_NO_ROOT)
				refs[world->cpu[i].root[slot]]++;
		}
	}
	/* What user mode's upper halves have in common is kept for the next ones. */
	for (uint32_t i = 0; i < PT_ENTRIES - PT_KERNEL_FIRST; i++) {
		const uint64_t entry = paging->template[ROOT_KIND_USER][i];

		if ((paging->template_known & 1u << ROOT_KIND_USER) &&
		    i + PT_KERNEL_FIRST != LDT_REMAP_INDEX && pte_is_table(entry, PT_LEVELS))
			refs[pte_table_frame(entry)]++;
	}
	for (uint64_t frame = 0; frame < PW_FRAMES; frame++) {
		const enum frame_type type = frame_type(&paging->frames, frame);

		if (!frame_is_table(type))
			continue;
		/* Activation keeps its references to these. */
		refs[frame] += is_special_root(paging, frame);
		for (uint32_t i = 0; i < PT_ENTRIES; i++) {
			const uint64_t entry = pw_peek((frame << PAGE_SHIFT) + i * 8);

			if (pte_is_table(entry, type)) {
				refs[pte_table_frame(entry)]++;
			} else if (pte_is_leaf(entry, type) && pte_is_kernel_exec(entry)) {
				count_code(paging, refs, pte_leaf_frame(entry, type),
					   pte_leaf_frames(type));
			}
		}
	}
}

static void check_table(struct paging_world *world, uint64_t frame, uint64_t word)
{
	const struct paging *paging = &world->paging;
	const uint32_t level = (uint32_t)frame_word_type(word);
	const struct table_info *info = table_info_of(&paging->infos, frame_word_info(word));
	uint32_t user = 0, references = 0;

	assert_int_equal(info->frame, frame);
	for (uint32_t i = 0; i < PT_ENTRIES; i++) {
		const uint64_t entry = pw_peek((frame << PAGE_SHIFT) + i * 8);

		if (pte_is_table(entry, level))
			assert_int_equal(frame_type(&paging->frames, pte_table_frame(entry)),
					 level - 1);
		references += pte_is_reference(entry, level);
		user += level == PT_LEVELS && i < PT_KERNEL_FIRST && (entry & PTE_P);
	}
	assert_int_equal(info->references, references);
	if (level == PT_LEVELS)
		assert_int_equal(info->user_entries, user);
}

void pw_check(struct paging_world *world)
{
	const struct paging *paging = &world->paging;
	uint32_t *refs = calloc(PW_FRAMES, sizeof(*refs));
	uint64_t tables = 0;
	uint32_t typed[PW_RAM / SIZE_2M] = {0};
	uint64_t of_type[FRAME_TYPES] = {0};

	assert_non_null(refs);
	count_references(world, refs);
	for (uint64_t frame = 0; frame < PW_FRAMES; frame++) {
		const uint64_t word = frame_read(&paging->frames, frame);
		const enum frame_type type = frame_word_type(word);
		struct ept_leaf leaf;

		assert_false(word & (FRAME_LOCKED | FRAME_CLAIMED | FRAME_DOOMED));
		if (frame_is_table(type)) {
			tables++;
			assert_int_equal(frame_word_refs(word), refs[frame]);
			check_table(world, frame, word);
		} else if (type == FRAME_CODE_DYN) {
			assert_int_equal(frame_word_refs(word), refs[frame]);
		}
		typed[frame >> 9] += type != FRAME_NONE;
		of_type[type] += type != FRAME_NONE;
		if (type == FRAME_SECURE)
			continue;
		assert_int_equal(ept_lookup(&world->ept.ept, frame << PAGE_SHIFT, &leaf), 0);
		assert_int_equal(leaf.rights, frame == PW_DEVICE >> PAGE_SHIFT
						      ? EPT_READ
						      : paging_rights(paging, word) &
								(world->mbec ? EPT_RWX : RWX));
	}
	for (uint64_t i = 0; i < PW_RAM / SIZE_2M; i++)
		assert_int_equal(paging->frames.typed[i], typed[i]);
	for (uint32_t type = 0; type < FRAME_TYPES; type++)
		assert_int_equal(paging->frames.of_type[type], of_type[type]);
	assert_int_equal(paging->infos.used, tables);
	free(refs);
}

int pw_teardown(void **state)
{
	(void)state;
	pw_check(paging_world);
	pw_close(paging_world);
	return 0;
}
