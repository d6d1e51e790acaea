/* SPDX-License-Identifier: MIT */
#include "tests/unit/ept_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ept/ept_tables.h"

#define RX (EPT_READ | EPT_EXEC)

static struct world w;

static int world_up(void **state)
{
	(void)state;
	world_open(&w, 2048, 40, WORLD_1G);
	return world_map(&w, 16 * SIZE_1G);
}

static int world_down(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

/* The rights just inside and just outside [gpa, gpa + size). */
static void assert_edges(uint64_t gpa, uint64_t size, uint32_t inside, uint32_t outside)
{
	assert_int_equal(world_lookup(&w, gpa).rights, inside);
	assert_int_equal(world_lookup(&w, gpa + size - 1).rights, inside);
	if (gpa > 0)
		assert_int_equal(world_lookup(&w, gpa - 1).rights, outside);
	if (gpa + size < w.ept.limit)
		assert_int_equal(world_lookup(&w, gpa + size).rights, outside);
}

static void reclaim_all(void)
{
	ept_reclaim_until(&w.ept, ept_reclaim_ticket(&w.ept));
}

static void rights_change_in_the_range_and_nowhere_else(void **state)
{
	static const struct {
		const char *what;
		uint64_t gpa, size;
	} rows[] = {
		{"first page of the map", 0, SIZE_4K},
		{"last page of the map", (1ULL << 40) - SIZE_4K, SIZE_4K},
		{"one page inside a 1 GiB page", 5 * SIZE_1G + 0x123000, SIZE_4K},
		{"two pages across a 2 MiB border", SIZE_2M * 7 - SIZE_4K, 2 * SIZE_4K},
		{"two pages across a 1 GiB border", 6 * SIZE_1G - SIZE_4K, 2 * SIZE_4K},
		{"two pages across a 512 GiB border", SIZE_512G - SIZE_4K, 2 * SIZE_4K},
		{"exactly 2 MiB", 9 * SIZE_1G + SIZE_2M, SIZE_2M},
		{"exactly 1 GiB", 9 * SIZE_1G, SIZE_1G},
		{"1 GiB, off by a page", 9 * SIZE_1G + SIZE_4K, SIZE_1G},
		{"three borders at once", SIZE_512G - SIZE_1G - SIZE_4K, 3 * SIZE_1G},
		{"the whole map", 0, 1ULL << 40},
	};
	static const uint32_t rights[] = {EPT_NONE, EPT_READ, RX, EPT_READ | EPT_WRITE};
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (k = 0; k < sizeof(rights) / sizeof(rights[0]); k++) {
			struct ept_counts before = w.ept.counts;
			uint64_t gpa = rows[i].gpa, size = rows[i].size;

			if (ept_protect(&w.ept, gpa, size, rights[k]) != EPT_FLUSH_NEEDED)
				fail_msg("%s, rights %x", rows[i].what, rights[k]);
			world_check(&w);
			assert_edges(gpa, size, rights[k], RWX);
			reclaim_all();

			/* And back: the large pages return, nothing is left over. */
			assert_int_equal(ept_protect(&w.ept, gpa, size, EPT_RWX), 0);
			world_check(&w);
			assert_edges(gpa, size, RWX, RWX);
			assert_memory_equal(&w.ept.counts, &before, sizeof(before));
			reclaim_all();
			assert_int_equal(page_pool_left(&w.pool),
					 2048 - before.tables - EPT_ZOMBIE_PAGES);
		}
	}
}

