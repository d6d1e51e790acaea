/* SPDX-License-Identifier: MIT */
/*
 * Rules of the judge that hold from LOCKED on: what each refuses then, what it still admits, and that it lets
 * the same pass in the phase ACTIVE.
 */
#include "tests/unit/paging_rules.h"

static struct paging_world *const world = &rules_world.world;

#define TEXT PW_IMAGE_GPA
#define CONSTANTS (PW_IMAGE_GPA + PW_TEXT_PAGES * PAGE_SIZE)
#define CONSTANTS_VA (PW_IMAGE + PW_TEXT_PAGES * PAGE_SIZE)
/* A bit that is the kernel's own: what changes nothing. */
#define SOFTWARE (1ULL << 9)

static bool locked(void)
{
	return world->paging.locked;
}

/* Refused by this rule in the phase LOCKED, admitted before. */
static void refuses_locked(uint64_t slot, uint64_t value, uint8_t rule)
{
	if (locked())
		refuses(slot, value, rule);
	else
		admits(slot, value);
}

static uint64_t kernel_entry(uint64_t va, uint32_t level)
{
	const uint64_t slot = pw_slot(world->swapper, va, level);

	assert_int_not_equal(slot, 0);
	return slot;
}

/* ---- kernel-template */

static void test_the_upper_half_stays_as_it_is(void **state)
{
	const uint64_t empty = rules_world.process + 300 * 8;
	const uint64_t vmalloc = pw_slot(rules_world.process, PW_VMALLOC, 4);

	(void)state;
	admits(vmalloc, pw_peek(vmalloc) ^ SOFTWARE ^ PTE_A);
	refuses_locked(empty, memory() | PW_KERNEL_TABLE, SECPOD_RULE_KERNEL_TEMPLATE);
	pw_check(world);
	refuses_locked(vmalloc, 0, SECPOD_RULE_KERNEL_TEMPLATE);
	refuses_locked(pw_slot(rules_world.process, PW_MODULES, 4), memory() | PW_KERNEL_TABLE,
		       SECPOD_RULE_KERNEL_TEMPLATE);
}

static void test_the_place_of_the_ldt_is_free(void **state)
{
	const uint64_t slot = rules_world.process + LDT_REMAP_INDEX * 8;

	(void)state;
	admits(slot, memory() | PW_KERNEL_TABLE);
	admits(slot, 0);
	admits(slot, memory() | PW_KERNEL_TABLE);
	pw_check(world);
}

/* The same as a whole: a root that is new. */
static void test_a_new_root_has_the_same_upper_half(void **state)
{
	uint64_t root = pw_process(world);
	const uint64_t slot = pw_slot(root, PW_VMALLOC, 4);

	(void)state;
	assert_int_equal(pw_load(world, 1, root), 0);
	root = pw_process(world);
	assert_int_equal(pw_poke(world, 1, root + (slot & ~PAGE_MASK), memory() | PW_KERNEL_TABLE),
			 0);
	assert_int_equal(pw_load(world, 1, root), locked() ? -EPERM : 0);
	pw_check(world);
}

/* ---- kernel-remap */

static void test_a_kernel_page_does_not_move(void **state)
{
	(void)state;
	for (uint32_t level = 1; level <= 3; level++) {
		const uint64_t slot = kernel_slot(level), other = kernel_slot(level);
		const uint64_t far = SIZE_1G * level, bits = PW_KERNEL_RW | leaf_bit(level);

		admits(slot, far | bits);
		/* Rights and flags, the other way round, too. */
		admits(slot, far | PW_KERNEL_RO | leaf_bit(level));
		admits(slot, far | bits | SOFTWARE);
		admits(slot, 0);
		admits(slot, 4 * SIZE_1G | bits);
		refuses_locked(slot, far | bits, SECPOD_RULE_KERNEL_REMAP);
		admits(other, far | bits);
	}
	pw_check(world);
}

