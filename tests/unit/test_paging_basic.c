/* SPDX-License-Identifier: MIT */
/* The auditor's thin path: a kernel is taken over, a process lives and dies under it. */
#include <errno.h>

#include "tests/unit/paging_world.h"

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

static void test_activation_types_the_kernel(void **state)
{
	(void)state;
	pw_check(&world);
	assert_int_equal(type_at(PW_IMAGE_GPA), FRAME_CODE);
	assert_int_equal(type_at(PW_IMAGE_GPA + PW_TEXT_PAGES * PAGE_SIZE), FRAME_RODATA);
	assert_int_equal(type_at(world.swapper), FRAME_L4);
	assert_int_equal(world.paging.direct.begin, PW_DIRECT);
	assert_int_equal(world.paging.image.begin, PW_IMAGE);
}

static void test_a_process_lives_and_dies(void **state)
{
	const uint64_t root = pw_process(&world);
	const uint64_t page = pw_frame(&world) << PAGE_SHIFT;
	uint64_t table;

	(void)state;
	/* Built before the first load, by plain stores. */
	assert_int_equal(pw_map(&world, 0, root, 0x400000, page | PW_USER_RX, 1, PW_USER_TABLE), 0);
	assert_int_equal(world.paging.stats.stores, 0);
	assert_int_equal(pw_load(&world, 0, root), 0);
	table = pw_peek(pw_slot(root, 0x400000, 2)) & PTE_ADDR;
	assert_int_equal(type_at(root), FRAME_L4);
	assert_int_equal(type_at(table), FRAME_L1);
	pw_check(&world);

	/* Changed while it runs, by trapped stores. */
	assert_int_equal(
		pw_map(&world, 0, root, 0x7f0000000000, page | PW_USER_RW, 1, PW_USER_TABLE), 0);
	assert_true(world.paging.stats.stores > 0);
	pw_check(&world);

	/* It exits: entries are cleared from the leaves up, another is loaded. */
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, 0x400000, 1), 0), 0);
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, 0x400000, 2), 0), 0);
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, 0x400000, 3), 0), 0);
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, 0x400000, 4), 0), 0);
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, 0x7f0000000000, 4), 0), 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	pw_check(&world);
	/* Its memory is used for something else. */
	assert_int_equal(pw_poke(&world, 0, table, 0x1234567), 0);
	assert_int_equal(type_at(table), FRAME_NONE);
	for (uint64_t at = 0; at < PAGE_SIZE; at += 8)
		assert_int_equal(pw_poke(&world, 0, root + at, 0), 0);
	assert_int_equal(type_at(root), FRAME_NONE);
	pw_check(&world);
	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++)
		assert_int_equal(world.refusals[rule], 0);
}

static void test_the_direct_map_stays_linear(void **state)
{
	const uint64_t slot = pw_slot(world.swapper, PW_DIRECT + SIZE_2M, 2);
	const uint64_t before = pw_peek(slot);

	(void)state;
	assert_int_equal(pw_poke(&world, 0, slot, PW_IMAGE_GPA | PW_KERNEL_RW | PTE_PS), -EPERM);
	assert_int_equal(pw_peek(slot), before);
	pw_check(&world);
}

static void test_data_does_not_become_code(void **state)
{
	const uint64_t slot = pw_slot(world.swapper, PW_VMALLOC, 1);

	(void)state;
	assert_int_equal(pw_poke(&world, 0, slot, pw_peek(slot) & ~PTE_NX & ~PTE_RW), -EPERM);
	assert_int_equal(world.last_rule, SECPOD_RULE_KERNEL_EXEC);
	pw_check(&world);
}

static void test_module_code_comes_and_goes(void **state)
{
	const uint64_t va = PW_MODULES + 16 * PAGE_SIZE, page = pw_frame(&world) << PAGE_SHIFT;

	(void)state;
	assert_int_equal(pw_poke(&world, 0, page, 0xc3c031), 0);
	assert_int_equal(
		pw_map(&world, 0, world.swapper, va, page | PW_KERNEL_RO, 1, PW_KERNEL_TABLE), 0);
	assert_int_equal(pw_poke(&world, 0, pw_slot(world.swapper, va, 1), page | PW_KERNEL_RX), 0);
	assert_int_equal(type_at(page), FRAME_CODE_DYN);
	assert_int_equal(world.refusals[SECPOD_RULE_CODE_NEW], 1);
	pw_check(&world);
	assert_int_equal(pw_poke(&world, 0, pw_slot(world.swapper, va, 1), 0), 0);
	assert_int_equal(type_at(page), FRAME_NONE);
	pw_check(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_activation_types_the_kernel, open_world,
						close_world),
		cmocka_unit_test_setup_teardown(test_a_process_lives_and_dies, open_world,
						close_world),
		cmocka_unit_test_setup_teardown(test_the_direct_map_stays_linear, open_world,
						close_world),
		cmocka_unit_test_setup_teardown(test_data_does_not_become_code, open_world,
						close_world),
		cmocka_unit_test_setup_teardown(test_module_code_comes_and_goes, open_world,
						close_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