static void bad_ranges_and_rights_are_refused(void **state)
{
	static const struct {
		const char *what;
		uint64_t gpa, size;
		uint32_t rights;
	} rows[] = {
		{"empty", 0x1000, 0, EPT_READ},
		{"unaligned address", 0x1001, 0x1000, EPT_READ},
		{"unaligned size", 0x1000, 0x1001, EPT_READ},
		{"starts at the end", 1ULL << 40, 0x1000, EPT_READ},
		{"starts above the end", 1ULL << 52, 0x1000, EPT_READ},
		{"ends above the end", (1ULL << 40) - 0x1000, 0x2000, EPT_READ},
		{"wraps to zero", 0x1000, UINT64_MAX - 0xfff, EPT_READ},
		{"wraps into the map", UINT64_MAX - 0xfff, 0x3000, EPT_READ},
		{"wraps past itself", 0x3000, UINT64_MAX - 0xfff, EPT_READ},
		{"write without read", 0x1000, 0x1000, EPT_WRITE},
		{"write and execute without read", 0x1000, 0x1000, EPT_WRITE | EPT_EXEC},
		{"execute without read, not announced", 0x1000, 0x1000, EPT_EXEC},
		{"bits that are no rights", 0x1000, 0x1000, EPT_READ | 1u << 7},
		{"memory type among the rights", 0x1000, 0x1000, EPT_READ | 6u << 3},
	};
	struct ept_counts before = w.ept.counts;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (ept_protect(&w.ept, rows[i].gpa, rows[i].size, rows[i].rights) != -EINVAL)
			fail_msg("accepted: %s", rows[i].what);
		assert_memory_equal(&w.ept.counts, &before, sizeof(before));
	}
	world_check(&w);
}

static void execute_only_is_allowed_where_announced(void **state)
{
	(void)state;
	w.ept.features.exec_only = true;
	w.features.exec_only = true;
	assert_int_equal(ept_protect(&w.ept, SIZE_1G, SIZE_4K, EPT_EXEC), EPT_FLUSH_NEEDED);
	assert_int_equal(world_lookup(&w, SIZE_1G).rights, EPT_EXEC);
	world_check(&w);
	assert_int_equal(ept_protect(&w.ept, SIZE_1G, SIZE_4K, EPT_EXEC | EPT_WRITE), -EINVAL);
}

static void user_execute_is_ignored_without_mbec(void **state)
{
	(void)state;
	assert_int_equal(ept_protect(&w.ept, SIZE_1G, SIZE_4K, EPT_READ | EPT_EXEC_USER),
			 EPT_FLUSH_NEEDED);
	assert_int_equal(world_lookup(&w, SIZE_1G).rights, EPT_READ);
	/* Alone it means no right at all. */
	assert_int_equal(ept_protect(&w.ept, SIZE_1G, SIZE_4K, EPT_EXEC_USER), EPT_FLUSH_NEEDED);
	assert_int_equal(world_lookup(&w, SIZE_1G).rights, EPT_NONE);
	world_check(&w);
}

static void user_execute_is_a_right_of_its_own_with_mbec(void **state)
{
	struct world m;

	(void)state;
	world_open(&m, 64, 36, WORLD_1G | WORLD_MBEC);
	assert_int_equal(world_map(&m, 0), 0);
	assert_int_equal(ept_protect(&m.ept, SIZE_1G, SIZE_4K, EPT_READ | EPT_EXEC),
			 EPT_FLUSH_NEEDED);
	assert_int_equal(world_lookup(&m, SIZE_1G).rights, EPT_READ | EPT_EXEC);
	assert_int_equal(ept_protect(&m.ept, SIZE_1G, SIZE_4K, EPT_EXEC_USER), -EINVAL);
	assert_int_equal(ept_protect(&m.ept, SIZE_1G, SIZE_4K, EPT_RWX), 0);
	assert_int_equal(world_lookup(&m, SIZE_1G).size, SIZE_1G);
	world_check(&m);
	world_close(&m);
}

