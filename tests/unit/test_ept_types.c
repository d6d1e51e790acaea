/* SPDX-License-Identifier: MIT */
#include "tests/unit/ept_fixture.h"

#include <errno.h>
#include <string.h>

#include "ept/ept_tables.h"
#include "ept/mtrr_regs.h"
#include "tests/unit/mtrr_machines.h"

#define PAGES 1024u

static struct world w;

static int world_up(void **state)
{
	(void)state;
	world_open(&w, PAGES, 40, WORLD_1G);
	return world_map(&w, 16 * SIZE_1G);
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

static void same_registers_change_nothing(void **state)
{
	struct mtrr_state same = w.mtrr;

	(void)state;
	assert_int_equal(ept_set_mtrr(&w.ept, &same), 0);
	same.variable[7].base = 0x123000; /* not valid */
	assert_int_equal(ept_set_mtrr(&w.ept, &same), 0);
	/* Other registers to the same effect. */
	mtrr_set_range(&same, 7, 0x80000000, 0x40000000, MEMORY_UC);
	assert_int_equal(ept_set_mtrr(&w.ept, &same), 0);
	world_check(&w);
}

static void new_range_splits_at_its_ends_and_its_removal_merges(void **state)
{
	static const struct {
		const char *what;
		uint64_t base, size;
	} rows[] = {
		{"4 KiB", 5 * SIZE_1G + 0x7000, 0x1000},
		{"128 KiB", 5 * SIZE_1G + 0x20000, 0x20000},
		{"2 MiB", 5 * SIZE_1G + SIZE_2M, SIZE_2M},
		{"16 MiB", 5 * SIZE_1G + 8 * SIZE_2M, 8 * SIZE_2M},
		{"1 GiB", 6 * SIZE_1G, SIZE_1G},
		{"8 GiB", 8 * SIZE_1G, 8 * SIZE_1G},
		{"half of the map", SIZE_512G, SIZE_512G},
		{"last page of the map", (1ULL << 40) - 0x1000, 0x1000},
	};
	struct ept_counts before = w.ept.counts;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mtrr_state next = w.mtrr;

		mtrr_set_range(&next, 4, rows[i].base, rows[i].size, MEMORY_UC);
		if (ept_set_mtrr(&w.ept, &next) != EPT_FLUSH_NEEDED)
			fail_msg("%s", rows[i].what);
		world_check(&w);
		assert_int_equal(world_lookup(&w, rows[i].base).type, MEMORY_UC);
		assert_int_equal(world_lookup(&w, rows[i].base + rows[i].size - 1).type, MEMORY_UC);
		assert_int_equal(world_lookup(&w, rows[i].base - 1).type, MEMORY_WB);
		assert_int_equal(world_lookup(&w, rows[i].base).rights, RWX);
		reclaim_all();

		assert_int_equal(ept_set_mtrr(&w.ept, &w.mtrr), EPT_FLUSH_NEEDED);
		world_check(&w);
		assert_memory_equal(&w.ept.counts, &before, sizeof(before));
		reclaim_all();
	}
	assert_int_equal(page_pool_left(&w.pool), PAGES - before.tables - EPT_ZOMBIE_PAGES);
}

static void map_follows_from_any_machine_to_any_other(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < MTRR_MACHINES; i++) {
		for (k = 0; k < MTRR_MACHINES; k++) {
			struct mtrr_state from, to;
			struct ept_counts fresh;
			int result;

			mtrr_machine_load(&mtrr_machines[i], &from);
			mtrr_machine_load(&mtrr_machines[k], &to);
			if (from.physical_bits != to.physical_bits)
				continue;

			world_open(&w, PAGES, from.physical_bits, WORLD_1G);
			w.mtrr = to;
			assert_int_equal(world_map(&w, 0), 0);
			fresh = w.ept.counts;
			world_close(&w);

			world_open(&w, PAGES, from.physical_bits, WORLD_1G);
			w.mtrr = from;
			assert_int_equal(world_map(&w, 0), 0);
			world_check(&w);
			result = ept_set_mtrr(&w.ept, &to);
			assert_int_equal(result, i == k ? 0 : EPT_FLUSH_NEEDED);
			world_check(&w);
			/* Not a table more than if it had been built so. */
			assert_memory_equal(&w.ept.counts, &fresh, sizeof(fresh));
			world_close(&w);
		}
	}
}

