/* SPDX-License-Identifier: MIT */
/*
 * What the kernel's image may become after LOCK: Linux gives parts of it back and changes the rights of those, but
 * each of its addresses keeps the frame it was linked to.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/paging_world.h"

/* Behind the small pages of the image: a hole, then large pages of text and of data. */
#define SIZE_1M (1ULL << 20)
#define HOLE (PW_IMAGE + 64 * PAGE_SIZE)
#define LARGE_HOLE (PW_IMAGE + 34 * SIZE_1M)
#define LARGE_TEXT (PW_IMAGE + 36 * SIZE_1M)
#define LARGE_DATA (PW_IMAGE + 38 * SIZE_1M)
#define IMAGE_END (LARGE_DATA + SIZE_2M)

#define RODATA (PW_IMAGE + PW_TEXT_PAGES * PAGE_SIZE)
#define DATA (RODATA + PW_RODATA_PAGES * PAGE_SIZE)

static struct paging_world world;

static uint64_t linear(uint64_t va)
{
	return va - PW_IMAGE + PW_IMAGE_GPA;
}

static void map_large(uint64_t va, uint64_t bits)
{
	assert_int_equal(pw_map(&world, 0, world.swapper, va, linear(va) | bits | PTE_PS, 2,
				PW_KERNEL_TABLE),
			 0);
}

static int open_world(void **state)
{
	const char *failed = NULL;

	(void)state;
	pw_open(&world);
	map_large(LARGE_TEXT, PW_KERNEL_RX);
	map_large(LARGE_DATA, PW_KERNEL_RW);
	assert_int_equal(paging_activate(&world.paging, &world.cpu[0], &world.swapper, 1, &failed),
			 0);
	assert_int_equal(paging_lock(&world.paging), 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(world.paging.image.end, IMAGE_END);
	return 0;
}

static int set(uint64_t va, uint32_t level, uint64_t value)
{
	return pw_poke(&world, 0, pw_slot(world.swapper, va, level), value);
}

static void assert_refused(uint64_t va, uint32_t level, uint64_t value, uint32_t rule)
{
	const uint64_t slot = pw_slot(world.swapper, va, level), before = pw_peek(slot);

	assert_int_equal(pw_poke(&world, 0, slot, value), -EPERM);
	assert_int_equal(world.last_rule, rule);
	assert_int_equal(pw_peek(slot), before);
}

static void assert_nothing_refused(void)
{
	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++)
		assert_int_equal(world.refusals[rule], 0);
}

/* A table of small pages as large as the page at va, of these bits. Result: its gpa. */
static uint64_t pieces_of(uint64_t va, uint64_t bits)
{
	const uint64_t table = pw_frame(&world) << PAGE_SHIFT;

	for (uint64_t i = 0; i < PT_ENTRIES; i++)
		assert_int_equal(
			pw_poke(&world, 0, table + i * 8, (linear(va) + i * PAGE_SIZE) | bits), 0);
	return table;
}

/* A module is put where the kernel's image had a page, and its constants are made read-only. */
static void test_a_large_page_given_back_is_split(void **state)
{
	const uint64_t table = pieces_of(LARGE_DATA, PW_KERNEL_RW), va = LARGE_DATA + 5 * PAGE_SIZE;

	(void)state;
	assert_int_equal(set(LARGE_DATA, 2, table | PW_KERNEL_TABLE), 0);
	assert_int_equal(set(va, 1, linear(va) | PW_KERNEL_RO), 0);
	assert_int_equal(set(va, 1, linear(va) | PW_KERNEL_RW), 0);
	assert_nothing_refused();
}

static void test_large_text_is_split_as_it_is(void **state)
{
	(void)state;
	assert_int_equal(set(LARGE_TEXT, 2, pieces_of(LARGE_TEXT, PW_KERNEL_RX) | PW_KERNEL_TABLE),
			 0);
	assert_nothing_refused();
}

static void test_a_split_adds_no_right_to_text(void **state)
{
	(void)state;
	assert_refused(LARGE_TEXT, 2,
		       pieces_of(LARGE_TEXT, PW_KERNEL_RO | PTE_RW) | PW_KERNEL_TABLE,
		       SECPOD_RULE_LOCKED_RANGE);
}

static void test_a_split_takes_no_page_from_text(void **state)
{
	const uint64_t table = pieces_of(LARGE_TEXT, PW_KERNEL_RX);

	(void)state;
	assert_int_equal(pw_poke(&world, 0, table + 8, 0), 0);
	assert_refused(LARGE_TEXT, 2, table | PW_KERNEL_TABLE, SECPOD_RULE_LOCKED_RANGE);
}

