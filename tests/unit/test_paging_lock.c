/* SPDX-License-Identifier: MIT */
/*
 * What the kernel may still do between ACTIVE and LOCK, and LOCK then finds: nothing that the rules of LOCKED forbid stays,
 * and what they allow does not keep the kernel from locking.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "tests/unit/paging_rules.h"

#define AREA 0x400000ULL
#define CONSTANTS (PW_IMAGE_GPA + PW_TEXT_PAGES * PAGE_SIZE)
#define CONSTANTS_VA (PW_IMAGE + PW_TEXT_PAGES * PAGE_SIZE)
#define DIRECT_PAGE (10 * SIZE_2M)

static struct paging_world *const world = &rules_world.world;

static int lock(void)
{
	memset(world->refusals, 0, sizeof(world->refusals));
	return paging_lock(&world->paging);
}

/* Refused by this rule; let pass when its answer is off. */
static void lock_refuses(uint8_t rule)
{
	assert_int_equal(lock(), -EPERM);
	assert_int_equal(world->last_rule, rule);
	assert_int_equal(world->refusals[rule], 1);
	assert_false(world->paging.locked);
	pw_check(world);
}

static void lock_admits(void)
{
	assert_int_equal(lock(), 0);
	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++)
		assert_int_equal(world->refusals[rule], 0);
	assert_true(world->paging.locked);
	pw_check(world);
}

/* The entry at slot is found when it is value, and when it is again what it was LOCK comes. */
static void lock_finds(uint64_t slot, uint64_t value, uint8_t rule)
{
	const uint64_t before = pw_peek(slot);

	admits(slot, value);
	lock_refuses(rule);
	admits(slot, before);
	lock_admits();
}

static void test_what_is_as_it_was_is_locked(void **state)
{
	(void)state;
	lock_admits();
	/* Once more, too. */
	lock_admits();
}

static void test_an_upper_half_with_more_is_found(void **state)
{
	(void)state;
	lock_finds(rules_world.process + 300 * 8, memory() | PW_KERNEL_TABLE,
		   SECPOD_RULE_KERNEL_TEMPLATE);
}

static void test_an_upper_half_with_less_is_found(void **state)
{
	(void)state;
	lock_finds(pw_slot(rules_world.process, PW_VMALLOC, 4), 0, SECPOD_RULE_KERNEL_TEMPLATE);
}

static void test_another_table_in_an_upper_half_is_found(void **state)
{
	const uint64_t slot = pw_slot(rules_world.process, PW_VMALLOC, 4), copy = memory();

	(void)state;
	/* The entries alike, and so all is that can be reached. */
	memcpy(world->ram + copy, world->ram + (pw_peek(slot) & PTE_ADDR), PAGE_SIZE);
	lock_finds(slot, copy | PW_KERNEL_TABLE, SECPOD_RULE_KERNEL_TEMPLATE);
}

static void test_a_bent_direct_map_is_found(void **state)
{
	(void)state;
	lock_finds(pw_slot(world->swapper, PW_DIRECT + DIRECT_PAGE, 2),
		   (DIRECT_PAGE + SIZE_2M) | PW_KERNEL_RW | PTE_PS, SECPOD_RULE_DIRECT_MAP);
}

static void test_a_bent_page_of_the_direct_map_is_found(void **state)
{
	const uint64_t table = memory(), slot = pw_slot(world->swapper, PW_DIRECT + DIRECT_PAGE, 2);

	(void)state;
	for (uint64_t i = 0; i < PT_ENTRIES; i++)
		assert_int_equal(pw_poke(world, 1, table + i * 8,
					 (DIRECT_PAGE + i * PAGE_SIZE) | PW_KERNEL_RW),
				 0);
	admits(slot, table | PW_KERNEL_TABLE);
	lock_finds(table + 511 * 8, DIRECT_PAGE | PW_KERNEL_RW, SECPOD_RULE_DIRECT_MAP);
}

