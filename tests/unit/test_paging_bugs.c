/* SPDX-License-Identifier: MIT */
/*
 * What went wrong in others' validation of a guest's page tables (Xen's security advisories on its
 * arch/x86/mm.c, by class), tried here.
 */
#include <string.h>

#include "tests/unit/paging_rules.h"

#define TEXT PW_IMAGE_GPA
#define CONSTANTS (PW_IMAGE_GPA + PW_TEXT_PAGES * PAGE_SIZE)
#define AREA 0x400000ULL

static struct paging_world *const world = &rules_world.world;

static uint64_t entry_of(uint64_t root, uint64_t va, uint32_t level)
{
	return pw_peek(pw_slot(root, va, level));
}

/* What a CPU does with a translation from before: EPT is not asked. */
static void write_stale(uint64_t gpa, uint64_t value)
{
	memcpy(world->ram + gpa, &value, sizeof(value));
}

static uint32_t rights_at(uint64_t gpa)
{
	struct ept_leaf leaf;

	assert_int_equal(ept_lookup(&world->ept.ept, gpa, &leaf), 0);
	return leaf.rights;
}

static enum frame_type type_at(uint64_t gpa)
{
	return frame_type(&world->paging.frames, gpa >> PAGE_SHIFT);
}

static uint64_t refs_at(uint64_t gpa)
{
	return frame_word_refs(frame_read(&world->paging.frames, gpa >> PAGE_SHIFT));
}

static int store(uint32_t cpu, uint64_t slot, uint64_t value)
{
	uint64_t old;

	return paging_store(&world->paging, &world->cpu[cpu], slot, pw_set_value, &value, &old);
}

static void sweep_all(void)
{
	for (uint32_t i = 0; i <= PT_LEVELS; i++) {
		paging_flush(&world->paging);
		retire_sweep(&world->paging, &world->cpu[3], ~0u);
	}
}

/* The page was mapped by 2 MiB when there was nothing to protect. */
static void test_bug_01_superpage_over_protected_frame(void **state)
{
	const uint64_t gpa = memory_2m(), table = gpa + 300 * PAGE_SIZE;

	(void)state;
	admits(user_slot(2), gpa | PW_USER_RW | PTE_PS);
	admits(kernel_slot(2), gpa | PW_KERNEL_RW | PTE_PS);
	admits(user_slot(2), table | PW_USER_TABLE);
	assert_int_equal(rights_at(table), EPT_READ);
	refuses(table, TEXT | PW_USER_RW, SECPOD_RULE_USER_MAP);
	/* And once more, now that it is one. */
	refuses(user_slot(2), gpa | PW_USER_RW | PTE_PS, SECPOD_RULE_USER_MAP);
	refuses(kernel_slot(2), gpa | PW_KERNEL_RW | PTE_PS, SECPOD_RULE_TABLE_ALIAS);
	pw_check(world);
}

static void test_bug_02_fast_path_flag_escalation(void **state)
{
	const uint64_t view = user_slot(1), alias = kernel_slot(1), constant = user_slot(1);
	const uint64_t harmless = 7ULL << 9 | 0x7fULL << 52 | PTE_G;

	(void)state;
	admits(view, rules_world.process | (PW_USER_RW & ~PTE_RW));
	admits(view, (rules_world.process | (PW_USER_RW & ~PTE_RW)) ^ harmless ^ PTE_A);
	refuses(view, (rules_world.process | PW_USER_RW) ^ harmless, SECPOD_RULE_USER_MAP);
	admits(alias, rules_world.process | PW_KERNEL_RO);
	refuses(alias, (rules_world.process | PW_KERNEL_RW) ^ harmless, SECPOD_RULE_TABLE_ALIAS);
	admits(constant, CONSTANTS | (PW_USER_RW & ~PTE_RW));
	refuses(constant, CONSTANTS | PW_USER_RW, SECPOD_RULE_USER_MAP);
	refuses(pw_slot(world->swapper, PW_VMALLOC, 1),
		entry_of(world->swapper, PW_VMALLOC, 1) & ~(PTE_NX | PTE_RW | PTE_A),
		SECPOD_RULE_KERNEL_EXEC);
	pw_check(world);
}

