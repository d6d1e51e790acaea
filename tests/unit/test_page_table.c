/* SPDX-License-Identifier: MIT */
#include "vmm/page_table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmm/addr.h"

#define POOL_PAGES 64u
#define HIGH_VA 0xffffff8000000000ULL
#define RIGHTS (PTE_RW | PTE_NX | PTE_PCD | PTE_PWT | PTE_US)

static struct page_pool pool;
static struct page_table table;
static uint8_t *memory;

static int setup(void **state)
{
	(void)state;
	memory = aligned_alloc(PAGE_SIZE, POOL_PAGES * PAGE_SIZE);
	if (!memory || page_pool_init(&pool, virt_to_hpa(memory), POOL_PAGES * PAGE_SIZE))
		return -1;
	return page_table_init(&table, &pool);
}

static int teardown(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

/*
 * The physical address va translates to, with the leaf's rights; the test fails when there is none.
 */
static uint64_t translate(uint64_t va, uint64_t *rights, uint64_t *size)
{
	uint64_t entry = page_table_lookup(&table, va, size);

	assert_true(entry & PTE_P);
	*rights = entry & RIGHTS;
	return (entry & PTE_ADDR & ~(*size - 1)) + (va & (*size - 1));
}

static void aligned_memory_is_mapped_large_and_its_ends_small(void **state)
{
	/* 2 small pages, 2 large ones, 3 small ones. */
	const uint64_t begin = 3 * SIZE_2M - 2 * PAGE_SIZE;
	const uint64_t size = 2 * SIZE_2M + 5 * PAGE_SIZE;
	uint64_t rights, page;

	(void)state;
	assert_int_equal(page_table_map(&table, begin, begin, size, PAGE_DATA), 0);
	for (uint64_t va = begin; va < begin + size; va += PAGE_SIZE) {
		bool large = va >= 3 * SIZE_2M && va < 5 * SIZE_2M;

		assert_int_equal(translate(va + 5, &rights, &page), va + 5);
		assert_int_equal(rights, PAGE_DATA);
		assert_int_equal(page, large ? SIZE_2M : SIZE_4K);
	}
	assert_int_equal(page_table_lookup(&table, begin - 1, NULL), 0);
	assert_int_equal(page_table_lookup(&table, begin + size, NULL), 0);
}

static void addresses_of_unlike_alignment_are_mapped_small(void **state)
{
	uint64_t rights, size;

	(void)state;
	assert_int_equal(page_table_map(&table, SIZE_2M, SIZE_1G + PAGE_SIZE, SIZE_2M, PAGE_RODATA),
			 0);
	assert_int_equal(translate(SIZE_2M + 0x1234, &rights, &size), SIZE_1G + PAGE_SIZE + 0x1234);
	assert_int_equal(size, SIZE_4K);
	assert_int_equal(rights, PTE_NX);
}

static void each_kind_has_its_rights(void **state)
{
	static const struct {
		uint64_t kind;
		uint64_t rights;
	} kinds[] = {
		{PAGE_CODE, 0},
		{PAGE_RODATA, PTE_NX},
		{PAGE_DATA, PTE_RW | PTE_NX},
		{PAGE_DEVICE, PTE_RW | PTE_NX | PTE_PCD | PTE_PWT},
	};
	uint64_t rights, size;

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t va = (i + 1) * PAGE_SIZE;

		assert_int_equal(page_table_map(&table, va, va, PAGE_SIZE, kinds[i].kind), 0);
		translate(va, &rights, &size);
		assert_int_equal(rights, kinds[i].rights);
	}
}

static void bad_ranges_are_refused(void **state)
{
	static const struct {
		uint64_t va, hpa, size, kind;
	} bad[] = {
		{1, 0, PAGE_SIZE, PAGE_DATA},
		{0, 0x800, PAGE_SIZE, PAGE_DATA},
		{0, 0, PAGE_SIZE + 1, PAGE_DATA},
		{0, 0, 0, PAGE_DATA},
		{0xfffffffffffff000ULL, 0, 2 * PAGE_SIZE, PAGE_DATA}, /* wraps */
		{0x0000800000000000ULL, 0, PAGE_SIZE, PAGE_DATA},     /* first not canonical */
		{0xffff7ffffffff000ULL, 0, PAGE_SIZE, PAGE_DATA},     /* last not canonical */
		{0x00007ffffffff000ULL, 0, 2 * PAGE_SIZE, PAGE_DATA}, /* into the hole */
		{0x00007ffffffff000ULL, 0, 0xffff000000002000ULL, PAGE_DATA}, /* across the hole */
		{0, PTE_ADDR, 2 * PAGE_SIZE, PAGE_DATA},		      /* above 52 bits */
		{0, 1ULL << 52, PAGE_SIZE, PAGE_DATA},
		{0, 0, PAGE_SIZE, PTE_RW}, /* writable and executable */
		{0, 0, PAGE_SIZE, PTE_US | PTE_NX},
		{0, 0, PAGE_SIZE, PAGE_DATA | PTE_G},
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
			page_table_map(&table, bad[i].va, bad[i].hpa, bad[i].size, bad[i].kind),
			-EINVAL);
}