/* Remapping a locked page by way of a split. */
static void test_a_split_moves_nothing(void **state)
{
	static const uint64_t page[] = {LARGE_TEXT, LARGE_DATA};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		const uint64_t bits = i ? PW_KERNEL_RW : PW_KERNEL_RX;
		const uint64_t table = pieces_of(page[i], bits);

		/* Code is code wherever it is; data is anything. */
		assert_int_equal(pw_poke(&world, 0, table + 8, linear(page[i]) | bits), 0);
		assert_refused(page[i], 2, table | PW_KERNEL_TABLE, SECPOD_RULE_KERNEL_REMAP);
	}
}

static void test_text_and_constants_only_lose_rights(void **state)
{
	static const uint64_t fixed[] = {PW_IMAGE, RODATA};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		const uint64_t va = fixed[i];

		assert_int_equal(set(va, 1, linear(va) | PW_KERNEL_RO), 0);
		assert_refused(va, 1, linear(va) | PW_KERNEL_RW, SECPOD_RULE_LOCKED_RANGE);
		assert_refused(va, 1, 0, SECPOD_RULE_LOCKED_RANGE);
	}
	/* Executable text never comes back: the direct map has it, too. */
	assert_refused(PW_IMAGE, 1, linear(PW_IMAGE) | PW_KERNEL_RX, SECPOD_RULE_LOCKED_RANGE);
}