static void flush_is_asked_for_when_a_right_goes_and_not_when_one_comes(void **state)
{
	static const struct {
		uint32_t rights;
		int result;
	} steps[] = {
		{RWX, 0},      {RX, EPT_FLUSH_NEEDED},
		{RX, 0},       {EPT_READ | EPT_WRITE, EPT_FLUSH_NEEDED}, /* one comes, one goes */
		{RWX, 0},      {EPT_NONE, EPT_FLUSH_NEEDED},
		{EPT_NONE, 0}, {EPT_READ, 0},
		{RWX, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_int_equal(ept_protect(&w.ept, SIZE_1G, SIZE_2M, steps[i].rights),
				 steps[i].result);
}

static void hole_that_regains_rights_has_the_types_of_the_mtrrs(void **state)
{
	struct ept_counts before = w.ept.counts;

	(void)state;
	/* The first 3 GiB hold all of: fixed ranges, RAM, and the beginning of the UC hole. */
	assert_int_equal(ept_protect(&w.ept, 0, 3 * SIZE_1G, EPT_NONE), EPT_FLUSH_NEEDED);
	world_check(&w);
	assert_int_equal(w.ept.counts.pages_4k, 0);
	assert_int_equal(w.ept.counts.pages_2m, 0);
	assert_int_equal(ept_protect(&w.ept, 0, 3 * SIZE_1G, EPT_RWX), 0);
	world_check(&w);
	assert_memory_equal(&w.ept.counts, &before, sizeof(before));
	assert_int_equal(world_lookup(&w, 0xa0000).type, MEMORY_UC);
	assert_int_equal(world_lookup(&w, 0xf0000).type, MEMORY_WP);
	assert_int_equal(world_lookup(&w, SIZE_1G).type, MEMORY_WB);
	assert_int_equal(world_lookup(&w, 2 * SIZE_1G).type, MEMORY_UC);

	/* A part of a hole. */
	assert_int_equal(ept_protect(&w.ept, 0, SIZE_1G, EPT_NONE), EPT_FLUSH_NEEDED);
	assert_int_equal(ept_protect(&w.ept, 0xa0000, 0x1000, EPT_READ), 0);
	world_check(&w);
	assert_edges(0xa0000, 0x1000, EPT_READ, EPT_NONE);
	assert_int_equal(world_lookup(&w, 0xa0000).type, MEMORY_UC);
	assert_int_equal(ept_protect(&w.ept, 0, SIZE_1G, EPT_RWX), 0);
	assert_memory_equal(&w.ept.counts, &before, sizeof(before));
}

static void dummy_page_reads_all_ones_and_is_read_only(void **state)
{
	uint64_t secret = 3 * SIZE_1G + 5 * SIZE_2M;
	struct ept_leaf leaf;

	(void)state;
	assert_int_equal(ept_protect(&w.ept, secret, 2 * SIZE_2M, EPT_NONE), EPT_FLUSH_NEEDED);
	assert_int_equal(ept_map_dummy(&w.ept, secret + 0x5000), 0);
	world_check(&w);
	leaf = world_lookup(&w, secret + 0x5000);
	assert_int_equal(leaf.size, SIZE_4K);
	assert_int_equal(leaf.rights, EPT_READ);
	assert_int_equal(leaf.type, MEMORY_WB);
	assert_int_equal(leaf.hpa, w.ept.dummy);
	assert_int_equal(*(uint64_t *)hpa_to_virt(leaf.hpa), UINT64_MAX);
	assert_int_equal(*(uint64_t *)hpa_to_virt(leaf.hpa + PAGE_SIZE - 8), UINT64_MAX);
	assert_edges(secret + 0x5000, SIZE_4K, EPT_READ, EPT_NONE);

	/* All touched pages share the frame, and a second touch of one is no error. */
	assert_int_equal(ept_map_dummy(&w.ept, secret + 0x6000), 0);
	assert_int_equal(ept_map_dummy(&w.ept, secret + 0x6000), 0);
	assert_int_equal(world_lookup(&w, secret + 0x6000).hpa, leaf.hpa);
	world_check(&w);
}

static void dummy_is_refused_for_a_page_the_guest_has(void **state)
{
	(void)state;
	assert_int_equal(ept_map_dummy(&w.ept, SIZE_1G), -EINVAL);
	assert_int_equal(ept_map_dummy(&w.ept, 0x1000), -EINVAL);
	assert_int_equal(ept_protect(&w.ept, SIZE_1G, SIZE_4K, EPT_READ), EPT_FLUSH_NEEDED);
	assert_int_equal(ept_map_dummy(&w.ept, SIZE_1G), -EINVAL);
	assert_int_equal(ept_map_dummy(&w.ept, SIZE_1G + 1), -EINVAL);
	assert_int_equal(ept_map_dummy(&w.ept, w.ept.limit), -EINVAL);
	assert_int_equal(w.ept.dummy, 0);
	world_check(&w);
}

static void rights_replace_the_dummy_by_the_page_itself(void **state)
{
	uint64_t secret = 7 * SIZE_1G;

	(void)state;
	assert_int_equal(ept_protect(&w.ept, secret, SIZE_1G, EPT_NONE), EPT_FLUSH_NEEDED);
	assert_int_equal(ept_map_dummy(&w.ept, secret), 0);
	/* The same right, another frame: that is a change, and one to flush. */
	assert_int_equal(ept_protect(&w.ept, secret, SIZE_4K, EPT_READ), EPT_FLUSH_NEEDED);
	assert_int_equal(world_lookup(&w, secret).hpa, secret);
	world_check(&w);
	assert_int_equal(ept_protect(&w.ept, secret, SIZE_4K, EPT_NONE), EPT_FLUSH_NEEDED);
	assert_int_equal(ept_map_dummy(&w.ept, secret), 0);
	assert_int_equal(ept_protect(&w.ept, secret, SIZE_4K, EPT_NONE), EPT_FLUSH_NEEDED);
	assert_int_equal(world_lookup(&w, secret).rights, EPT_NONE);
	assert_int_equal(ept_map_dummy(&w.ept, secret), 0);
	assert_int_equal(ept_protect(&w.ept, secret, SIZE_1G, EPT_RWX), EPT_FLUSH_NEEDED);
	assert_int_equal(world_lookup(&w, secret).size, SIZE_1G);
	world_check(&w);
}

static void hole_of_2m_keeps_no_table_for_pages_nobody_touched(void **state)
{
	struct ept_counts before;

	(void)state;
	assert_int_equal(ept_protect(&w.ept, 4 * SIZE_1G, SIZE_2M * 8, EPT_NONE), EPT_FLUSH_NEEDED);
	before = w.ept.counts;
	assert_int_equal(before.pages_4k, 512); /* those of the first 2 MiB of the map */
	assert_int_equal(ept_map_dummy(&w.ept, 4 * SIZE_1G + 0x7000), 0);
	assert_int_equal(w.ept.counts.tables, before.tables + 1);
	assert_int_equal(ept_protect(&w.ept, 4 * SIZE_1G, SIZE_2M, EPT_NONE), EPT_FLUSH_NEEDED);
	assert_memory_equal(&w.ept.counts, &before, sizeof(before));
	world_check(&w);
}

/* Copies of all tables in the tree, to compare with after a failed change. */
static uint64_t checksum(const uint64_t *table, uint32_t level)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < EPT_ENTRIES; i++) {
		sum = (sum ^ table[i]) * 0x100000001b3; /* FNV */
		if (ept_is_table(table[i], level))
			sum = (sum ^ checksum(ept_table_of(table[i]), level - 1)) * 0x100000001b3;
	}
	return sum;
}

