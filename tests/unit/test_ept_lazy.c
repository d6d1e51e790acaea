/* SPDX-License-Identifier: MIT */
#include "tests/unit/ept_fixture.h"

#include <errno.h>

#include "ept/ept_tables.h"

#define EAGER (4 * SIZE_1G)
#define PAGES 512u

static struct world w;

/* A CPU with 46 address bits and no 1 GiB pages. */
static int world_up(void **state)
{
	(void)state;
	world_open(&w, PAGES, 46, 0);
	return world_map(&w, 2 * SIZE_1G);
}

static int world_down(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

static void reclaim_all(void)
{
	ept_reclaim_until(&w.ept, ept_reclaim_ticket(&w.ept));
}

static uint64_t mapped_regions(void)
{
	uint64_t gpa, count = 0;

	for (gpa = EAGER; gpa < w.ept.limit; gpa += SIZE_1G)
		count += world_lookup(&w, gpa).rights != EPT_NONE;
	return count;
}

static void region_is_mapped_at_first_use_and_only_then(void **state)
{
	uint64_t mmio = 0x3fff00000000; /* where Linux puts 64-bit BARs of such a machine */

	(void)state;
	assert_int_equal(world_lookup(&w, mmio).rights, EPT_NONE);
	assert_int_equal(ept_map_lazy(&w.ept, mmio + 0x12345678), 0);
	world_check(&w);
	assert_int_equal(world_lookup(&w, mmio).rights, RWX);
	assert_int_equal(world_lookup(&w, mmio).hpa, mmio);
	assert_int_equal(world_lookup(&w, mmio).size, SIZE_2M);
	assert_int_equal(world_lookup(&w, mmio - 1).rights, EPT_NONE);
	assert_int_equal(world_lookup(&w, mmio + SIZE_1G).rights, EPT_NONE);
	assert_int_equal(w.ept.lazy_count, 1);
	/* A second CPU with the same violation. */
	assert_int_equal(ept_map_lazy(&w.ept, mmio), 0);
	assert_int_equal(w.ept.lazy_count, 1);
}

static void last_region_of_the_map_can_be_mapped(void **state)
{
	(void)state;
	assert_int_equal(ept_map_lazy(&w.ept, w.ept.limit - 1), 0);
	assert_int_equal(world_lookup(&w, w.ept.limit - 1).hpa, w.ept.limit - SIZE_2M);
	world_check(&w);
}

static void only_the_lazy_part_is_mapped_lazily(void **state)
{
	(void)state;
	assert_int_equal(ept_map_lazy(&w.ept, EAGER - 1), -ENOENT);
	assert_int_equal(ept_map_lazy(&w.ept, 0), -ENOENT);
	assert_int_equal(ept_map_lazy(&w.ept, w.ept.limit), -ENOENT);
	assert_int_equal(ept_map_lazy(&w.ept, UINT64_MAX), -ENOENT);
	assert_int_equal(ept_map_lazy(&w.ept, EAGER), 0);
	/* What was taken away does not come back this way. */
	assert_int_equal(ept_protect(&w.ept, SIZE_1G, SIZE_1G, EPT_NONE), EPT_FLUSH_NEEDED);
	assert_int_equal(ept_map_lazy(&w.ept, SIZE_1G), -ENOENT);
	assert_int_equal(world_lookup(&w, SIZE_1G).rights, EPT_NONE);
	world_check(&w);
}

static void map_with_1g_pages_has_no_lazy_part(void **state)
{
	struct world big;

	(void)state;
	world_open(&big, PAGES, 46, WORLD_1G);
	assert_int_equal(world_map(&big, 0), 0);
	assert_int_equal(ept_map_lazy(&big.ept, big.ept.limit - 1), -ENOENT);
	world_close(&big);
}

static void number_of_regions_is_bounded(void **state)
{
	uint64_t i;

	(void)state;
	/*
	 * A guest that walks through its whole address space, by a step that spreads over many
	 * PDPTs.
	 */
	for (i = 0; i < 5000; i++) {
		uint64_t gpa = EAGER + i * 7 * SIZE_1G;
		int result = ept_map_lazy(&w.ept, gpa);

		assert_int_equal(result, i < EPT_LAZY_MAX ? 0 : EPT_FLUSH_NEEDED);
		assert_int_equal(world_lookup(&w, gpa).rights, RWX);
		if (result == EPT_FLUSH_NEEDED)
			reclaim_all();
		assert_true(w.ept.lazy_count <= EPT_LAZY_MAX);
		assert_true(w.ept.counts.tables <= 8 + 2 * EPT_LAZY_MAX);
	}
	assert_int_equal(mapped_regions(), EPT_LAZY_MAX);
	world_check(&w);
}

static void evicted_region_comes_back_at_its_next_use(void **state)
{
	uint64_t i, gone = 0;

	(void)state;
	for (i = 0; i <= EPT_LAZY_MAX; i++)
		assert_true(ept_map_lazy(&w.ept, EAGER + i * SIZE_1G) >= 0);
	for (i = 0; i <= EPT_LAZY_MAX; i++)
		if (world_lookup(&w, EAGER + i * SIZE_1G).rights == EPT_NONE)
			gone = EAGER + i * SIZE_1G;
	assert_int_not_equal(gone, 0);
	world_check(&w);
	assert_int_equal(ept_map_lazy(&w.ept, gone), EPT_FLUSH_NEEDED);
	assert_int_equal(world_lookup(&w, gone).rights, RWX);
	world_check(&w);
}

static void regions_take_turns_in_being_evicted(void **state)
{
	uint64_t i;

	(void)state;
	for (i = 0; i < EPT_LAZY_MAX; i++)
		assert_int_equal(ept_map_lazy(&w.ept, EAGER + (1000 + i) * SIZE_1G), 0);
	/* As many new ones, at lower addresses, push out all old ones, not each other. */
	for (i = 0; i < EPT_LAZY_MAX; i++) {
		assert_int_equal(ept_map_lazy(&w.ept, EAGER + i * SIZE_1G), EPT_FLUSH_NEEDED);
		reclaim_all();
	}
	for (i = 0; i < EPT_LAZY_MAX; i++) {
		assert_int_equal(world_lookup(&w, EAGER + (1000 + i) * SIZE_1G).rights, EPT_NONE);
		assert_int_equal(world_lookup(&w, EAGER + i * SIZE_1G).rights, RWX);
	}
	world_check(&w);
}

static void evicted_table_keeps_its_contents_until_reclaim(void **state)
{
	const uint64_t *pd;
	uint64_t i, before;

	(void)state;
	assert_int_equal(ept_map_lazy(&w.ept, EAGER), 0);
	pd = ept_table_of(ept_table_of(w.ept.root[0])[4]);
	before = pd[511];
	for (i = 1; i <= EPT_LAZY_MAX; i++)
		ept_map_lazy(&w.ept, EAGER + i * SIZE_1G);
	assert_int_equal(world_lookup(&w, EAGER).rights, EPT_NONE);
	assert_int_equal(pd[511], before);
	assert_int_equal(world_leaked(&w), 0);
}

static void short_pool_evicts_and_lets_the_guest_try_again(void **state)
{
	uint64_t i, tries;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(ept_map_lazy(&w.ept, EAGER + i * SIZE_1G), 0);
	while (page_pool_left(&w.pool) > 0)
		page_pool_alloc(&w.pool);

	/* The region is far off, so that it needs a PDPT as well: two evictions. */
	for (tries = 0; ept_map_lazy(&w.ept, 0x3f0000000000) != 0; tries++) {
		assert_true(tries < 3);
		assert_int_equal(world_lookup(&w, 0x3f0000000000).rights, EPT_NONE);
		reclaim_all();
	}
	assert_int_equal(tries, 2);
	assert_int_equal(world_lookup(&w, 0x3f0000000000).rights, RWX);
	assert_int_equal(mapped_regions(), 3);
}

static void no_memory_and_nothing_to_evict_is_an_error(void **state)
{
	struct ept_counts before = w.ept.counts;

	(void)state;
	while (page_pool_left(&w.pool) > 0)
		page_pool_alloc(&w.pool);
	assert_int_equal(ept_map_lazy(&w.ept, EAGER), -ENOMEM);
	assert_memory_equal(&w.ept.counts, &before, sizeof(before));
	assert_int_equal(world_lookup(&w, EAGER).rights, EPT_NONE);
}

static void region_with_a_protected_page_is_never_evicted(void **state)
{
	uint64_t gpa = 0x10000000000, i;

	(void)state;
	/* Protecting maps the region; the rest of it is as if mapped by use. */
	assert_int_equal(ept_protect(&w.ept, gpa, SIZE_4K, EPT_READ), EPT_FLUSH_NEEDED);
	assert_int_equal(world_lookup(&w, gpa).rights, EPT_READ);
	assert_int_equal(world_lookup(&w, gpa + SIZE_4K).rights, RWX);
	assert_int_equal(w.ept.lazy_count, 0);
	world_check(&w);
	for (i = 0; i < 3 * EPT_LAZY_MAX; i++) {
		assert_true(ept_map_lazy(&w.ept, EAGER + i * SIZE_1G) >= 0);
		reclaim_all();
	}
	assert_int_equal(world_lookup(&w, gpa).rights, EPT_READ);
	world_check(&w);
}

static void region_taken_away_is_not_mapped_by_use(void **state)
{
	uint64_t gpa = 0x10000000000;

	(void)state;
	assert_int_equal(ept_map_lazy(&w.ept, gpa), 0);
	assert_int_equal(ept_protect(&w.ept, gpa - SIZE_1G, 2 * SIZE_1G, EPT_NONE),
			 EPT_FLUSH_NEEDED);
	world_check(&w);
	assert_int_equal(ept_map_lazy(&w.ept, gpa), 0);
	assert_int_equal(ept_map_lazy(&w.ept, gpa - SIZE_1G), 0);
	assert_int_equal(world_lookup(&w, gpa).rights, EPT_NONE);
	assert_int_equal(world_lookup(&w, gpa - SIZE_1G).rights, EPT_NONE);
	assert_int_equal(ept_protect(&w.ept, gpa, SIZE_1G, EPT_RWX), 0);
	assert_int_equal(world_lookup(&w, gpa).rights, RWX);
	world_check(&w);
}

static void dummy_is_refused_in_the_lazy_part(void **state)
{
	(void)state;
	assert_int_equal(ept_map_dummy(&w.ept, EAGER), -EINVAL);
	assert_int_equal(world_lookup(&w, EAGER).rights, EPT_NONE);
	assert_int_equal(ept_map_lazy(&w.ept, EAGER), 0);
	assert_int_equal(ept_map_dummy(&w.ept, EAGER), -EINVAL);
	assert_int_equal(w.ept.dummy, 0);
	world_check(&w);
}

static void protecting_more_than_there_is_memory_for_is_refused(void **state)
{
	struct ept_counts before = w.ept.counts;

	(void)state;
	assert_int_equal(ept_protect(&w.ept, EAGER, w.ept.limit - EAGER, EPT_READ), -ENOMEM);
	assert_memory_equal(&w.ept.counts, &before, sizeof(before));
	assert_int_equal(ept_protect(&w.ept, EAGER, 600 * SIZE_1G, EPT_READ), -ENOMEM);
	/* Some regions may be mapped now, but none has other rights than before. */
	assert_int_equal(world_lookup(&w, EAGER).rights & ~RWX, 0);
	world_check(&w);
}

static void regions_with_several_types_are_mapped_so(void **state)
{
	(void)state;
	world_close(&w);
	world_open(&w, PAGES, 46, 0);
	mtrr_set_range(&w.mtrr, 3, 8 * SIZE_1G, SIZE_2M / 2, MEMORY_UC);
	mtrr_set_range(&w.mtrr, 4, 8 * SIZE_1G + SIZE_2M, SIZE_2M, MEMORY_UC);
	assert_int_equal(world_map(&w, 0), 0);
	assert_int_equal(ept_map_lazy(&w.ept, 8 * SIZE_1G), 0);
	world_check(&w);
	assert_int_equal(world_lookup(&w, 8 * SIZE_1G).size, SIZE_4K);
	assert_int_equal(world_lookup(&w, 8 * SIZE_1G).type, MEMORY_UC);
	assert_int_equal(world_lookup(&w, 8 * SIZE_1G + SIZE_2M / 2).type, MEMORY_WB);
	assert_int_equal(world_lookup(&w, 8 * SIZE_1G + SIZE_2M).size, SIZE_2M);
	assert_int_equal(world_lookup(&w, 8 * SIZE_1G + SIZE_2M).type, MEMORY_UC);
}

static void types_too_fine_for_the_memory_become_uncacheable(void **state)
{
	struct mtrr_state hostile;

	(void)state;
	/* Every other page UC, by a mask with a hole: 512 tables for each GiB. */
	hostile = w.mtrr;
	hostile.variable[5].base = SIZE_1G * 64 | 0x1000; /* UC */
	hostile.variable[5].mask = 0x3ff000000000 | 0x1000 | 0x800;
	while (page_pool_left(&w.pool) > 200)
		page_pool_alloc(&w.pool);
	ept_set_mtrr(&w.ept, &hostile);
	reclaim_all();
	assert_int_equal(ept_map_lazy(&w.ept, 0x1000000000), 0);
	assert_int_equal(world_lookup(&w, 0x1000000000).type, MEMORY_UC);
	assert_int_equal(world_lookup(&w, 0x1000000000).size, SIZE_2M);
	assert_true(w.ept.types_coarse);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)
	const struct CMUnitTest tests[] = {
		CASE(region_is_mapped_at_first_use_and_only_then),
		CASE(last_region_of_the_map_can_be_mapped),
		CASE(only_the_lazy_part_is_mapped_lazily),
		cmocka_unit_test(map_with_1g_pages_has_no_lazy_part),
		CASE(number_of_regions_is_bounded),
		CASE(evicted_region_comes_back_at_its_next_use),
		CASE(regions_take_turns_in_being_evicted),
		CASE(evicted_table_keeps_its_contents_until_reclaim),
		CASE(short_pool_evicts_and_lets_the_guest_try_again),
		CASE(no_memory_and_nothing_to_evict_is_an_error),
		CASE(region_with_a_protected_page_is_never_evicted),
		CASE(region_taken_away_is_not_mapped_by_use),
		CASE(dummy_is_refused_in_the_lazy_part),
		CASE(protecting_more_than_there_is_memory_for_is_refused),
		CASE(regions_with_several_types_are_mapped_so),
		CASE(types_too_fine_for_the_memory_become_uncacheable),
	};

	return cmocka_run_group_tests_name("ept_lazy", tests, NULL, NULL);
}
