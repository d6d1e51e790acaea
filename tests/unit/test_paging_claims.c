/* SPDX-License-Identifier: MIT */
/*
 * What the auditor promises of the guest's memory, held against what the CPU makes of admitted page tables: rights are
 * what all entries on the way to a page grant. SDM: "4-Level Paging", "Determination of Access Rights". Entries of
 * every form are tried at every level, below tables of every kind; whatever gets in must keep the promises.
 */
#include <string.h>

#include "tests/unit/paging_rules.h"

#define TEXT PW_IMAGE_GPA
#define CONSTANTS (PW_IMAGE_GPA + PW_TEXT_PAGES * PAGE_SIZE)
#define AREA 0x400000ULL
/* Entries of a root that the trees tried here hang from: one for each kind of way. */
#define FIRST_INDEX 8u
#define WAYS 8u

static struct paging_world *const world = &rules_world.world;

/* Leaves that were admitted, and looked at. */
static uint64_t admitted, looked_at;

/* ---- the CPU's view */

struct access {
	bool user;
	bool writable;
	bool executable;
};

static bool is_special_place(uint64_t va, enum table_half half)
{
	return half == HALF_SPECIAL || (va >= 0xffffffef00000000ULL && va < 0xffffffff00000000ULL);
}

static void check_frame(uint64_t frame, const struct access *access, uint64_t va,
			enum table_half half)
{
	const enum frame_type type = frame_type(&world->paging.frames, frame);
	const bool firmware = type == FRAME_EFI_RT && is_special_place(va, half);

	looked_at++;
	assert_int_not_equal(type, FRAME_SECURE);
	if (access->user && access->writable)
		assert_true(type == FRAME_NONE || type == FRAME_OUTSIDE);
	if (access->user)
		assert_false(frame_is_code(type) || type == FRAME_EFI_RT);
	if (!access->user && access->executable) {
		assert_true(frame_is_code(type) || firmware);
		assert_true(!access->writable || firmware);
	}
	/* Nobody has it both ways, whatever the entries say. */
	if (type != FRAME_NONE && type != FRAME_OUTSIDE && type != FRAME_EFI_RT) {
		struct ept_leaf leaf;

		assert_int_equal(ept_lookup(&world->ept.ept, frame << PAGE_SHIFT, &leaf), 0);
		assert_false(leaf.rights & EPT_WRITE);
	}
}

static void check_below(uint64_t entry, uint32_t level, uint64_t va, struct access access,
			enum table_half half)
{
	access.user = access.user && (entry & PTE_US);
	access.writable = access.writable && (entry & PTE_RW);
	access.executable = access.executable && !(entry & PTE_NX);
	if (pte_is_table(entry, level)) {
		for (uint32_t i = 0; i < PT_ENTRIES; i++) {
			const uint64_t below = pw_peek((entry & PTE_ADDR) + i * 8);

			if (below & PTE_P)
				check_below(below, level - 1, va + i * pte_span(level - 1), access,
					    half);
		}
		return;
	}
	/* Of 1 GiB each frame below the top of RAM and one outside. */
	for (uint64_t i = 0; i < pte_leaf_frames(level); i++) {
		const uint64_t frame = pte_leaf_frame(entry, level) + i;

		check_frame(frame, &access, va + i * PAGE_SIZE, half);
		if (frame >= PW_FRAMES)
			return;
	}
}

/* All that a root leads to from this entry. */
static void check_entry(uint64_t root, uint32_t index)
{
	const struct access all = {true, true, true};
	const uint64_t entry = pw_peek(root + index * 8);
	enum table_half half = root == rules_world.process ? HALF_USER : HALF_SPECIAL;

	if (index >= PT_KERNEL_FIRST)
		half = HALF_KERNEL;
	if (entry & PTE_P)
		check_below(entry, PT_LEVELS, pte_canonical(index * pte_span(PT_LEVELS)), all,
			    half);
}

