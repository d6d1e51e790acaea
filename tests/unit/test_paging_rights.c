/* SPDX-License-Identifier: MIT */
/* What EPT lets be done with each kind of frame, with mode-based execute control and without. */
#include <errno.h>

#include "tests/unit/paging_world.h"

#define DATA_WITH_MBEC (EPT_READ | EPT_WRITE | EPT_EXEC_USER)
/* Of the device's page, which no one made executable. */
#define BEHIND_RAM (8 * SIZE_1G)

static struct paging_world world;

static int open_with_mbec(void **state)
{
	(void)state;
	world.mbec = true;
	pw_start(&world);
	return 0;
}

static int open_without(void **state)
{
	(void)state;
	world.mbec = false;
	pw_start(&world);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	pw_close(&world);
	return 0;
}

static struct ept_leaf leaf_at(uint64_t gpa)
{
	return world_lookup(&world.ept, gpa);
}

static void rights_follow_the_type(void **state)
{
	static const struct {
		uint64_t word;
		uint32_t with;
		uint32_t without;
	} rows[] = {
		{FRAME_NONE, DATA_WITH_MBEC, RWX},
		{FRAME_OUTSIDE, DATA_WITH_MBEC, RWX},
		{FRAME_L1, EPT_READ, EPT_READ},
		{FRAME_L2, EPT_READ, EPT_READ},
		{FRAME_L3, EPT_READ, EPT_READ},
		{FRAME_L4, EPT_READ, EPT_READ},
		{FRAME_CODE, EPT_READ | EPT_EXEC, EPT_READ | EPT_EXEC},
		{FRAME_CODE_DYN, EPT_READ | EPT_EXEC, EPT_READ | EPT_EXEC},
		{FRAME_RODATA, EPT_READ, EPT_READ},
		{FRAME_RODATA | FRAME_USER_EXEC, EPT_READ | EPT_EXEC_USER, EPT_READ | EPT_EXEC},
		/* Real mode is user mode to EPT, the code behind it is not. */
		{FRAME_TRAMP, EPT_READ | EPT_EXEC | EPT_EXEC_USER, EPT_READ | EPT_EXEC},
		{FRAME_EFI_RT, EPT_READ | EPT_EXEC, EPT_READ | EPT_EXEC},
		/* Code and data in one page. */
		{FRAME_EFI_RT | FRAME_FLUID, EPT_READ | EPT_WRITE | EPT_EXEC, RWX},
		{FRAME_SECURE, EPT_NONE, EPT_NONE},
	};
	const bool mbec = world.mbec;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint32_t rights = paging_rights(&world.paging, rows[i].word);

		/* Without it the bit means nothing, and EPT leaves it out. */
		assert_int_equal(rights & (mbec ? EPT_RWX : RWX),
				 mbec ? rows[i].with : rows[i].without);
	}
}

static void everything_is_executable_before_active(void **state)
{
	(void)state;
	world.mbec = true;
	pw_open(&world);
	assert_int_equal(leaf_at(0).rights, EPT_RWX);
	assert_int_equal(leaf_at(PW_IMAGE_GPA).rights, EPT_RWX);
	assert_int_equal(leaf_at(BEHIND_RAM).rights, EPT_RWX);
	assert_int_equal(paging_rights(&world.paging, FRAME_NONE), EPT_RWX);
}

static void the_kernel_executes_only_code_from_active_on(void **state)
{
	const uint64_t data = PW_IMAGE_GPA + SIZE_2M + 64 * PAGE_SIZE;

	(void)state;
	assert_int_equal(leaf_at(data).rights, DATA_WITH_MBEC);
	assert_int_equal(leaf_at(PW_RAM).rights, DATA_WITH_MBEC);
	assert_int_equal(leaf_at(BEHIND_RAM).rights, DATA_WITH_MBEC);
	for (uint64_t i = 0; i < PW_TEXT_PAGES; i++)
		assert_int_equal(leaf_at(PW_IMAGE_GPA + i * PAGE_SIZE).rights, EPT_READ | EPT_EXEC);
	assert_int_equal(leaf_at(PW_SECURE_BASE).rights & EPT_EXEC, 0);
	/* The monitor keeps others' rights as they were. */
	assert_int_equal(leaf_at(PW_DEVICE).rights, EPT_READ);
	pw_check(&world);
}

static void large_pages_stay_large(void **state)
{
	(void)state;
	assert_int_equal(leaf_at(BEHIND_RAM).size, SIZE_1G);
	assert_int_equal(leaf_at(4 * SIZE_2M).size, SIZE_2M);
}

