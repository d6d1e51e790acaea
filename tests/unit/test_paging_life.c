/* SPDX-License-Identifier: MIT */
/*
 * Frames come to be page tables or code and cease to be, when something fails half way, when another
 * CPU does the same, when memory is short.
 */
#include <errno.h>

#include "tests/unit/paging_world.h"

#define USER_VA 0x400000ULL
#define MODULE_VA (PW_MODULES + 16 * PAGE_SIZE)

static struct paging_world world;

static int open_world(void **state)
{
	(void)state;
	pw_start(&world);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	pw_close(&world);
	return 0;
}

static enum frame_type type_at(uint64_t gpa)
{
	return frame_type(&world.paging.frames, gpa >> PAGE_SHIFT);
}

static uint32_t rights_at(uint64_t gpa)
{
	struct ept_leaf leaf;

	assert_int_equal(ept_lookup(&world.ept.ept, gpa, &leaf), 0);
	return leaf.rights;
}

/* Set the entry for va at level, which there is. */
static int set(uint32_t cpu, uint64_t root, uint64_t va, uint32_t level, uint64_t value)
{
	return pw_poke(&world, cpu, pw_slot(root, va, level), value);
}

/* A process with one page at USER_VA, loaded on a CPU. Result: its root. */
static uint64_t running_process(uint32_t cpu)
{
	const uint64_t root = pw_process(&world);
	const uint64_t page = pw_frame(&world) << PAGE_SHIFT;

	assert_int_equal(pw_map(&world, cpu, root, USER_VA, page | PW_USER_RW, 1, PW_USER_TABLE),
			 0);
	assert_int_equal(pw_load(&world, cpu, root), 0);
	return root;
}

/* Make a flush be over, and let all go that it covers. */
static void flush_and_sweep(void)
{
	paging_flush(&world.paging);
	retire_sweep(&world.paging, &world.cpu[0], ~0u);
}

static void test_a_refused_tree_leaves_nothing_behind(void **state)
{
	const uint64_t root = pw_process(&world), used = world.paging.infos.used;
	const uint64_t page = pw_frame(&world) << PAGE_SHIFT;
	uint64_t first, last;

	(void)state;
	/* Three tables of leaves; what the last one maps is refused when the others are admitted. */
	assert_int_equal(pw_map(&world, 0, root, USER_VA, page | PW_USER_RW, 1, PW_USER_TABLE), 0);
	assert_int_equal(
		pw_map(&world, 0, root, USER_VA + SIZE_2M, page | PW_USER_RW, 1, PW_USER_TABLE), 0);
	assert_int_equal(pw_map(&world, 0, root, USER_VA + SIZE_1G, PW_IMAGE_GPA | PW_USER_RW, 1,
				PW_USER_TABLE),
			 0);
	first = pw_peek(pw_slot(root, USER_VA, 2)) & PTE_ADDR;
	last = pw_peek(pw_slot(root, USER_VA + SIZE_1G, 2)) & PTE_ADDR;

	assert_int_equal(pw_load(&world, 0, root), -EPERM);
	assert_int_equal(world.last_rule, SECPOD_RULE_USER_MAP);
	pw_check(&world);
	assert_int_equal(type_at(root), FRAME_NONE);
	assert_int_equal(type_at(last), FRAME_NONE);
	flush_and_sweep();
	flush_and_sweep();
	assert_int_equal(type_at(first), FRAME_NONE);
	assert_int_equal(world.paging.infos.used, used);
	pw_check(&world);
}

static void test_an_old_invalidation_releases_nothing_used_since(void **state)
{
	const uint64_t root = running_process(0);
	const uint64_t link = pw_slot(root, USER_VA, 2), entry = pw_peek(link);
	const uint64_t table = (entry & PTE_ADDR) >> PAGE_SHIFT;

	(void)state;
	assert_int_equal(pw_poke(&world, 0, link, 0), 0);
	paging_flush(&world.paging);
	/* Linked again, walked by CPUs, unlinked; but not yet put in the list again. */
	assert_int_equal(frame_get(&world.paging.frames, table, 1), 0);
	assert_true(frame_put(&world.paging.frames, table));
	retire_sweep(&world.paging, &world.cpu[1], ~0u);
	assert_int_equal(frame_type(&world.paging.frames, table), FRAME_L1);
	assert_int_equal(rights_at(table << PAGE_SHIFT) & EPT_WRITE, 0);
	assert_int_not_equal(paging_settle(&world.paging, &world.cpu[1], table), 0);

	retire(&world.paging, table);
	retire_sweep(&world.paging, &world.cpu[1], ~0u);
	assert_int_equal(frame_type(&world.paging.frames, table), FRAME_L1);
	flush_and_sweep();
	assert_int_equal(frame_type(&world.paging.frames, table), FRAME_NONE);
	pw_check(&world);
}