static void test_a_kernel_table_is_not_exchanged(void **state)
{
	(void)state;
	for (uint32_t level = 2; level <= 3; level++) {
		const uint64_t slot = kernel_slot(level), other = kernel_slot(level);

		admits(slot, memory() | PW_KERNEL_TABLE);
		refuses_locked(slot, memory() | PW_KERNEL_TABLE, SECPOD_RULE_KERNEL_REMAP);
		admits(other, memory() | PW_KERNEL_TABLE);
		/* A table gives way to a large page only when it has been taken out first. */
		refuses_locked(other, SIZE_1G | PW_KERNEL_RW | PTE_PS, SECPOD_RULE_KERNEL_REMAP);
		admits(other, 0);
		admits(other, SIZE_1G | PW_KERNEL_RW | PTE_PS);
	}
	pw_check(world);
}

/* A table with the pieces of a large page; all but one as they should be, and that one as given. */
static uint64_t pieces(uint64_t first, uint32_t level, uint64_t bits, uint32_t odd, uint64_t entry)
{
	const uint64_t table = memory();

	for (uint32_t i = 0; i < PT_ENTRIES; i++) {
		const uint64_t piece = (first + i * pte_span(level)) | bits | leaf_bit(level);

		assert_int_equal(pw_poke(world, 1, table + i * 8, i == odd ? entry : piece), 0);
	}
	return table | PW_KERNEL_TABLE;
}

static void test_a_split_changes_nothing_but_the_size(void **state)
{
	const uint64_t first = 2 * SIZE_1G;

	(void)state;
	for (uint32_t level = 2; level <= 3; level++) {
		const uint64_t leaf = first | PW_KERNEL_RO | PTE_PS;
		const uint64_t low = leaf_bit(level - 1), step = pte_span(level - 1);
		const struct {
			uint64_t entry;
			bool right;
		} last[] = {
			{(first + 511 * step) | PW_KERNEL_RO | low, true},
			{(first + 511 * step) | PW_KERNEL_RO | low | SOFTWARE, true},
			{0, true},
			{(first + 511 * step) | PW_KERNEL_RW | low, false},
			{(first + 510 * step) | PW_KERNEL_RO | low, false},
			{first + 512 * step + (PW_KERNEL_RO | low), false},
		};

		for (uint32_t i = 0; i < 6; i++) {
			const uint64_t slot = kernel_slot(level);
			const uint64_t table =
				pieces(first, level - 1, PW_KERNEL_RO, 511, last[i].entry);

			admits(slot, leaf);
			if (last[i].right)
				admits(slot, table);
			else
				refuses_locked(slot, table, SECPOD_RULE_KERNEL_REMAP);
		}
	}
	pw_check(world);
}

/* ---- locked-range */

static void test_text_and_constants_do_not_move(void **state)
{
	const uint64_t slots[] = {
		kernel_entry(PW_IMAGE, 1),
		kernel_entry(CONSTANTS_VA, 1),
		kernel_entry(CONSTANTS_VA + (PW_RODATA_PAGES - 1) * PAGE_SIZE, 1),
		kernel_entry(PW_CPU_ENTRY, 1),
	};

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		const uint64_t now = pw_peek(slots[i]);

		admits(slots[i], now | SOFTWARE);
		refuses_locked(slots[i], (now & ~PTE_ADDR) | memory() | PTE_NX,
			       SECPOD_RULE_KERNEL_REMAP);
		if (!locked())
			admits(slots[i], now);
		refuses_locked(slots[i], 0, SECPOD_RULE_LOCKED_RANGE);
	}
	pw_check(world);
}

static void test_rights_to_constants_only_shrink(void **state)
{
	const uint64_t text = kernel_entry(PW_IMAGE, 1), constant = kernel_entry(CONSTANTS_VA, 1);

	(void)state;
	refuses_locked(constant, CONSTANTS | PW_KERNEL_RW, SECPOD_RULE_LOCKED_RANGE);
	/* Text ceases to be executed, and would be again. */
	admits(text, TEXT | PW_KERNEL_RO);
	refuses_locked(text, TEXT | PW_KERNEL_RX, SECPOD_RULE_LOCKED_RANGE);
	pw_check(world);
}

