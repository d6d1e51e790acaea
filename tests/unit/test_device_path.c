/* SPDX-License-Identifier: MIT */
#include "boot/device_path.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define END 0x7f, 0xff, 4, 0
#define PCI_ROOT 0x02, 0x01, 12, 0, 0xd0, 0x41, 0x03, 0x0a, 0, 0, 0, 0
#define PCI 0x01, 0x01, 6, 0, 0x02, 0x1f
/* Partition 1 at block 0x800; last two bytes: GPT, signature is a GUID. */
#define HARD_DRIVE_SIGNED(first, kind)                                                           \
	0x04, 0x01, 42, 0, 1, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, first, 2, \
		3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 2, kind
#define HARD_DRIVE HARD_DRIVE_SIGNED(1, 2)
/* "\A\b.efi" in one node, and the same in two. */
#define FILE_ONE \
	0x04, 0x04, 22, 0, '\\', 0, 'A', 0, '\\', 0, 'b', 0, '.', 0, 'e', 0, 'f', 0, 'i', 0, 0, 0
#define FILE_TWO                                                                                  \
	0x04, 0x04, 10, 0, '\\', 0, 'a', 0, 0, 0, 0x04, 0x04, 16, 0, 'B', 0, '.', 0, 'E', 0, 'F', \
		0, 'I', 0, 0, 0

#define FIRMWARE_FILE 0x04, 0x06, 20, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
#define BBS 0x05, 0x01, 9, 0, 2, 0, 0, 0, 0

static const uint8_t full[] = {PCI_ROOT, PCI, HARD_DRIVE, FILE_ONE, END};
static const uint8_t volume[] = {PCI_ROOT, PCI, HARD_DRIVE, END};
static const uint8_t disk[] = {PCI_ROOT, PCI, END};
static const uint8_t short_form[] = {HARD_DRIVE, FILE_TWO, END};
static const uint8_t nothing[] = {END};

/* The size found in a buffer of exactly size bytes. */
static size_t size_in(const uint8_t *path, size_t size)
{
	uint8_t *copy = malloc(size != 0 ? size : 1);
	size_t result;

	assert_non_null(copy);
	memcpy(copy, path, size);
	result = device_path_size(copy, size);
	free(copy);
	return result;
}

static void well_formed_paths_have_their_size(void **state)
{
	static const uint8_t two[] = {PCI, END, PCI, END};

	(void)state;
	assert_int_equal(size_in(full, sizeof(full)), sizeof(full));
	assert_int_equal(size_in(nothing, sizeof(nothing)), 4);
	/* The first of a list. */
	assert_int_equal(size_in(two, sizeof(two)), 10);
}