static void test_bug_03_recursive_mapping(void **state)
{
	uint64_t table = rules_world.process, root;

	(void)state;
	for (uint32_t level = 4; level > 1; level--) {
		refuses(table + 100 * 8, table | PW_USER_TABLE, SECPOD_RULE_PT_TYPE);
		refuses(table + 100 * 8, rules_world.process | PW_USER_TABLE, SECPOD_RULE_PT_TYPE);
		table = entry_of(rules_world.process, AREA, level) & PTE_ADDR;
	}
	/* The same from the start, when all of it is memory. */
	root = pw_process(world);
	assert_int_equal(pw_poke(world, 1, root + 8, root | PW_USER_TABLE), 0);
	assert_int_equal(pw_load(world, 1, root), -EPERM);
	assert_int_equal(world->last_rule, SECPOD_RULE_PT_TYPE);
	assert_int_equal(type_at(root), FRAME_NONE);
	assert_true(rights_at(root) & EPT_WRITE);
	pw_check(world);
}

static void test_bug_04_one_frame_at_two_levels(void **state)
{
	const uint64_t root = pw_process(world), both = memory(), used = world->paging.infos.used;

	(void)state;
	assert_int_equal(pw_map(world, 1, root, AREA, memory() | PW_USER_RW, 1, PW_USER_TABLE), 0);
	assert_int_equal(pw_poke(world, 1, root + 8, both | PW_USER_TABLE), 0);
	assert_int_equal(pw_poke(world, 1, pw_slot(root, SIZE_1G, 3), both | PW_USER_TABLE), 0);
	assert_int_equal(pw_load(world, 1, root), -EPERM);
	assert_int_equal(world->last_rule, SECPOD_RULE_PT_TYPE);
	sweep_all();
	assert_int_equal(world->paging.infos.used, used);
	assert_int_equal(type_at(both), FRAME_NONE);
	pw_check(world);
}

static uint64_t stale_slot, stale_value;

static void write_meanwhile(struct paging_world *w)
{
	(void)w;
	write_stale(stale_slot, stale_value);
}

/* A CPU that has not invalidated yet writes the table that is being made: judged is what it wrote. */
static void test_bug_05_stale_translation_to_a_new_page_table(void **state)
{
	const uint64_t table = memory(), slot = user_slot(2), flushes = world->flushes;

	(void)state;
	stale_slot = table + 511 * 8;
	stale_value = TEXT | PW_USER_RW;
	world->meanwhile = write_meanwhile;
	assert_int_equal(pw_poke(world, 0, slot, table | PW_USER_TABLE), -EPERM);
	assert_int_equal(world->last_rule, SECPOD_RULE_USER_MAP);
	world->meanwhile = NULL;
	assert_true(world->flushes > flushes);
	assert_int_equal(type_at(table), FRAME_NONE);
	/* What it led to before is not forgotten when it is written over. */
	write_stale(stale_slot, 0);
	write_stale(table, memory() | PW_USER_RW);
	stale_slot = table;
	stale_value = 0;
	world->meanwhile = write_meanwhile;
	assert_int_equal(pw_poke(world, 0, slot, table | PW_USER_TABLE), 0);
	world->meanwhile = NULL;
	pw_check(world);
}

static uint32_t changes;

/* The CPU sets A in between, the first time. */
static uint64_t clear_write_slowly(void *operand, uint64_t old)
{
	const uint64_t *slot = operand;

	if (changes++ == 0)
		write_stale(*slot, old | PTE_A);
	return old & ~PTE_RW;
}

static uint64_t link_slowly(void *operand, uint64_t old)
{
	const uint64_t *slot = operand;

	if (changes++ == 0)
		write_stale(*slot, old ^ PTE_A);
	return stale_value;
}

