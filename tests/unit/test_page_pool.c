/* SPDX-License-Identifier: MIT */
#include "vmm/page_pool.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/addr.h"

#define POOL_PAGES 17u /* sixteen to hand out and one for the pool itself */
#define USABLE (POOL_PAGES - 1)

static struct page_pool pool;
static uint8_t *memory;

static int pool_up(void **state)
{
	(void)state;
	memory = aligned_alloc(PAGE_SIZE, POOL_PAGES * PAGE_SIZE);
	if (!memory)
		return -1;
	memset(memory, 0xa5, POOL_PAGES * PAGE_SIZE);
	return page_pool_init(&pool, virt_to_hpa(memory), POOL_PAGES * PAGE_SIZE);
}

static int pool_down(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static bool is_zero(const void *page, uint64_t size)
{
	const uint8_t *byte = page;
	uint64_t i;

	for (i = 0; i < size; i++)
		if (byte[i] != 0)
			return false;
	return true;
}

static void exhausted_pool_gives_null(void **state)
{
	void *page[USABLE];
	uint32_t i, k;

	(void)state;
	for (i = 0; i < USABLE; i++) {
		assert_int_equal(page_pool_left(&pool), USABLE - i);
		page[i] = page_pool_alloc(&pool);
		assert_non_null(page[i]);
		for (k = 0; k < i; k++)
			assert_ptr_not_equal(page[i], page[k]);
	}
	assert_null(page_pool_alloc(&pool));
	assert_int_equal(page_pool_left(&pool), 0);
	assert_int_equal(pool.low_water, 0);
	assert_int_equal(page_pool_free(&pool, page[7]), 0);
	assert_int_equal(page_pool_left(&pool), 1);
	assert_ptr_equal(page_pool_alloc(&pool), page[7]);
	assert_null(page_pool_alloc(&pool));
}

static void pages_are_aligned_and_zero_when_handed_out(void **state)
{
	uint32_t round, i;

	(void)state;
	for (round = 0; round < 2; round++) {
		void *page[USABLE];

		for (i = 0; i < USABLE; i++) {
			page[i] = page_pool_alloc(&pool);
			assert_int_equal(virt_to_hpa(page[i]) % PAGE_SIZE, 0);
			assert_true(is_zero(page[i], PAGE_SIZE));
			memset(page[i], 0xff, PAGE_SIZE);
		}
		for (i = 0; i < USABLE; i++)
			assert_int_equal(page_pool_free(&pool, page[i]), 0);
	}
}

static void freed_page_is_scrubbed_but_for_its_link(void **state)
{
	uint8_t *page = page_pool_alloc(&pool);

	(void)state;
	memset(page, 0xee, PAGE_SIZE);
	assert_int_equal(page_pool_free(&pool, page), 0);
	assert_true(is_zero(page + sizeof(uint64_t), PAGE_SIZE - sizeof(uint64_t)));
}

static void page_given_back_twice_is_refused(void **state)
{
	void *page = page_pool_alloc(&pool);

	(void)state;
	assert_int_equal(page_pool_free(&pool, page), 0);
	assert_int_equal(page_pool_free(&pool, page), -EINVAL);
	assert_int_equal(page_pool_left(&pool), USABLE);
}

static void foreign_and_unaligned_pages_are_refused(void **state)
{
	uint64_t *page = page_pool_alloc(&pool);
	uint8_t *past = memory + POOL_PAGES * PAGE_SIZE;

	(void)state;
	assert_int_equal(page_pool_free(&pool, NULL), -EINVAL);
	assert_int_equal(page_pool_free(&pool, hpa_to_virt(virt_to_hpa(memory) - PAGE_SIZE)),
			 -EINVAL);
	assert_int_equal(page_pool_free(&pool, past), -EINVAL);
	assert_int_equal(page_pool_free(&pool, page + 1), -EINVAL);
	assert_int_equal(page_pool_free(&pool, memory), -EINVAL); /* the pool's own page */
	assert_int_equal(page_pool_free(&pool, past - PAGE_SIZE), -EINVAL); /* not handed out yet */
	assert_int_equal(page_pool_free(&pool, page), 0);
}

static void pool_owns_its_range_only(void **state)
{
	uint64_t base = virt_to_hpa(memory);

	(void)state;
	assert_false(page_pool_owns(&pool, base - 1));
	assert_true(page_pool_owns(&pool, base));
	assert_true(page_pool_owns(&pool, base + POOL_PAGES * PAGE_SIZE - 1));
	assert_false(page_pool_owns(&pool, base + POOL_PAGES * PAGE_SIZE));
	assert_false(page_pool_owns(&pool, 0));
	assert_false(page_pool_owns(&pool, UINT64_MAX));
}

static void contiguous_run_is_adjacent_aligned_and_zero(void **state)
{
	uint8_t *run = page_pool_alloc_contiguous(&pool, 3, 4);
	uint32_t i;

	(void)state;
	assert_non_null(run);
	assert_int_equal(virt_to_hpa(run) % (4 * PAGE_SIZE), 0);
	assert_true(is_zero(run, 3 * PAGE_SIZE));
	assert_int_equal(page_pool_left(&pool), USABLE - 3);
	/* The pages skipped for the alignment still serve singly, and none lies in the run. */
	for (i = 0; i < USABLE - 3; i++) {
		uint8_t *page = page_pool_alloc(&pool);

		assert_non_null(page);
		assert_true(is_zero(page, PAGE_SIZE));
		assert_true(page + PAGE_SIZE <= run || page >= run + 3 * PAGE_SIZE);
	}
	assert_null(page_pool_alloc(&pool));
}

static void page_of_a_contiguous_run_is_not_returned_singly(void **state)
{
	uint8_t *run = page_pool_alloc_contiguous(&pool, 2, 1);

	(void)state;
	assert_int_equal(page_pool_free(&pool, run), -EINVAL);
	assert_int_equal(page_pool_free(&pool, run + PAGE_SIZE), -EINVAL);
}

static void impossible_contiguous_runs_give_null_and_change_nothing(void **state)
{
	static const struct {
		uint64_t count, align;
	} rows[] = {
		{0, 1},		 {1, 0},	  {1, 3},
		{USABLE + 1, 1}, {UINT64_MAX, 1}, {1, 1ULL << 63},
		{1, 1ULL << 51}, {1, 1ULL << 40}, {UINT64_MAX / PAGE_SIZE + 2, 1},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_null(page_pool_alloc_contiguous(&pool, rows[i].count, rows[i].align));
		assert_int_equal(page_pool_left(&pool), USABLE);
	}
	assert_non_null(page_pool_alloc_contiguous(&pool, USABLE, 1));
	assert_int_equal(page_pool_left(&pool), 0);
	assert_null(page_pool_alloc_contiguous(&pool, 1, 1));
}

static void bad_pool_ranges_are_refused(void **state)
{
	static const struct {
		uint64_t base, size;
	} rows[] = {
		{0x1001, 0x4000},			/* unaligned base */
		{0x1000, 0x4001},			/* unaligned size */
		{0x1000, 0},				/* empty */
		{0x1000, PAGE_SIZE},			/* no page left beside the bitmap */
		{0, 0x4000},				/* page 0 would be NULL */
		{UINT64_MAX - 0xfff, 0x2000},		/* wraps */
		{0x2000, UINT64_MAX - 0x1fff + 0x1000}, /* wraps */
	};
	struct page_pool p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(page_pool_init(&p, rows[i].base, rows[i].size), -EINVAL);
}

/*
 * Few: a ticket lock among threads that the host preempts makes each wait for the next one's time
 * slice.
 */
#define THREADS 2
#define ROUNDS 300

/* Result: NULL, or the address of failure. */
static void *churn(void *argument)
{
	static char failure;
	uint64_t mark = (uint64_t)(uintptr_t)argument;
	uint32_t round, i;

	for (round = 0; round < ROUNDS; round++) {
		uint64_t *page[3];

		for (i = 0; i < 3; i++) {
			page[i] = page_pool_alloc(&pool);
			if (!page[i] || !is_zero(page[i], PAGE_SIZE))
				return &failure;
			page[i][0] = mark;
			page[i][511] = mark;
		}
		for (i = 0; i < 3; i++)
			if (page[i][0] != mark || page[i][511] != mark ||
			    page_pool_free(&pool, page[i]) != 0)
				return &failure;
	}
	return NULL;
}

static void pages_are_never_shared_between_cpus(void **state)
{
	pthread_t thread[THREADS];
	uintptr_t i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, churn, (void *)(i + 1)), 0);
	for (i = 0; i < THREADS; i++) {
		void *failed;

		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(page_pool_left(&pool), USABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(exhausted_pool_gives_null, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(pages_are_aligned_and_zero_when_handed_out, pool_up,
						pool_down),
		cmocka_unit_test_setup_teardown(freed_page_is_scrubbed_but_for_its_link, pool_up,
						pool_down),
		cmocka_unit_test_setup_teardown(page_given_back_twice_is_refused, pool_up,
						pool_down),
		cmocka_unit_test_setup_teardown(foreign_and_unaligned_pages_are_refused, pool_up,
						pool_down),
		cmocka_unit_test_setup_teardown(pool_owns_its_range_only, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(contiguous_run_is_adjacent_aligned_and_zero,
						pool_up, pool_down),
		cmocka_unit_test_setup_teardown(page_of_a_contiguous_run_is_not_returned_singly,
						pool_up, pool_down),
		cmocka_unit_test_setup_teardown(
			impossible_contiguous_runs_give_null_and_change_nothing, pool_up,
			pool_down),
		cmocka_unit_test(bad_pool_ranges_are_refused),
		cmocka_unit_test_setup_teardown(pages_are_never_shared_between_cpus, pool_up,
						pool_down),
	};

	return cmocka_run_group_tests_name("page_pool", tests, NULL, NULL);
}