static void test_a_retired_table_that_is_locked_is_not_forgotten(void **state)
{
	const uint64_t root = running_process(0);
	const uint64_t link = pw_slot(root, USER_VA, 2);
	const uint64_t table = (pw_peek(link) & PTE_ADDR) >> PAGE_SHIFT;
	uint64_t word;

	(void)state;
	assert_int_equal(pw_poke(&world, 0, link, 0), 0);
	assert_int_equal(frame_lock(&world.paging.frames, table, &word), 0);
	flush_and_sweep();
	assert_int_equal(frame_type(&world.paging.frames, table), FRAME_L1);
	assert_int_equal(paging_settle(&world.paging, &world.cpu[0], table), -EAGAIN);
	frame_unlock(&world.paging.frames, table);
	flush_and_sweep();
	assert_int_equal(frame_type(&world.paging.frames, table), FRAME_NONE);
	pw_check(&world);
}

static void test_a_tree_too_large_for_one_promotion_gets_in(void **state)
{
	const uint64_t root = pw_process(&world);
	uint64_t evicted;
	int error, tries = 0;

	(void)state;
	world.paging.claims_max = 8;
	for (uint64_t i = 0; i < 64; i++)
		assert_int_equal(pw_map(&world, 0, root, USER_VA + i * SIZE_2M,
					pw_frame(&world) << PAGE_SHIFT | PW_USER_RW, 1,
					PW_USER_TABLE),
				 0);
	do {
		error = paging_root_load(&world.paging, &world.cpu[0], root, &evicted);
	} while (error == -EAGAIN && ++tries < 100);
	assert_int_equal(error, 0);
	/* 67 tables, 8 at a time. */
	assert_in_range(tries, 8, 16);
	pw_check(&world);
}

static void test_what_is_no_memory_keeps_its_rights(void **state)
{
	const uint64_t root = running_process(0);

	(void)state;
	assert_int_equal(set(0, root, USER_VA, 2, PW_DEVICE | PW_USER_TABLE), -EPERM);
	assert_int_equal(world.last_rule, SECPOD_RULE_PT_TYPE);
	assert_int_equal(rights_at(PW_DEVICE), EPT_READ);
	assert_int_equal(pw_load(&world, 0, PW_DEVICE), -EPERM);
	assert_int_equal(world.last_rule, SECPOD_RULE_PT_ROOT);
	assert_int_equal(rights_at(PW_DEVICE), EPT_READ);
	assert_int_equal(set(0, world.swapper, PW_MODULES, 1, PW_DEVICE | PW_KERNEL_RX), -EPERM);
	assert_int_equal(rights_at(PW_DEVICE), EPT_READ);
	assert_int_equal(type_at(PW_DEVICE), FRAME_NONE);
	pw_check(&world);
}

/* ---- code */

static uint64_t module_page;
static int other_result;

/* Two entries for code next to each other in one table, the first one in use. */
static void map_module(void)
{
	module_page = pw_frame(&world) << PAGE_SHIFT;
	assert_int_equal(pw_map(&world, 0, world.swapper, MODULE_VA, module_page | PW_KERNEL_RO, 1,
				PW_KERNEL_TABLE),
			 0);
}

static int link_code(uint32_t cpu, uint64_t va)
{
	const uint64_t slot = pw_slot(world.swapper, va, 1);
	uint64_t value = module_page | PW_KERNEL_RX;
	uint64_t old;

	return paging_store(&world.paging, &world.cpu[cpu], slot, pw_set_value, &value, &old);
}

