/* SPDX-License-Identifier: MIT */
#include "secpod/secure_space.h"

#include "tests/unit/ept_fixture.h"

#include <errno.h>
#include <string.h>

#include "ept/mtrr_regs.h"
#include "vmm/addr.h"

#define POOL_PAGES 64
/* Neither end on a border of a large page: the neighbours share tables with the region. */
#define BASE (3 * SIZE_1G - 3 * SIZE_4K)
#define SIZE (SIZE_2M + 7 * SIZE_4K)
#define END (BASE + SIZE)

static struct world w;
static struct secure_space space;

static int space_up(void **state)
{
	(void)state;
	world_open(&w, POOL_PAGES, 40, WORLD_1G);
	if (world_map(&w, 16 * SIZE_1G) != 0)
		return -1;
	return secure_space_init(&space, &w.pool, BASE, SIZE);
}

static int hidden_up(void **state)
{
	if (space_up(state) != 0)
		return -1;
	return secure_space_hide(&space, &w.ept) == EPT_FLUSH_NEEDED ? 0 : -1;
}

static int world_down(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

static enum secure_answer touch(uint64_t gpa, uint32_t access, bool *record)
{
	*record = !*record; /* must be overwritten */
	return secure_space_access(&space, &w.ept, gpa, access, record);
}

static void bad_regions_are_refused(void **state)
{
	static const struct {
		const char *what;
		uint64_t base, size;
	} rows[] = {
		{"empty", BASE, 0},
		{"unaligned base", BASE + 1, SIZE_4K},
		{"unaligned size", BASE, SIZE_4K + 1},
		{"unaligned by the highest offset bit", BASE + SIZE_4K / 2, SIZE_4K},
		{"ends beyond the address space", UINT64_MAX - 0xfff, 2 * SIZE_4K},
		{"ends at the end of the address space", UINT64_MAX - 0xfff, SIZE_4K},
		{"wraps to its own base", BASE, UINT64_MAX - 0xfff},
	};
	uint64_t left = page_pool_left(&w.pool);
	struct secure_space other;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (secure_space_init(&other, &w.pool, rows[i].base, rows[i].size) != -EINVAL)
			fail_msg("accepted: %s", rows[i].what);
	assert_int_equal(page_pool_left(&w.pool), left);
}

static void the_record_takes_a_byte_for_each_frame(void **state)
{
	static const struct {
		uint64_t frames, pages;
	} rows[] = {{1, 1}, {SIZE_4K, 1}, {SIZE_4K + 1, 2}, {3 * SIZE_4K, 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t left = page_pool_left(&w.pool);
		struct secure_space other;

		assert_int_equal(secure_space_init(&other, &w.pool, 0, rows[i].frames * SIZE_4K),
				 0);
		assert_int_equal(left - page_pool_left(&w.pool), rows[i].pages);
		assert_int_equal(other.base, 0);
		assert_int_equal(other.size, rows[i].frames * SIZE_4K);
	}
}

static void a_region_too_large_for_the_pool_is_refused(void **state)
{
	uint64_t left = page_pool_left(&w.pool);
	struct secure_space other;

	(void)state;
	assert_int_equal(secure_space_init(&other, &w.pool, 0, (left + 1) * SIZE_4K * SIZE_4K),
			 -ENOMEM);
	assert_int_equal(page_pool_left(&w.pool), left);
}

static void the_ends_of_the_region_are_exact(void **state)
{
	static const struct {
		const char *what;
		uint64_t gpa;
		bool inside;
	} rows[] = {
		{"first byte", BASE, true},
		{"last byte", END - 1, true},
		{"byte below", BASE - 1, false},
		{"byte above", END, false},
		{"zero", 0, false},
		{"last address there is", UINT64_MAX, false},
	};
	bool record = false;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum secure_answer expected = rows[i].inside ? SECURE_REFUSE : SECURE_NOT_OURS;

		if (secure_space_contains(&space, rows[i].gpa) != rows[i].inside ||
		    touch(rows[i].gpa, SECURE_WRITE, &record) != expected ||
		    record != rows[i].inside)
			fail_msg("%s", rows[i].what);
	}
}

static void hiding_takes_the_region_and_nothing_else(void **state)
{
	(void)state;
	for (uint64_t gpa = BASE; gpa < END; gpa += SIZE_4K)
		assert_int_equal(world_lookup(&w, gpa).rights, EPT_NONE);
	assert_int_equal(world_lookup(&w, BASE - SIZE_4K).rights, RWX);
	assert_int_equal(world_lookup(&w, END).rights, RWX);
}

static void a_read_sees_all_ones(void **state)
{
	uint64_t ones[SIZE_4K / sizeof(uint64_t)];
	bool record = false;

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	for (uint64_t gpa = BASE + 5; gpa < END; gpa += SIZE_2M) {
		struct ept_leaf leaf;

		assert_int_equal(touch(gpa, SECURE_READ, &record), SECURE_RETRY);
		leaf = world_lookup(&w, gpa);
		assert_int_equal(leaf.rights, EPT_READ);
		assert_int_equal(leaf.size, SIZE_4K);
		assert_int_equal(leaf.hpa, w.ept.dummy);
		assert_memory_equal(hpa_to_virt(leaf.hpa), ones, sizeof(ones));
	}
	/* The neighbour of a page that was read is as hidden as before. */
	assert_int_equal(world_lookup(&w, BASE + SIZE_4K).rights, EPT_NONE);
}

static void two_cpus_may_read_the_same_page(void **state)
{
	bool record = false;

	(void)state;
	assert_int_equal(touch(BASE, SECURE_READ, &record), SECURE_RETRY);
	assert_true(record);
	assert_int_equal(touch(BASE + 8, SECURE_READ, &record), SECURE_RETRY);
	assert_false(record);
}

static void whatever_writes_or_fetches_is_refused_and_changes_nothing(void **state)
{
	static const uint32_t rows[] = {
		SECURE_WRITE,
		SECURE_FETCH,
		SECURE_READ | SECURE_WRITE,
		SECURE_READ | SECURE_FETCH,
		SECURE_WRITE | SECURE_FETCH,
		SECURE_READ | SECURE_WRITE | SECURE_FETCH,
	};
	bool record = false;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t gpa = BASE + i * SIZE_4K;
		struct ept_counts before = w.ept.counts;

		if (touch(gpa, rows[i], &record) != SECURE_REFUSE || !record)
			fail_msg("access %#x", rows[i]);
		assert_int_equal(world_lookup(&w, gpa).rights, EPT_NONE);
		assert_memory_equal(&w.ept.counts, &before, sizeof(before));
	}
	/* Nor does it become a way in after the page has been read. */
	assert_int_equal(touch(BASE, SECURE_READ, &record), SECURE_RETRY);
	assert_int_equal(touch(BASE, SECURE_WRITE, &record), SECURE_REFUSE);
	assert_int_equal(world_lookup(&w, BASE).rights, EPT_READ);
}

