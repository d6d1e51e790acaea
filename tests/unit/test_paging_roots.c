/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: their upper halves, with page-table isolation and without; CPUs that lose all their roots;
 * and what may not become a page table behind the back of one who writes it.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/paging_world.h"

#define USER_VA 0x400000ULL
#define LDT_VA 0xffff880000000000ULL
#define MODULE_VA (PW_MODULES + 16 * PAGE_SIZE)

static struct paging_world world;

static void start(void)
{
	const char *failed = NULL;

	assert_int_equal(paging_activate(&world.paging, &world.cpu[0], &world.swapper, 1, &failed),
			 0);
	assert_int_equal(paging_lock(&world.paging), 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
}

static int open_world(void **state)
{
	(void)state;
	pw_start(&world);
	return 0;
}

/* The root behind the kernel's maps the kernel's entry code, and is what user mode runs on. */
static int open_isolated(void **state)
{
	(void)state;
	pw_open(&world);
	assert_int_equal(pw_map(&world, 0, world.swapper + PAGE_SIZE, PW_IMAGE,
				PW_IMAGE_GPA | PW_KERNEL_RX, 1, PW_KERNEL_TABLE),
			 0);
	start();
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	pw_check(&world);
	pw_close(&world);
	return 0;
}

static enum frame_type type_at(uint64_t gpa)
{
	return frame_type(&world.paging.frames, gpa >> PAGE_SHIFT);
}

/* Two roots side by side, as Linux takes them from its allocator; the second one empty. */
static uint64_t two_frames(void)
{
	uint64_t first = pw_frame(&world);

	if (first % 2)
		first = pw_frame(&world);
	assert_int_equal(pw_frame(&world), first + 1);
	memcpy(world.ram + (first << PAGE_SHIFT) + PAGE_SIZE / 2,
	       world.ram + world.swapper + PAGE_SIZE / 2, PAGE_SIZE / 2);
	return first << PAGE_SHIFT;
}

/* A process under page-table isolation, with one page. Result: the kernel's root. */
static uint64_t isolated_process(void)
{
	const uint64_t root = two_frames(), page = pw_frame(&world) << PAGE_SHIFT;

	memcpy(world.ram + root + PAGE_SIZE + PAGE_SIZE / 2,
	       world.ram + world.swapper + PAGE_SIZE + PAGE_SIZE / 2, PAGE_SIZE / 2);
	assert_int_equal(pw_map(&world, 0, root, USER_VA, page | PW_USER_RW, 1, PW_USER_TABLE), 0);
	assert_int_equal(pw_poke(&world, 0, root + PAGE_SIZE, pw_peek(root)), 0);
	return root;
}

static void assert_nothing_refused(void)
{
	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++)
		assert_int_equal(world.refusals[rule], 0);
}

static enum root_kind kind_of(uint64_t root)
{
	return (enum root_kind)table_info_of(
		       &world.paging.infos,
		       frame_word_info(frame_read(&world.paging.frames, root >> PAGE_SHIFT)))
		->root_kind;
}

static void test_isolation_has_two_kinds_of_upper_half(void **state)
{
	const uint64_t root = isolated_process();

	(void)state;
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_load(&world, 0, root + PAGE_SIZE), 0);
	assert_int_equal(kind_of(root), ROOT_KIND_NORMAL);
	assert_int_equal(kind_of(root + PAGE_SIZE), ROOT_KIND_USER);
	assert_nothing_refused();
}

/* What a fork of a process with an LDT looks like at its first load. */
static void test_an_ldt_makes_no_other_kind_of_root(void **state)
{
	const uint64_t root = isolated_process(), page = pw_frame(&world) << PAGE_SHIFT;
	const uint64_t slot = root + (LDT_VA >> 39 & 511) * 8;

	(void)state;
	assert_int_equal(slot, root + LDT_REMAP_INDEX * 8);
	assert_int_equal(pw_map(&world, 0, root, LDT_VA, page | PW_KERNEL_RO, 1, PW_KERNEL_TABLE),
			 0);
	assert_int_equal(pw_poke(&world, 0, slot + PAGE_SIZE, pw_peek(slot)), 0);
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_load(&world, 0, root + PAGE_SIZE), 0);
	assert_int_equal(kind_of(root), ROOT_KIND_NORMAL);
	assert_nothing_refused();
	/* It goes in both when it goes in the kernel's. */
	assert_int_equal(pw_poke(&world, 0, slot, 0), 0);
	assert_int_equal(pw_peek(slot + PAGE_SIZE), 0);
}