static void link_elsewhere(struct paging_world *w)
{
	(void)w;
	/* In another table: this one is locked by the CPU that waits. */
	other_result = link_code(1, PW_MODULES + 8 * SIZE_2M);
}

static void check_never_writable_and_executed(void)
{
	if (pw_peek(pw_slot(world.swapper, MODULE_VA, 1)) & PTE_P ||
	    pw_peek(pw_slot(world.swapper, PW_MODULES + 8 * SIZE_2M, 1)) & PTE_P)
		assert_int_equal(rights_at(module_page) & EPT_WRITE, 0);
}

static void prepare_elsewhere(void)
{
	const uint64_t va = PW_MODULES + 8 * SIZE_2M;

	/* The table for it, empty. */
	assert_int_equal(pw_map(&world, 0, world.swapper, va, module_page | PW_KERNEL_RO, 1,
				PW_KERNEL_TABLE),
			 0);
	assert_int_equal(set(0, world.swapper, va, 1, 0), 0);
}

static void test_code_that_is_going_is_not_linked_again(void **state)
{
	(void)state;
	map_module();
	prepare_elsewhere();
	assert_int_equal(set(0, world.swapper, MODULE_VA, 1, module_page | PW_KERNEL_RX), 0);
	assert_int_equal(type_at(module_page), FRAME_CODE_DYN);
	world.meanwhile = link_elsewhere;
	assert_int_equal(set(0, world.swapper, MODULE_VA, 1, 0), 0);
	world.meanwhile = NULL;
	assert_int_equal(other_result, -EAGAIN);
	check_never_writable_and_executed();
	assert_int_equal(type_at(module_page), FRAME_NONE);
	pw_check(&world);
}

static void test_code_that_is_coming_is_not_linked_elsewhere(void **state)
{
	(void)state;
	map_module();
	prepare_elsewhere();
	world.meanwhile = link_elsewhere;
	assert_int_equal(set(0, world.swapper, MODULE_VA, 1, module_page | PW_KERNEL_RX), 0);
	world.meanwhile = NULL;
	assert_int_equal(other_result, -EAGAIN);
	assert_int_equal(type_at(module_page), FRAME_CODE_DYN);
	pw_check(&world);
	assert_int_equal(link_code(1, PW_MODULES + 8 * SIZE_2M), -EPERM);
	pw_check(&world);
}

static int claim_result;

static void claim_as_table(struct paging_world *w)
{
	claim_result = frame_claim(&w->paging.frames, module_page >> PAGE_SHIFT, 1, 1);
	if (!claim_result)
		frame_unclaim(&w->paging.frames, module_page >> PAGE_SHIFT);
}

static void test_code_that_is_going_does_not_become_a_table(void **state)
{
	(void)state;
	map_module();
	assert_int_equal(set(0, world.swapper, MODULE_VA, 1, module_page | PW_KERNEL_RX), 0);
	world.meanwhile = claim_as_table;
	assert_int_equal(set(0, world.swapper, MODULE_VA, 1, 0), 0);
	assert_int_equal(claim_result, -EBUSY);
	pw_check(&world);
}

static void test_code_changed_since_it_was_judged_is_refused(void **state)
{
	const struct pte_place place = {.level = 1,
					.half = HALF_KERNEL,
					.va = PW_VMALLOC,
					.slot = pw_slot(world.swapper, PW_VMALLOC, 1)};
	const uint64_t data = pw_peek(place.slot) & PTE_ADDR;

	(void)state;
	/* As if it had been code when the judge looked. */
	assert_int_equal(
		reference_take(&world.paging, &world.cpu[0], &place, 0, data | PW_KERNEL_RX),
		-EPERM);
	assert_int_equal(world.last_rule, SECPOD_RULE_KERNEL_EXEC);
	assert_int_equal(type_at(data), FRAME_NONE);
	pw_check(&world);
}

