/* SPDX-License-Identifier: MIT */
/*
 * Rules of the judge that hold from ACTIVE on: what each admits at its edge and what it refuses, at every
 * level that has such entries, and what becomes of it with the answer off.
 */
#include <string.h>

#include "tests/unit/paging_rules.h"

static struct paging_world *const world = &rules_world.world;

#define TEXT PW_IMAGE_GPA
#define CONSTANTS (PW_IMAGE_GPA + PW_TEXT_PAGES * PAGE_SIZE)
#define KERNEL_RWX (PW_KERNEL_RX | PTE_RW)

/* ---- page-table-entry */

static void test_reserved_bits_are_refused_at_every_level(void **state)
{
	(void)state;
	for (uint32_t level = 1; level <= 3; level++) {
		for (uint32_t bit = 39; bit < 52; bit++) {
			refuses(user_slot(level), 1ULL << bit | PW_USER_RW | leaf_bit(level),
				SECPOD_RULE_PT_ENTRY);
			rules_world.used--;
		}
		/* The highest address there is, and bits that are the kernel's. */
		admits(user_slot(level), 1ULL << 38 | PW_USER_RW | leaf_bit(level));
		admits(user_slot(level), memory_2m() << 9 << (level > 2) | PW_USER_RW |
						 leaf_bit(level) | 0x7ffULL << 52 | 7 << 9);
	}
	for (uint32_t level = 2; level <= 4; level++) {
		refuses(user_slot(level), 1ULL << 39 | memory() | PW_USER_TABLE,
			SECPOD_RULE_PT_ENTRY);
		refuses(user_slot(level), 1ULL << 51 | memory() | PW_USER_TABLE,
			SECPOD_RULE_PT_ENTRY);
	}
	refuses(kernel_slot(1), 1ULL << 39 | PW_KERNEL_RW, SECPOD_RULE_PT_ENTRY);
	pw_check(world);
}

static void test_a_large_page_is_aligned(void **state)
{
	const uint64_t outside = 1ULL << 38;

	(void)state;
	for (uint32_t bit = 13; bit < 21; bit++)
		refuses(user_slot(2), outside | 1ULL << bit | PW_USER_RW | PTE_PS,
			SECPOD_RULE_PT_ENTRY);
	for (uint32_t bit = 13; bit < 30; bit++)
		refuses(user_slot(3), outside | 1ULL << bit | PW_USER_RW | PTE_PS,
			SECPOD_RULE_PT_ENTRY);
	/* The next bit is of the address, and bit 12 is PAT. */
	admits(user_slot(2), outside | 1ULL << 21 | PW_USER_RW | PTE_PS | 1ULL << 12);
	admits(user_slot(3), outside | 1ULL << 30 | PW_USER_RW | PTE_PS | 1ULL << 12);
	pw_check(world);
}

static void test_no_large_page_where_the_cpu_has_none(void **state)
{
	(void)state;
	refuses(user_slot(4), PW_USER_RW | PTE_PS, SECPOD_RULE_PT_ENTRY);
	refuses(kernel_slot(4), PW_KERNEL_RW | PTE_PS, SECPOD_RULE_PT_ENTRY);
	admits(user_slot(3), 1ULL << 38 | PW_USER_RW | PTE_PS);
	world->paging.pages_1g = false;
	refuses(user_slot(3), 1ULL << 38 | PW_USER_RW | PTE_PS, SECPOD_RULE_PT_ENTRY);
	/* At the lowest level the bit is PAT. */
	admits(user_slot(1), memory() | PW_USER_RW | PTE_PS);
	pw_check(world);
}

/* ---- page-table-secure */