static int other_result;

static void link_meanwhile(struct paging_world *w)
{
	(void)w;
	if (other_result == 0)
		other_result = store(1, stale_slot, stale_value);
}

/* Eight tables; the last entry of the last one is last. */
static uint64_t large_tree(uint64_t last)
{
	const uint64_t root = pw_process(world);

	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(pw_map(world, 1, root, AREA + i * SIZE_1G, memory() | PW_USER_RW,
					1, PW_USER_TABLE),
				 0);
	assert_int_equal(pw_poke(world, 1,
				 (entry_of(root, AREA + 2 * SIZE_1G, 2) & PTE_ADDR) + 511 * 8,
				 last),
			 0);
	return root;
}

static void test_bug_06_two_cpus_at_one_entry(void **state)
{
	uint64_t slot = user_slot(1), first = memory(), second = memory(), old;
	const uint64_t here = user_slot(2), other = large_tree(0);

	(void)state;
	admits(slot, memory() | (PW_USER_RW & ~PTE_A));
	changes = 0;
	assert_int_equal(
		paging_store(&world->paging, &world->cpu[0], slot, clear_write_slowly, &slot, &old),
		0);
	assert_int_equal(changes, 2);
	assert_true(old & PTE_A);
	assert_int_equal(pw_peek(slot) & (PTE_A | PTE_RW), PTE_A);
	/* With references: the first try's is given back. */
	slot = here;
	admits(slot, first | PW_USER_TABLE);
	changes = 0;
	stale_value = second | PW_USER_TABLE;
	assert_int_equal(
		paging_store(&world->paging, &world->cpu[0], slot, link_slowly, &slot, &old), 0);
	assert_int_equal(refs_at(first), 0);
	assert_int_equal(refs_at(second), 1);
	pw_check(world);
	/* Another CPU links what is just being made a page table: later. */
	assert_int_equal(pw_load(world, 1, other), 0);
	other_result = 0;
	stale_slot = pw_slot(other, AREA, 2) + 8;
	stale_value = memory() | PW_USER_TABLE;
	world->meanwhile = link_meanwhile;
	assert_int_equal(store(0, user_slot(2), stale_value), 0);
	world->meanwhile = NULL;
	assert_int_equal(other_result, -EAGAIN);
	assert_int_equal(refs_at(stale_value & PTE_ADDR), 1);
	assert_int_equal(store(1, stale_slot, stale_value), 0);
	assert_int_equal(refs_at(stale_value & PTE_ADDR), 2);
	pw_check(world);
}

static void test_bug_07_validation_that_stops_half_way(void **state)
{
	const uint64_t used = world->paging.infos.used;
	uint64_t root = large_tree(TEXT | PW_USER_RW);
	struct table_infos *infos = &world->paging.infos;

	(void)state;
	assert_int_equal(pw_load(world, 1, root), -EPERM);
	sweep_all();
	assert_int_equal(infos->used, used);
	pw_check(world);
	assert_int_equal(
		pw_poke(world, 1, (entry_of(root, AREA + 2 * SIZE_1G, 2) & PTE_ADDR) + 511 * 8, 0),
		0);
	/* No room after n tables: nothing is left, and the last time it fits. */
	for (uint64_t n = 0; n <= 8; n++) {
		const uint64_t max = infos->pages_max;
		uint64_t kept[64], count = 0;
		uint32_t number;

		infos->pages_max = infos->pages;
		while ((number = table_info_alloc(infos, 0)))
			kept[count++] = number;
		for (uint64_t i = 0; i < n && count; i++)
			table_info_free(infos, (uint32_t)kept[--count]);
		assert_int_equal(pw_load(world, 1, root), n < 8 ? -ENOMEM : 0);
		while (count)
			table_info_free(infos, (uint32_t)kept[--count]);
		infos->pages_max = max;
		sweep_all();
		assert_int_equal(infos->used, n < 8 ? used : used + 8);
		pw_check(world);
	}
}