/* Half of it code by now, when the rest is found not to be. */
static void test_a_large_code_leaf_is_all_or_nothing(void **state)
{
	const uint64_t first = 4 * SIZE_2M;
	const struct pte_place place = {.level = 2, .half = HALF_KERNEL, .va = MODULE_VA};

	(void)state;
	for (uint64_t i = 0; i < 256; i++)
		assert_int_equal(frame_set(&world.paging.frames, (first >> PAGE_SHIFT) + i,
					   FRAME_NONE, FRAME_CODE_DYN),
				 0);
	assert_int_equal(reference_take(&world.paging, &world.cpu[0], &place, 0,
					first | PW_KERNEL_RX | PTE_PS),
			 -EPERM);
	for (uint64_t i = 0; i < 256; i++) {
		const uint64_t word = frame_read(&world.paging.frames, (first >> PAGE_SHIFT) + i);

		/* Whoever held them last lets them go. */
		assert_int_equal(frame_word_refs(word), 0);
		assert_int_equal(frame_word_type(word), FRAME_NONE);
	}
	/* One invalidation for 64, not one for each. */
	assert_in_range(world.flushes, 0, 16);
	pw_check(&world);
}

/* ---- no memory */

static void *taken[4096];
static uint32_t taken_count;

static void take_all_memory(void)
{
	void *page;

	taken_count = 0;
	while ((page = page_pool_alloc(&world.ept.pool)))
		taken[taken_count++] = page;
}

static void give_memory_back(void)
{
	while (taken_count)
		assert_int_equal(page_pool_free(&world.ept.pool, taken[--taken_count]), 0);
}

/* 512 page tables side by side become one large page of EPT; to release one, that is split. */
static void test_without_memory_a_table_stays_one(void **state)
{
	const uint64_t root = running_process(0);
	const uint64_t first = 4 * SIZE_2M;
	const uint64_t va = 0x7f0000000000ULL;

	(void)state;
	for (uint64_t i = 0; i < 512; i++) {
		assert_int_equal(pw_map(&world, 0, root, va + i * SIZE_2M, 0, 1, PW_USER_TABLE), 0);
		assert_int_equal(
			set(0, root, va + i * SIZE_2M, 2, (first + i * PAGE_SIZE) | PW_USER_TABLE),
			0);
	}
	flush_and_sweep();
	pw_check(&world);
	assert_int_equal(set(0, root, va, 2, 0), 0);
	paging_flush(&world.paging);
	take_all_memory();
	retire_sweep(&world.paging, &world.cpu[0], ~0u);
	assert_int_equal(type_at(first), FRAME_L1);
	assert_int_equal(paging_settle(&world.paging, &world.cpu[0], first >> PAGE_SHIFT), -ENOMEM);
	pw_check(&world);
	give_memory_back();
	assert_int_equal(paging_settle(&world.paging, &world.cpu[0], first >> PAGE_SHIFT), 0);
	assert_int_equal(type_at(first), FRAME_NONE);
	assert_true(rights_at(first) & EPT_WRITE);
	pw_check(&world);
}

static void test_without_memory_no_tree_gets_in(void **state)
{
	const uint64_t root = pw_process(&world);

	(void)state;
	assert_int_equal(pw_map(&world, 0, root, USER_VA,
				pw_frame(&world) << PAGE_SHIFT | PW_USER_RW, 1, PW_USER_TABLE),
			 0);
	while (world.paging.infos.free)
		(void)table_info_alloc(&world.paging.infos, 0);
	take_all_memory();
	assert_int_equal(pw_load(&world, 0, root), -ENOMEM);
	give_memory_back();
	assert_int_equal(type_at(root), FRAME_NONE);
	assert_true(rights_at(root) & EPT_WRITE);
	assert_int_equal(pw_load(&world, 0, root), 0);
}

/* What could not be made writable when it should have been is when the guest asks. */
static void test_memory_left_read_only_is_given_back(void **state)
{
	const uint64_t frame = pw_frame(&world);

	(void)state;
	assert_int_equal(paging_protect(&world.paging, frame, FRAME_L1), EPT_FLUSH_NEEDED);
	assert_int_equal(paging_settle(&world.paging, &world.cpu[0], frame), 0);
	assert_true(rights_at(frame << PAGE_SHIFT) & EPT_WRITE);
	/* Not so what was never ours. */
	assert_int_equal(paging_settle(&world.paging, &world.cpu[0], PW_DEVICE >> PAGE_SHIFT),
			 -EFAULT);
	assert_int_equal(rights_at(PW_DEVICE), EPT_READ);
	pw_check(&world);
}

