/* SPDX-License-Identifier: MIT */
/* UNPIN: the end of an address space by request. */
#include <errno.h>

#include "tests/unit/request_world.h"

/* Every table of the tree below a root, and the root. */
static uint32_t tree_of(uint64_t root, uint64_t *table)
{
	uint32_t count = 0;

	table[count++] = root;
	for (uint32_t at = 0; at < count; at++) {
		const uint32_t level = (uint32_t)type_at(table[at]);
		const uint32_t end = level == PT_LEVELS ? PT_KERNEL_FIRST : PT_ENTRIES;

		for (uint32_t i = 0; level > 1 && i < end; i++) {
			const uint64_t entry = pw_peek(table[at] + i * SLOT_SIZE);

			if (pte_is_table(entry, level))
				table[count++] = entry & PTE_ADDR;
		}
	}
	return count;
}

static void unpin_makes_memory_of_the_whole_tree(void **state)
{
	const uint64_t used = world.paging.infos.used, root = running_process(0);
	const uint64_t entry = pw_peek(pw_slot(root, USER_VA, 1));
	uint64_t table[16], flushes;
	const uint32_t count = tree_of(root, table);

	(void)state;
	assert_int_equal(count, 5);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	flushes = world.flushes;
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), 0);
	/* No other CPU had it: none was asked, and there was one invalidation. */
	assert_int_equal(world.trims, 0);
	assert_int_equal(world.flushes, flushes + 1);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(type_at(table[i]), FRAME_NONE);
		assert_true(is_writable(table[i]));
	}
	assert_int_equal(world.paging.infos.used, used);
	/* As it was, for the kernel to take apart. */
	assert_int_equal(pw_peek(pw_slot(root, USER_VA, 1)), entry);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), -SECPOD_ENOENT);
	assert_int_equal(malformed(), 0);
	pw_check(&world);
	/* Loaded again, it is judged again. */
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, USER_VA, 1), PW_IMAGE_GPA | PW_USER_RW),
			 0);
	assert_int_equal(pw_load(&world, 0, root), -EPERM);
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, USER_VA, 1), entry), 0);
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(type_at(root), FRAME_L4);
}

static void unpin_leaves_what_a_cpu_runs_on(void **state)
{
	const uint64_t root = running_process(0);

	(void)state;
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), -SECPOD_EBUSY);
	assert_int_equal(world.trims, 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(pw_load(&world, 2, root), 0);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), -SECPOD_EBUSY);
	assert_int_equal(world.trims, 1);
	assert_int_equal(type_at(root), FRAME_L4);
	pw_check(&world);
	/* Left, but another load of it would not exit: that CPU is asked to give it up. */
	assert_int_equal(pw_load(&world, 2, world.swapper), 0);
	world.trims_late = 1;
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), -SECPOD_EAGAIN);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), 0);
	assert_int_equal(world.trims, 3);
	assert_false(paging_root_known(&world.cpu[2], root));
	assert_int_equal(type_at(root), FRAME_NONE);
	assert_int_equal(malformed(), 0);
}

static void unpin_is_of_address_spaces_only(void **state)
{
	const uint64_t root = running_process(0);
	const uint64_t table = pw_peek(pw_slot(root, USER_VA, 4)) & PTE_ADDR;
	const struct {
		uint64_t root, pair;
		int64_t error;
	} rows[] = {
		{world.swapper, 0, -SECPOD_EINVAL},
		{root, root, -SECPOD_EINVAL},
		{root, world.swapper, -SECPOD_EINVAL},
		{root + 8, 0, -SECPOD_EINVAL},
		{root, 8, -SECPOD_EINVAL},
		{table, 0, -SECPOD_ENOENT},
		{pw_process(&world), 0, -SECPOD_ENOENT},
		{PW_SECURE_BASE, 0, -SECPOD_ENOENT},
		{~PAGE_SIZE + 1, 0, -SECPOD_ENOENT},
	};

	(void)state;
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(ask(SECPOD_CALL_UNPIN, rows[i].root, rows[i].pair, 0, 0),
				 rows[i].error);
	assert_int_equal(malformed(), 5);
	assert_int_equal(type_at(root), FRAME_L4);
	assert_int_equal(type_at(table), FRAME_L3);
}

