/* SPDX-License-Identifier: MIT */
#include "boot/ranges.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE 0x1000ull
#define MIB 0x100000ull
#define GIB 0x40000000ull
#define WB MEMORY_ATTRIBUTE_WB
/* As firmware does, to make sure that nobody relies on the size of the structure. */
#define STRIDE 48u
#define MAX_DESCRIPTORS 1200u

struct line {
	uint32_t type;
	uint64_t start;
	uint64_t size; /* bytes */
	uint64_t attribute;
};

static uint8_t bytes[MAX_DESCRIPTORS * STRIDE];

static struct memory_map make_map(const struct line *lines, size_t count)
{
	memset(bytes, 0xee, sizeof(bytes));
	for (size_t i = 0; i < count; i++) {
		struct memory_descriptor descriptor = {
			.type = lines[i].type,
			.physical_start = lines[i].start,
			.page_count = lines[i].size / PAGE,
			.attribute = lines[i].attribute,
		};

		memcpy(bytes + i * STRIDE, &descriptor, sizeof(descriptor));
	}
	return (struct memory_map){bytes, count * STRIDE, STRIDE};
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void map_is_translated_and_merged(void **state)
{
	static const struct line lines[] = {
		{MEMORY_BOOT_SERVICES_CODE, 0, 0xa0000, WB},
		{MEMORY_CONVENTIONAL, MIB, 15 * MIB, WB},
		{MEMORY_LOADER_CODE, 16 * MIB, MIB, WB},
		{MEMORY_LOADER_DATA, 17 * MIB, MIB, WB},
		{MEMORY_BOOT_SERVICES_DATA, 18 * MIB, MIB, WB},
		{MEMORY_RUNTIME_SERVICES_CODE, 19 * MIB, MIB, WB},
		{MEMORY_RUNTIME_SERVICES_DATA, 20 * MIB, MIB, WB},
		{MEMORY_ACPI_RECLAIM, 21 * MIB, MIB, WB},
		{MEMORY_ACPI_NVS, 22 * MIB, MIB, WB},
		{MEMORY_UNUSABLE, 23 * MIB, MIB, WB},
		{13, 24 * MIB, MIB, WB},
		{MEMORY_RESERVED, 25 * MIB, MIB, 0},
		{MEMORY_MAPPED_IO, 26 * MIB, MIB, 0},
		{MEMORY_MAPPED_IO_PORT_SPACE, 27 * MIB, MIB, 0},
		{0x80000000, 28 * MIB, MIB, 0},
	};
	static const struct secpod_range expected[] = {
		{0, 0xa0000, SECPOD_RANGE_RAM, 0},
		{MIB, 18 * MIB, SECPOD_RANGE_RAM, 0},
		{19 * MIB, MIB, SECPOD_RANGE_EFI_RT_CODE, 0},
		{20 * MIB, MIB, SECPOD_RANGE_EFI_RT_DATA, 0},
		{21 * MIB, MIB, SECPOD_RANGE_RAM, 0},
		{22 * MIB, 4 * MIB, SECPOD_RANGE_RESERVED, 0},
		{26 * MIB, 2 * MIB, SECPOD_RANGE_MMIO, 0},
		{28 * MIB, MIB, SECPOD_RANGE_RESERVED, 0},
	};
	struct secpod_range ranges[16];
	struct memory_map map = make_map(lines, COUNT(lines));
	size_t count;

	(void)state;
	assert_int_equal(ranges_from_map(&map, ranges, COUNT(ranges), &count), 0);
	assert_int_equal(count, COUNT(expected));
	assert_memory_equal(ranges, expected, sizeof(expected));
	assert_int_equal(ranges_ram_size(ranges, count), 0xa0000 + 19 * MIB);
	/* Reserved and device ranges above the memory do not count as memory. */
	assert_int_equal(ranges_ram_top(ranges, count), 22 * MIB);
}

static void order_of_the_map_does_not_matter(void **state)
{
	struct secpod_range sorted[8], ranges[8];
	struct line lines[] = {
		{MEMORY_CONVENTIONAL, 0, MIB, WB},	 {MEMORY_LOADER_DATA, MIB, MIB, WB},
		{MEMORY_RESERVED, 2 * MIB, MIB, 0},	 {MEMORY_CONVENTIONAL, 4 * MIB, MIB, WB},
		{MEMORY_CONVENTIONAL, 5 * MIB, MIB, WB}, {MEMORY_LOADER_CODE, 6 * MIB, MIB, WB},
	};
	struct memory_map map = make_map(lines, COUNT(lines));
	size_t count, sorted_count;

	(void)state;
	assert_int_equal(ranges_from_map(&map, sorted, COUNT(sorted), &sorted_count), 0);
	assert_int_equal(sorted_count, 3);
	/* All rotations of all exchanges of two lines. */
	for (size_t i = 0; i < COUNT(lines); i++) {
		for (size_t j = 0; j < COUNT(lines) * COUNT(lines); j++) {
			struct line first, swapped = lines[j % COUNT(lines)];

			lines[j % COUNT(lines)] = lines[j / COUNT(lines)];
			lines[j / COUNT(lines)] = swapped;
			map = make_map(lines, COUNT(lines));
			assert_int_equal(ranges_from_map(&map, ranges, COUNT(ranges), &count), 0);
			assert_int_equal(count, sorted_count);
			assert_memory_equal(ranges, sorted, count * sizeof(ranges[0]));
			first = lines[0];
			memmove(&lines[0], &lines[1], sizeof(lines) - sizeof(lines[0]));
			lines[COUNT(lines) - 1] = first;
		}
	}
}

static void impossible_maps_are_refused(void **state)
{
	static const struct line overlap[] = {{MEMORY_CONVENTIONAL, 0, 2 * MIB, WB},
					      {MEMORY_CONVENTIONAL, MIB, MIB, WB}};
	static const struct line overlap_before[] = {{MEMORY_RESERVED, MIB, MIB, WB},
						     {MEMORY_CONVENTIONAL, 0, MIB + PAGE, WB}};
	static const struct line same[] = {{MEMORY_CONVENTIONAL, MIB, MIB, WB},
					   {MEMORY_RESERVED, MIB, MIB, WB}};
	static const struct line odd[] = {{MEMORY_CONVENTIONAL, 0x800, MIB, WB}};
	static const struct line high[] = {{MEMORY_CONVENTIONAL, 1ull << 52, PAGE, WB}};
	static const struct line wrap[] = {{MEMORY_CONVENTIONAL, UINT64_MAX & ~0xfffull, PAGE, WB}};
	static const struct line large[] = {{MEMORY_CONVENTIONAL, MIB, 1ull << 52, WB}};
	static const struct {
		const struct line *lines;
		size_t count;
	} cases[] = {
		{overlap, 2}, {overlap_before, 2}, {same, 2},  {odd, 1},
		{high, 1},    {wrap, 1},	   {large, 1},
	};
	struct secpod_range ranges[4];
	struct memory_map map;
	size_t count;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		map = make_map(cases[i].lines, cases[i].count);
		if (ranges_from_map(&map, ranges, COUNT(ranges), &count) != -EINVAL)
			fail_msg("map %zu is accepted", i);
	}
	/* All ones in the number of pages. */
	map = make_map(same, 1);
	memset(bytes + offsetof(struct memory_descriptor, page_count), 0xff, 8);
	assert_int_equal(ranges_from_map(&map, ranges, COUNT(ranges), &count), -EINVAL);
	map = make_map(same, 1);
	map.descriptor_size = sizeof(struct memory_descriptor) - 1;
	assert_int_equal(ranges_from_map(&map, ranges, COUNT(ranges), &count), -EINVAL);
	map = make_map(same, 1);
	map.size = STRIDE - 1;
	assert_int_equal(ranges_from_map(&map, ranges, COUNT(ranges), &count), -EINVAL);
	map.descriptor_size = 0;
	assert_int_equal(ranges_from_map(&map, ranges, COUNT(ranges), &count), -EINVAL);
}