static void test_bug_08_reference_count_overflow(void **state)
{
	const uint64_t slot = user_slot(2), table = memory(), code = module_memory();
	uint64_t *word = &world->paging.frames.word[table >> PAGE_SHIFT];
	uint64_t before;

	(void)state;
	admits(slot, table | PW_USER_TABLE);
	before = *word;
	*word |= FRAME_REFS_MAX << FRAME_REFS_SHIFT;
	assert_int_equal(pw_poke(world, 0, user_slot(2), table | PW_USER_TABLE), -EPERM);
	assert_int_equal(world->last_rule, SECPOD_RULE_PT_TYPE);
	assert_int_equal(refs_at(table), FRAME_REFS_MAX);
	*word = before;
	admits(user_slot(2), table | PW_USER_TABLE);
	assert_int_equal(refs_at(table), 2);

	word = &world->paging.frames.word[rules_world.process >> PAGE_SHIFT];
	before = *word;
	*word |= FRAME_REFS_MAX << FRAME_REFS_SHIFT;
	assert_int_equal(pw_load(world, 1, rules_world.process), -EPERM);
	assert_int_equal(world->last_rule, SECPOD_RULE_PT_ROOT);
	*word = before;

	/* Code, by a page of its own. */
	admits(module_slot(), code | PW_KERNEL_RX);
	word = &world->paging.frames.word[code >> PAGE_SHIFT];
	before = *word;
	*word |= FRAME_REFS_MAX << FRAME_REFS_SHIFT;
	assert_int_equal(pw_poke(world, 0, module_slot(), code | PW_KERNEL_RX), -EPERM);
	assert_int_equal(world->last_rule, SECPOD_RULE_PT_TYPE);
	assert_int_equal(refs_at(code), FRAME_REFS_MAX);
	*word = before;
	pw_check(world);
}

static void test_bug_09_bits_that_mean_something_elsewhere(void **state)
{
	const uint64_t page = memory();

	(void)state;
	/* Protection keys take away only; PAT is bit 7 here and bit 12 there, PS and an address elsewhere. */
	admits(user_slot(1), page | PW_USER_RW | 15ULL << 59);
	admits(user_slot(1), page | PW_USER_RW | PTE_PS);
	admits(user_slot(2), memory_2m() | PW_USER_RW | PTE_PS | 1ULL << 12);
	refuses(user_slot(2), (PW_SECURE_BASE | 1ULL << 12) | PW_USER_RW | PTE_PS,
		SECPOD_RULE_PT_SECURE);
	/* NX above a page does not excuse the page: another entry may lead to it. */
	admits(kernel_slot(2), memory() | PW_KERNEL_TABLE | PTE_NX);
	refuses(entry_of(world->swapper, PW_VMALLOC + (7 + rules_world.used) * SIZE_2M, 2) &
			PTE_ADDR,
		page | PW_KERNEL_RX, SECPOD_RULE_KERNEL_EXEC);
	pw_check(world);
}

static void test_bug_10_addresses_that_overflow(void **state)
{
	const uint64_t top = 1ULL << 39;
	uint64_t old, value = 0;

	(void)state;
	admits(user_slot(1), (top - PAGE_SIZE) | PW_USER_RW);
	admits(user_slot(2), (top - SIZE_2M) | PW_USER_RW | PTE_PS);
	admits(user_slot(3), (top - SIZE_1G) | PW_USER_RW | PTE_PS);
	refuses(user_slot(3), (PTE_ADDR & ~(SIZE_1G - 1)) | PW_USER_RW | PTE_PS,
		SECPOD_RULE_PT_ENTRY);
	refuses(user_slot(2), PTE_ADDR | PW_USER_TABLE, SECPOD_RULE_PT_ENTRY);
	for (uint32_t bit = 26; bit < 52; bit++) {
		const uint64_t gpa = 1ULL << bit | rules_world.process;

		assert_int_equal(pw_load(world, 1, gpa), -EPERM);
		assert_int_equal(world->last_rule, SECPOD_RULE_PT_ROOT);
		assert_int_equal(paging_store(&world->paging, &world->cpu[0], gpa, pw_set_value,
					      &value, &old),
				 -ENOENT);
		assert_int_equal(paging_flag_update(&world->paging, gpa), -ENOENT);
		assert_int_equal(paging_settle(&world->paging, &world->cpu[0], gpa >> PAGE_SHIFT),
				 -ENOENT);
	}
	assert_int_equal(pw_load(world, 1, ~0ULL & PAGE_MASK), -EPERM);
	pw_check(world);
}