/* ---- what is tried */

/* Memory for what is tried, again and again. */
static uint64_t page, large_page;

/* A large page of memory but for one frame, which is something else. Result: gpa of the leaf. */
static uint64_t frames_with(enum frame_type type, uint32_t level, uint32_t place)
{
	const uint64_t gpa = level == 1 ? page : large_page;
	const uint64_t odd = (gpa >> PAGE_SHIFT) + (level == 1 ? 0 : place);

	if (type == FRAME_SECURE)
		return level == 1 ? PW_SECURE_BASE + place * PAGE_SIZE : PW_SECURE_BASE;
	if (type == FRAME_OUTSIDE)
		return PW_RAM;
	if (type == FRAME_NONE)
		return gpa;
	assert_int_equal(frame_set(&world->paging.frames, odd, FRAME_NONE, type), 0);
	assert_true(paging_protect(&world->paging, odd, type) >= 0);
	return gpa;
}

/* Every mixture of the three rights for this leaf; what got in is taken out again. */
static void try_rights(uint64_t root, uint32_t index, uint64_t slot, uint64_t leaf, uint32_t level)
{
	for (uint32_t i = 0; i < 8; i++) {
		const uint64_t value = leaf | PTE_P | PTE_A | leaf_bit(level) |
				       (i & 1 ? PTE_RW : 0) | (i & 2 ? PTE_US : 0) |
				       (i & 4 ? PTE_NX : 0);

		if (pw_poke(world, 0, slot, value))
			continue;
		admitted++;
		check_entry(root, index);
		assert_int_equal(pw_poke(world, 0, slot, 0), 0);
	}
}

/* Frames of every kind, and page tables of every level, below what leads to slot. */
static void try_frames(uint64_t root, uint32_t index, uint64_t slot, uint32_t level)
{
	static const enum frame_type types[] = {FRAME_NONE,   FRAME_CODE,   FRAME_RODATA,
						FRAME_TRAMP,  FRAME_EFI_RT, FRAME_SECURE,
						FRAME_OUTSIDE};

	if (!page) {
		large_page = memory_2m();
		page = memory();
	}
	for (uint32_t i = 0; level < 3 && i < sizeof(types) / sizeof(types[0]); i++) {
		const uint64_t gpa = frames_with(types[i], level, i % 2 ? 0 : 511);
		const uint64_t odd = (gpa >> PAGE_SHIFT) + (level == 1 || i % 2 ? 0 : 511);

		try_rights(root, index, slot, gpa, level);
		if (types[i] == FRAME_NONE || types[i] == FRAME_SECURE || types[i] == FRAME_OUTSIDE)
			continue;
		assert_int_equal(frame_set(&world->paging.frames, odd, types[i], FRAME_NONE), 0);
		assert_true(paging_protect(&world->paging, odd, FRAME_NONE) >= 0);
	}
	for (uint32_t table = 1; level < 3 && table <= PT_LEVELS; table++) {
		const uint64_t gpa =
			table == PT_LEVELS ? rules_world.process
					   : pw_peek(pw_slot(rules_world.process, AREA, table + 1));

		try_rights(root, index, slot, gpa & PTE_ADDR & ~(pte_span(level) - 1), level);
	}
	if (level == 3) {
		try_rights(root, index, slot, 0, level);
		try_rights(root, index, slot, SIZE_1G, level);
	}
}

/*
 * A way down to a table of this level, whose entries have the user's mark or not, by the bits of way.
 * Result: gpa of its first entry; 0: there is no such way.
 */
static uint64_t build_way(uint64_t root, uint32_t index, uint32_t level, uint32_t way)
{
	uint64_t table = root + index * 8;

	for (uint32_t at = PT_LEVELS; at > level; at--) {
		const uint64_t bits =
			way & 1u << (PT_LEVELS - at) ? PW_USER_TABLE : PW_KERNEL_TABLE;

		if (!(pw_peek(table) & PTE_P) && pw_poke(world, 0, table, memory() | bits))
			return 0;
		table = pw_peek(table) & PTE_ADDR;
	}
	return table;
}