static void test_isolation_has_no_third_kind(void **state)
{
	const uint64_t root = isolated_process(), page = pw_frame(&world) << PAGE_SHIFT;

	(void)state;
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_map(&world, 0, root + PAGE_SIZE, PW_VMALLOC, page | PW_KERNEL_RW, 1,
				PW_KERNEL_TABLE),
			 0);
	assert_int_equal(pw_load(&world, 0, root + PAGE_SIZE), -EPERM);
	assert_int_equal(world.last_rule, SECPOD_RULE_KERNEL_TEMPLATE);
}

/* The place where a user's root would be, were there page-table isolation. */
static void test_without_isolation_there_is_one_upper_half(void **state)
{
	const uint64_t root = two_frames(), page = pw_frame(&world) << PAGE_SHIFT;

	(void)state;
	assert_int_equal(pw_map(&world, 0, root, USER_VA, page | PW_USER_RW, 1, PW_USER_TABLE), 0);
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_map(&world, 0, root + PAGE_SIZE, PW_VMALLOC, page | PW_KERNEL_RW, 1,
				PW_KERNEL_TABLE),
			 0);
	assert_int_equal(pw_load(&world, 0, root + PAGE_SIZE), -EPERM);
	assert_int_equal(world.last_rule, SECPOD_RULE_KERNEL_TEMPLATE);
	assert_int_equal(type_at(root + PAGE_SIZE), FRAME_NONE);
}

static uint64_t process(void)
{
	const uint64_t root = pw_process(&world), page = pw_frame(&world) << PAGE_SHIFT;

	assert_int_equal(pw_map(&world, 0, root, USER_VA, page | PW_USER_RW, 1, PW_USER_TABLE), 0);
	return root;
}

/* A CPU that is reset while it runs a process holds nothing of it. */
static void test_a_cpu_forgets_all_its_roots(void **state)
{
	const uint64_t root = process();

	(void)state;
	assert_int_equal(pw_load(&world, 1, world.swapper), 0);
	assert_int_equal(pw_load(&world, 1, root), 0);
	assert_true(paging_root_known(&world.cpu[1], root));
	paging_roots_forget(&world.paging, &world.cpu[1]);
	assert_false(paging_root_known(&world.cpu[1], root));
	assert_false(paging_root_known(&world.cpu[1], world.swapper));
	pw_check(&world);
	/* The process ends on another CPU, and its memory is used again. */
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, USER_VA, 4), 0), 0);
	assert_int_equal(pw_poke(&world, 0, root + PAGE_SIZE / 2, 0x1234), 0);
	assert_int_equal(type_at(root), FRAME_NONE);
	assert_nothing_refused();
}

/* The page of a root that is over is used again while a CPU, in root mode, still keeps it. */
static void test_a_root_kept_by_a_cpu_is_waited_for(void **state)
{
	const uint64_t root = process();

	(void)state;
	assert_int_equal(pw_load(&world, 1, root), 0);
	assert_int_equal(pw_load(&world, 1, world.swapper), 0);
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, USER_VA, 4), 0), 0);
	world.trims_late = 2;
	assert_int_equal(pw_poke(&world, 0, root + PAGE_SIZE / 2, 0x1234), 0);
	assert_int_equal(world.trims, 3);
	assert_int_equal(type_at(root), FRAME_NONE);
	assert_nothing_refused();
}

/* ---- code */

static uint64_t module_page;

static uint64_t map_module(void)
{
	module_page = pw_frame(&world) << PAGE_SHIFT;
	assert_int_equal(pw_map(&world, 0, world.swapper, MODULE_VA, module_page | PW_KERNEL_RX, 1,
				PW_KERNEL_TABLE),
			 0);
	return module_page;
}

