/* SPDX-License-Identifier: MIT */
#include "vmx/boot_roots.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/addr.h"
#include "vmm/x86.h"

#define TABLE (PTE_P | PTE_US)

/* ---- memory: tables in pages of their own, page number times 4 KiB */

#define RAM_PAGES 128u
static uint64_t ram[RAM_PAGES][512];
static unsigned int reads;

static int ram_read(uint64_t gpa, void *to, uint64_t len)
{
	reads++;
	if (!range_ok(gpa, len, sizeof(ram)))
		return -EFAULT;
	memcpy(to, (const uint8_t *)ram + gpa, len);
	return 0;
}

static uint64_t page(unsigned int number)
{
	return (uint64_t)number << PAGE_SHIFT;
}

static int wipe(void **state)
{
	(void)state;
	memset(ram, 0, sizeof(ram));
	reads = 0;
	return 0;
}

#define ROOT 1u

static enum user_half look(void)
{
	return user_half_of(ram_read, page(ROOT));
}

/* root -> 2 -> 3 -> 4: the path to one page. */
static void map_one(unsigned int index, uint64_t leaf)
{
	ram[ROOT][index] = page(2) | TABLE;
	ram[2][511] = page(3) | TABLE;
	ram[3][0] = page(4) | TABLE;
	ram[4][300] = leaf;
}

/* ---- what is in the user half */

static void kernel_half_does_not_count(void **state)
{
	(void)state;
	map_one(256, page(100) | PTE_P | PTE_US);
	assert_int_equal(look(), USER_HALF_EMPTY);
	map_one(255, page(100) | PTE_P | PTE_US);
	assert_int_equal(look(), USER_HALF_USER);
}

static void a_user_page_is_found_at_each_level(void **state)
{
	(void)state;
	map_one(0, page(100) | PTE_P | PTE_US);
	assert_int_equal(look(), USER_HALF_USER);
	ram[4][300] = 0;
	assert_int_equal(look(), USER_HALF_SUPERVISOR);
	ram[3][7] = 0x200000 | PTE_P | PTE_US | PTE_PS;
	assert_int_equal(look(), USER_HALF_USER);
	ram[3][7] = 0;
	ram[2][8] = 0x40000000 | PTE_P | PTE_US | PTE_PS;
	assert_int_equal(look(), USER_HALF_USER);
}

static void supervisor_pages_are_no_process(void **state)
{
	(void)state;
	/* As text_poke() maps them: tables with U/S, the page without. */
	map_one(100, page(100) | PTE_P);
	assert_int_equal(look(), USER_HALF_SUPERVISOR);
	ram[3][7] = 0x200000 | PTE_P | PTE_PS;
	ram[2][8] = 0x40000000 | PTE_P | PTE_PS;
	assert_int_equal(look(), USER_HALF_SUPERVISOR);
}

static void user_bit_of_every_level_counts(void **state)
{
	(void)state;
	map_one(100, page(100) | PTE_P | PTE_US);
	for (unsigned int level = 4; level >= 2; level--) {
		uint64_t *entry = level == 4   ? &ram[ROOT][100]
				  : level == 3 ? &ram[2][511]
					       : &ram[3][0];

		*entry &= ~PTE_US;
		assert_int_equal(look(), USER_HALF_SUPERVISOR);
		*entry |= PTE_US;
	}
	assert_int_equal(look(), USER_HALF_USER);
}

static void absent_entries_map_nothing(void **state)
{
	(void)state;
	map_one(100, page(100) | PTE_US);
	ram[ROOT][0] = page(2) | PTE_US;
	assert_int_equal(look(), USER_HALF_SUPERVISOR);
	ram[ROOT][100] = PTE_US;
	assert_int_equal(look(), USER_HALF_EMPTY);
}

static void first_and_last_entries_are_seen(void **state)
{
	static const unsigned int index[] = {0, 63, 64, 511};

	(void)state;
	for (size_t i = 0; i < sizeof(index) / sizeof(index[0]); i++) {
		wipe(NULL);
		map_one(100, 0);
		ram[4][index[i]] = page(100) | PTE_P | PTE_US;
		assert_int_equal(look(), USER_HALF_USER);
	}
}

