/* SPDX-License-Identifier: MIT */
#include "vmm/ram_map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmm/addr.h"

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

/* A small machine, out of order as firmware may report it. */
static const struct secpod_range machine[] = {
	{0x100000, 0x700000, SECPOD_RANGE_RAM, 0}, /* 1 MiB .. 8 MiB */
	{0x0, 0x9f000, SECPOD_RANGE_RAM, 0},
	{0x900000, 0x100000, SECPOD_RANGE_EFI_RT_CODE, 0}, /* touches the next */
	{0xa00000, 0x10000, SECPOD_RANGE_EFI_RT_DATA, 0},
	{0x9f000, 0x61000, SECPOD_RANGE_RESERVED, 0},
	{0xfee00000, 0x1000, SECPOD_RANGE_MMIO, 0},
	{0x100000000, 0x40000000, SECPOD_RANGE_RAM, 0},
	{0x2000000, 0x400000, SECPOD_RANGE_RAM, 0}, /* with the monitor's region in it */
};
#define REGION 0x2100000ULL
#define REGION_SIZE 0x100000ULL

static struct ram_map map;

static int setup(void **state)
{
	(void)state;
	return ram_map_init(&map, machine, COUNT(machine), RAM_MAP_GUEST, REGION, REGION_SIZE);
}

static void ranges_are_in_or_out_to_the_byte(void **state)
{
	static const struct {
		uint64_t base, length;
		bool in;
	} cases[] = {
		{0, 1, true},
		{0, 0x9f000, true},
		{0, 0x9f001, false},
		{0x9efff, 1, true},
		{0x9efff, 2, false},
		{0x9f000, 1, false}, /* reserved */
		{0xfffff, 2, false}, /* reserved into RAM */
		{0x100000, 0x700000, true},
		{0x7fffff, 1, true},
		{0x7fffff, 2, false},
		{0x800000, 1, false},	     /* hole in the map */
		{0x7fffff, 0x100002, false}, /* across it */
		{0x900000, 0x110000, true},  /* two ranges that touch */
		{0x9fffff, 2, true},
		{0xa0ffff, 2, false},
		{0xfee00000, 4, false}, /* device */
		{0xffffffff, 2, false},
		{0x100000000, 0x40000000, true},
		{0x13fffffff, 1, true},
		{0x140000000, 1, false},
		{0x2000000, 0x100000, true}, /* up to the region */
		{0x2000000, 0x100001, false},
		{0x20fffff, 2, false},
		{REGION, 1, false},
		{REGION + REGION_SIZE - 1, 1, false},
		{REGION + REGION_SIZE, 0x200000, true},
		{REGION + REGION_SIZE - 1, 2, false},
		{0x2000000, 0x400000, false}, /* around it */
	};

	(void)state;
	for (uint32_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(ram_map_contains(&map, cases[i].base, cases[i].length),
				 cases[i].in);
}

static void wrapping_and_empty_ranges(void **state)
{
	(void)state;
	assert_false(ram_map_contains(&map, UINT64_MAX, 1));
	assert_false(ram_map_contains(&map, UINT64_MAX, 2));
	assert_false(ram_map_contains(&map, 0x100000, UINT64_MAX));
	assert_false(ram_map_contains(&map, 0x100000, UINT64_MAX - 0xfffff));
	assert_false(ram_map_contains(&map, UINT64_MAX - 0xfff, 0x2000));
	assert_false(ram_map_contains(&map, 0x100000, 1ULL << 63));
	assert_true(ram_map_contains(&map, 0x100000, 0));
	assert_false(ram_map_contains(&map, REGION, 0));
	assert_false(ram_map_contains(&map, UINT64_MAX, 0));
}

static void kinds_choose(void **state)
{
	(void)state;
	assert_int_equal(
		ram_map_init(&map, machine, COUNT(machine), RAM_MAP_FIRMWARE, REGION, REGION_SIZE),
		0);
	assert_true(ram_map_contains(&map, 0x9f000, 0x61000));
	assert_true(ram_map_contains(&map, 0, 0x800000));
	assert_false(ram_map_contains(&map, 0xfee00000, 4));
	assert_int_equal(ram_map_init(&map, machine, COUNT(machine), 0, 0, 0), 0);
	assert_false(ram_map_contains(&map, 0, 1));
}

static void broken_tables_are_refused_and_leave_an_empty_map(void **state)
{
	static const struct secpod_range bad[] = {
		{0x1001, 0x1000, SECPOD_RANGE_RAM, 0},
		{0x1000, 0x1001, SECPOD_RANGE_RAM, 0},
		{0x1000, 0, SECPOD_RANGE_RAM, 0},
		{0xfffffffffffff000, 0x2000, SECPOD_RANGE_RAM, 0},
		{0x1000, 0xfffffffffffff000, SECPOD_RANGE_RAM, 0},
	};

	(void)state;
	for (uint32_t i = 0; i < COUNT(bad); i++) {
		const struct secpod_range ranges[] = {machine[0], bad[i]};

		assert_int_equal(ram_map_init(&map, ranges, 2, RAM_MAP_GUEST, 0, 0), -EINVAL);
		assert_false(ram_map_contains(&map, 0x100000, 1));
	}
	assert_int_equal(ram_map_init(&map, machine, SECPOD_MAX_RANGES + 1, RAM_MAP_GUEST, 0, 0),
			 -EINVAL);
	assert_int_equal(ram_map_init(&map, machine, 1, RAM_MAP_GUEST, UINT64_MAX, 2), -EINVAL);
	assert_false(ram_map_contains(&map, 0x100000, 1));
}

static void unknown_kinds_and_unwanted_bad_ranges_are_left_out(void **state)
{
	static const struct secpod_range ranges[] = {
		{0x1000, 0x1000, 0, 0},
		{0x2000, 0x1000, SECPOD_RANGE_MMIO + 1, 0},
		{0x3000, 0x1000, 33, 0}, /* would be RAM's bit, shifted too far */
		{0x4000, 0x1000, UINT32_MAX, 0},
		{0x5001, 0, SECPOD_RANGE_MMIO, 0},
		{0x6000, 0x1000, SECPOD_RANGE_RAM, 0},
	};

	(void)state;
	assert_int_equal(ram_map_init(&map, ranges, COUNT(ranges), RAM_MAP_GUEST, 0, 0), 0);
	for (uint64_t gpa = 0; gpa < 0x10000; gpa += PAGE_SIZE)
		assert_int_equal(ram_map_contains(&map, gpa, PAGE_SIZE), gpa == 0x6000);
}

/* The same question put to the unsorted table, a page at a time. */
static bool slow_contains(const struct secpod_range *ranges, uint32_t count, uint64_t page)
{
	if (page >= REGION && page < REGION + REGION_SIZE)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if ((RAM_MAP_GUEST & RAM_MAP_KIND(ranges[i].kind)) && page >= ranges[i].base &&
		    page - ranges[i].base < ranges[i].size)
			return true;
	}
	return false;
}

