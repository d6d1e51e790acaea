/* SPDX-License-Identifier: MIT */
/* Rights of everything that nobody protected, changed at once. */
#include <errno.h>

#include "tests/unit/ept_fixture.h"
#include "vmm/addr.h"

#define DATA (EPT_READ | EPT_WRITE | EPT_EXEC_USER)

static struct world w;

static int open_world(void **state)
{
	(void)state;
	world_open(&w, 256, 39, WORLD_1G | WORLD_MBEC);
	mtrr_pc(&w.mtrr, 39);
	return world_map(&w, 0);
}

/* Without 1 GiB pages, so that a part is mapped at first use. */
static int open_lazy(void **state)
{
	(void)state;
	world_open(&w, 4096, 46, WORLD_MBEC);
	return world_map(&w, 8 * SIZE_1G);
}

static int open_without_mbec(void **state)
{
	(void)state;
	world_open(&w, 256, 39, WORLD_1G);
	return world_map(&w, 0);
}

static int close_world(void **state)
{
	(void)state;
	assert_int_equal(world_leaked(&w), 0);
	world_close(&w);
	return 0;
}

static void all_of_it_changes_and_nothing_is_split(void **state)
{
	const struct ept_counts before = w.ept.counts;

	(void)state;
	assert_int_equal(ept_set_ordinary(&w.ept, DATA), EPT_FLUSH_NEEDED);
	assert_int_equal(world_lookup(&w, 0).rights, DATA);
	assert_int_equal(world_lookup(&w, 0xa0000).rights, DATA);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G).rights, DATA);
	assert_int_equal(world_lookup(&w, w.ept.limit - PAGE_SIZE).rights, DATA);
	assert_memory_equal(&before, &w.ept.counts, sizeof(before));
	world_check(&w);
	/* A right that comes needs no invalidation. */
	assert_int_equal(ept_set_ordinary(&w.ept, EPT_RWX), 0);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G).rights, EPT_RWX);
	world_check(&w);
}

static void what_was_protected_stays(void **state)
{
	(void)state;
	assert_true(ept_protect(&w.ept, SIZE_1G, SIZE_4K, EPT_READ) >= 0);
	assert_true(ept_protect(&w.ept, SIZE_1G + SIZE_2M, SIZE_2M, EPT_NONE) >= 0);
	assert_int_equal(ept_map_dummy(&w.ept, SIZE_1G + SIZE_2M), 0);
	assert_int_equal(ept_set_ordinary(&w.ept, DATA), EPT_FLUSH_NEEDED);
	assert_int_equal(world_lookup(&w, SIZE_1G).rights, EPT_READ);
	assert_int_equal(world_lookup(&w, SIZE_1G + SIZE_4K).rights, DATA);
	assert_int_equal(world_lookup(&w, SIZE_1G + SIZE_2M).rights, EPT_READ);
	assert_int_equal(world_lookup(&w, SIZE_1G + SIZE_2M).hpa, w.ept.dummy);
	assert_int_equal(world_lookup(&w, SIZE_1G + SIZE_2M + SIZE_4K).rights, EPT_NONE);
	world_check(&w);
}

static void pages_that_become_alike_are_one_again(void **state)
{
	(void)state;
	assert_true(ept_protect(&w.ept, 5 * SIZE_1G, SIZE_4K, DATA) >= 0);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G).size, SIZE_4K);
	assert_int_equal(ept_set_ordinary(&w.ept, DATA), EPT_FLUSH_NEEDED);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G).size, SIZE_1G);
	world_check(&w);
}

static void what_is_mapped_later_has_them(void **state)
{
	const uint64_t gpa = 0x10000000000;

	(void)state;
	assert_int_equal(ept_map_lazy(&w.ept, gpa), 0);
	assert_int_equal(ept_set_ordinary(&w.ept, DATA), EPT_FLUSH_NEEDED);
	assert_int_equal(ept_map_lazy(&w.ept, gpa + SIZE_1G), 0);
	assert_int_equal(world_lookup(&w, gpa).rights, DATA);
	assert_int_equal(world_lookup(&w, gpa + SIZE_1G).rights, DATA);
	/* A hole stays one. */
	assert_int_equal(world_lookup(&w, gpa + 2 * SIZE_1G).rights, EPT_NONE);
	world_check(&w);
}

static void bad_rights_change_nothing(void **state)
{
	static const uint32_t bad[] = {EPT_NONE, EPT_WRITE, EPT_EXEC_USER, EPT_WRITE | EPT_EXEC,
				       EPT_RWX | 1u << 3};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ept_set_ordinary(&w.ept, bad[i]), -EINVAL);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G).rights, EPT_RWX);
}

static void without_mbec_there_is_one_right_to_execute(void **state)
{
	(void)state;
	assert_int_equal(ept_set_ordinary(&w.ept, DATA | EPT_EXEC), 0);
	assert_int_equal(world_lookup(&w, 0).rights, RWX);
	assert_int_equal(ept_set_ordinary(&w.ept, EPT_EXEC_USER), -EINVAL);
	world_check(&w);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
	const struct CMUnitTest tests[] = {
		WITH(all_of_it_changes_and_nothing_is_split),
		WITH(what_was_protected_stays),
		WITH(pages_that_become_alike_are_one_again),
		cmocka_unit_test_setup_teardown(what_is_mapped_later_has_them, open_lazy,
						close_world),
		WITH(bad_rights_change_nothing),
		cmocka_unit_test_setup_teardown(without_mbec_there_is_one_right_to_execute,
						open_without_mbec, close_world),
	};

	return cmocka_run_group_tests_name("ept_ordinary", tests, NULL, NULL);
}
