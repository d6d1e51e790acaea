/* SPDX-License-Identifier: MIT */
/*
 * The short answers of the judge against the rules themselves, over all bits an entry has; and what
 * the metadata takes.
 */
#include <string.h>

#include "tests/unit/paging_world.h"

#define USER_VA 0x400000ULL
#define GIB (1ULL << 30)

static struct paging_world world;

static int open_world(void **state)
{
	(void)state;
	pw_start(&world);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	pw_close(&world);
	return 0;
}

/* One bit of each kind: those the CPU knows, those it ignores, a key, and one that must be 0. */
static const uint64_t bits[] = {
	PTE_P, PTE_RW,	  PTE_US,     PTE_PWT,	  PTE_PCD,    PTE_A,  PTE_D,	  PTE_PS,
	PTE_G, 1ULL << 9, 1ULL << 11, 1ULL << 58, 1ULL << 60, PTE_NX, 1ULL << 45,
};
#define BITS (sizeof(bits) / sizeof(bits[0]))

static uint64_t flags_of(uint32_t number)
{
	uint64_t flags = 0;

	for (uint32_t i = 0; i < BITS; i++)
		flags |= number & 1u << i ? bits[i] : 0;
	return flags;
}

static uint32_t refusals(void)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < SECPOD_RULE_COUNT; i++)
		sum += world.refusals[i];
	return sum;
}

/* A frame of each type, by the frame table alone. */
static void make_types(uint64_t frame[FRAME_TYPES])
{
	for (uint32_t type = 0; type < FRAME_OUTSIDE; type++) {
		frame[type] = pw_frame(&world);
		__atomic_store_n(&world.paging.frames.word[frame[type]], type, __ATOMIC_RELAXED);
		if (type != FRAME_NONE)
			world.paging.frames.typed[frame[type] >> 9]++;
	}
	frame[FRAME_OUTSIDE] = PW_FRAMES + 5;
}

static void plain_entries_break_no_rule_and_hold_no_reference(void **state)
{
	/* What may be there before: nothing, a page of a user, of the kernel's, and one that executes. */
	const uint64_t before[] = {0, PTE_US | PTE_P | PTE_RW, PTE_P | PTE_NX, PTE_P};
	uint64_t frame[FRAME_TYPES];
	struct pte_place place = {.level = 1, .half = HALF_USER};
	uint32_t plain = 0;

	(void)state;
	make_types(frame);
	for (uint32_t old = 0; old < sizeof(before) / sizeof(before[0]); old++) {
		for (uint32_t type = 0; type < FRAME_TYPES; type++) {
			for (uint32_t number = 0; number < 1u << BITS; number++) {
				const uint64_t next = frame[type] << PAGE_SHIFT | flags_of(number);
				const uint64_t word = frame_read(&world.paging.frames, frame[type]);

				if (!judge_is_plain(&world.paging, before[old], next))
					continue;
				plain++;
				place.locked = number & 1;
				assert_int_equal(
					judge_entry(&world.paging, &place, before[old], next), 0);
				assert_false(pte_is_reference(before[old], 1));
				assert_false(pte_is_reference(next, 1));
				assert_int_equal(reference_take(&world.paging, &world.cpu[0],
								&place, before[old], next),
						 0);
				assert_int_equal(frame_read(&world.paging.frames, frame[type]),
						 word);
			}
		}
	}
	assert_int_equal(refusals(), 0);
	/* It is the answer for all that a user's page in ordinary memory can be. */
	assert_true(plain > 0);
	assert_true(judge_is_plain(&world.paging, 0, frame[FRAME_NONE] << 12 | PW_USER_RW));
	assert_true(judge_is_plain(&world.paging, PW_USER_RW, 0));
	assert_false(judge_is_plain(&world.paging, 0, frame[FRAME_CODE] << 12 | PW_USER_RX));
	assert_false(judge_is_plain(&world.paging, PTE_P, 0));
}