static void unpin_takes_both_roots_of_an_isolated_address_space(void **state)
{
	uint64_t table[16], root, pair;
	uint32_t count;

	(void)state;
	if (world.next_frame % 2)
		(void)pw_frame(&world);
	root = pw_process(&world);
	pair = page();
	assert_int_equal(pair, root + PAGE_SIZE);
	assert_int_equal(pw_map(&world, 0, root, USER_VA, page() | PW_USER_RW, 1, PW_USER_TABLE),
			 0);
	assert_int_equal(pw_poke(&world, 0, pair, pw_peek(root)), 0);
	assert_int_equal(pw_poke(&world, 0, pair + PAGE_SIZE - SLOT_SIZE,
				 pw_peek(root + PAGE_SIZE - SLOT_SIZE)),
			 0);
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_load(&world, 0, pair), 0);
	count = tree_of(root, table);
	assert_int_equal(count, 4);
	pw_check(&world);

	/* In user mode: its root is in CR3. */
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, pair, 0, 0), -SECPOD_EBUSY);
	assert_int_equal(type_at(root), FRAME_L4);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	/* The first one alone: the tables are the second one's as well. */
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), 0);
	assert_int_equal(type_at(root), FRAME_NONE);
	assert_int_equal(type_at(pair), FRAME_L4);
	for (uint32_t i = 1; i < count; i++)
		assert_int_not_equal(type_at(table[i]), FRAME_NONE);
	pw_check(&world);

	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, pair, 0, 0), 0);
	assert_int_equal(type_at(pair), FRAME_NONE);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(type_at(table[i]), FRAME_NONE);
	pw_check(&world);

	/* A second root that was never used is no error. */
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, pair, 0, 0), 0);
	assert_int_equal(type_at(root), FRAME_NONE);
}

static uint64_t ending_root, ending_slot, target_slot;
static bool seen_ending;

/* Another CPU, before all have invalidated. */
static void while_unpinning(struct paging_world *w)
{
	uint64_t old, evicted, value = 0;

	seen_ending = true;
	assert_false(is_writable(ending_root));
	assert_false(is_writable(ending_slot));
	assert_int_equal(paging_root_load(&w->paging, &w->cpu[1], ending_root, &evicted), -EAGAIN);
	assert_int_equal(paging_request_exchange(&w->paging, &w->cpu[1], ending_slot, value, &old),
			 -EAGAIN);
	assert_int_equal(paging_request_unpin(&w->paging, &w->cpu[1], ending_root, 0), -EAGAIN);
	assert_int_equal(
		paging_request_protect(&w->paging, &w->cpu[1], ending_root, USER_VA, USER_END, 0),
		-EAGAIN);
	/* In the middle of the tree: linked where another address space would have it. */
	value = (ending_slot & PAGE_MASK) | PW_USER_TABLE;
	assert_int_equal(paging_request_exchange(&w->paging, &w->cpu[1], target_slot, value, &old),
			 -EAGAIN);
}

static void nothing_is_written_before_all_cpus_have_invalidated(void **state)
{
	const uint64_t other = running_process(1);

	(void)state;
	ending_root = running_process(0);
	ending_slot = pw_slot(ending_root, USER_VA, 1);
	target_slot = pw_slot(other, USER_VA + 4 * SIZE_2M, 2);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	world.meanwhile = while_unpinning;
	assert_int_equal(ask(SECPOD_CALL_UNPIN, ending_root, 0, 0, 0), 0);
	world.meanwhile = NULL;
	assert_true(seen_ending);
	assert_true(is_writable(ending_root));
	assert_true(is_writable(ending_slot));
	assert_int_equal(pw_peek(target_slot), 0);
}

static void unpin_leaves_tables_that_others_use(void **state)
{
	const uint64_t root = running_process(0), other = running_process(1);
	const uint64_t shared = pw_peek(pw_slot(root, USER_VA, 2)) & PTE_ADDR;

	(void)state;
	assert_int_equal(ask(SECPOD_CALL_PT_SET, pw_slot(other, USER_VA + 8 * SIZE_2M, 2),
			     shared | PW_USER_TABLE, 0, 0),
			 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), 0);
	assert_int_equal(type_at(root), FRAME_NONE);
	assert_int_equal(type_at(shared), FRAME_L1);
	assert_false(is_writable(shared));
	pw_check(&world);
}