/* ---- tests */

static void try_ways(uint64_t root, uint32_t first)
{
	uint32_t ways = 0;

	admitted = 0;
	for (uint32_t way = 0; way < WAYS; way++) {
		for (uint32_t level = 3; level > 0; level--) {
			const uint64_t slot = build_way(root, first + way, level, way);

			if (!slot)
				break;
			ways++;
			try_frames(root, first + way, slot + 8, level);
		}
	}
	/* Not all was refused. */
	assert_true(ways >= 3);
	assert_true(admitted > 0);
	pw_check(world);
}

static void test_the_lower_half_keeps_the_promises(void **state)
{
	(void)state;
	try_ways(rules_world.process, FIRST_INDEX);
	assert_true(looked_at > 0);
}

static void test_the_upper_half_keeps_the_promises(void **state)
{
	(void)state;
	/* After LOCK there is no new entry in a root: below that of vmalloc. */
	for (uint32_t level = 1; level <= 3; level++) {
		const uint64_t slot = kernel_slot(level);

		try_frames(world->swapper, (uint32_t)(PW_VMALLOC >> 39 & 511), slot, level);
	}
	try_frames(world->swapper, 511, module_slot(), 1);
	if (!world->paging.locked)
		try_ways(world->swapper, PT_KERNEL_FIRST + FIRST_INDEX + 32);
	pw_check(world);
}

/* Tables with the user's mark and without in one way, which only these trees may have. */
static void test_the_trees_of_firmware_keep_the_promises(void **state)
{
	(void)state;
	try_ways(rules_world.special, FIRST_INDEX);
}

/* A page that users may execute, and the marks of all tables above it taken away, one by one. */
static void test_no_table_takes_the_mark_of_users_away(void **state)
{
	const uint64_t code = memory();

	(void)state;
	assert_int_equal(
		pw_poke(world, 0, pw_slot(rules_world.process, AREA, 1), code | PW_USER_RX), 0);
	for (uint32_t level = 2; level <= 4; level++) {
		const uint64_t slot = pw_slot(rules_world.process, AREA, level);
		const uint64_t now = pw_peek(slot);

		refuses(slot, now & ~PTE_US, SECPOD_RULE_KERNEL_USER);
		assert_int_equal(pw_poke(world, 0, slot, now), 0);
		check_entry(rules_world.process, 0);
	}
	pw_check(world);
}

/* The same in the trees of firmware: there the page has no mark that could be taken away. */
static void test_no_user_page_in_the_trees_of_firmware(void **state)
{
	(void)state;
	for (uint32_t level = 1; level <= 3; level++) {
		const uint32_t index = FIRST_INDEX + level;
		const uint64_t slot = build_way(rules_world.special, index, level, WAYS - 1);
		const uint64_t leaf = level == 1 ? memory() : level == 2 ? memory_2m() : SIZE_1G;

		refuses(slot, leaf | PW_USER_RX | leaf_bit(level), SECPOD_RULE_KERNEL_USER);
		assert_int_equal(pw_poke(world, 0, slot, 0), 0);
		refuses(slot + 8, leaf | PW_USER_RW | leaf_bit(level), SECPOD_RULE_KERNEL_USER);
		assert_int_equal(pw_poke(world, 0, slot + 8, 0), 0);
		admits(slot + 16, leaf | PW_KERNEL_RW | leaf_bit(level));
	}
	pw_check(world);
}