/* Take pages from the pool until left remain; they stay taken. */
static void drain(uint64_t left)
{
	while (page_pool_left(&w.pool) > left)
		assert_non_null(page_pool_alloc(&w.pool));
}

static void lack_of_memory_changes_nothing(void **state)
{
	static const struct {
		const char *what;
		uint64_t gpa, size, needs;
		bool hole; /* the range is a hole that regains its rights */
	} rows[] = {
		{"split 1 GiB at a page", 5 * SIZE_1G + SIZE_4K, SIZE_4K, 2, false},
		{"split 2 GiB pages at both ends", 5 * SIZE_1G + SIZE_4K, 3 * SIZE_1G, 4, false},
		{"split a 2 MiB page", SIZE_2M * 3 + SIZE_4K, SIZE_4K, 1, false},
		{"a hole with several types", 0, SIZE_1G, 2, true},
		{"a part of a hole with several types", 0x10000, SIZE_1G - 0x20000, 3, true},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t left;

		for (left = 0; left <= rows[i].needs; left++) {
			uint64_t before;
			struct ept_counts counts;
			int result;

			world_open(&w, 64, 40, WORLD_1G);
			assert_int_equal(world_map(&w, 16 * SIZE_1G), 0);
			if (rows[i].hole)
				assert_int_equal(ept_protect(&w.ept, 0, SIZE_1G, EPT_NONE),
						 EPT_FLUSH_NEEDED);
			reclaim_all();
			drain(left);
			before = checksum(w.ept.root, EPT_PML4);
			counts = w.ept.counts;

			result = ept_protect(&w.ept, rows[i].gpa, rows[i].size, EPT_READ);
			if ((result == -ENOMEM) != (left < rows[i].needs))
				fail_msg("%s with %u pages: %d", rows[i].what, (uint32_t)left,
					 result);
			if (left < rows[i].needs) {
				assert_int_equal(checksum(w.ept.root, EPT_PML4), before);
				assert_memory_equal(&w.ept.counts, &counts, sizeof(counts));
				assert_int_equal(page_pool_left(&w.pool), left);
			} else {
				assert_int_equal(result, rows[i].hole ? 0 : EPT_FLUSH_NEEDED);
				assert_int_equal(page_pool_left(&w.pool), 0);
				assert_int_equal(world_lookup(&w, rows[i].gpa).rights, EPT_READ);
			}
			world_close(&w);
		}
	}
}