static void range_ends_at_the_last_addresses(void **state)
{
	uint64_t rights, size;

	(void)state;
	assert_int_equal(
		page_table_map(&table, 0xfffffffffffff000ULL, PTE_ADDR, PAGE_SIZE, PAGE_DATA), 0);
	assert_int_equal(translate(UINT64_MAX, &rights, &size), PTE_ADDR + 0xfff);
	assert_int_equal(page_table_map(&table, 0x00007ffffffff000ULL, 0, PAGE_SIZE, PAGE_DATA), 0);
	assert_int_equal(translate(0x00007fffffffffffULL, &rights, &size), 0xfff);
}

static void nothing_is_mapped_twice(void **state)
{
	(void)state;
	assert_int_equal(page_table_map(&table, SIZE_2M, SIZE_2M, SIZE_2M, PAGE_DATA), 0);
	assert_int_equal(page_table_map(&table, SIZE_2M, SIZE_2M, SIZE_2M, PAGE_CODE), -EEXIST);
	assert_int_equal(page_table_map(&table, SIZE_2M + PAGE_SIZE, 0, PAGE_SIZE, PAGE_CODE),
			 -EEXIST);
	assert_int_equal(page_table_map(&table, PAGE_SIZE, 0, PAGE_SIZE, PAGE_CODE), 0);
	/* A large page would hide the small one. */
	assert_int_equal(page_table_map(&table, 0, 0, SIZE_2M, PAGE_DATA), -EEXIST);
}

static void a_page_is_taken_out_of_a_large_one(void **state)
{
	const uint64_t hole = SIZE_2M + 7 * PAGE_SIZE;
	uint64_t rights, size;

	(void)state;
	assert_int_equal(page_table_map(&table, SIZE_2M, 5 * SIZE_2M, SIZE_2M, PAGE_DATA), 0);
	assert_int_equal(page_table_unmap(&table, hole), 0);
	for (uint64_t va = SIZE_2M; va < 2 * SIZE_2M; va += PAGE_SIZE) {
		if (va == hole) {
			assert_int_equal(page_table_lookup(&table, va, NULL), 0);
			continue;
		}
		assert_int_equal(translate(va, &rights, &size), va + 4 * SIZE_2M);
		assert_int_equal(rights, PAGE_DATA);
		assert_int_equal(size, SIZE_4K);
	}
	assert_int_equal(page_table_unmap(&table, hole), -ENOENT);
	assert_int_equal(page_table_unmap(&table, hole + 1), -EINVAL);
	assert_int_equal(page_table_unmap(&table, SIZE_1G), -ENOENT);
	assert_int_equal(page_table_unmap(&table, 0x0000800000000000ULL), -EINVAL);
}

static void a_slot_is_an_empty_last_level_entry(void **state)
{
	uint64_t *first = page_table_slot(&table, HIGH_VA);
	uint64_t *third = page_table_slot(&table, HIGH_VA + 2 * PAGE_SIZE);

	(void)state;
	assert_non_null(first);
	assert_int_equal(*first, 0);
	assert_ptr_equal(first + 2, third);
	*first = 0x5000 | PTE_P | PTE_NX;
	assert_int_equal(page_table_lookup(&table, HIGH_VA + 0x10, NULL), *first);
	assert_null(page_table_slot(&table, 0x0000800000000000ULL));
	assert_int_equal(page_table_map(&table, 0, 0, SIZE_2M, PAGE_DATA), 0);
	assert_null(page_table_slot(&table, PAGE_SIZE));
}

static void an_empty_pool_is_an_error_and_no_fault(void **state)
{
	uint64_t va = 0;
	int error;

	(void)state;
	/* Each needs tables of its own. */
	do {
		error = page_table_map(&table, va, 0, PAGE_SIZE, PAGE_DATA);
		va += SIZE_512G;
	} while (!error && va < 256 * SIZE_512G);
	assert_int_equal(error, -ENOMEM);
	assert_null(page_table_slot(&table, HIGH_VA));
}

static void splitting_without_memory_leaves_the_page(void **state)
{
	uint64_t rights, size;

	(void)state;
	assert_int_equal(page_table_map(&table, SIZE_2M, SIZE_2M, SIZE_2M, PAGE_DATA), 0);
	while (page_pool_alloc(&pool))
		;
	assert_int_equal(page_table_unmap(&table, SIZE_2M), -ENOMEM);
	assert_int_equal(translate(SIZE_2M, &rights, &size), SIZE_2M);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(aligned_memory_is_mapped_large_and_its_ends_small,
						setup, teardown),
		cmocka_unit_test_setup_teardown(addresses_of_unlike_alignment_are_mapped_small,
						setup, teardown),
		cmocka_unit_test_setup_teardown(each_kind_has_its_rights, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_ranges_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(range_ends_at_the_last_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_mapped_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(a_page_is_taken_out_of_a_large_one, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_slot_is_an_empty_last_level_entry, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_empty_pool_is_an_error_and_no_fault, setup,
						teardown),
		cmocka_unit_test_setup_teardown(splitting_without_memory_leaves_the_page, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