/* Every entry of the upper half of a new root, as it is and with each bit changed. */
static void template_entries_are_what_the_rules_let_pass(void **state)
{
	struct table_info info = {.root_kind = ROOT_KIND_NORMAL};
	uint32_t known = 0;

	(void)state;
	for (uint32_t index = 0; index < PT_ENTRIES; index++) {
		const uint64_t entry = pw_peek(world.swapper + index * sizeof(uint64_t));
		const struct pte_place place = pte_place_of(&world.paging, &info, PT_LEVELS, index);

		for (uint32_t bit = 0; bit <= 64; bit++) {
			const uint64_t value = bit < 64 ? entry ^ 1ULL << bit : entry;

			if (!judge_is_template(&world.paging, &info, index, value))
				continue;
			known++;
			assert_true(index >= PT_KERNEL_FIRST && (value & PTE_P));
			assert_int_equal(judge_entry(&world.paging, &place, 0, value), 0);
		}
	}
	assert_true(known > 0);
	assert_int_equal(refusals(), 0);
	/* Of special roots nothing is taken for granted. */
	info.root_kind = ROOT_KIND_SPECIAL;
	for (uint32_t index = 0; index < PT_ENTRIES; index++)
		assert_false(judge_is_template(&world.paging, &info, index,
					       pw_peek(world.swapper + index * 8)));
}

static void present_entries_are_found_each_once(void **state)
{
	static uint64_t table[PT_ENTRIES];

	(void)state;
	assert_int_equal(pte_next_present(table, 0), PT_ENTRIES);
	for (uint32_t at = 0; at < PT_ENTRIES; at++) {
		memset(table, 0xfe, sizeof(table));
		for (uint32_t i = 0; i < PT_ENTRIES; i++)
			table[i] &= ~PTE_P;
		table[at] |= PTE_P;
		for (uint32_t from = 0; from <= PT_ENTRIES; from++)
			assert_int_equal(pte_next_present(table, from),
					 from <= at ? at : PT_ENTRIES);
	}
}

/* A table that holds references gives them all back; one that holds none is not read. */
static void released_tables_give_back_what_they_hold(void **state)
{
	const uint64_t root = pw_process(&world), page = pw_frame(&world) << PAGE_SHIFT;
	const uint64_t used = world.paging.infos.used;

	(void)state;
	assert_int_equal(pw_map(&world, 0, root, USER_VA, page | PW_USER_RW, 1, PW_USER_TABLE), 0);
	assert_int_equal(pw_load(&world, 0, root), 0);
	pw_check(&world);
	/* The whole tree goes with one entry of the root. */
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, USER_VA, 4), 0), 0);
	for (int i = 0; i < 16; i++) {
		paging_roots_trim(&world.paging, &world.cpu[0]);
		paging_flush(&world.paging);
		retire_sweep(&world.paging, &world.cpu[0], 64);
	}
	assert_int_equal(world.paging.infos.used, used);
	pw_check(&world);
}

/*
 * Frame table, directory, side information of as many page tables as one frame in fifty (Linux has half of
 * one to two), and EPT tables as if every page were mapped by itself.
 */
static uint64_t memory_for(uint64_t ram)
{
	const uint64_t frames = ram / PAGE_SIZE;
	const uint64_t infos = (frames / 50 + TABLE_INFO_PER_PAGE - 1) / TABLE_INFO_PER_PAGE;
	const uint64_t ept = ram / SIZE_2M + (ram + SIZE_1G - 1) / SIZE_1G + 2;

	return frames_bytes(ram) + table_infos_bytes(frames) +
	       shown_bytes((frames + SECPOD_SETUP_FRAMES - 1) / SECPOD_SETUP_FRAMES) +
	       (infos + ept) * PAGE_SIZE;
}

static void metadata_and_ept_stay_within_their_share(void **state)
{
	(void)state;
	assert_true(memory_for(GIB) <= 9 * (1ULL << 20) / 2);
	assert_true(memory_for(64 * GIB) <= 64 * GIB / 200);
	print_message("1 GiB: %llu KiB; 64 GiB: %llu KiB\n",
		      (unsigned long long)memory_for(GIB) >> 10,
		      (unsigned long long)memory_for(64 * GIB) >> 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
	const struct CMUnitTest tests[] = {
		TEST(plain_entries_break_no_rule_and_hold_no_reference),
		TEST(template_entries_are_what_the_rules_let_pass),
		cmocka_unit_test(present_entries_are_found_each_once),
		TEST(released_tables_give_back_what_they_hold),
		cmocka_unit_test(metadata_and_ept_stay_within_their_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
