/* SPDX-License-Identifier: MIT */
#include "tests/unit/ept_fixture.h"

#include <errno.h>
#include <string.h>

#include "ept/ept_entry.h"

static void map_is_identity_with_all_rights(void **state)
{
	struct world w;
	uint64_t gpa;

	(void)state;
	world_open(&w, 64, 36, WORLD_1G);
	assert_int_equal(world_map(&w, 4 * SIZE_1G), 0);
	world_check(&w);
	for (gpa = 0; gpa < w.ept.limit; gpa += 0x3fff000) {
		struct ept_leaf leaf = world_lookup(&w, gpa);

		assert_int_equal(leaf.hpa, leaf.gpa);
		assert_int_equal(leaf.rights, RWX);
		assert_int_equal(leaf.type, mtrr_type(&w.mtrr, gpa));
	}
	world_close(&w);
}

static void large_pages_are_used_where_the_type_is_uniform(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, 64, 36, WORLD_1G);
	assert_int_equal(world_map(&w, 4 * SIZE_1G), 0);
	/* The first MiB has several types: 4 KiB there, 2 MiB in the rest of the first GiB. */
	assert_int_equal(w.ept.counts.pages_4k, 512);
	assert_int_equal(w.ept.counts.pages_2m, 511);
	assert_int_equal(w.ept.counts.pages_1g, 63);
	assert_int_equal(w.ept.counts.tables, 4);
	assert_int_equal(world_lookup(&w, 0xb8000).type, MEMORY_UC);
	assert_int_equal(world_lookup(&w, 0xb8000).size, SIZE_4K);
	assert_int_equal(world_lookup(&w, SIZE_2M).size, SIZE_2M);
	assert_int_equal(world_lookup(&w, SIZE_1G).size, SIZE_1G);
	assert_int_equal(world_lookup(&w, 0xfee00000).type, MEMORY_UC);
	world_close(&w);
}

static void map_covers_all_physical_address_bits(void **state)
{
	static const struct {
		uint32_t bits;
		uint64_t limit;
		uint64_t tables;
	} rows[] = {
		{32, 4 * SIZE_1G, 4},	{36, 64 * SIZE_1G, 4}, {39, SIZE_512G, 4},
		{40, 2 * SIZE_512G, 5}, {46, 1ULL << 46, 131}, {48, 1ULL << 48, 515},
		{52, 1ULL << 48, 515}, /* 4-level EPT translates 48 bits */
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;

		world_open(&w, 600, rows[i].bits, WORLD_1G);
		assert_int_equal(world_map(&w, 8 * SIZE_1G), 0);
		world_check(&w);
		assert_int_equal(w.ept.limit, rows[i].limit);
		assert_int_equal(w.ept.counts.tables, rows[i].tables);
		assert_int_equal(world_lookup(&w, rows[i].limit - PAGE_SIZE).hpa,
				 rows[i].limit - SIZE_1G);
		world_close(&w);
	}
}

static void addresses_outside_the_map_are_refused(void **state)
{
	struct ept_leaf leaf;
	struct world w;

	(void)state;
	world_open(&w, 64, 36, WORLD_1G);
	assert_int_equal(world_map(&w, 0), 0);
	assert_int_equal(ept_lookup(&w.ept, w.ept.limit - 1, &leaf), 0);
	assert_int_equal(ept_lookup(&w.ept, w.ept.limit, &leaf), -EINVAL);
	assert_int_equal(ept_lookup(&w.ept, UINT64_MAX, &leaf), -EINVAL);
	world_close(&w);
}

static void features_out_of_range_are_refused(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, 64, 36, WORLD_1G);
	w.features.page_2m = false;
	assert_int_equal(world_map(&w, 0), -EINVAL);
	w.features.page_2m = true;
	w.features.physical_bits = 31;
	assert_int_equal(world_map(&w, 0), -EINVAL);
	w.features.physical_bits = 53;
	assert_int_equal(world_map(&w, 0), -EINVAL);
	w.features.physical_bits = 52;
	assert_int_equal(world_map(&w, 0), -ENOMEM);
	w.features.physical_bits = 32;
	assert_int_equal(world_map(&w, 0), 0);
	world_close(&w);
}

