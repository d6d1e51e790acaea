/* SPDX-License-Identifier: MIT */
#include "boot/paging.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PRESENT 1ull
#define LARGE (1ull << 7)
#define NX (1ull << 63)
#define PAGE 0x1000ull
#define MIB2 0x200000ull
#define GIB 0x40000000ull
#define ENTRIES 512u

/*
 * 0 to 1 GiB: 2 MiB pages, the first of them made of 4 KiB pages. 1 to 2 GiB: one page. Above: not
 * mapped.
 */
struct tables {
	uint64_t level5[ENTRIES], level4[ENTRIES], level3[ENTRIES], level2[ENTRIES],
		level1[ENTRIES];
};
static struct tables *tables;

static uint64_t entry_for(const void *table)
{
	return (uint64_t)(uintptr_t)table | PRESENT;
}

static int map(void **state)
{
	(void)state;
	tables = aligned_alloc(PAGE, sizeof(*tables));
	if (tables == NULL)
		return -1;
	memset(tables, 0, sizeof(*tables));
	tables->level5[0] = entry_for(tables->level4);
	tables->level4[0] = entry_for(tables->level3);
	tables->level3[0] = entry_for(tables->level2);
	tables->level3[1] = GIB | LARGE | PRESENT;
	tables->level2[0] = entry_for(tables->level1);
	for (uint64_t i = 0; i < ENTRIES; i++) {
		tables->level1[i] = i * PAGE | PRESENT;
		if (i != 0)
			tables->level2[i] = i * MIB2 | LARGE | PRESENT;
	}
	return 0;
}

static int unmap(void **state)
{
	(void)state;
	free(tables);
	return 0;
}

/* With 4 and with 5 levels, which must agree; CR3 has flags in its low bits. */
static bool executable(uint64_t base, uint64_t size)
{
	uint64_t cr3 = (uint64_t)(uintptr_t)tables->level4 | 0x18;
	uint64_t cr3_5 = (uint64_t)(uintptr_t)tables->level5;
	bool result = paging_executable(cr3, false, base, size);

	assert_true(result == paging_executable(cr3_5, true, base, size));
	return result;
}

static void mapped_ranges_are_executable_to_their_end(void **state)
{
	(void)state;
	assert_true(executable(0, 1));
	assert_true(executable(0, 2 * GIB));
	assert_true(executable(2 * GIB - 1, 1));
	assert_false(executable(2 * GIB, 1));
	assert_false(executable(2 * GIB - 1, 2));
	assert_false(executable(512 * GIB, 1));
}

static void execute_disable_counts_at_every_level(void **state)
{
	uint64_t *const entries[] = {
		&tables->level4[0], &tables->level3[0], &tables->level3[1],
		&tables->level2[0], &tables->level2[9], &tables->level1[7],
	};
	static const struct {
		uint64_t base, size;
	} ranges[] = {
		{0, 1}, {0, 1}, {GIB, 1}, {0, 1}, {9 * MIB2, 1}, {7 * PAGE, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		uint64_t kept = *entries[i];

		assert_true(executable(ranges[i].base, ranges[i].size));
		*entries[i] = kept | NX;
		assert_false(executable(ranges[i].base, ranges[i].size));
		*entries[i] = kept & ~PRESENT;
		assert_false(executable(ranges[i].base, ranges[i].size));
		*entries[i] = kept;
	}
}

static void only_pages_of_the_range_count(void **state)
{
	(void)state;
	tables->level1[7] |= NX;
	tables->level2[9] |= NX;
	assert_true(executable(0, 7 * PAGE));
	assert_false(executable(0, 7 * PAGE + 1));
	assert_true(executable(8 * PAGE, 9 * MIB2 - 8 * PAGE));
	assert_false(executable(8 * PAGE, 9 * MIB2 - 8 * PAGE + 1));
	assert_false(executable(10 * MIB2 - 1, 2));
	assert_true(executable(10 * MIB2, 2 * GIB - 10 * MIB2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(mapped_ranges_are_executable_to_their_end, map,
						unmap),
		cmocka_unit_test_setup_teardown(execute_disable_counts_at_every_level, map, unmap),
		cmocka_unit_test_setup_teardown(only_pages_of_the_range_count, map, unmap),
	};

	return cmocka_run_group_tests_name("paging", tests, NULL, NULL);
}