static void test_bug_11_the_halves_and_what_cr3_carries(void **state)
{
	const uint64_t last_user = rules_world.process + 255 * 8, table = memory();
	uint64_t evicted;

	(void)state;
	admits(last_user, memory() | PW_USER_TABLE);
	/* A user's table is no kernel's, whatever is let pass. */
	world->let_pass = true;
	assert_int_equal(pw_poke(world, 0, rules_world.process + 256 * 8, pw_peek(last_user)),
			 -EPERM);
	assert_int_equal(world->last_rule, SECPOD_RULE_PT_TYPE);
	world->let_pass = false;
	/* From the last user table's last entry to the first address that is none. */
	admits((pw_peek(last_user) & PTE_ADDR) + 511 * 8, table | PW_USER_TABLE);
	admits(table + 511 * 8, memory() | PW_USER_TABLE);
	refuses((pw_peek(table + 511 * 8) & PTE_ADDR) + 511 * 8, TEXT | PW_USER_RX,
		SECPOD_RULE_USER_MAP);
	/* The process-context identifier makes no other root of it. */
	assert_int_equal(paging_root_load(&world->paging, &world->cpu[1],
					  rules_world.process | 0xfff, &evicted),
			 0);
	assert_true(paging_root_known(&world->cpu[1], rules_world.process));
	assert_int_equal(refs_at(rules_world.process), 2);
	pw_check(world);
}

static void test_bug_12_memory_types_of_aliases(void **state)
{
	static const uint64_t types[] = {0, PTE_PWT, PTE_PCD, PTE_PWT | PTE_PCD};
	struct ept_leaf leaf;

	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		const uint64_t type = types[i % 4] | (i < 4 ? 0 : PTE_PS);

		admits(user_slot(1), PW_DEVICE | PW_USER_RW | type);
		admits(kernel_slot(1), PW_RAM | PW_KERNEL_RW | type);
		refuses(kernel_slot(1), rules_world.process | PW_KERNEL_RW | type,
			SECPOD_RULE_TABLE_ALIAS);
		refuses(user_slot(1), CONSTANTS | PW_USER_RW | type, SECPOD_RULE_USER_MAP);
	}
	/* What EPT says of the table is the same as before. */
	assert_int_equal(ept_lookup(&world->ept.ept, rules_world.process, &leaf), 0);
	assert_int_equal(leaf.type, MEMORY_WB);
	pw_check(world);
}

static void test_bug_13_accessed_and_dirty(void **state)
{
	const uint64_t page = memory(), written = user_slot(1), read = user_slot(1);
	const uint64_t none = user_slot(1), link = pw_slot(rules_world.process, AREA, 2);

	(void)state;
	admits(written, page | (PW_USER_RW & ~PTE_AD));
	assert_int_equal(paging_flag_update(&world->paging, written), 0);
	assert_int_equal(pw_peek(written), page | (PW_USER_RW & ~PTE_D));
	assert_int_equal(paging_flag_update(&world->paging, written), 0);
	assert_int_equal(pw_peek(written), page | PW_USER_RW);
	/* Dirty and read-only would be a shadow stack. */
	admits(read, page | (PW_USER_RX & ~PTE_A));
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(paging_flag_update(&world->paging, read), 0);
	assert_int_equal(pw_peek(read), page | PW_USER_RX);
	assert_int_equal(paging_flag_update(&world->paging, none), 0);
	assert_int_equal(pw_peek(none), 0);
	admits(link, pw_peek(link) & ~PTE_AD);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(paging_flag_update(&world->paging, link), 0);
	assert_int_equal(pw_peek(link) & PTE_AD, PTE_A);
	pw_check(world);
}