static void empty_descriptors_and_maps_are_let_pass(void **state)
{
	static const struct line lines[] = {{MEMORY_CONVENTIONAL, 0, MIB, WB},
					    {MEMORY_RESERVED, PAGE, 0, WB}};
	struct secpod_range ranges[1];
	struct memory_map map = make_map(lines, COUNT(lines));
	size_t count;

	(void)state;
	assert_int_equal(ranges_from_map(&map, ranges, COUNT(ranges), &count), 0);
	assert_int_equal(count, 1);
	map.size = 0;
	assert_int_equal(ranges_from_map(&map, ranges, COUNT(ranges), &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(ranges_ram_top(ranges, count), 0);
}

static void too_many_ranges_are_refused_after_merging(void **state)
{
	static struct line lines[MAX_DESCRIPTORS];
	static struct secpod_range ranges[SECPOD_MAX_RANGES];
	struct memory_map map;
	size_t count;

	(void)state;
	/* Neighbours of one kind do not count. */
	for (size_t i = 0; i < MAX_DESCRIPTORS; i++)
		lines[i] = (struct line){MEMORY_CONVENTIONAL, i * MIB, MIB, WB};
	map = make_map(lines, MAX_DESCRIPTORS);
	assert_int_equal(ranges_from_map(&map, ranges, SECPOD_MAX_RANGES, &count), 0);
	assert_int_equal(count, 1);
	for (size_t i = 0; i < MAX_DESCRIPTORS; i++)
		lines[i].start = 2 * i * MIB;
	map = make_map(lines, SECPOD_MAX_RANGES);
	assert_int_equal(ranges_from_map(&map, ranges, SECPOD_MAX_RANGES, &count), 0);
	assert_int_equal(count, SECPOD_MAX_RANGES);
	map = make_map(lines, SECPOD_MAX_RANGES + 1);
	assert_int_equal(ranges_from_map(&map, ranges, SECPOD_MAX_RANGES, &count), -ENOSPC);
}

static void region_keeps_its_promise_of_size(void **state)
{
	(void)state;
	assert_int_equal(region_size(0, 0), 10 * MIB);
	assert_int_equal(region_size(1, 0), 10 * MIB);
	for (uint64_t ram = 64 * MIB; ram < 1ull << 48; ram += ram / 7) {
		uint64_t size = region_size(ram, 0);

		assert_int_equal(size % (2 * MIB), 0);
		assert_true(size >= 10 * MIB + ram / 1000 * 4);
		assert_true(size <= 16 * MIB + ram / 200);
	}
}

static void region_is_the_highest_place_that_fits(void **state)
{
	static const struct line lines[] = {
		{MEMORY_CONVENTIONAL, 0, 0xa0000, WB},
		{MEMORY_CONVENTIONAL, MIB, 99 * MIB, WB},
		{MEMORY_LOADER_DATA, 100 * MIB, MIB, WB},
		{MEMORY_CONVENTIONAL, 101 * MIB, 11 * MIB + PAGE, WB},
		{MEMORY_CONVENTIONAL, GIB, GIB, 0},
		{MEMORY_CONVENTIONAL, 2 * GIB, GIB, WB | MEMORY_ATTRIBUTE_SPECIFIC_PURPOSE},
		{MEMORY_CONVENTIONAL, 3 * GIB, GIB, WB | MEMORY_ATTRIBUTE_HOT_PLUGGABLE},
		{MEMORY_BOOT_SERVICES_DATA, 4 * GIB, GIB, WB},
	};
	static const struct {
		uint64_t size;
		uint64_t address; /* 0: none */
	} cases[] = {
		{2 * MIB, 110 * MIB},
		{10 * MIB, 102 * MIB},
		/* There are 11 MiB, but not aligned. */
		{12 * MIB, 88 * MIB},
		/* Nothing below 16 MiB. */
		{84 * MIB, 16 * MIB},
		{86 * MIB, 0},
		{UINT64_MAX & ~(2 * MIB - 1), 0},
	};
	struct memory_map map = make_map(lines, COUNT(lines));

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t address;
		int result = region_find(&map, cases[i].size, &address);

		assert_int_equal(result, cases[i].address != 0 ? 0 : -ENOMEM);
		assert_int_equal(address, cases[i].address);
	}
}

static void region_is_not_looked_for_in_impossible_maps(void **state)
{
	static const struct line high[] = {{MEMORY_CONVENTIONAL, 1ull << 52, 16 * MIB, WB}};
	struct memory_map map = make_map(high, 1);
	uint64_t address;

	(void)state;
	assert_int_equal(region_find(&map, 2 * MIB, &address), -EINVAL);
	map.descriptor_size = 8;
	assert_int_equal(region_find(&map, 2 * MIB, &address), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_is_translated_and_merged),
		cmocka_unit_test(order_of_the_map_does_not_matter),
		cmocka_unit_test(impossible_maps_are_refused),
		cmocka_unit_test(empty_descriptors_and_maps_are_let_pass),
		cmocka_unit_test(too_many_ranges_are_refused_after_merging),
		cmocka_unit_test(region_keeps_its_promise_of_size),
		cmocka_unit_test(region_is_the_highest_place_that_fits),
		cmocka_unit_test(region_is_not_looked_for_in_impossible_maps),
	};

	return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