static void a_table_outside_memory_maps_nothing(void **state)
{
	(void)state;
	ram[ROOT][0] = page(RAM_PAGES) | TABLE;
	ram[ROOT][1] = PTE_ADDR | TABLE;
	assert_int_equal(look(), USER_HALF_SUPERVISOR);
	map_one(2, page(100) | PTE_P | PTE_US);
	assert_int_equal(look(), USER_HALF_USER);
	assert_int_equal(user_half_of(ram_read, page(RAM_PAGES)), USER_HALF_EMPTY);
}

static void the_work_is_bounded(void **state)
{
	(void)state;
	/* Every entry leads to the table it is in: 512 to the fourth without a bound. */
	for (unsigned int i = 0; i < 512; i++)
		ram[ROOT][i] = page(2) | TABLE;
	for (unsigned int i = 0; i < 512; i++)
		ram[2][i] = page(3) | TABLE;
	for (unsigned int i = 0; i < 512; i++)
		ram[3][i] = page(4) | TABLE;
	assert_int_equal(look(), USER_HALF_UNKNOWN);
	assert_true(reads <= 64 * 8);
}

/* ---- whose roots they are */

#define SWAPPER 0x10000ULL
#define POKING 0x11000ULL
#define PROCESS 0x12000ULL
#define OTHER 0x13000ULL

#define WRITABLE false
#define READ_ONLY true

struct load {
	uint64_t root;
	enum user_half half;
	bool read_only;
	enum root_verdict verdict;
};

static void play(const struct load *loads, size_t count)
{
	struct boot_roots roots = {0};

	for (size_t i = 0; i < count; i++) {
		enum root_verdict verdict =
			boot_roots_load(&roots, loads[i].root, loads[i].half, loads[i].read_only);

		if (verdict != loads[i].verdict)
			fail_msg("load %zu: verdict %d, not %d", i, verdict, loads[i].verdict);
		assert_true(roots.count <= BOOT_ROOTS_MAX);
	}
}

#define PLAY(...)                                                 \
	do {                                                      \
		static const struct load loads[] = {__VA_ARGS__}; \
		play(loads, sizeof(loads) / sizeof(loads[0]));    \
	} while (0)

static void boot_of_linux(void **state)
{
	(void)state;
	PLAY({SWAPPER, USER_HALF_EMPTY, WRITABLE, ROOT_KERNEL},
	     {POKING, USER_HALF_SUPERVISOR, WRITABLE, ROOT_KERNEL},
	     {SWAPPER, USER_HALF_EMPTY, WRITABLE, ROOT_KERNEL},
	     /* A helper, before the text is read-only. */
	     {PROCESS, USER_HALF_USER, WRITABLE, ROOT_USER},
	     {POKING, USER_HALF_SUPERVISOR, WRITABLE, ROOT_KERNEL},
	     {POKING, USER_HALF_SUPERVISOR, READ_ONLY, ROOT_KERNEL},
	     {SWAPPER, USER_HALF_EMPTY, READ_ONLY, ROOT_KERNEL},
	     {OTHER, USER_HALF_USER, READ_ONLY, ROOT_FIRST_USER});
}

static void dead_process_is_not_taken_for_the_kernel(void **state)
{
	(void)state;
	/* text_poke() in a kernel thread that still runs on a dead process's tables returns to them. */
	PLAY({SWAPPER, USER_HALF_EMPTY, WRITABLE, ROOT_KERNEL},
	     {PROCESS, USER_HALF_USER, WRITABLE, ROOT_USER},
	     {PROCESS, USER_HALF_EMPTY, WRITABLE, ROOT_WATCH},
	     {PROCESS, USER_HALF_EMPTY, READ_ONLY, ROOT_WATCH},
	     {PROCESS, USER_HALF_USER, READ_ONLY, ROOT_FIRST_USER});
}