/* The tables above them: ATRA at every level. */
static void test_tables_of_the_image_do_not_move(void **state)
{
	const uint64_t addresses[] = {PW_IMAGE, PW_CPU_ENTRY};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		for (uint32_t level = 2; level <= 3; level++) {
			const uint64_t slot = kernel_entry(addresses[i], level);
			const uint64_t now = pw_peek(slot), copy = memory();

			/* A true copy of the table is another table. */
			for (uint32_t j = 0; j < PT_ENTRIES; j++)
				assert_int_equal(pw_poke(world, 1, copy + j * 8,
							 pw_peek((now & PTE_ADDR) + j * 8)),
						 0);
			if (!locked())
				continue;
			refuses(slot, 0, SECPOD_RULE_LOCKED_RANGE);
			/* Let pass by the answer off: put back. */
			world->let_pass = true;
			assert_int_equal(pw_poke(world, 0, slot, now), 0);
			world->let_pass = false;
			assert_int_equal(pw_poke(world, 0, slot, copy | PW_KERNEL_TABLE), -EPERM);
			assert_int_equal(world->last_rule, SECPOD_RULE_KERNEL_REMAP);
			assert_int_equal(pw_peek(slot), now);
		}
	}
	pw_check(world);
}

/* The first and the last page of each range, and those before and behind. */
static void test_locked_ranges_are_exact(void **state)
{
	(void)state;
	if (!locked()) {
		assert_int_equal(world->paging.locked_ranges, 0);
		return;
	}
	assert_true(world->paging.locked_ranges > 0);
	for (uint32_t i = 0; i < world->paging.locked_ranges; i++) {
		const struct paging_range *range = &world->paging.locked_range[i];
		const uint64_t edges[] = {range->begin, range->end - PAGE_SIZE};

		assert_int_equal((range->begin | range->end) % PAGE_SIZE, 0);
		for (uint32_t j = 0; j < 2; j++) {
			const uint64_t slot = pw_slot(world->swapper, edges[j], 1);

			if (!slot)
				continue;
			assert_int_equal(
				pw_poke(world, 0, slot,
					pw_peek(slot) & PTE_P ? 0 : memory() | PW_KERNEL_RO),
				-EPERM);
			assert_int_equal(world->last_rule, SECPOD_RULE_LOCKED_RANGE);
		}
	}
	/* Behind the image there is ordinary memory of the kernel's. */
	admits(kernel_entry(PW_IMAGE + SIZE_2M - PAGE_SIZE, 1), memory() | PW_KERNEL_RW);
	if (pw_slot(world->swapper, PW_IMAGE - PAGE_SIZE, 1))
		admits(kernel_entry(PW_IMAGE - PAGE_SIZE, 1), memory() | PW_KERNEL_RW);
	pw_check(world);
}

/* A page so large that the range is only a part of it. */
static void test_no_large_page_reaches_into_a_range(void **state)
{
	const uint64_t slot = kernel_entry(PW_CPU_ENTRY + SIZE_1G, 3);

	(void)state;
	refuses_locked(slot, SIZE_1G | PW_KERNEL_RO | PTE_PS, SECPOD_RULE_LOCKED_RANGE);
	pw_check(world);
}

/* ---- direct-map */

static void test_the_direct_map_is_linear(void **state)
{
	const uint64_t va = PW_DIRECT + 10 * SIZE_2M, slot = kernel_entry(va, 2);
	const uint64_t right = 10 * SIZE_2M | PW_KERNEL_RW | PTE_PS;

	(void)state;
	admits(slot, right | SOFTWARE);
	/* It may go, and come back; not to another place. */
	admits(slot, 0);
	refuses_locked(slot, 11 * SIZE_2M | PW_KERNEL_RW | PTE_PS, SECPOD_RULE_DIRECT_MAP);
	admits(slot, 0);
	admits(slot, right);
	/* Page by page the same. */
	admits(slot, pieces(10 * SIZE_2M, 1, PW_KERNEL_RW, 511, 0));
	admits(kernel_entry(va + 511 * PAGE_SIZE, 1),
	       (10 * SIZE_2M + 511 * PAGE_SIZE) | PW_KERNEL_RW);
	admits(kernel_entry(va, 1), 0);
	refuses_locked(kernel_entry(va, 1), (10 * SIZE_2M + PAGE_SIZE) | PW_KERNEL_RW,
		       SECPOD_RULE_DIRECT_MAP);
	pw_check(world);
}