static void malformed_paths_have_no_size(void **state)
{
	static const uint8_t zero_length[] = {1, 1, 0, 0, END};
	static const uint8_t three_bytes[] = {1, 1, 3, 0, END};
	static const uint8_t long_node[] = {1, 1, 9, 0, END};
	static const uint8_t huge_node[] = {1, 1, 0xff, 0xff, END};
	static const uint8_t instances[] = {PCI, 0x7f, 0x01, 4, 0, PCI, END};
	static const uint8_t long_end[] = {PCI, 0x7f, 0xff, 5, 0, 0};
	static const struct {
		const uint8_t *path;
		size_t size;
	} cases[] = {
		{zero_length, sizeof(zero_length)}, {three_bytes, sizeof(three_bytes)},
		{long_node, sizeof(long_node)},	    {huge_node, sizeof(huge_node)},
		{instances, sizeof(instances)},	    {long_end, sizeof(long_end)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (size_in(cases[i].path, cases[i].size) != 0)
			fail_msg("case %zu is accepted", i);
	for (size_t size = 0; size < sizeof(full); size++)
		assert_int_equal(size_in(full, size), 0);
}

static void paths_have_a_longest_size(void **state)
{
	static uint8_t path[2 * DEVICE_PATH_MAX];
	static const uint8_t end[] = {END};

	(void)state;
	path[0] = 1;
	path[1] = 1;
	path[2] = (DEVICE_PATH_MAX - 4) & 0xff;
	path[3] = (DEVICE_PATH_MAX - 4) >> 8;
	memcpy(path + DEVICE_PATH_MAX - 4, end, sizeof(end));
	assert_int_equal(device_path_size(path, sizeof(path)), DEVICE_PATH_MAX);
	path[2]++;
	memmove(path + DEVICE_PATH_MAX - 3, end, sizeof(end));
	assert_int_equal(device_path_size(path, sizeof(path)), 0);
}

static void paths_are_told_apart(void **state)
{
	static const uint8_t firmware[] = {FIRMWARE_FILE, END};
	static const uint8_t bbs[] = {BBS, END};
	static const uint8_t odd_drive[] = {0x04, 0x01, 5, 0, 0, END};

	(void)state;
	assert_int_equal(device_path_class(full), DEVICE_PATH_FILE);
	assert_int_equal(device_path_class(volume), DEVICE_PATH_DEVICE);
	assert_int_equal(device_path_class(nothing), DEVICE_PATH_DEVICE);
	assert_int_equal(device_path_class(short_form), DEVICE_PATH_HARD_DISK);
	assert_int_equal(device_path_class(firmware), DEVICE_PATH_FIRMWARE);
	assert_int_equal(device_path_class(bbs), DEVICE_PATH_BBS);
	/* A hard-drive node too short to hold what it should is none. */
	assert_int_equal(device_path_class(odd_drive), DEVICE_PATH_DEVICE);
}

static void partitions_are_recognized(void **state)
{
	static const uint8_t other[] = {PCI, HARD_DRIVE_SIGNED(9, 2), END};
	static const uint8_t unsigned_one[] = {PCI, HARD_DRIVE_SIGNED(1, 0), END};
	static const uint8_t mbr[] = {PCI, HARD_DRIVE_SIGNED(1, 1), END};
	struct partition_id a, b;

	(void)state;
	assert_int_equal(device_path_first_partition(short_form, &a), 42);
	assert_true(device_path_last_partition(volume, &b));
	assert_int_equal(b.number, 1);
	assert_int_equal(b.start, 0x800);
	assert_int_equal(b.signature[15], 16);
	assert_int_equal(b.signature_type, 2);
	assert_true(partition_equal(&a, &b));
	b.number = 2;
	assert_false(partition_equal(&a, &b));
	b.number = 1;
	b.start++;
	assert_false(partition_equal(&a, &b));
	assert_true(device_path_last_partition(other, &b));
	assert_false(partition_equal(&a, &b));
	assert_true(device_path_last_partition(mbr, &b));
	assert_false(partition_equal(&a, &b));
	assert_true(device_path_last_partition(unsigned_one, &b));
	assert_false(partition_equal(&b, &b));
	assert_false(device_path_last_partition(disk, &b));
	assert_int_equal(device_path_first_partition(full, &a), 0);
}

static void prefixes_are_whole_nodes(void **state)
{
	static const uint8_t other[] = {PCI_ROOT, 0x01, 0x01, 6, 0, 0x03, 0x1f, END};

	(void)state;
	assert_true(device_path_starts(full, volume));
	assert_true(device_path_starts(volume, disk));
	assert_true(device_path_starts(disk, disk));
	assert_true(device_path_starts(disk, nothing));
	assert_false(device_path_starts(disk, volume));
	assert_false(device_path_starts(volume, other));
}

static void file_names_are_joined(void **state)
{
	static const uint8_t no_nul[] = {0x04, 0x04, 6, 0, 'x', 0, END};
	static const uint8_t odd[] = {0x04, 0x04, 7, 0, 'x', 0, 'y', END};
	static const uint8_t doubled[] = {0x04, 0x04, 14,   0,	  '\\', 0, '\\', 0, 'x', 0, '\\', 0,
					  0,	0,    0x04, 0x04, 8,	0, '\\', 0, 'y', 0, END};
	static const uint16_t one[] = {'\\', 'A', '\\', 'b', '.', 'e', 'f', 'i', 0};
	static const uint16_t two[] = {'\\', 'a', '\\', 'B', '.', 'E', 'F', 'I', 0};
	static const uint16_t xy[] = {'\\', 'x', '\\', 'y', 0};
	uint16_t name[16];

	(void)state;
	assert_int_equal(device_path_file(full, name, 16), 8);
	assert_memory_equal(name, one, sizeof(one));
	assert_int_equal(device_path_file(short_form, name, 16), 8);
	assert_memory_equal(name, two, sizeof(two));
	assert_true(file_name_equal(one, two));
	assert_false(file_name_equal(one, xy));
	assert_false(file_name_equal(xy, one));
	assert_int_equal(device_path_file(no_nul, name, 16), 2);
	assert_int_equal(device_path_file(odd, name, 16), 2);
	assert_int_equal(device_path_file(doubled, name, 16), 4);
	assert_memory_equal(name, xy, sizeof(xy));
	assert_int_equal(device_path_file(volume, name, 16), 0);
	assert_int_equal(name[0], 0);
}

static void file_names_must_fit(void **state)
{
	(void)state;
	for (size_t count = 0; count <= 9; count++) {
		uint16_t *name = malloc(count != 0 ? count * sizeof(*name) : 1);

		assert_non_null(name);
		assert_int_equal(device_path_file(full, name, count), count == 9 ? 8 : 0);
		free(name);
	}
}

static void paths_are_put_together(void **state)
{
	static const uint16_t name[] = {'\\', 'A', '\\', 'b', '.', 'e', 'f', 'i', 0};
	uint8_t file[64], out[sizeof(full)];
	size_t size = device_path_from_file(file, sizeof(file), name);

	(void)state;
	assert_int_equal(size, 26);
	assert_int_equal(device_path_from_file(file, 25, name), 0);
	assert_int_equal(device_path_from_file(file, 26, name), 26);
	assert_int_equal(device_path_append(out, sizeof(out), volume, file), sizeof(full));
	assert_memory_equal(out, full, sizeof(full));
	assert_int_equal(device_path_append(out, sizeof(out) - 1, volume, file), 0);
	assert_int_equal(device_path_append(out, sizeof(out), nothing, nothing), 4);
}

/* Attributes, size of the path list, "Li", the list, optional data. */
#define OPTION_HEAD(list) 1, 0, 0, 0, list, 0, 'L', 0, 'i', 0, 0, 0

static const uint8_t option_bytes[] = {OPTION_HEAD(20), PCI, END, PCI, END, 'x', 'y', 'z'};

static int parse_option(const uint8_t *bytes, size_t size, struct load_option *option,
			uint8_t **copy)
{
	*copy = malloc(size != 0 ? size : 1);
	assert_non_null(*copy);
	memcpy(*copy, bytes, size);
	return load_option_parse(*copy, size, option);
}

static void load_options_are_taken_apart(void **state)
{
	struct load_option option;
	uint8_t *copy;

	(void)state;
	assert_int_equal(parse_option(option_bytes, sizeof(option_bytes), &option, &copy), 0);
	assert_int_equal(option.attributes, LOAD_OPTION_ACTIVE);
	assert_string_equal(option.description, "Li");
	assert_ptr_equal(option.path, copy + 12);
	assert_int_equal(option.path_size, 10);
	assert_int_equal(option.optional_size, 3);
	assert_memory_equal(option.optional, "xyz", 3);
	free(copy);
	/* Without optional data. */
	assert_int_equal(parse_option(option_bytes, sizeof(option_bytes) - 3, &option, &copy), 0);
	assert_int_equal(option.optional_size, 0);
	free(copy);
}

static void malformed_load_options_are_refused(void **state)
{
	static const uint8_t list_too_long[] = {OPTION_HEAD(11), PCI, END};
	static const uint8_t list_empty[] = {OPTION_HEAD(0), PCI, END};
	static const uint8_t list_cut[] = {OPTION_HEAD(9), PCI, END};
	static const uint8_t list_huge[] = {1, 0, 0, 0, 0xff, 0xff, 0, 0, PCI, END};
	static const uint8_t endless_title[] = {1, 0, 0, 0, 4, 0, 'L', 0, 'i', 0, 'n'};
	static const struct {
		const uint8_t *bytes;
		size_t size;
	} cases[] = {
		{list_too_long, sizeof(list_too_long)}, {list_empty, sizeof(list_empty)},
		{list_cut, sizeof(list_cut)},		{list_huge, sizeof(list_huge)},
		{endless_title, sizeof(endless_title)},
	};
	struct load_option option;
	uint8_t *copy;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (parse_option(cases[i].bytes, cases[i].size, &option, &copy) != -EINVAL)
			fail_msg("case %zu is accepted", i);
		free(copy);
	}
	for (size_t size = 0; size < sizeof(option_bytes) - 3; size++) {
		assert_int_equal(parse_option(option_bytes, size, &option, &copy), -EINVAL);
		free(copy);
	}
}

static void long_titles_are_cut_for_display(void **state)
{
	uint8_t bytes[6 + 2 * 101 + 10] = {1, 0, 0, 0, 10, 0};
	static const uint8_t path[] = {PCI, END};
	struct load_option option;
	uint8_t *copy;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		bytes[6 + 2 * i] = i == 0 ? 0x1b : 'a';
	memcpy(bytes + 6 + 2 * 101, path, sizeof(path));
	assert_int_equal(parse_option(bytes, sizeof(bytes), &option, &copy), 0);
	assert_int_equal(strlen(option.description), sizeof(option.description) - 1);
	assert_int_equal(option.description[0], '?');
	free(copy);
}

/* Everything that looks at a path that was accepted stays inside it. */
static void changed_bytes_do_no_harm(void **state)
{
	uint32_t random = 1;
	unsigned int accepted = 0;

	(void)state;
	for (int round = 0; round < 50000; round++) {
		uint8_t bytes[sizeof(option_bytes) + sizeof(full)] = {OPTION_HEAD(sizeof(full))};
		uint8_t out[2 * sizeof(bytes)];
		uint16_t name[32];
		struct load_option option;
		struct partition_id id;
		uint8_t *copy, *path;

		memcpy(bytes + 12, full, sizeof(full));
		for (int i = 0; i < 1 + round % 4; i++) {
			random = random * 1664525u + 1013904223u;
			bytes[(random >> 8) % (12 + sizeof(full))] = (uint8_t)(random >> 24);
		}
		if (parse_option(bytes, 12 + sizeof(full), &option, &copy) == 0) {
			accepted++;
			path = malloc(option.path_size);
			assert_non_null(path);
			memcpy(path, option.path, option.path_size);
			device_path_class(path);
			device_path_last_partition(path, &id);
			device_path_first_partition(path, &id);
			device_path_starts(path, disk);
			device_path_starts(disk, path);
			device_path_file(path, name, 32);
			device_path_append(out, sizeof(out), path, path);
			free(path);
		}
		free(copy);
	}
	assert_in_range(accepted, 1, 49999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed_paths_have_their_size),
		cmocka_unit_test(malformed_paths_have_no_size),
		cmocka_unit_test(paths_have_a_longest_size),
		cmocka_unit_test(paths_are_told_apart),
		cmocka_unit_test(partitions_are_recognized),
		cmocka_unit_test(prefixes_are_whole_nodes),
		cmocka_unit_test(file_names_are_joined),
		cmocka_unit_test(file_names_must_fit),
		cmocka_unit_test(paths_are_put_together),
		cmocka_unit_test(load_options_are_taken_apart),
		cmocka_unit_test(malformed_load_options_are_refused),
		cmocka_unit_test(long_titles_are_cut_for_display),
		cmocka_unit_test(changed_bytes_do_no_harm),
	};

	return cmocka_run_group_tests_name("device_path", tests, NULL, NULL);
}