static void without_mbec_data_stays_executable(void **state)
{
	(void)state;
	assert_int_equal(leaf_at(4 * SIZE_2M).rights, RWX);
	assert_int_equal(leaf_at(BEHIND_RAM).rights, RWX);
	pw_check(&world);
}

static void an_activation_that_fails_takes_nothing(void **state)
{
	const uint64_t nowhere = PW_RAM + SIZE_1G;
	const uint64_t text = pw_slot(world.swapper, PW_IMAGE, 1);
	const char *failed = NULL;

	(void)state;
	/* The kernel would execute what it can write: known when the rest has been restricted. */
	assert_int_equal(pw_poke(&world, 0, text, pw_peek(text) | PTE_RW), 0);
	assert_int_equal(paging_activate(&world.paging, &world.cpu[0], &world.swapper, 1, &failed),
			 -EPERM);
	assert_string_equal(failed, "judging the page tables");
	assert_int_equal(leaf_at(4 * SIZE_2M).rights, EPT_RWX);
	assert_int_equal(leaf_at(world.swapper).rights, EPT_RWX);
	assert_int_equal(leaf_at(PW_IMAGE_GPA + PAGE_SIZE).rights, EPT_RWX);
	assert_int_equal(leaf_at(nowhere).rights, EPT_RWX);
}

static int open_inactive(void **state)
{
	(void)state;
	world.mbec = true;
	pw_open(&world);
	return 0;
}

#define FIRMWARE 0x80000ULL
#define FIRMWARE_PAGES 4u

/* The tree for firmware calls, as Linux has it: the kernel's upper half, and the firmware at its physical address. */
static uint64_t firmware_root(const uint64_t leaf[FIRMWARE_PAGES])
{
	const uint64_t root = pw_process(&world);

	for (uint32_t i = 0; i < FIRMWARE_PAGES; i++) {
		const uint64_t gpa = FIRMWARE + i * PAGE_SIZE;

		assert_int_equal(pw_map(&world, 0, root, gpa, gpa | leaf[i], 1, PW_KERNEL_TABLE),
				 0);
	}
	return root;
}

static void the_firmware_s_code_is_written_where_it_is_data_too(void **state)
{
	static const struct secpod_range range = {FIRMWARE, 3 * PAGE_SIZE, SECPOD_RANGE_EFI_RT_CODE,
						  0};
	static const uint64_t leaf[FIRMWARE_PAGES] = {PW_KERNEL_RX, PW_KERNEL_RX | PTE_RW,
						      PW_KERNEL_RW, PW_KERNEL_RO};
	const uint64_t root[] = {world.swapper, firmware_root(leaf)};

	(void)state;
	world.paging.range = &range;
	world.paging.range_count = 1;
	assert_int_equal(paging_activate(&world.paging, &world.cpu[0], root, 2, NULL), 0);
	assert_int_equal(leaf_at(FIRMWARE).rights, EPT_READ | EPT_EXEC);
	assert_int_equal(leaf_at(FIRMWARE + PAGE_SIZE).rights, EPT_READ | EPT_WRITE | EPT_EXEC);
	assert_int_equal(leaf_at(FIRMWARE + 2 * PAGE_SIZE).rights, DATA_WITH_MBEC);
	assert_int_equal(leaf_at(FIRMWARE + 3 * PAGE_SIZE).rights, DATA_WITH_MBEC);
}

/* Linux has the firmware above the image as well (EFI_VA_START), by an upper table of that tree's own. */
static void the_firmware_s_code_is_found_in_the_last_entry(void **state)
{
	static const struct secpod_range range = {FIRMWARE, PAGE_SIZE, SECPOD_RANGE_EFI_RT_CODE, 0};
	static const uint64_t leaf[FIRMWARE_PAGES] = {PW_KERNEL_RW, PW_KERNEL_RW, PW_KERNEL_RW,
						      PW_KERNEL_RW};
	const uint64_t va = 0xffffffef00000000ULL, own = pw_frame(&world) << PAGE_SHIFT;
	const uint64_t root[] = {world.swapper, firmware_root(leaf)};
	const uint64_t slot = pw_slot(root[1], va, PT_LEVELS);
	const uint64_t shared = pw_peek(slot) & PTE_ADDR;

	(void)state;
	for (uint64_t i = 0; i < PAGE_SIZE; i += sizeof(uint64_t))
		assert_int_equal(pw_poke(&world, 0, own + i, pw_peek(shared + i)), 0);
	assert_int_equal(pw_poke(&world, 0, slot, own | PW_KERNEL_TABLE), 0);
	assert_int_equal(
		pw_map(&world, 0, root[1], va, FIRMWARE | PW_KERNEL_RX, 1, PW_KERNEL_TABLE), 0);
	world.paging.range = &range;
	world.paging.range_count = 1;
	assert_int_equal(paging_activate(&world.paging, &world.cpu[0], root, 2, NULL), 0);
	assert_int_equal(leaf_at(FIRMWARE).rights, EPT_READ | EPT_EXEC);
}