static void lack_of_memory_for_the_dummy_changes_nothing(void **state)
{
	uint64_t left;

	(void)state;
	/*
	 * A dummy frame and a page directory and a page table, for the first page in a 1 GiB hole.
	 */
	for (left = 0; left <= 3; left++) {
		uint64_t before;

		world_open(&w, 64, 40, WORLD_1G);
		assert_int_equal(world_map(&w, 16 * SIZE_1G), 0);
		assert_int_equal(ept_protect(&w.ept, SIZE_1G, SIZE_1G, EPT_NONE), EPT_FLUSH_NEEDED);
		drain(left);
		before = checksum(w.ept.root, EPT_PML4);
		if (left < 3) {
			assert_int_equal(ept_map_dummy(&w.ept, SIZE_1G), -ENOMEM);
			assert_int_equal(checksum(w.ept.root, EPT_PML4), before);
		} else {
			assert_int_equal(ept_map_dummy(&w.ept, SIZE_1G), 0);
		}
		world_close(&w);
	}
}

static void table_that_left_the_tree_keeps_its_contents_until_reclaim(void **state)
{
	uint64_t before[EPT_ENTRIES];
	const uint64_t *pdpt, *pd;

	(void)state;
	assert_int_equal(ept_protect(&w.ept, SIZE_1G, SIZE_2M, EPT_READ), EPT_FLUSH_NEEDED);
	pdpt = ept_table_of(w.ept.root[0]);
	pd = ept_table_of(pdpt[1]);
	memcpy(before, pd, sizeof(before));
	before[0] |= EPT_RWX & ~EPT_EXEC_USER; /* what the merging change itself stores */
	assert_int_equal(ept_protect(&w.ept, SIZE_1G, SIZE_2M, EPT_RWX), 0);
	assert_int_equal(world_lookup(&w, SIZE_1G).size, SIZE_1G);
	assert_memory_equal(pd, before, sizeof(before));
	assert_int_equal(ept_reclaim_until(&w.ept, ept_reclaim_ticket(&w.ept)), 1);
	assert_int_equal(ept_reclaim_until(&w.ept, UINT64_MAX), 0);
	world_check(&w);
}