/* sys_call_table lies in such a page: a copy of it in its place. */
static void test_a_page_of_the_image_that_moved_is_found(void **state)
{
	const uint64_t copy = memory();

	(void)state;
	memcpy(world->ram + copy, world->ram + CONSTANTS, PAGE_SIZE);
	lock_finds(pw_slot(world->swapper, CONSTANTS_VA, 1), copy | PW_KERNEL_RO,
		   SECPOD_RULE_LOCKED_RANGE);
}

/* The same below tables that are copies, down from the one below the root's entry. */
static void test_a_moved_page_below_copied_tables_is_found(void **state)
{
	uint64_t slot = pw_slot(world->swapper, CONSTANTS_VA, 3);
	const uint64_t before = pw_peek(slot);
	uint64_t copy[3], page = memory();

	(void)state;
	for (uint32_t level = 2; level > 0; level--) {
		const uint64_t at = pw_slot(world->swapper, CONSTANTS_VA, level);

		copy[level] = memory();
		memcpy(world->ram + copy[level], world->ram + (at & PTE_ADDR), PAGE_SIZE);
	}
	assert_int_equal(pw_poke(world, 1,
				 copy[2] + pw_slot(world->swapper, CONSTANTS_VA, 2) % PAGE_SIZE,
				 copy[1] | PW_KERNEL_TABLE),
			 0);
	assert_int_equal(pw_poke(world, 1,
				 copy[1] + pw_slot(world->swapper, CONSTANTS_VA, 1) % PAGE_SIZE,
				 page | PW_KERNEL_RO),
			 0);
	admits(slot, copy[2] | PW_KERNEL_TABLE);
	lock_refuses(SECPOD_RULE_LOCKED_RANGE);
	admits(slot, before);
	/* Nobody has it any more, but it is a page table until it has been released. */
	paging_flush(&world->paging);
	retire_sweep(&world->paging, &world->cpu[0], ~0u);
	paging_flush(&world->paging);
	retire_sweep(&world->paging, &world->cpu[0], ~0u);
	lock_admits();
}

/* A tree for firmware calls that is new, with the kernel's upper half, and with another one. */
static uint64_t special_root(void)
{
	const uint64_t root = pw_process(world);

	assert_int_equal(pw_poke(world, 1, root + 8, memory() | PW_KERNEL_TABLE), 0);
	return root;
}

static void test_a_special_root_has_the_upper_half_of_all(void **state)
{
	const uint64_t root = special_root();

	(void)state;
	assert_int_equal(pw_load(world, 1, root), 0);
	lock_finds(root + 300 * 8, memory() | PW_KERNEL_TABLE, SECPOD_RULE_SPECIAL_ROOT);
	/* And now it is frozen. */
	refuses(root + 16, memory() | PW_KERNEL_TABLE, SECPOD_RULE_SPECIAL_ROOT);
}

static void test_a_special_root_may_lack_some_of_it(void **state)
{
	const uint64_t root = special_root();

	(void)state;
	assert_int_equal(pw_poke(world, 1, pw_slot(root, PW_VMALLOC, 4), 0), 0);
	/* Where the firmware is. */
	assert_int_equal(pw_poke(world, 1, root + 511 * 8, memory() | PW_KERNEL_TABLE), 0);
	assert_int_equal(pw_load(world, 1, root), 0);
	lock_admits();
}

/* What rules of change, and those that hold from ACTIVE on, were asked when it was made. */
static void test_what_was_right_when_it_was_made_stays(void **state)
{
	const uint64_t large = memory_2m(), slot = kernel_slot(1);
	const uint64_t ldt = rules_world.process + LDT_REMAP_INDEX * 8;

	(void)state;
	admits(user_slot(2), large | PW_USER_RW | PTE_PS);
	admits(kernel_slot(2), large | PW_KERNEL_RW | PTE_PS);
	admits(user_slot(2), (large + 7 * PAGE_SIZE) | PW_USER_TABLE);
	admits(slot, memory() | PW_KERNEL_RW);
	admits(slot, memory() | PW_KERNEL_RO);
	admits(ldt, memory() | PW_KERNEL_TABLE);
	lock_admits();
}