static void each_refusal_is_recorded_and_the_first_read_of_each_frame(void **state)
{
	static const struct {
		uint64_t gpa;
		uint32_t access;
		bool record;
	} rows[] = {
		{BASE, SECURE_WRITE, true},
		{BASE, SECURE_WRITE, true},
		{BASE + SIZE_4K - 1, SECURE_WRITE, true},
		{BASE, SECURE_READ, true},
		{BASE + 8, SECURE_READ, false},
		{BASE, SECURE_READ | SECURE_WRITE, true},
		{BASE, SECURE_READ | SECURE_FETCH, true},
		{BASE, SECURE_FETCH, true},
		{BASE + SIZE_4K, SECURE_READ | SECURE_WRITE | SECURE_FETCH, true},
		{BASE + SIZE_4K, SECURE_READ, true},
		{END - 1, SECURE_READ, true},
		{END - SIZE_4K, SECURE_READ, false},
		{END, SECURE_READ, false}, /* not in the secure space */
		{END, SECURE_WRITE, false},
	};
	bool record = false;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		touch(rows[i].gpa, rows[i].access, &record);
		if (record != rows[i].record)
			fail_msg("row %zu: record %d", i, record);
	}
}

static void a_read_is_refused_when_the_pool_is_empty(void **state)
{
	struct ept_counts before = w.ept.counts;
	bool record = false;

	(void)state;
	while (page_pool_alloc(&w.pool))
		;
	assert_int_equal(touch(BASE, SECURE_READ, &record), SECURE_REFUSE);
	assert_true(record);
	assert_int_equal(world_lookup(&w, BASE).rights, EPT_NONE);
	assert_memory_equal(&w.ept.counts, &before, sizeof(before));
	assert_int_equal(touch(BASE, SECURE_READ, &record), SECURE_REFUSE);
	assert_true(record);
}