static void test_the_direct_map_executes_nothing(void **state)
{
	const uint64_t slot = kernel_entry(PW_DIRECT + PW_IMAGE_GPA, 2);

	(void)state;
	admits(slot, pieces(PW_IMAGE_GPA, 1, PW_KERNEL_RO, 0, 0));
	refuses(kernel_entry(PW_DIRECT + TEXT, 1), TEXT | PW_KERNEL_RX,
		locked() ? SECPOD_RULE_DIRECT_MAP : SECPOD_RULE_KERNEL_EXEC);
	/* But what CPUs start in. */
	assert_int_equal(frame_set(&world->paging.frames, 12 * 512, FRAME_NONE, FRAME_TRAMP), 0);
	assert_true(paging_protect(&world->paging, 12 * 512, FRAME_TRAMP) >= 0);
	admits(kernel_entry(PW_DIRECT + 12 * SIZE_2M, 2),
	       pieces(12 * SIZE_2M, 1, PW_KERNEL_RW, 0, 0));
	admits(kernel_entry(PW_DIRECT + 12 * SIZE_2M, 1), 12 * SIZE_2M | PW_KERNEL_RX);
	pw_check(world);
}

/* ---- special-root */

static void test_special_roots_stay_as_they_are(void **state)
{
	const uint64_t low = rules_world.special, image = rules_world.special + 511 * 8;

	(void)state;
	admits(low, pw_peek(low));
	admits(low, pw_peek(low) ^ SOFTWARE);
	refuses_locked(low + 8, memory() | PW_KERNEL_TABLE, SECPOD_RULE_SPECIAL_ROOT);
	refuses_locked(low, 0, SECPOD_RULE_SPECIAL_ROOT);
	refuses_locked(image, 0, SECPOD_RULE_SPECIAL_ROOT);
	refuses_locked(low + 300 * 8, memory() | PW_KERNEL_TABLE, SECPOD_RULE_SPECIAL_ROOT);
}

static void test_no_new_special_root(void **state)
{
	const uint64_t root = pw_process(world);

	(void)state;
	assert_int_equal(pw_poke(world, 1, root, memory() | PW_KERNEL_TABLE), 0);
	assert_int_equal(pw_load(world, 1, root), locked() ? -EPERM : 0);
	if (locked())
		assert_int_equal(world->last_rule, SECPOD_RULE_KERNEL_USER);
	pw_check(world);
	/* That of before is loaded as often as anybody likes. */
	assert_int_equal(pw_load(world, 1, rules_world.special), 0);
	pw_check(world);
}

#define BOTH(name) RULE_TEST(name, active), RULE_TEST(name, locked)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_the_upper_half_stays_as_it_is),
		BOTH(test_the_place_of_the_ldt_is_free),
		BOTH(test_a_new_root_has_the_same_upper_half),
		BOTH(test_a_kernel_page_does_not_move),
		BOTH(test_a_kernel_table_is_not_exchanged),
		BOTH(test_a_split_changes_nothing_but_the_size),
		BOTH(test_text_and_constants_do_not_move),
		BOTH(test_rights_to_constants_only_shrink),
		BOTH(test_tables_of_the_image_do_not_move),
		BOTH(test_locked_ranges_are_exact),
		BOTH(test_no_large_page_reaches_into_a_range),
		BOTH(test_the_direct_map_is_linear),
		BOTH(test_the_direct_map_executes_nothing),
		BOTH(test_special_roots_stay_as_they_are),
		BOTH(test_no_new_special_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