static void test_no_page_of_the_monitor_is_mapped(void **state)
{
	const uint64_t first = PW_SECURE_BASE, end = PW_SECURE_BASE + PW_SECURE_SIZE;

	(void)state;
	refuses(user_slot(1), first | PW_USER_RW, SECPOD_RULE_PT_SECURE);
	refuses(user_slot(1), (end - PAGE_SIZE) | (PW_USER_RW & ~PTE_RW), SECPOD_RULE_PT_SECURE);
	refuses(kernel_slot(1), first | PW_KERNEL_RO, SECPOD_RULE_PT_SECURE);
	refuses(kernel_slot(1), (end - PAGE_SIZE) | PW_KERNEL_RW, SECPOD_RULE_PT_SECURE);
	admits(user_slot(1), (first - PAGE_SIZE) | PW_USER_RW);
	admits(kernel_slot(1), end | PW_KERNEL_RW);
	refuses(user_slot(2), first | PW_USER_RW | PTE_PS, SECPOD_RULE_PT_SECURE);
	refuses(kernel_slot(2), first | PW_KERNEL_RO | PTE_PS, SECPOD_RULE_PT_SECURE);
	admits(user_slot(2), (first - SIZE_2M) | PW_USER_RW | PTE_PS);
	admits(kernel_slot(2), end | PW_KERNEL_RO | PTE_PS);
	refuses(user_slot(3), PW_USER_RW | PTE_PS, SECPOD_RULE_PT_SECURE);
	refuses(kernel_slot(3), PW_KERNEL_RO | PTE_PS, SECPOD_RULE_PT_SECURE);
	admits(kernel_slot(3), SIZE_1G | PW_KERNEL_RO | PTE_PS);
	pw_check(world);
}

static void test_no_page_of_the_monitor_is_a_page_table(void **state)
{
	(void)state;
	for (uint32_t level = 2; level <= 4; level++) {
		refuses(user_slot(level), PW_SECURE_BASE | PW_USER_TABLE, SECPOD_RULE_PT_SECURE);
		refuses(user_slot(level),
			(PW_SECURE_BASE + PW_SECURE_SIZE - PAGE_SIZE) | PW_USER_TABLE,
			SECPOD_RULE_PT_SECURE);
		refuses(kernel_slot(level), PW_SECURE_BASE | PW_KERNEL_TABLE,
			SECPOD_RULE_PT_SECURE);
		admits(user_slot(level), memory() | PW_USER_TABLE);
	}
	pw_check(world);
}

/* ---- kernel-exec */