static void rights_survive_a_change_of_types(void **state)
{
	struct mtrr_state next = w.mtrr;

	(void)state;
	assert_int_equal(ept_protect(&w.ept, 5 * SIZE_1G + 0x5000, 0x1000, EPT_READ),
			 EPT_FLUSH_NEEDED);
	assert_int_equal(ept_protect(&w.ept, 5 * SIZE_1G + SIZE_2M, SIZE_2M, EPT_NONE),
			 EPT_FLUSH_NEEDED);
	assert_int_equal(ept_map_dummy(&w.ept, 5 * SIZE_1G + SIZE_2M), 0);
	mtrr_set_range(&next, 4, 5 * SIZE_1G, SIZE_1G, MEMORY_WT);
	assert_int_equal(ept_set_mtrr(&w.ept, &next), EPT_FLUSH_NEEDED);
	world_check(&w);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G + 0x5000).rights, EPT_READ);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G + 0x5000).type, MEMORY_WT);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G + 0x6000).rights, RWX);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G + 0x6000).type, MEMORY_WT);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G + SIZE_2M + 0x1000).rights, EPT_NONE);
	/*
	 * The dummy frame is the monitor's memory, not what the guest's MTRRs say of the address.
	 */
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G + SIZE_2M).hpa, w.ept.dummy);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G + SIZE_2M).type, MEMORY_WB);
	/* And a hole that gets its rights back has the new type. */
	assert_int_equal(ept_protect(&w.ept, 5 * SIZE_1G, SIZE_1G, EPT_RWX), EPT_FLUSH_NEEDED);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G).size, SIZE_1G);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G).type, MEMORY_WT);
	world_check(&w);
}

static void the_way_linux_sets_mtrrs_ends_where_it_began(void **state)
{
	struct mtrr_state step = w.mtrr;
	struct ept_counts before = w.ept.counts;

	(void)state;
	/* Off with fixed and variable ranges, a register or two, on again. */
	step.def_type = MEMORY_UC;
	assert_int_equal(ept_set_mtrr(&w.ept, &step), EPT_FLUSH_NEEDED);
	world_check(&w);
	assert_int_equal(w.ept.counts.pages_1g, 1024);
	assert_int_equal(world_lookup(&w, 0).type, MEMORY_UC);
	mtrr_set_range(&step, 5, 0x40000000, 0x1000000, MEMORY_WC);
	assert_int_equal(ept_set_mtrr(&w.ept, &step), 0);
	step.variable[5].mask = 0;
	assert_int_equal(ept_set_mtrr(&w.ept, &step), 0);
	step.def_type = w.mtrr.def_type;
	assert_int_equal(ept_set_mtrr(&w.ept, &step), EPT_FLUSH_NEEDED);
	world_check(&w);
	assert_memory_equal(&w.ept.counts, &before, sizeof(before));
}

static void random_states_with_protected_pages_keep_all_invariants(void **state)
{
	static const enum memory_type types[] = {MEMORY_UC, MEMORY_WC, MEMORY_WT, MEMORY_WP,
						 MEMORY_WB};
	struct random random = {.state = 8};
	uint32_t round, i;

	(void)state;
	for (i = 0; i < 40; i++) {
		uint64_t gpa = random_below(&random, 1 << 20) * PAGE_SIZE;

		assert_true(ept_protect(&w.ept, gpa, PAGE_SIZE, EPT_READ) >= 0);
	}
	for (round = 0; round < 300; round++) {
		struct mtrr_state next = w.mtrr;
		int result;

		next.def_type =
			(next.def_type & ~MTRR_DEF_TYPE_TYPE) | types[random_below(&random, 5)];
		if (random_below(&random, 10) == 0)
			next.def_type &= ~MTRR_DEF_TYPE_E;
		for (i = 0; i < random_below(&random, 7); i++) {
			uint64_t size = PAGE_SIZE << random_below(&random, 24);

			mtrr_set_range(&next, i,
				       random_below(&random, 1 << 22) * PAGE_SIZE & ~(size - 1),
				       size, types[random_below(&random, 5)]);
		}
		result = ept_set_mtrr(&w.ept, &next);
		assert_true(result >= 0);
		world_check(&w);
		reclaim_all();
	}
	assert_int_equal(ept_set_mtrr(&w.ept, &w.mtrr), EPT_FLUSH_NEEDED);
	assert_int_equal(ept_protect(&w.ept, 0, 4 * SIZE_1G, EPT_RWX), 0);
	world_check(&w);
	assert_int_equal(w.ept.counts.pages_4k, 512);
	assert_int_equal(w.ept.counts.tables, 5);
}

/* Every other page of the map UC: more tables than any machine has memory for. */
static void hostile_state(struct mtrr_state *mtrr)
{
	mtrr->variable[5].base = 0x1000; /* UC */
	mtrr->variable[5].mask = 0x1000 | MTRR_PHYSMASK_VALID;
}

/* No page has a type that is more cacheable than the registers say. */
static void assert_never_more_cacheable(const struct mtrr_state *mtrr)
{
	struct random random = {.state = 9};
	uint32_t i;

	for (i = 0; i < 3000; i++) {
		uint64_t gpa = random_next(&random) % w.ept.limit >> random_below(&random, 28);
		enum memory_type type = world_lookup(&w, gpa).type;

		assert_true(type == MEMORY_UC || type == mtrr_type(mtrr, gpa & PAGE_MASK));
	}
}