static void what_unpin_has_no_time_for_goes_by_itself(void **state)
{
	const uint64_t tables = PAGING_UNPIN_TABLES + 4, root = pw_process(&world);
	const uint64_t frame = page();
	uint64_t last = 0, memory = 0;

	(void)state;
	for (uint64_t i = 0; i < tables; i++)
		assert_int_equal(pw_map(&world, 0, root, USER_VA + i * SIZE_2M, frame | PW_USER_RW,
					1, PW_USER_TABLE),
				 0);
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), 0);
	for (uint64_t i = 0; i < tables; i++) {
		last = pw_peek(pw_slot(root, USER_VA + i * SIZE_2M, 2)) & PTE_ADDR;
		memory += type_at(last) == FRAME_NONE;
	}
	assert_in_range(memory, PAGING_UNPIN_TABLES - 8, PAGING_UNPIN_TABLES - 1);
	assert_int_equal(type_at(last), FRAME_L1);
	pw_check(&world);
	assert_int_equal(pw_poke(&world, 0, last, 0), 0);
	assert_int_equal(type_at(last), FRAME_NONE);
}

static void kernel_code_that_ends_with_an_address_space_is_memory_again(void **state)
{
	const uint64_t root = running_process(0), slot = pw_slot(root, USER_VA, 1);
	const uint64_t module = pw_peek(pw_slot(world.swapper, PW_MODULES, 1)) & PTE_ADDR;
	uint64_t refs;

	(void)state;
	/* A policy that lets the kernel execute in the lower half. */
	world.let_pass = true;
	refs = frame_word_refs(frame_read(&world.paging.frames, module >> PAGE_SHIFT));
	assert_int_equal(ask(SECPOD_CALL_PT_SET, slot, module | PW_KERNEL_RX, 0, 0), 0);
	assert_int_equal(frame_word_refs(frame_read(&world.paging.frames, module >> PAGE_SHIFT)),
			 refs + 1);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), 0);
	assert_int_equal(frame_word_refs(frame_read(&world.paging.frames, module >> PAGE_SHIFT)),
			 refs);
}

static void unpin_takes_what_waits_to_be_released(void **state)
{
	const uint64_t root = running_process(0), slot = pw_slot(root, USER_VA, 4);
	uint64_t waiting;

	(void)state;
	assert_int_equal(pw_poke(&world, 0, slot, 0), 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	paging_roots_trim(&world.paging, &world.cpu[0]);
	assert_int_equal(type_at(root), FRAME_L4);
	waiting = world.paging.retired_count;
	assert_true(waiting > 1);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), 0);
	assert_int_equal(world.paging.retired_count, waiting - 1);
	assert_int_equal(type_at(root), FRAME_NONE);
	/* Not a second time: another table has its number by now. */
	assert_int_equal(pw_load(&world, 0, root), 0);
	for (uint32_t level = 0; level < PT_LEVELS; level++) {
		paging_flush(&world.paging);
		retire_sweep(&world.paging, &world.cpu[0], ~0u);
	}
	assert_int_equal(type_at(root), FRAME_L4);
	assert_int_equal(world.paging.retired_count, 0);
}

int main(void)
{
#define WITH_WORLD(test) \
	cmocka_unit_test_setup_teardown(test, request_world_open, request_world_close)
	const struct CMUnitTest tests[] = {
		WITH_WORLD(unpin_makes_memory_of_the_whole_tree),
		WITH_WORLD(unpin_leaves_what_a_cpu_runs_on),
		WITH_WORLD(unpin_is_of_address_spaces_only),
		WITH_WORLD(unpin_takes_both_roots_of_an_isolated_address_space),
		WITH_WORLD(nothing_is_written_before_all_cpus_have_invalidated),
		WITH_WORLD(unpin_leaves_tables_that_others_use),
		WITH_WORLD(what_unpin_has_no_time_for_goes_by_itself),
		WITH_WORLD(kernel_code_that_ends_with_an_address_space_is_memory_again),
		WITH_WORLD(unpin_takes_what_waits_to_be_released),
	};

	return cmocka_run_group_tests_name("paging_unpin", tests, NULL, NULL);
}