/* exit() on one CPU while another has the address space in CR3, or keeps it for later. */
static void test_bug_14_freed_while_live_in_another_cr3(void **state)
{
	const uint64_t root = rules_world.process, slot = pw_slot(root, AREA, 4);
	const uint64_t kernel = pw_slot(root, PW_VMALLOC, 4), upper = pw_peek(kernel);

	(void)state;
	assert_int_equal(pw_load(world, 1, root), 0);
	assert_int_equal(pw_load(world, 0, world->swapper), 0);
	admits(slot, 0);
	sweep_all();
	/* Its memory is given to somebody else, who writes it: not while a CPU runs on it. */
	assert_int_equal(type_at(root), FRAME_L4);
	assert_int_equal(pw_poke(world, 0, kernel, 0), world->paging.locked ? -EPERM : 0);
	assert_int_equal(type_at(root), FRAME_L4);
	assert_true(paging_root_known(&world->cpu[1], root));
	if (!world->paging.locked)
		admits(kernel, upper);
	pw_check(world);
	/* Kept for later only: what another CPU keeps it has to give up (T2). */
	assert_int_equal(pw_load(world, 1, world->swapper), 0);
	assert_true(paging_root_known(&world->cpu[1], root));
	assert_int_equal(pw_poke(world, 0, kernel, 0x5a5a5a5a), 0);
	assert_false(paging_root_known(&world->cpu[1], root));
	assert_int_equal(type_at(root), FRAME_NONE);
	pw_check(world);
}

/* The root that is left is dead already (T1); one with users is not. */
static void test_a_dead_root_goes_when_it_is_left(void **state)
{
	const uint64_t alive = large_tree(0), dead = pw_process(world);

	(void)state;
	assert_int_equal(pw_load(world, 1, alive), 0);
	assert_int_equal(pw_load(world, 1, dead), 0);
	assert_int_equal(pw_load(world, 1, world->swapper), 0);
	paging_roots_trim(&world->paging, &world->cpu[1]);
	sweep_all();
	assert_int_equal(type_at(alive), FRAME_L4);
	assert_int_equal(type_at(dead), FRAME_NONE);
	assert_int_equal(type_at(world->swapper), FRAME_L4);
	pw_check(world);
	/* And it is known again when it is loaded. */
	assert_int_equal(pw_load(world, 1, alive), 0);
	assert_int_equal(pw_load(world, 1, dead), 0);
	pw_check(world);
}

#define BOTH(name) RULE_TEST(name, active), RULE_TEST(name, locked)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_bug_01_superpage_over_protected_frame),
		BOTH(test_bug_02_fast_path_flag_escalation),
		BOTH(test_bug_03_recursive_mapping),
		BOTH(test_bug_04_one_frame_at_two_levels),
		BOTH(test_bug_05_stale_translation_to_a_new_page_table),
		BOTH(test_bug_06_two_cpus_at_one_entry),
		BOTH(test_bug_07_validation_that_stops_half_way),
		BOTH(test_bug_08_reference_count_overflow),
		BOTH(test_bug_09_bits_that_mean_something_elsewhere),
		BOTH(test_bug_10_addresses_that_overflow),
		BOTH(test_bug_11_the_halves_and_what_cr3_carries),
		BOTH(test_bug_12_memory_types_of_aliases),
		BOTH(test_bug_13_accessed_and_dirty),
		BOTH(test_bug_14_freed_while_live_in_another_cr3),
		BOTH(test_a_dead_root_goes_when_it_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