static void full_zombie_ring_stops_merging_but_nothing_else(void **state)
{
	uint64_t i;

	(void)state;
	for (i = 0; i < EPT_ZOMBIE_SLOTS + 10; i++) {
		uint64_t gpa = 5 * SIZE_1G + (i % 400) * SIZE_2M;
		int result;

		result = ept_protect(&w.ept, gpa, SIZE_4K, EPT_READ);
		if (result != EPT_FLUSH_NEEDED)
			break;
		result = ept_protect(&w.ept, gpa, SIZE_4K, EPT_RWX);
		if (result < 0)
			break;
		/* Half full: the caller is asked to flush although no right was taken. */
		/* Each round frees a PT and the PD above it. */
		assert_int_equal(result, 2 * (i + 1) > EPT_ZOMBIE_SLOTS / 2 ? EPT_FLUSH_NEEDED : 0);
		assert_int_equal(world_lookup(&w, gpa).rights, RWX);
	}
	assert_int_equal(i, EPT_ZOMBIE_SLOTS + 10);
	assert_int_equal(ept_zombie_room(&w.ept), 0);
	world_check(&w);
	reclaim_all();
	assert_int_equal(ept_zombie_room(&w.ept), EPT_ZOMBIE_SLOTS);
	assert_int_equal(world_leaked(&w), 0);
	assert_int_equal(ept_protect(&w.ept, 5 * SIZE_1G, SIZE_1G, EPT_READ), EPT_FLUSH_NEEDED);
	assert_int_equal(ept_protect(&w.ept, 5 * SIZE_1G, SIZE_1G, EPT_RWX), 0);
	assert_int_equal(world_lookup(&w, 5 * SIZE_1G).size, SIZE_1G);
	world_check(&w);
}

/*
 * Random changes against a flat array: one byte of rights for each page of 4 GiB, so that each
 * lookup, flush result and count has an independent answer.
 */
#define MODEL_PAGES (4 * SIZE_1G / PAGE_SIZE)
#define DUMMY 0x80u

static uint8_t *model;

static void compare_with_model(uint64_t from, uint64_t to)
{
	uint64_t page = from;

	while (page < to) {
		struct ept_leaf leaf = world_lookup(&w, page * PAGE_SIZE);
		uint64_t end = (leaf.gpa + leaf.size) / PAGE_SIZE;
		uint8_t expected = model[page];

		for (; page < end && page < to; page++)
			if (model[page] != expected)
				fail_msg("page %llx in a leaf of other rights",
					 (unsigned long long)page);
		if (expected == DUMMY) {
			assert_int_equal(leaf.hpa, w.ept.dummy);
			assert_int_equal(leaf.rights, EPT_READ);
		} else {
			assert_int_equal(leaf.rights, expected);
			assert_int_equal(leaf.hpa, expected == EPT_NONE ? 0 : leaf.gpa);
		}
	}
}

static void random_range(struct random *random, uint64_t *page, uint64_t *pages)
{
	static const uint64_t unit[] = {1, 1, 512, 262144};
	uint64_t u = unit[random_below(random, 4)];

	*page = random_below(random, MODEL_PAGES / u) * u;
	*pages = (1 + random_below(random, 3)) * u;
	if (random_below(random, 3) == 0) {
		*page += random_below(random, 3);
		*pages += random_below(random, 600);
	}
	if (*page >= MODEL_PAGES)
		*page = MODEL_PAGES - 1;
	if (*pages > MODEL_PAGES - *page)
		*pages = MODEL_PAGES - *page;
}