static void test_what_policy_lets_pass_does_not_keep_from_locking(void **state)
{
	(void)state;
	admits(rules_world.process + 300 * 8, memory() | PW_KERNEL_TABLE);
	world->let_pass = true;
	assert_int_equal(lock(), 0);
	assert_int_equal(world->refusals[SECPOD_RULE_KERNEL_TEMPLATE], 1);
	world->let_pass = false;
}

/* ---- LOCK comes while another CPU is at a change that was judged, or is judged, without its rules */

static pthread_t other;
static int lock_result;

static void *lock_on_another_cpu(void *context)
{
	(void)context;
	lock_result = paging_lock(&world->paging);
	return NULL;
}

static void begin_lock(struct paging_world *w)
{
	w->meanwhile = NULL;
	w->before_exchange = NULL;
	assert_int_equal(pthread_create(&other, NULL, lock_on_another_cpu, NULL), 0);
	while (!__atomic_load_n(&w->paging.locked, __ATOMIC_ACQUIRE))
		(void)sched_yield();
}

static void begin_lock_before(struct paging_world *w, uint64_t gpa, uint64_t next)
{
	(void)gpa;
	(void)next;
	begin_lock(w);
}

static void test_a_change_under_way_is_found(void **state)
{
	uint64_t value = memory() | PW_KERNEL_TABLE, old;

	(void)state;
	/* The table is there already: nothing else is waited for. */
	admits(rules_world.process + 300 * 8, value);
	admits(rules_world.process + 300 * 8, 0);
	world->before_exchange = begin_lock_before;
	assert_int_equal(paging_store(&world->paging, &world->cpu[0], rules_world.process + 300 * 8,
				      pw_set_value, &value, &old),
			 0);
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_int_equal(lock_result, -EPERM);
	assert_int_equal(world->last_rule, SECPOD_RULE_KERNEL_TEMPLATE);
	assert_false(world->paging.locked);
	pw_check(world);
}

static void test_a_tree_under_way_is_judged_by_all_rules(void **state)
{
	const uint64_t root = pw_process(world);
	uint64_t evicted;

	(void)state;
	assert_int_equal(pw_poke(world, 1, root + 300 * 8, memory() | PW_KERNEL_TABLE), 0);
	world->meanwhile = begin_lock;
	assert_int_equal(paging_root_load(&world->paging, &world->cpu[1], root, &evicted), -EPERM);
	assert_int_equal(world->last_rule, SECPOD_RULE_KERNEL_TEMPLATE);
	world->meanwhile = NULL;
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_int_equal(lock_result, 0);
	assert_true(world->paging.locked);
	pw_check(world);
}

static void test_nothing_is_locked_before_active(void **state)
{
	struct paging_world *w = world;

	(void)state;
	memset(&rules_world, 0, sizeof(rules_world));
	pw_open(w);
	assert_int_equal(paging_lock(&w->paging), -EPERM);
	assert_false(w->paging.locked);
	pw_close(w);
}

#define TEST(name) RULE_TEST(name, active)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_as_it_was_is_locked),
		TEST(test_an_upper_half_with_more_is_found),
		TEST(test_an_upper_half_with_less_is_found),
		TEST(test_another_table_in_an_upper_half_is_found),
		TEST(test_a_bent_direct_map_is_found),
		TEST(test_a_bent_page_of_the_direct_map_is_found),
		TEST(test_a_page_of_the_image_that_moved_is_found),
		TEST(test_a_moved_page_below_copied_tables_is_found),
		TEST(test_a_special_root_has_the_upper_half_of_all),
		TEST(test_a_special_root_may_lack_some_of_it),
		TEST(test_what_was_right_when_it_was_made_stays),
		TEST(test_what_policy_lets_pass_does_not_keep_from_locking),
		TEST(test_a_change_under_way_is_found),
		TEST(test_a_tree_under_way_is_judged_by_all_rules),
		cmocka_unit_test(test_nothing_is_locked_before_active),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