static void test_data_keeps_its_frame_whatever_its_rights(void **state)
{
	const uint64_t other = pw_frame(&world) << PAGE_SHIFT, va = DATA + PAGE_SIZE;

	(void)state;
	assert_int_equal(set(va, 1, linear(va) | PW_KERNEL_RO), 0);
	assert_int_equal(set(va, 1, linear(va) | PW_KERNEL_RW), 0);
	assert_refused(va, 1, other | PW_KERNEL_RW, SECPOD_RULE_KERNEL_REMAP);
	assert_int_equal(set(va, 1, 0), 0);
	assert_refused(va, 1, other | PW_KERNEL_RW, SECPOD_RULE_LOCKED_RANGE);
	assert_int_equal(set(va, 1, linear(va) | PW_KERNEL_RW), 0);
	assert_refused(va, 1, linear(va) | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
}

/* With page-table isolation Linux unmaps what it gives back. */
static void test_a_hole_of_the_image_takes_its_own_frame_only(void **state)
{
	const uint64_t other = pw_frame(&world) << PAGE_SHIFT;

	(void)state;
	assert_refused(HOLE, 1, other | PW_KERNEL_RW, SECPOD_RULE_LOCKED_RANGE);
	assert_refused(HOLE, 1, other | PW_KERNEL_RO, SECPOD_RULE_LOCKED_RANGE);
	assert_refused(HOLE, 1, linear(PW_IMAGE) | PW_KERNEL_RX, SECPOD_RULE_LOCKED_RANGE);
	assert_int_equal(set(HOLE, 1, linear(HOLE) | PW_KERNEL_RW), 0);
	assert_int_equal(set(HOLE, 1, 0), 0);
}

/* Linux splits a large page that is not present, too: into pages that are not. */
static void test_a_large_hole_takes_a_table_of_holes(void **state)
{
	const uint64_t other = pw_frame(&world) << PAGE_SHIFT, va = LARGE_HOLE;
	const uint64_t table = pieces_of(va, PW_KERNEL_RW & ~PTE_P);

	(void)state;
	assert_int_equal(set(va, 2, (linear(va) | PW_KERNEL_RW | PTE_PS) & ~PTE_P), 0);
	assert_int_equal(set(va, 2, table | PW_KERNEL_TABLE), 0);
	assert_int_equal(set(va, 1, linear(va) | PW_KERNEL_RO), 0);
	assert_nothing_refused();
	assert_refused(va + PAGE_SIZE, 1, other | PW_KERNEL_RW, SECPOD_RULE_LOCKED_RANGE);
	/* And that is what it stays. */
	assert_refused(va, 2, 0, SECPOD_RULE_LOCKED_RANGE);
}

static void test_a_large_hole_takes_its_own_frames_only(void **state)
{
	const uint64_t va = LARGE_HOLE, table = pieces_of(va, PW_KERNEL_RW);

	(void)state;
	assert_int_equal(pw_peek(pw_slot(world.swapper, va, 2)), 0);
	assert_int_equal(pw_poke(&world, 0, table + 8, linear(va) | PW_KERNEL_RW), 0);
	assert_refused(va, 2, table | PW_KERNEL_TABLE, SECPOD_RULE_LOCKED_RANGE);
	assert_int_equal(pw_poke(&world, 0, table + 8, linear(PW_IMAGE) | PW_KERNEL_RX), 0);
	assert_refused(va, 2, table | PW_KERNEL_TABLE, SECPOD_RULE_LOCKED_RANGE);
	assert_refused(va, 2, linear(va + SIZE_2M) | PW_KERNEL_RW | PTE_PS,
		       SECPOD_RULE_LOCKED_RANGE);
	assert_int_equal(pw_poke(&world, 0, table + 8, (linear(va) + PAGE_SIZE) | PW_KERNEL_RW), 0);
	assert_int_equal(set(va, 2, table | PW_KERNEL_TABLE), 0);
}

/* The copy of a page in the place of the page: in one step, or in two. */
static void assert_not_remapped(uint64_t va, uint32_t level)
{
	const uint64_t slot = pw_slot(world.swapper, va, level), entry = pw_peek(slot);
	const uint64_t copy = pw_frame(&world) << PAGE_SHIFT;

	memcpy(world.ram + copy, world.ram + (entry & PTE_ADDR), PAGE_SIZE);
	assert_int_equal(pw_poke(&world, 0, slot, copy | (entry & ~PTE_ADDR)), -EPERM);
	assert_int_equal(pw_peek(slot), entry);
	assert_int_equal(pw_poke(&world, 0, slot, 0), -EPERM);
	assert_int_equal(world.last_rule, SECPOD_RULE_LOCKED_RANGE);
	assert_int_equal(pw_peek(slot), entry);
}

static void test_nothing_locked_is_remapped_at_any_level(void **state)
{
	static const uint64_t locked[] = {PW_IMAGE, RODATA, PW_CPU_ENTRY};

	(void)state;
	for (uint32_t i = 0; i < sizeof(locked) / sizeof(locked[0]); i++) {
		for (uint32_t level = 1; level < PT_LEVELS; level++)
			assert_not_remapped(locked[i], level);
	}
	/* Data may be unmapped, not its tables. */
	assert_not_remapped(DATA, 2);
	assert_not_remapped(DATA, 3);
}

static void test_the_cpu_entry_area_is_as_it_was(void **state)
{
	const uint64_t other = pw_frame(&world) << PAGE_SHIFT,
		       page = pw_peek(pw_slot(world.swapper, PW_CPU_ENTRY, 1));

	(void)state;
	assert_refused(PW_CPU_ENTRY, 1, page | PTE_RW, SECPOD_RULE_LOCKED_RANGE);
	assert_refused(PW_CPU_ENTRY + PAGE_SIZE, 1, other | PW_KERNEL_RW, SECPOD_RULE_LOCKED_RANGE);
	assert_int_equal(set(PW_CPU_ENTRY, 1, page & ~PTE_A), 0);
}

static void test_an_image_that_is_not_linear_is_none(void **state)
{
	const char *failed = NULL;
	uint64_t slot;

	(void)state;
	pw_open(&world);
	slot = pw_slot(world.swapper, DATA, 1);
	assert_int_equal(pw_poke(&world, 0, slot, pw_peek(slot) + PAGE_SIZE), 0);
	assert_int_equal(paging_activate(&world.paging, &world.cpu[0], &world.swapper, 1, &failed),
			 -EINVAL);
	assert_non_null(failed);
	pw_check(&world);
	pw_close(&world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, pw_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_large_page_given_back_is_split),
		TEST(test_large_text_is_split_as_it_is),
		TEST(test_a_split_adds_no_right_to_text),
		TEST(test_a_split_takes_no_page_from_text),
		TEST(test_a_split_moves_nothing),
		TEST(test_text_and_constants_only_lose_rights),
		TEST(test_data_keeps_its_frame_whatever_its_rights),
		TEST(test_a_hole_of_the_image_takes_its_own_frame_only),
		TEST(test_a_large_hole_takes_a_table_of_holes),
		TEST(test_a_large_hole_takes_its_own_frames_only),
		TEST(test_nothing_locked_is_remapped_at_any_level),
		TEST(test_the_cpu_entry_area_is_as_it_was),
		cmocka_unit_test(test_an_image_that_is_not_linear_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