static void random_changes_agree_with_a_flat_model(void **state)
{
	static const uint32_t rights[] = {EPT_NONE, EPT_READ, RX, EPT_READ | EPT_WRITE, RWX, RWX};
	struct random random = {.state = 2};
	uint32_t step;

	(void)state;
	model = malloc(MODEL_PAGES);
	assert_non_null(model);
	memset(model, RWX, MODEL_PAGES);

	for (step = 0; step < 1500; step++) {
		uint64_t page, pages, i;
		uint32_t to = rights[random_below(&random, 6)];
		bool flush = false;
		int result;

		if (step % 4 == 3) {
			page = random_below(&random, MODEL_PAGES);
			result = ept_map_dummy(&w.ept, page * PAGE_SIZE);
			if (model[page] == EPT_NONE)
				model[page] = DUMMY;
			assert_int_equal(result, model[page] == DUMMY ? 0 : -EINVAL);
			compare_with_model(page, page + 1);
			continue;
		}
		random_range(&random, &page, &pages);
		for (i = page; i < page + pages; i++) {
			flush |= model[i] == DUMMY || (model[i] & ~to) != 0;
			model[i] = (uint8_t)to;
		}
		result = ept_protect(&w.ept, page * PAGE_SIZE, pages * PAGE_SIZE, to);
		if (flush || ept_zombie_room(&w.ept) < EPT_ZOMBIE_SLOTS / 2)
			assert_int_equal(result, EPT_FLUSH_NEEDED);
		else
			assert_int_equal(result, 0);
		if (result == EPT_FLUSH_NEEDED)
			reclaim_all();
		compare_with_model(page > 600 ? page - 600 : 0, page + pages + 600 < MODEL_PAGES
									? page + pages + 600
									: MODEL_PAGES);
		if (step % 50 == 0) {
			compare_with_model(0, MODEL_PAGES);
			world_check(&w);
		}
	}
	reclaim_all();
	assert_true(ept_protect(&w.ept, 0, 4 * SIZE_1G, EPT_RWX) >= 0);
	world_check(&w);
	/* As at first: 4 KiB in the first 2 MiB only. */
	assert_int_equal(w.ept.counts.pages_4k, 512);
	assert_int_equal(w.ept.counts.pages_2m, 511);
	free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rights_change_in_the_range_and_nowhere_else,
						world_up, world_down),
		cmocka_unit_test_setup_teardown(bad_ranges_and_rights_are_refused, world_up,
						world_down),
		cmocka_unit_test_setup_teardown(execute_only_is_allowed_where_announced, world_up,
						world_down),
		cmocka_unit_test_setup_teardown(user_execute_is_ignored_without_mbec, world_up,
						world_down),
		cmocka_unit_test(user_execute_is_a_right_of_its_own_with_mbec),
		cmocka_unit_test_setup_teardown(
			flush_is_asked_for_when_a_right_goes_and_not_when_one_comes, world_up,
			world_down),
		cmocka_unit_test_setup_teardown(hole_that_regains_rights_has_the_types_of_the_mtrrs,
						world_up, world_down),
		cmocka_unit_test_setup_teardown(dummy_page_reads_all_ones_and_is_read_only,
						world_up, world_down),
		cmocka_unit_test_setup_teardown(dummy_is_refused_for_a_page_the_guest_has, world_up,
						world_down),
		cmocka_unit_test_setup_teardown(rights_replace_the_dummy_by_the_page_itself,
						world_up, world_down),
		cmocka_unit_test_setup_teardown(hole_of_2m_keeps_no_table_for_pages_nobody_touched,
						world_up, world_down),
		cmocka_unit_test(lack_of_memory_changes_nothing),
		cmocka_unit_test(lack_of_memory_for_the_dummy_changes_nothing),
		cmocka_unit_test_setup_teardown(
			table_that_left_the_tree_keeps_its_contents_until_reclaim, world_up,
			world_down),
		cmocka_unit_test_setup_teardown(full_zombie_ring_stops_merging_but_nothing_else,
						world_up, world_down),
		cmocka_unit_test_setup_teardown(random_changes_agree_with_a_flat_model, world_up,
						world_down),
	};

	return cmocka_run_group_tests_name("ept_protect", tests, NULL, NULL);
}