static void code_that_goes_is_data_again(void **state)
{
	const uint64_t va = PW_MODULES + 16 * PAGE_SIZE, page = pw_frame(&world) << PAGE_SHIFT;

	(void)state;
	assert_int_equal(
		pw_map(&world, 0, world.swapper, va, page | PW_KERNEL_RX, 1, PW_KERNEL_TABLE), 0);
	assert_int_equal(leaf_at(page).rights, EPT_READ | EPT_EXEC);
	assert_int_equal(pw_poke(&world, 0, pw_slot(world.swapper, va, 1), 0), 0);
	assert_int_equal(leaf_at(page).rights, DATA_WITH_MBEC);
	pw_check(&world);
}

/* The leaf is let pass by policy: EPT has the last word. */
static void an_executable_leaf_alone_executes_nothing(void **state)
{
	const uint64_t slot = pw_slot(world.swapper, PW_VMALLOC, 1);
	const uint64_t page = pw_peek(slot) & PTE_ADDR;

	(void)state;
	world.let_pass = true;
	assert_int_equal(pw_poke(&world, 0, slot, pw_peek(slot) & ~PTE_NX), 0);
	assert_int_equal(world.last_rule, SECPOD_RULE_KERNEL_EXEC);
	assert_true(pte_is_kernel_exec(pw_peek(slot)));
	assert_int_equal(leaf_at(page).rights, DATA_WITH_MBEC);
}

static void user_mode_executes_the_vdso_and_the_kernel_does_not(void **state)
{
	const uint64_t root = pw_process(&world);
	const uint64_t vdso = PW_IMAGE_GPA + PW_TEXT_PAGES * PAGE_SIZE;

	(void)state;
	assert_int_equal(
		pw_map(&world, 0, root, 0x7f0000001000, vdso | PW_USER_RX, 1, PW_USER_TABLE), 0);
	assert_int_equal(leaf_at(vdso).rights, EPT_READ);
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(leaf_at(vdso).rights, EPT_READ | EPT_EXEC_USER);
	pw_check(&world);
}

/* Pages are large wherever rights let them be, and nowhere else. */
static void only_mixed_regions_are_split(void **state)
{
	unsigned int mixed = 0;

	(void)state;
	/* The first one is split by memory types, the last one by a device's page, which is not of this table. */
	for (uint64_t gpa = SIZE_2M; gpa < (PW_DEVICE & ~(SIZE_2M - 1)); gpa += SIZE_2M) {
		const bool is_mixed = paging_is_mixed(&world.paging, gpa >> PAGE_SHIFT);

		assert_int_equal(leaf_at(gpa).size == SIZE_4K, is_mixed);
		assert_int_equal(paging_is_mixed(&world.paging, (gpa + SIZE_2M - 1) >> PAGE_SHIFT),
				 is_mixed);
		mixed += is_mixed;
	}
	assert_in_range(mixed, 1, PW_RAM / SIZE_2M - 1);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, open_with_mbec, close_world)
#define WITHOUT(test) cmocka_unit_test_setup_teardown(test, open_without, close_world)
	const struct CMUnitTest tests[] = {
		WITH(rights_follow_the_type),
		WITHOUT(rights_follow_the_type),
		cmocka_unit_test_teardown(everything_is_executable_before_active, close_world),
		WITH(the_kernel_executes_only_code_from_active_on),
		WITH(large_pages_stay_large),
		WITH(only_mixed_regions_are_split),
		WITHOUT(without_mbec_data_stays_executable),
		cmocka_unit_test_setup_teardown(an_activation_that_fails_takes_nothing,
						open_inactive, close_world),
		cmocka_unit_test_setup_teardown(the_firmware_s_code_is_written_where_it_is_data_too,
						open_inactive, close_world),
		cmocka_unit_test_setup_teardown(the_firmware_s_code_is_found_in_the_last_entry,
						open_inactive, close_world),
		WITH(code_that_goes_is_data_again),
		WITH(an_executable_leaf_alone_executes_nothing),
		WITH(user_mode_executes_the_vdso_and_the_kernel_does_not),
	};

	return cmocka_run_group_tests_name("paging_rights", tests, NULL, NULL);
}