static void what_cannot_be_split_becomes_uncacheable(void **state)
{
	struct mtrr_state next = w.mtrr;
	struct ept_counts before = w.ept.counts;

	(void)state;
	hostile_state(&next);
	assert_int_equal(ept_set_mtrr(&w.ept, &next), -ENOMEM);
	world_check(&w);
	assert_never_more_cacheable(&next);
	assert_int_equal(world_lookup(&w, 0x200000000 + 0x1000).rights, RWX);

	/* Still so with the same registers, and repaired with sane ones. */
	assert_int_equal(ept_set_mtrr(&w.ept, &next), -ENOMEM);
	assert_never_more_cacheable(&next);
	reclaim_all();
	while (ept_set_mtrr(&w.ept, &w.mtrr) != 0)
		reclaim_all();
	world_check(&w);
	assert_int_equal(w.ept.counts.pages_1g, before.pages_1g);
	assert_false(w.ept.types_coarse);
}

static void coarse_types_are_made_good_when_there_is_memory_again(void **state)
{
	struct mtrr_state next = w.mtrr;
	void *taken[PAGES];
	uint64_t i, n = 0;

	(void)state;
	while (page_pool_left(&w.pool) > 0)
		taken[n++] = page_pool_alloc(&w.pool);
	mtrr_set_range(&next, 4, 5 * SIZE_1G, PAGE_SIZE, MEMORY_WT);
	assert_int_equal(ept_set_mtrr(&w.ept, &next), -ENOMEM);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G).type, MEMORY_UC);
	assert_int_equal(world_lookup(&w, 6 * SIZE_1G - 1).type, MEMORY_UC);
	assert_int_equal(world_lookup(&w, 6 * SIZE_1G).type, MEMORY_WB);

	for (i = 0; i < n; i++)
		assert_int_equal(page_pool_free(&w.pool, taken[i]), 0);
	assert_int_equal(ept_set_mtrr(&w.ept, &next), EPT_FLUSH_NEEDED);
	world_check(&w);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G).type, MEMORY_WT);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G + PAGE_SIZE).type, MEMORY_WB);
	assert_int_equal(ept_set_mtrr(&w.ept, &next), 0);
}

static void guests_mtrrs_leave_memory_for_the_monitors_own_changes(void **state)
{
	struct mtrr_state next = w.mtrr;

	(void)state;
	hostile_state(&next);
	assert_int_equal(ept_set_mtrr(&w.ept, &next), -ENOMEM);
	assert_int_equal(page_pool_left(&w.pool), 64);
	assert_int_equal(ept_protect(&w.ept, 700 * SIZE_1G, PAGE_SIZE, EPT_READ), EPT_FLUSH_NEEDED);
}

static void lazily_mapped_regions_follow_too(void **state)
{
	struct mtrr_state next;

	(void)state;
	world_close(&w);
	world_open(&w, PAGES, 46, 0);
	assert_int_equal(world_map(&w, 0), 0);
	assert_int_equal(ept_map_lazy(&w.ept, 100 * SIZE_1G), 0);
	next = w.mtrr;
	mtrr_set_range(&next, 3, 100 * SIZE_1G + 0x1000, 0x1000, MEMORY_UC);
	assert_int_equal(ept_set_mtrr(&w.ept, &next), EPT_FLUSH_NEEDED);
	world_check(&w);
	assert_int_equal(world_lookup(&w, 100 * SIZE_1G + 0x1000).type, MEMORY_UC);
	assert_int_equal(world_lookup(&w, 100 * SIZE_1G).type, MEMORY_WB);
	/* Regions not mapped yet take no memory, and their types when they are. */
	mtrr_set_range(&next, 3, 0x200000000000, 0x200000000000, MEMORY_UC);
	assert_int_equal(ept_set_mtrr(&w.ept, &next), EPT_FLUSH_NEEDED);
	assert_int_equal(ept_map_lazy(&w.ept, 0x200000000000), 0);
	assert_int_equal(world_lookup(&w, 0x200000000000).type, MEMORY_UC);
	world_check(&w);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)
	const struct CMUnitTest tests[] = {
		CASE(same_registers_change_nothing),
		CASE(new_range_splits_at_its_ends_and_its_removal_merges),
		cmocka_unit_test(map_follows_from_any_machine_to_any_other),
		CASE(rights_survive_a_change_of_types),
		CASE(the_way_linux_sets_mtrrs_ends_where_it_began),
		CASE(random_states_with_protected_pages_keep_all_invariants),
		CASE(what_cannot_be_split_becomes_uncacheable),
		CASE(coarse_types_are_made_good_when_there_is_memory_again),
		CASE(guests_mtrrs_leave_memory_for_the_monitors_own_changes),
		CASE(lazily_mapped_regions_follow_too),
	};

	return cmocka_run_group_tests_name("ept_types", tests, NULL, NULL);
}