/* Each bit of each entry on the way to a page, in all three kinds of trees. */
static void flip_bits(uint64_t root, uint64_t va, uint32_t level)
{
	for (uint32_t at = level; at <= PT_LEVELS; at++) {
		const uint64_t slot = pw_slot(root, va, at);
		const uint64_t now = pw_peek(slot);

		for (uint32_t bit = 0; bit < 64; bit++) {
			if (pw_poke(world, 0, slot, now ^ 1ULL << bit))
				continue;
			check_entry(root, (uint32_t)(va >> 39 & 511));
			if (pw_poke(world, 0, slot, now) == 0)
				continue;
			/* The first frame of a large page has become a page table; or rights have shrunk. */
			(void)pw_poke(world, 0, slot, 0);
			(void)paging_settle(&world->paging, &world->cpu[0], pte_table_frame(now));
			assert_true(pw_poke(world, 0, slot, now) == 0 || world->paging.locked);
		}
	}
}

static void test_no_bit_on_the_way_breaks_a_promise(void **state)
{
	const uint64_t user[] = {memory() | PW_USER_RX, CONSTANTS | PW_USER_RX,
				 rules_world.process | (PW_USER_RW & ~PTE_RW), TEXT | PW_KERNEL_RW};
	const uint64_t kernel[] = {memory() | PW_KERNEL_RW, memory_of(FRAME_CODE) | PW_KERNEL_RX,
				   CONSTANTS | PW_KERNEL_RO, rules_world.process | PW_KERNEL_RO};
	const uint64_t large = memory_2m();

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(pw_poke(world, 0, pw_slot(rules_world.process, AREA, 1), user[i]),
				 0);
		flip_bits(rules_world.process, AREA, 1);
		admits(pw_slot(world->swapper, PW_VMALLOC + (8 + i) * PAGE_SIZE, 1), kernel[i]);
		flip_bits(world->swapper, PW_VMALLOC + (8 + i) * PAGE_SIZE, 1);
	}
	admits(pw_slot(rules_world.process, AREA + SIZE_2M, 2), large | PW_USER_RW | PTE_PS);
	flip_bits(rules_world.process, AREA + SIZE_2M, 2);
	flip_bits(rules_world.special, PAGE_SIZE, 3);
	if (!world->paging.locked) {
		assert_int_equal(pw_poke(world, 0,
					 build_way(rules_world.special, FIRST_INDEX, 1, 5),
					 memory() | PW_KERNEL_RW),
				 0);
		flip_bits(rules_world.special, (uint64_t)FIRST_INDEX << 39, 1);
	}
	pw_check(world);
}

/* As if the monitor lay elsewhere: all other memory there is in one page, some of which is anything. */
static void test_a_page_of_1_gib_has_nothing_protected(void **state)
{
	(void)state;
	world->paging.secure_base = 2 * SIZE_1G;
	refuses(user_slot(3), PW_USER_RW | PTE_PS, SECPOD_RULE_USER_MAP);
	refuses(user_slot(3), PW_USER_RX | PTE_PS, SECPOD_RULE_USER_MAP);
	refuses(user_slot(3), PW_KERNEL_RW | PTE_PS, SECPOD_RULE_TABLE_ALIAS);
	refuses(kernel_slot(3), PW_KERNEL_RW | PTE_PS, SECPOD_RULE_TABLE_ALIAS);
	refuses(kernel_slot(3), PW_KERNEL_RX | PTE_PS, SECPOD_RULE_KERNEL_EXEC);
	admits(kernel_slot(3), PW_KERNEL_RO | PTE_PS);
	admits(user_slot(3), SIZE_1G | PW_USER_RW | PTE_PS);
}

/* ---- supervisor pages of the lower half: Linux patches its text through one */