/* The count of each 2 MiB region decides whether a large page is looked at frame by frame. */
static void test_a_frame_made_what_it_is_already_is_counted_once(void **state)
{
	const uint64_t frame = pw_frame(&world), last = (PW_SECURE_BASE >> PAGE_SHIFT) + 511;
	struct frames *frames = &world.paging.frames;

	(void)state;
	assert_int_equal(frame_set(frames, frame, FRAME_NONE, FRAME_NONE), 0);
	pw_check(&world);
	assert_int_equal(paging_make_constant(&world.paging, frame), 0);
	assert_int_equal(frame_set(frames, frame, FRAME_RODATA, FRAME_RODATA), 0);
	assert_int_equal(frame_set(frames, last, FRAME_SECURE, FRAME_SECURE), 0);
	pw_check(&world);
	assert_int_equal(frame_set(frames, frame, FRAME_NONE, FRAME_NONE), -EBUSY);
	assert_int_equal(frame_set(frames, PW_FRAMES, FRAME_NONE, FRAME_NONE), -EINVAL);
	assert_int_equal(frame_set(frames, frame, FRAME_L1, FRAME_NONE), -EINVAL);
	assert_int_equal(frame_set(frames, frame, FRAME_NONE, FRAME_L1), -EINVAL);
	assert_int_equal(paging_free_constant(&world.paging, &world.cpu[0], frame), 0);
	assert_true(frames_none(frames, frame, 1));
	pw_check(&world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

static void test_what_users_have_is_told_from_what_the_kernel_has(void **state)
{
	const uint64_t root = running_process(0);

	(void)state;
	for (uint32_t level = 1; level <= PT_LEVELS; level++) {
		assert_true(paging_maps_users(&world.paging, pw_slot(root, USER_VA, level)));
		assert_false(paging_maps_users(&world.paging, pw_slot(root, PW_IMAGE, level)));
	}
	assert_false(paging_maps_users(&world.paging, pw_frame(&world) << PAGE_SHIFT));
	assert_false(paging_maps_users(&world.paging, PW_RAM));
}

/* A CPU has seen a table there; before it takes its reference another one releases the frame. */
static void test_a_table_released_meanwhile_is_asked_for_again(void **state)
{
	struct promotion p = {.paging = &world.paging, .cpu = &world.cpu[0]};
	const struct tree_root root = {.frame = pw_frame(&world), .level = 1, .half = HALF_USER};

	(void)state;
	assert_int_equal(promote_judge(&p, &root), -EAGAIN);
	promote_end(&p);
	assert_int_equal(promote_tree(&world.paging, &world.cpu[0], &root), 0);
	assert_int_equal(promote_judge(&p, &root), 0);
	assert_int_equal(world.refusals[SECPOD_RULE_PT_TYPE], 0);
	assert_false(frame_put(&world.paging.frames, root.frame));
	assert_true(frame_put(&world.paging.frames, root.frame));
	retire(&world.paging, root.frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_refused_tree_leaves_nothing_behind),
		TEST(test_an_old_invalidation_releases_nothing_used_since),
		TEST(test_a_retired_table_that_is_locked_is_not_forgotten),
		TEST(test_a_tree_too_large_for_one_promotion_gets_in),
		TEST(test_what_is_no_memory_keeps_its_rights),
		TEST(test_what_users_have_is_told_from_what_the_kernel_has),
		TEST(test_code_that_is_going_is_not_linked_again),
		TEST(test_code_that_is_coming_is_not_linked_elsewhere),
		TEST(test_code_that_is_going_does_not_become_a_table),
		TEST(test_code_changed_since_it_was_judged_is_refused),
		TEST(test_a_large_code_leaf_is_all_or_nothing),
		TEST(test_without_memory_a_table_stays_one),
		TEST(test_without_memory_no_tree_gets_in),
		TEST(test_memory_left_read_only_is_given_back),
		TEST(test_a_frame_made_what_it_is_already_is_counted_once),
		TEST(test_a_table_released_meanwhile_is_asked_for_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