static void a_region_outside_the_map_cannot_be_hidden(void **state)
{
	struct secure_space other;

	(void)state;
	assert_int_equal(secure_space_init(&other, &w.pool, 1ULL << 40, SIZE_4K), 0);
	assert_int_equal(secure_space_hide(&other, &w.ept), -EINVAL);
}

/* The mask of a variable range of size bytes, a power of two, on a CPU with 40 address bits. */
#define RANGE_MASK(size) ((((1ULL << 40) - 1) & ~((size)-1)) | MTRR_PHYSMASK_VALID)

static void types_over_the_region_are_told_from_those_beside_it(void **state)
{
	static const struct {
		const char *what;
		uint64_t def_type;
		struct mtrr_variable range;
		bool retyped;
	} rows[] = {
		{"all is write-back", MTRR_DEF_TYPE_E | MEMORY_WB, {0, 0}, false},
		{"all is uncached", MTRR_DEF_TYPE_E | MEMORY_UC, {0, 0}, true},
		{"all is write-through", MTRR_DEF_TYPE_E | MEMORY_WT, {0, 0}, true},
		{"disabled", MEMORY_WB, {BASE | MEMORY_UC, RANGE_MASK(SIZE_4K)}, false},
		{"not valid",
		 MTRR_DEF_TYPE_E | MEMORY_WB,
		 {BASE | MEMORY_UC, RANGE_MASK(SIZE_4K) & ~MTRR_PHYSMASK_VALID},
		 false},
		{"its first page",
		 MTRR_DEF_TYPE_E | MEMORY_WB,
		 {BASE | MEMORY_UC, RANGE_MASK(SIZE_4K)},
		 true},
		{"its last page",
		 MTRR_DEF_TYPE_E | MEMORY_WB,
		 {(END - SIZE_4K) | MEMORY_WC, RANGE_MASK(SIZE_4K)},
		 true},
		{"a page within",
		 MTRR_DEF_TYPE_E | MEMORY_WB,
		 {(BASE + SIZE_2M) | MEMORY_WT, RANGE_MASK(SIZE_4K)},
		 true},
		{"write-back once more",
		 MTRR_DEF_TYPE_E | MEMORY_WB,
		 {(BASE + SIZE_2M) | MEMORY_WB, RANGE_MASK(SIZE_4K)},
		 false},
		{"the page before",
		 MTRR_DEF_TYPE_E | MEMORY_WB,
		 {(BASE - SIZE_4K) | MEMORY_UC, RANGE_MASK(SIZE_4K)},
		 false},
		{"the page behind",
		 MTRR_DEF_TYPE_E | MEMORY_WB,
		 {END | MEMORY_UC, RANGE_MASK(SIZE_4K)},
		 false},
		{"write-back only around its end",
		 MTRR_DEF_TYPE_E | MEMORY_UC,
		 {(3 * SIZE_1G) | MEMORY_WB, RANGE_MASK(SIZE_1G)},
		 true},
		{"write-back around all of it",
		 MTRR_DEF_TYPE_E | MEMORY_UC,
		 {0 | MEMORY_WB, RANGE_MASK(4 * SIZE_1G)},
		 false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct mtrr_state mtrr = {
			.cap = 1,
			.def_type = rows[i].def_type,
			.variable = {rows[i].range},
			.physical_bits = 40,
		};

		if (secure_space_retyped(&space, &mtrr) != rows[i].retyped)
			fail_msg("%s", rows[i].what);
	}
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, world_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(space_up, bad_regions_are_refused),
		WITH(space_up, the_record_takes_a_byte_for_each_frame),
		WITH(space_up, a_region_too_large_for_the_pool_is_refused),
		WITH(space_up, the_ends_of_the_region_are_exact),
		WITH(space_up, a_region_outside_the_map_cannot_be_hidden),
		WITH(space_up, types_over_the_region_are_told_from_those_beside_it),
		WITH(hidden_up, hiding_takes_the_region_and_nothing_else),
		WITH(hidden_up, a_read_sees_all_ones),
		WITH(hidden_up, two_cpus_may_read_the_same_page),
		WITH(hidden_up, whatever_writes_or_fetches_is_refused_and_changes_nothing),
		WITH(hidden_up, each_refusal_is_recorded_and_the_first_read_of_each_frame),
		WITH(hidden_up, a_read_is_refused_when_the_pool_is_empty),
	};

	return cmocka_run_group_tests_name("secure_space", tests, NULL, NULL);
}