static void full_tables_of_overlapping_ranges_agree_with_a_slow_reference(void **state)
{
	static struct secpod_range ranges[SECPOD_MAX_RANGES];
	const uint64_t last_page = 0x3000000;

	(void)state;
	srand(1);
	for (uint32_t i = 0; i < SECPOD_MAX_RANGES; i++) {
		ranges[i] = (struct secpod_range){
			.base = (uint64_t)rand() % 0x2800 * PAGE_SIZE,
			.size = ((uint64_t)rand() % 24 + 1) * PAGE_SIZE,
			.kind = (uint32_t)rand() % 5 + 1,
		};
	}
	assert_int_equal(
		ram_map_init(&map, ranges, SECPOD_MAX_RANGES, RAM_MAP_GUEST, REGION, REGION_SIZE),
		0);
	for (uint64_t page = 0; page < last_page; page += PAGE_SIZE) {
		bool here = slow_contains(ranges, SECPOD_MAX_RANGES, page);
		bool next = slow_contains(ranges, SECPOD_MAX_RANGES, page + PAGE_SIZE);

		assert_int_equal(ram_map_contains(&map, page, PAGE_SIZE), here);
		assert_int_equal(ram_map_contains(&map, page + PAGE_SIZE - 1, 2), here && next);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ranges_are_in_or_out_to_the_byte, setup),
		cmocka_unit_test_setup(wrapping_and_empty_ranges, setup),
		cmocka_unit_test(kinds_choose),
		cmocka_unit_test(broken_tables_are_refused_and_leave_an_empty_map),
		cmocka_unit_test(unknown_kinds_and_unwanted_bad_ranges_are_left_out),
		cmocka_unit_test(full_tables_of_overlapping_ranges_agree_with_a_slow_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