static void test_page_tables_have_no_supervisor_alias_in_the_lower_half(void **state)
{
	const uint64_t large = memory_2m();

	(void)state;
	admits(user_slot(2), (large + 5 * PAGE_SIZE) | PW_USER_TABLE);
	for (uint32_t level = 1; level <= 4; level++) {
		const uint64_t table =
			level == PT_LEVELS
				? rules_world.process
				: pw_peek(pw_slot(rules_world.process, AREA, level + 1)) & PTE_ADDR;

		refuses(user_slot(1), table | PW_KERNEL_RW, SECPOD_RULE_TABLE_ALIAS);
		admits(user_slot(1), table | PW_KERNEL_RO);
	}
	refuses(user_slot(2), large | PW_KERNEL_RW | PTE_PS, SECPOD_RULE_TABLE_ALIAS);
	admits(user_slot(2), large | PW_KERNEL_RO | PTE_PS);
	admits(user_slot(1), TEXT | PW_KERNEL_RW);
	pw_check(world);
}

/* ---- code of the firmware: writable for it, so it is the kernel's only where firmware is called */

static void test_firmware_code_is_executed_in_its_place_only(void **state)
{
	const uint64_t code = memory_of(FRAME_EFI_RT);
	const uint64_t region = 0xffffffef00000000ULL;

	(void)state;
	refuses(kernel_slot(1), code | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
	refuses(kernel_slot(1), code | PW_KERNEL_RX | PTE_RW, SECPOD_RULE_KERNEL_EXEC);
	refuses(module_slot(), code | PW_KERNEL_RX | PTE_RW, SECPOD_RULE_KERNEL_EXEC);
	if (world->paging.locked) {
		/* Complete by then, and not to be linked from another tree. */
		refuses(pw_slot(world->swapper, region, 3), memory() | PW_KERNEL_TABLE,
			SECPOD_RULE_LOCKED_RANGE);
		return;
	}
	assert_int_equal(
		pw_map(world, 0, world->swapper, region, code | PW_KERNEL_RX, 1, PW_KERNEL_TABLE),
		0);
	admits(pw_slot(world->swapper, region, 1) + 8, code | PW_KERNEL_RX | PTE_RW);
	refuses(pw_slot(world->swapper, region, 1) + 16, memory() | PW_KERNEL_RX,
		SECPOD_RULE_KERNEL_EXEC);
	/* Below its first address there is none. */
	assert_int_equal(
		pw_map(world, 0, world->swapper, region - PAGE_SIZE, 0, 1, PW_KERNEL_TABLE), 0);
	refuses(pw_slot(world->swapper, region - PAGE_SIZE, 1), code | PW_KERNEL_RX,
		SECPOD_RULE_KERNEL_EXEC);
	admits(build_way(rules_world.special, FIRST_INDEX, 1, 0), code | PW_KERNEL_RX | PTE_RW);
	pw_check(world);
	/* What is there at LOCK stays, and only loses rights. */
	assert_int_equal(paging_lock(&world->paging), 0);
	refuses(pw_slot(world->swapper, region, 1), 0, SECPOD_RULE_LOCKED_RANGE);
	refuses(pw_slot(world->swapper, region, 1) + 24, memory() | PW_KERNEL_RW,
		SECPOD_RULE_LOCKED_RANGE);
	admits(pw_slot(world->swapper, region, 1) + 8, code | PW_KERNEL_RO);
}

static int open_active(void **state)
{
	page = 0;
	return rules_open_active(state);
}

static int open_locked(void **state)
{
	page = 0;
	return rules_open_locked(state);
}

#define TEST(name, phase) cmocka_unit_test_setup_teardown(name, open_##phase, rules_close)
#define BOTH(name) TEST(name, active), TEST(name, locked)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_the_lower_half_keeps_the_promises),
		BOTH(test_the_upper_half_keeps_the_promises),
		TEST(test_the_trees_of_firmware_keep_the_promises, active),
		BOTH(test_no_table_takes_the_mark_of_users_away),
		TEST(test_no_user_page_in_the_trees_of_firmware, active),
		BOTH(test_no_bit_on_the_way_breaks_a_promise),
		BOTH(test_a_page_of_1_gib_has_nothing_protected),
		BOTH(test_page_tables_have_no_supervisor_alias_in_the_lower_half),
		BOTH(test_firmware_code_is_executed_in_its_place_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