static void unmap_module(void)
{
	assert_int_equal(pw_poke(&world, 0, pw_slot(world.swapper, MODULE_VA, 1), 0), 0);
}

/* As an operand of paging_code_store(): the module goes while its code is written. */
static uint64_t unmap_and_set(void *operand, uint64_t old)
{
	if (type_at(module_page) == FRAME_CODE_DYN)
		unmap_module();
	/* Still nobody else's. */
	assert_int_equal(type_at(module_page), FRAME_CODE_DYN);
	return pw_set_value(operand, old);
}

static void test_code_is_written_only_while_it_is_code(void **state)
{
	const uint64_t page = map_module(), data = pw_frame(&world) << PAGE_SHIFT;
	uint64_t value = 0xcccccccccccccccc, old = 1;

	(void)state;
	assert_int_equal(paging_code_store(&world.paging, page + 8, pw_set_value, &value, &old), 0);
	assert_int_equal(old, 0);
	assert_int_equal(pw_peek(page + 8), value);
	assert_int_equal(paging_code_store(&world.paging, PW_IMAGE_GPA, pw_set_value, &value, &old),
			 0);
	assert_int_equal(paging_code_store(&world.paging, data, pw_set_value, &value, &old),
			 -ENOENT);
	assert_int_equal(
		paging_code_store(&world.paging, world.swapper, pw_set_value, &value, &old),
		-ENOENT);
	assert_int_equal(pw_peek(data), 0);
	pw_check(&world);

	assert_int_equal(paging_code_store(&world.paging, page, unmap_and_set, &value, &old), 0);
	assert_int_equal(type_at(page), FRAME_NONE);
	pw_check(&world);
	assert_int_equal(paging_code_store(&world.paging, page, pw_set_value, &value, &old),
			 -ENOENT);
}

/* ---- constants */

static void test_a_constant_page_becomes_nothing_else(void **state)
{
	const uint64_t root = process(), page = pw_frame(&world) << PAGE_SHIFT;
	struct ept_leaf leaf;

	(void)state;
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(paging_make_constant(&world.paging, page >> PAGE_SHIFT), 0);
	assert_int_equal(paging_make_constant(&world.paging, page >> PAGE_SHIFT), 0);
	assert_int_equal(
		pw_poke(&world, 0, pw_slot(root, USER_VA + SIZE_2M, 2), page | PW_USER_TABLE),
		-EPERM);
	assert_int_equal(ept_lookup(&world.ept.ept, page, &leaf), 0);
	assert_int_equal(leaf.rights, EPT_READ);
	pw_check(&world);
	assert_int_equal(paging_free_constant(&world.paging, &world.cpu[0], page >> PAGE_SHIFT), 0);
	assert_int_equal(ept_lookup(&world.ept.ept, page, &leaf), 0);
	assert_true(leaf.rights & EPT_WRITE);

	assert_int_equal(paging_free_constant(&world.paging, &world.cpu[0], page >> PAGE_SHIFT),
			 -EBUSY);
	assert_int_equal(paging_make_constant(&world.paging, root >> PAGE_SHIFT), -EBUSY);
	assert_int_equal(paging_make_constant(&world.paging, PW_DEVICE >> PAGE_SHIFT), -EFAULT);
	assert_int_equal(paging_make_constant(&world.paging, PW_FRAMES), -EFAULT);
}

#define TEST(name, open) cmocka_unit_test_setup_teardown(name, open, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_isolation_has_two_kinds_of_upper_half, open_isolated),
		TEST(test_an_ldt_makes_no_other_kind_of_root, open_isolated),
		TEST(test_isolation_has_no_third_kind, open_isolated),
		TEST(test_without_isolation_there_is_one_upper_half, open_world),
		TEST(test_a_cpu_forgets_all_its_roots, open_world),
		TEST(test_a_root_kept_by_a_cpu_is_waited_for, open_world),
		TEST(test_code_is_written_only_while_it_is_code, open_world),
		TEST(test_a_constant_page_becomes_nothing_else, open_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