static void no_root_is_the_kernels_after_the_first_process(void **state)
{
	(void)state;
	PLAY({SWAPPER, USER_HALF_EMPTY, WRITABLE, ROOT_KERNEL},
	     {PROCESS, USER_HALF_USER, WRITABLE, ROOT_USER},
	     {POKING, USER_HALF_SUPERVISOR, WRITABLE, ROOT_WATCH},
	     {OTHER, USER_HALF_EMPTY, WRITABLE, ROOT_WATCH},
	     {SWAPPER, USER_HALF_EMPTY, WRITABLE, ROOT_KERNEL});
}

static void no_root_becomes_the_kernels_once_text_is_read_only(void **state)
{
	(void)state;
	PLAY({OTHER, USER_HALF_EMPTY, READ_ONLY, ROOT_WATCH},
	     {OTHER, USER_HALF_EMPTY, READ_ONLY, ROOT_WATCH},
	     {POKING, USER_HALF_SUPERVISOR, READ_ONLY, ROOT_FIRST_USER});
}

static void a_kernel_root_that_turns_into_a_process_is_forgotten(void **state)
{
	(void)state;
	PLAY({POKING, USER_HALF_SUPERVISOR, WRITABLE, ROOT_KERNEL},
	     {SWAPPER, USER_HALF_EMPTY, WRITABLE, ROOT_KERNEL},
	     {POKING, USER_HALF_USER, WRITABLE, ROOT_USER},
	     {POKING, USER_HALF_EMPTY, WRITABLE, ROOT_WATCH},
	     {SWAPPER, USER_HALF_EMPTY, WRITABLE, ROOT_KERNEL},
	     {SWAPPER, USER_HALF_USER, READ_ONLY, ROOT_FIRST_USER});
}

static void what_cannot_be_told_is_watched_and_counts_as_a_process(void **state)
{
	(void)state;
	PLAY({SWAPPER, USER_HALF_UNKNOWN, WRITABLE, ROOT_WATCH},
	     /* But does not end the learning. */
	     {SWAPPER, USER_HALF_EMPTY, WRITABLE, ROOT_KERNEL},
	     {SWAPPER, USER_HALF_UNKNOWN, WRITABLE, ROOT_WATCH},
	     {SWAPPER, USER_HALF_UNKNOWN, READ_ONLY, ROOT_FIRST_USER});
}

static void more_roots_than_are_kept_are_watched(void **state)
{
	(void)state;
	PLAY({0x1000, USER_HALF_EMPTY, WRITABLE, ROOT_KERNEL},
	     {0x2000, USER_HALF_EMPTY, WRITABLE, ROOT_KERNEL},
	     {0x3000, USER_HALF_EMPTY, WRITABLE, ROOT_KERNEL},
	     {0x4000, USER_HALF_EMPTY, WRITABLE, ROOT_KERNEL},
	     {0x5000, USER_HALF_EMPTY, WRITABLE, ROOT_WATCH},
	     {0x1000, USER_HALF_EMPTY, WRITABLE, ROOT_KERNEL},
	     {0x4000, USER_HALF_EMPTY, WRITABLE, ROOT_KERNEL});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(kernel_half_does_not_count, wipe),
		cmocka_unit_test_setup(a_user_page_is_found_at_each_level, wipe),
		cmocka_unit_test_setup(supervisor_pages_are_no_process, wipe),
		cmocka_unit_test_setup(user_bit_of_every_level_counts, wipe),
		cmocka_unit_test_setup(absent_entries_map_nothing, wipe),
		cmocka_unit_test_setup(first_and_last_entries_are_seen, wipe),
		cmocka_unit_test_setup(a_table_outside_memory_maps_nothing, wipe),
		cmocka_unit_test_setup(the_work_is_bounded, wipe),
		cmocka_unit_test(boot_of_linux),
		cmocka_unit_test(dead_process_is_not_taken_for_the_kernel),
		cmocka_unit_test(no_root_is_the_kernels_after_the_first_process),
		cmocka_unit_test(no_root_becomes_the_kernels_once_text_is_read_only),
		cmocka_unit_test(a_kernel_root_that_turns_into_a_process_is_forgotten),
		cmocka_unit_test(what_cannot_be_told_is_watched_and_counts_as_a_process),
		cmocka_unit_test(more_roots_than_are_kept_are_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