static void test_the_kernel_executes_code_only(void **state)
{
	(void)state;
	admits(kernel_slot(1), memory_of(FRAME_TRAMP) | PW_KERNEL_RX);
	refuses(kernel_slot(1), memory() | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
	refuses(kernel_slot(1), CONSTANTS | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
	refuses(kernel_slot(1), rules_world.process | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
	refuses(kernel_slot(1), PW_RAM | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
	/* In the lower half the kernel is not a user, either. */
	refuses(user_slot(1), memory() | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
	admits(kernel_slot(1), memory() | PW_KERNEL_RO);
	pw_check(world);
}

static void test_no_code_is_written(void **state)
{
	(void)state;
	refuses(kernel_slot(1), TEXT | KERNEL_RWX, SECPOD_RULE_KERNEL_EXEC);
	refuses(module_slot(), memory() | KERNEL_RWX, SECPOD_RULE_KERNEL_EXEC);
	/* An alias that does not execute is EPT's to guard: Linux patches its text through one. */
	admits(kernel_slot(1), TEXT | PW_KERNEL_RW);
	admits(user_slot(1), TEXT | PW_KERNEL_RW);
	pw_check(world);
}

static void test_code_comes_where_modules_are(void **state)
{
	const uint64_t page = module_memory();

	(void)state;
	admits(module_slot(), page | PW_KERNEL_RX);
	assert_int_equal(world->refusals[SECPOD_RULE_CODE_NEW], 1);
	assert_int_equal(frame_type(&world->paging.frames, page >> PAGE_SHIFT), FRAME_CODE_DYN);
	refuses(module_slot(), CONSTANTS | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
	refuses(module_slot(), rules_world.process | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
	pw_check(world);
}

/* Two pages of it side by side that were not make instructions nobody was asked about. */
static void test_code_is_executed_at_one_place(void **state)
{
	const uint64_t page = module_memory(), slot = module_slot();
	const uint64_t text = pw_slot(world->swapper, PW_IMAGE + PAGE_SIZE, 1);

	(void)state;
	admits(slot, page | PW_KERNEL_RX);
	refuses(module_slot(), page | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
	refuses(kernel_slot(1), page | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
	refuses(module_slot(), TEXT | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
	refuses(kernel_slot(1), TEXT | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
	/* There it may go and come, and be looked at from elsewhere. */
	admits(text, pw_peek(text) ^ PTE_G);
	admits(slot, page | PW_KERNEL_RO);
	admits(kernel_slot(1), page | PW_KERNEL_RO);
	admits(slot, page | PW_KERNEL_RX);
	pw_check(world);
}

/* Nor has a new table it elsewhere. */
static void test_a_table_brings_no_code_to_another_place(void **state)
{
	const uint64_t table = memory(), leaf = TEXT | PW_KERNEL_RX;

	(void)state;
	memcpy(world->ram + table, &leaf, sizeof(leaf));
	refuses(kernel_slot(2), table | PW_KERNEL_TABLE, SECPOD_RULE_KERNEL_EXEC);
	pw_check(world);
}

/* Large pages: all of it is code, or it is refused. */
static void test_a_large_page_executes_only_code(void **state)
{
	const uint64_t gpa = memory_2m();

	(void)state;
	refuses(kernel_slot(2), gpa | PW_KERNEL_RX | PTE_PS, SECPOD_RULE_KERNEL_EXEC);
	for (uint64_t i = 1; i < 512; i++)
		assert_int_equal(frame_set(&world->paging.frames, (gpa >> PAGE_SHIFT) + i,
					   FRAME_NONE, FRAME_CODE),
				 0);
	assert_true(ept_protect(&world->ept.ept, gpa + PAGE_SIZE, SIZE_2M - PAGE_SIZE,
				paging_rights(&world->paging, FRAME_CODE)) >= 0);
	refuses(kernel_slot(2), gpa | PW_KERNEL_RX | PTE_PS, SECPOD_RULE_KERNEL_EXEC);
	assert_int_equal(
		frame_set(&world->paging.frames, gpa >> PAGE_SHIFT, FRAME_NONE, FRAME_CODE), 0);
	assert_true(paging_protect(&world->paging, gpa >> PAGE_SHIFT, FRAME_CODE) >= 0);
	admits(kernel_slot(2), gpa | PW_KERNEL_RX | PTE_PS);
	refuses(kernel_slot(2), gpa | KERNEL_RWX | PTE_PS, SECPOD_RULE_KERNEL_EXEC);
	/* No module has a page as large as that. */
	refuses(pw_slot(world->swapper, PW_MODULES + 64 * SIZE_2M, 2),
		memory_2m() | PW_KERNEL_RX | PTE_PS, SECPOD_RULE_KERNEL_EXEC);
	refuses(kernel_slot(3), SIZE_1G | PW_KERNEL_RX | PTE_PS, SECPOD_RULE_KERNEL_EXEC);
	pw_check(world);
}

/* ---- kernel-user */

static void test_no_user_page_in_the_upper_half(void **state)
{
	(void)state;
	for (uint32_t level = 1; level <= 3; level++) {
		const uint64_t frame = level == 1 ? memory() : level == 2 ? memory_2m() : SIZE_1G;

		refuses(kernel_slot(level), frame | PW_KERNEL_RW | PTE_US | leaf_bit(level),
			SECPOD_RULE_KERNEL_USER);
		refuses(kernel_slot(level), frame | PW_USER_RX | leaf_bit(level),
			SECPOD_RULE_KERNEL_USER);
		admits(kernel_slot(level), frame | PW_KERNEL_RW | leaf_bit(level));
	}
	/* In a table's entry the bit alone does nothing. */
	for (uint32_t level = 2; level <= 3; level++)
		admits(kernel_slot(level), memory() | PW_USER_TABLE);
	pw_check(world);
}

static void test_no_kernel_page_in_the_lower_half(void **state)
{
	const uint64_t large = memory_2m();

	(void)state;
	refuses(user_slot(1), TEXT | PW_KERNEL_RX, SECPOD_RULE_KERNEL_USER);
	admits(user_slot(1), memory() | PW_KERNEL_RW);
	admits(user_slot(2), large | PW_KERNEL_RO | PTE_PS);
	for (uint32_t level = 2; level <= 4; level++) {
		refuses(user_slot(level), memory() | PW_KERNEL_TABLE, SECPOD_RULE_KERNEL_USER);
		admits(user_slot(level), memory() | PW_USER_TABLE);
	}
	pw_check(world);
}

/* Taken from a user page that is in use: what a flip of one bit would do. */
static void test_user_and_supervisor_do_not_flip(void **state)
{
	const uint64_t user = user_slot(1), kernel = kernel_slot(1), page = memory();

	(void)state;
	admits(user, page | PW_USER_RX);
	refuses(user, page | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
	admits(kernel, page | PW_KERNEL_RW);
	refuses(kernel, page | PW_KERNEL_RW | PTE_US, SECPOD_RULE_KERNEL_USER);
	pw_check(world);
}

/* ---- user-map */

static void test_users_do_not_map_code(void **state)
{
	static const uint64_t bits[] = {PW_USER_RW, PW_USER_RX, PW_USER_RW & ~PTE_RW};
	const uint64_t module = module_memory();

	(void)state;
	admits(module_slot(), module | PW_KERNEL_RX);
	for (uint32_t i = 0; i < 3; i++) {
		refuses(user_slot(1), TEXT | bits[i], SECPOD_RULE_USER_MAP);
		refuses(user_slot(1), module | bits[i], SECPOD_RULE_USER_MAP);
		refuses(user_slot(1), memory_of(FRAME_TRAMP) | bits[i], SECPOD_RULE_USER_MAP);
		refuses(user_slot(1), memory_of(FRAME_EFI_RT) | bits[i], SECPOD_RULE_USER_MAP);
	}
	/* 2 MiB with the kernel's text in it. */
	refuses(user_slot(2), (TEXT & ~(SIZE_2M - 1)) | PW_USER_RX | PTE_PS, SECPOD_RULE_USER_MAP);
	pw_check(world);
}

static void test_users_see_constants_but_do_not_write_them(void **state)
{
	struct ept_leaf leaf;

	(void)state;
	refuses(user_slot(1), CONSTANTS | PW_USER_RW, SECPOD_RULE_USER_MAP);
	admits(user_slot(1), CONSTANTS | (PW_USER_RW & ~PTE_RW));
	assert_false(frame_read(&world->paging.frames, CONSTANTS >> PAGE_SHIFT) & FRAME_USER_EXEC);
	/* The vDSO, which they also execute. */
	admits(user_slot(1), CONSTANTS | PW_USER_RX);
	assert_int_equal(ept_lookup(&world->ept.ept, CONSTANTS, &leaf), 0);
	assert_true(frame_read(&world->paging.frames, CONSTANTS >> PAGE_SHIFT) & FRAME_USER_EXEC);
	assert_false(leaf.rights & EPT_WRITE);
	pw_check(world);
}

static void test_users_do_not_write_page_tables(void **state)
{
	const uint64_t table = pw_peek(pw_slot(rules_world.process, 0x400000, 2)) & PTE_ADDR;
	const uint64_t large = memory_2m();

	(void)state;
	admits(user_slot(2), (large + 5 * PAGE_SIZE) | PW_USER_TABLE);
	refuses(user_slot(1), table | PW_USER_RW, SECPOD_RULE_USER_MAP);
	refuses(user_slot(1), rules_world.process | PW_USER_RW, SECPOD_RULE_USER_MAP);
	/* Reading does no harm. */
	admits(user_slot(1), table | (PW_USER_RW & ~PTE_RW));
	refuses(user_slot(2), large | PW_USER_RW | PTE_PS, SECPOD_RULE_USER_MAP);
	admits(user_slot(2), large | (PW_USER_RW & ~PTE_RW) | PTE_PS);
	admits(user_slot(2), memory_2m() | PW_USER_RW | PTE_PS);
	admits(user_slot(1), PW_DEVICE | PW_USER_RW);
	admits(user_slot(1), PW_RAM | PW_USER_RW);
	pw_check(world);
}

/* Of 512 frames one is none of the user's: the first, one between, the last. */
static void test_a_large_user_page_has_nothing_protected(void **state)
{
	static const uint64_t places[] = {0, 1, 255, 511};

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		const uint64_t gpa = memory_2m(), frame = (gpa >> PAGE_SHIFT) + places[i];

		assert_int_equal(frame_set(&world->paging.frames, frame, FRAME_NONE, FRAME_RODATA),
				 0);
		assert_true(paging_protect(&world->paging, frame, FRAME_RODATA) >= 0);
		refuses(user_slot(2), gpa | PW_USER_RW | PTE_PS, SECPOD_RULE_USER_MAP);
		admits(user_slot(2), gpa | (PW_USER_RW & ~PTE_RW) | PTE_PS);
	}
	pw_check(world);
}

/* ---- table-alias */

static void test_page_tables_have_no_second_writable_address(void **state)
{
	const uint64_t table = pw_peek(pw_slot(rules_world.process, 0x400000, 2)) & PTE_ADDR;
	const uint64_t large = memory_2m();

	(void)state;
	admits(user_slot(2), (large + 5 * PAGE_SIZE) | PW_USER_TABLE);
	refuses(kernel_slot(1), table | PW_KERNEL_RW, SECPOD_RULE_TABLE_ALIAS);
	refuses(kernel_slot(1), world->swapper | PW_KERNEL_RW, SECPOD_RULE_TABLE_ALIAS);
	refuses(module_slot(), rules_world.process | PW_KERNEL_RW, SECPOD_RULE_TABLE_ALIAS);
	refuses(kernel_slot(2), large | PW_KERNEL_RW | PTE_PS, SECPOD_RULE_TABLE_ALIAS);
	admits(kernel_slot(1), table | PW_KERNEL_RO);
	admits(kernel_slot(2), large | PW_KERNEL_RO | PTE_PS);
	admits(kernel_slot(1), memory() | PW_KERNEL_RW);
	admits(kernel_slot(2), memory_2m() | PW_KERNEL_RW | PTE_PS);
	/* Where Linux has them: the direct map, and for the first ones its image. */
	admits(pw_slot(world->swapper, PW_DIRECT + large, 2),
	       large | PW_KERNEL_RW | PTE_PS | 1ULL << 9);
	admits(pw_slot(world->swapper, PW_IMAGE + (world->swapper - PW_IMAGE_GPA), 1),
	       world->swapper | PW_KERNEL_RW | 1ULL << 9);
	pw_check(world);
}

/* ---- page-table-type */

static void test_a_table_is_of_the_level_below(void **state)
{
	uint64_t table[5] = {[4] = rules_world.process};

	(void)state;
	for (uint32_t level = 4; level > 1; level--)
		table[level - 1] =
			pw_peek(pw_slot(rules_world.process, 0x400000, level)) & PTE_ADDR;
	for (uint32_t level = 2; level <= 4; level++) {
		for (uint32_t of = 1; of <= 4; of++) {
			if (of == level - 1)
				admits(user_slot(level), table[of] | PW_USER_TABLE);
			else
				refuses(user_slot(level), table[of] | PW_USER_TABLE,
					SECPOD_RULE_PT_TYPE);
		}
		refuses(user_slot(level), TEXT | PW_USER_TABLE, SECPOD_RULE_PT_TYPE);
		refuses(user_slot(level), CONSTANTS | PW_USER_TABLE, SECPOD_RULE_PT_TYPE);
		refuses(user_slot(level), PW_DEVICE | PW_USER_TABLE, SECPOD_RULE_PT_TYPE);
		refuses(user_slot(level), PW_RAM | PW_USER_TABLE, SECPOD_RULE_PT_TYPE);
	}
	pw_check(world);
}

static void test_a_kernel_table_has_one_address(void **state)
{
	(void)state;
	for (uint32_t level = 2; level <= 3; level++) {
		const uint64_t below =
			pw_peek(pw_slot(world->swapper, PW_VMALLOC, level)) & PTE_ADDR;
		const uint64_t user =
			pw_peek(pw_slot(rules_world.process, 0x400000, level)) & PTE_ADDR;

		refuses(kernel_slot(level), below | PW_KERNEL_TABLE, SECPOD_RULE_PT_TYPE);
		/* A user's tables are not the kernel's, nor the other way round. */
		refuses(user_slot(level), below | PW_USER_TABLE, SECPOD_RULE_PT_TYPE);
		refuses(kernel_slot(level), user | PW_KERNEL_TABLE, SECPOD_RULE_PT_TYPE);
		/* The same again changes nothing. */
		admits(pw_slot(world->swapper, PW_VMALLOC, level),
		       below | PW_KERNEL_TABLE | 1 << 9);
	}
	pw_check(world);
}

/* ---- root */

static void refuses_root(uint64_t root)
{
	assert_int_equal(pw_load(world, 1, root), -EPERM);
	assert_int_equal(world->last_rule, SECPOD_RULE_PT_ROOT);
	world->let_pass = true;
	assert_int_equal(pw_load(world, 1, root), -EPERM);
	world->let_pass = false;
	assert_false(paging_root_known(&world->cpu[1], root));
	pw_check(world);
}

static void test_a_root_is_a_top_level_table(void **state)
{
	(void)state;
	for (uint32_t level = 2; level <= 4; level++)
		refuses_root(pw_peek(pw_slot(rules_world.process, 0x400000, level)) & PTE_ADDR);
	refuses_root(TEXT);
	refuses_root(CONSTANTS);
	refuses_root(PW_SECURE_BASE);
	refuses_root(PW_DEVICE);
	refuses_root(PW_RAM);
	assert_int_equal(pw_load(world, 1, rules_world.process), 0);
	assert_int_equal(pw_load(world, 1, pw_process(world)), 0);
	pw_check(world);
}

/* ---- page-table-store: what the auditor itself asks of a store */

static void test_a_store_is_of_one_entry(void **state)
{
	uint64_t value = 0, old;

	(void)state;
	for (uint32_t i = 1; i < 8; i++)
		assert_int_equal(paging_store(&world->paging, &world->cpu[0],
					      rules_world.process + i, pw_set_value, &value, &old),
				 -EINVAL);
	assert_int_equal(
		paging_store(&world->paging, &world->cpu[0], memory(), pw_set_value, &value, &old),
		-ENOENT);
	pw_check(world);
}

#define BOTH(name) RULE_TEST(name, active), RULE_TEST(name, locked)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_reserved_bits_are_refused_at_every_level),
		BOTH(test_a_large_page_is_aligned),
		BOTH(test_no_large_page_where_the_cpu_has_none),
		BOTH(test_no_page_of_the_monitor_is_mapped),
		BOTH(test_no_page_of_the_monitor_is_a_page_table),
		BOTH(test_the_kernel_executes_code_only),
		BOTH(test_no_code_is_written),
		BOTH(test_code_comes_where_modules_are),
		BOTH(test_code_is_executed_at_one_place),
		BOTH(test_a_table_brings_no_code_to_another_place),
		BOTH(test_a_large_page_executes_only_code),
		BOTH(test_no_user_page_in_the_upper_half),
		BOTH(test_no_kernel_page_in_the_lower_half),
		BOTH(test_user_and_supervisor_do_not_flip),
		BOTH(test_users_do_not_map_code),
		BOTH(test_users_see_constants_but_do_not_write_them),
		BOTH(test_users_do_not_write_page_tables),
		BOTH(test_a_large_user_page_has_nothing_protected),
		BOTH(test_page_tables_have_no_second_writable_address),
		BOTH(test_a_table_is_of_the_level_below),
		BOTH(test_a_kernel_table_has_one_address),
		BOTH(test_a_root_is_a_top_level_table),
		BOTH(test_a_store_is_of_one_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