static void init_without_memory_takes_nothing(void **state)
{
	uint64_t pages;

	(void)state;
	for (pages = 1;; pages++) {
		struct world w;
		int result;

		world_open(&w, pages, 36, WORLD_1G);
		result = world_map(&w, 0);
		if (result == 0) {
			world_check(&w);
			world_close(&w);
			break;
		}
		assert_int_equal(result, -ENOMEM);
		assert_int_equal(page_pool_left(&w.pool), pages);
		world_close(&w);
	}
	assert_int_equal(pages, 4 + EPT_ZOMBIE_PAGES);
}

static void without_1g_pages_only_ram_and_the_first_4g_are_mapped(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, 64, 40, 0);
	assert_int_equal(world_map(&w, 5 * SIZE_1G + SIZE_2M), 0);
	world_check(&w);
	assert_int_equal(w.ept.eager_limit, 6 * SIZE_1G);
	assert_int_equal(w.ept.counts.pages_1g, 0);
	assert_int_equal(w.ept.counts.pages_2m, 6 * 512 - 1);
	assert_int_equal(world_lookup(&w, 6 * SIZE_1G - 1).rights, RWX);
	assert_int_equal(world_lookup(&w, 6 * SIZE_1G).rights, EPT_NONE);
	assert_int_equal(world_lookup(&w, 6 * SIZE_1G).hpa, 0);
	world_close(&w);

	world_open(&w, 64, 40, 0);
	assert_int_equal(world_map(&w, SIZE_1G), 0);
	assert_int_equal(w.ept.eager_limit, 4 * SIZE_1G);
	world_close(&w);

	world_open(&w, 64, 32, 0);
	assert_int_equal(world_map(&w, UINT64_MAX), 0);
	assert_int_equal(w.ept.eager_limit, 4 * SIZE_1G);
	world_close(&w);
}

static void mode_based_execute_control_adds_user_execute(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, 64, 36, WORLD_1G | WORLD_MBEC);
	assert_int_equal(world_map(&w, 0), 0);
	world_check(&w);
	assert_int_equal(world_lookup(&w, 0).rights, EPT_RWX);
	world_close(&w);
}

static void mtrrs_off_map_everything_uncacheable(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, 64, 36, WORLD_1G);
	w.mtrr.def_type = MEMORY_WB;
	assert_int_equal(world_map(&w, 0), 0);
	world_check(&w);
	assert_int_equal(world_lookup(&w, 0).type, MEMORY_UC);
	assert_int_equal(w.ept.counts.pages_1g, 64);
	assert_int_equal(w.ept.counts.tables, 2);
	world_close(&w);
}

static void ept_pointer_has_four_levels_and_no_accessed_flags(void **state)
{
	struct world w;
	uint64_t wb, uc;

	(void)state;
	world_open(&w, 64, 36, WORLD_1G);
	assert_int_equal(world_map(&w, 0), 0);
	wb = ept_pointer(&w.ept, true);
	uc = ept_pointer(&w.ept, false);
	assert_int_equal(wb & ~PAGE_MASK, 3 << 3 | 6);
	assert_int_equal(uc & ~PAGE_MASK, 3 << 3);
	assert_int_equal(wb & PAGE_MASK, virt_to_hpa(w.ept.root));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_is_identity_with_all_rights),
		cmocka_unit_test(large_pages_are_used_where_the_type_is_uniform),
		cmocka_unit_test(map_covers_all_physical_address_bits),
		cmocka_unit_test(addresses_outside_the_map_are_refused),
		cmocka_unit_test(features_out_of_range_are_refused),
		cmocka_unit_test(init_without_memory_takes_nothing),
		cmocka_unit_test(without_1g_pages_only_ram_and_the_first_4g_are_mapped),
		cmocka_unit_test(mode_based_execute_control_adds_user_execute),
		cmocka_unit_test(mtrrs_off_map_everything_uncacheable),
		cmocka_unit_test(ept_pointer_has_four_levels_and_no_accessed_flags),
	};

	return cmocka_run_group_tests_name("ept_map", tests, NULL, NULL);
}
