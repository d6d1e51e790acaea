/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: their upper halves, with page-table isolation and without; CPUs that lose all their roots;
 * and what may not become a page table behind the back of one who writes it.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/paging_world.h"

#define USER_VA 0x400000ULL
#define LDT_VA 0xffff880000000000ULL
#define MODULE_VA (PW_MODULES + 16 * PAGE_SIZE)

static struct paging_world world;

static void start(void)
{
	const char *failed = NULL;

	assert_int_equal(paging_activate(&world.paging, &world.cpu[0], &world.swapper, 1, &failed),
			 0);
	assert_int_equal(paging_lock(&world.paging), 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
}

static int open_world(void **state)
{
	(void)state;
	pw_start(&world);
	return 0;
}

/* The root behind the kernel's maps the kernel's entry code, and is what user mode runs on. */
static int open_isolated(void **state)
{
	(void)state;
	pw_open(&world);
	assert_int_equal(pw_map(&world, 0, world.swapper + PAGE_SIZE, PW_IMAGE,
				PW_IMAGE_GPA | PW_KERNEL_RX, 1, PW_KERNEL_TABLE),
			 0);
	start();
	return 0;
}

static uint64_t word_at(uint64_t gpa)
{
	return frame_read(&world.paging.frames, gpa >> PAGE_SHIFT);
}

static enum frame_type type_at(uint64_t gpa)
{
	return frame_word_type(word_at(gpa));
}

/* Two roots side by side, as Linux takes them from its allocator; the second one empty. */
static uint64_t two_frames(void)
{
	uint64_t first = pw_frame(&world);

	if (first % 2)
		first = pw_frame(&world);
	assert_int_equal(pw_frame(&world), first + 1);
	memcpy(world.ram + (first << PAGE_SHIFT) + PAGE_SIZE / 2,
	       world.ram + world.swapper + PAGE_SIZE / 2, PAGE_SIZE / 2);
	return first << PAGE_SHIFT;
}

/* A process under page-table isolation, with one page. Result: the kernel's root. */
static uint64_t isolated_process(void)
{
	const uint64_t root = two_frames(), page = pw_frame(&world) << PAGE_SHIFT;

	memcpy(world.ram + root + PAGE_SIZE + PAGE_SIZE / 2,
	       world.ram + world.swapper + PAGE_SIZE + PAGE_SIZE / 2, PAGE_SIZE / 2);
	assert_int_equal(pw_map(&world, 0, root, USER_VA, page | PW_USER_RW, 1, PW_USER_TABLE), 0);
	assert_int_equal(pw_poke(&world, 0, root + PAGE_SIZE, pw_peek(root)), 0);
	assert_int_equal(pw_poke(&world, 0, root, pw_peek(root) | PTE_NX), 0);
	return root;
}

static void assert_nothing_refused(void)
{
	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++)
		assert_int_equal(world.refusals[rule], 0);
}

static enum root_kind kind_of(uint64_t root)
{
	return (enum root_kind)table_info_of(
		       &world.paging.infos,
		       frame_word_info(frame_read(&world.paging.frames, root >> PAGE_SHIFT)))
		->root_kind;
}

static void test_isolation_has_two_kinds_of_upper_half(void **state)
{
	const uint64_t root = isolated_process();

	(void)state;
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_load(&world, 0, root + PAGE_SIZE), 0);
	assert_int_equal(kind_of(root), ROOT_KIND_NORMAL);
	assert_int_equal(kind_of(root + PAGE_SIZE), ROOT_KIND_USER);
	assert_nothing_refused();
}

/* What a fork of a process with an LDT looks like at its first load. */
static void test_an_ldt_makes_no_other_kind_of_root(void **state)
{
	const uint64_t root = isolated_process(), page = pw_frame(&world) << PAGE_SHIFT;
	const uint64_t slot = root + (LDT_VA >> 39 & 511) * 8;

	(void)state;
	assert_int_equal(slot, root + LDT_REMAP_INDEX * 8);
	assert_int_equal(pw_map(&world, 0, root, LDT_VA, page | PW_KERNEL_RO, 1, PW_KERNEL_TABLE),
			 0);
	assert_int_equal(pw_poke(&world, 0, slot + PAGE_SIZE, pw_peek(slot)), 0);
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_load(&world, 0, root + PAGE_SIZE), 0);
	assert_int_equal(kind_of(root), ROOT_KIND_NORMAL);
	assert_nothing_refused();
	/* It goes in both when it goes in the kernel's. */
	assert_int_equal(pw_poke(&world, 0, slot, 0), 0);
	assert_int_equal(pw_peek(slot + PAGE_SIZE), 0);
}

/* ---- the lower halves of a pair */

#define SLOT (4 * sizeof(uint64_t))

/* A pair that is loaded, with entry 0 in both. Result: the kernel's root. */
static uint64_t loaded_pair(void)
{
	const uint64_t root = isolated_process();

	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_load(&world, 0, root + PAGE_SIZE), 0);
	assert_nothing_refused();
	return root;
}

static uint64_t table(void)
{
	return pw_frame(&world) << PAGE_SHIFT | PW_USER_TABLE;
}

static void refuses_pair(uint64_t slot, uint64_t value)
{
	const uint64_t before = pw_peek(slot);

	assert_int_equal(pw_poke(&world, 0, slot, value), -EPERM);
	assert_int_equal(world.last_rule, SECPOD_RULE_PT_PAIR);
	assert_int_equal(world.last_slot, slot);
	assert_int_equal(pw_peek(slot), before);
	pw_check(&world);
}

/* As Linux does it: the user's first, to set and to clear. */
static void test_both_halves_of_a_pair_come_and_go(void **state)
{
	const uint64_t root = loaded_pair(), user = root + PAGE_SIZE, first = table();

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		const uint64_t entry = i ? table() : first;

		assert_int_equal(pw_poke(&world, 0, user + SLOT, entry), 0);
		assert_int_equal(pw_poke(&world, 0, root + SLOT, entry | PTE_NX), 0);
		/* What CPUs set, and what they do not look at. */
		assert_int_equal(paging_flag_update(&world.paging, root + SLOT), 0);
		assert_int_equal(pw_poke(&world, 0, user + SLOT, entry ^ (PTE_AD | 7 << 9)), 0);
		pw_check(&world);
		assert_int_equal(pw_poke(&world, 0, user + SLOT, 0), 0);
		assert_int_equal(pw_poke(&world, 0, root + SLOT, 0), 0);
	}
	assert_nothing_refused();
}

static void test_halves_of_a_pair_do_not_differ(void **state)
{
	const uint64_t root = loaded_pair(), user = root + PAGE_SIZE;
	const uint64_t entry = table(), other = table();

	(void)state;
	assert_int_equal(pw_poke(&world, 0, user + SLOT, entry), 0);
	refuses_pair(root + SLOT, other | PTE_NX);
	refuses_pair(root + SLOT, (entry & ~PTE_RW) | PTE_NX);
	assert_int_equal(pw_poke(&world, 0, root + SLOT, entry | PTE_NX), 0);
	refuses_pair(user + SLOT, other);
	assert_int_equal(pw_poke(&world, 0, user + SLOT, 0), 0);
	refuses_pair(user + SLOT, other);
	assert_int_equal(pw_poke(&world, 0, user + SLOT, entry), 0);
	/* Another answer to the rule: recorded, and done. */
	world.let_pass = true;
	assert_int_equal(pw_poke(&world, 0, user + SLOT, other), 0);
	assert_int_equal(pw_peek(user + SLOT), other);
}

static void test_the_kernels_half_of_a_pair_executes_no_user_page(void **state)
{
	const uint64_t root = loaded_pair(), user = root + PAGE_SIZE, entry = table();

	(void)state;
	refuses_pair(root + SLOT, entry);
	refuses_pair(root, pw_peek(root) & ~PTE_NX);
	assert_int_equal(pw_poke(&world, 0, user + SLOT, entry), 0);
	assert_int_equal(pw_poke(&world, 0, root + SLOT, entry | PTE_NX), 0);
}

/* A root that comes later agrees with the one that is there, whichever that is. */
static void test_a_root_agrees_with_the_other_of_its_pair(void **state)
{
	(void)state;
	for (uint32_t second = 0; second < 2; second++) {
		const uint64_t root = isolated_process(), late = root + second * PAGE_SIZE;
		const uint64_t early = root + PAGE_SIZE - second * PAGE_SIZE;
		const uint64_t nx = second ? 0 : PTE_NX, entry = table();

		assert_int_equal(pw_poke(&world, 0, early + SLOT, entry | (nx ? 0 : PTE_NX)), 0);
		assert_int_equal(pw_poke(&world, 0, late + SLOT, table() | nx), 0);
		assert_int_equal(pw_load(&world, 0, early), 0);
		assert_int_equal(pw_load(&world, 0, late), -EPERM);
		assert_int_equal(world.last_rule, SECPOD_RULE_PT_PAIR);
		assert_int_equal(world.last_slot, late + SLOT);
		assert_int_equal(type_at(late), FRAME_NONE);
		pw_check(&world);
		assert_int_equal(pw_poke(&world, 0, late + SLOT, entry | nx), 0);
		assert_int_equal(pw_load(&world, 0, late), 0);
		pw_check(&world);
	}
}

static void test_a_root_is_where_its_kind_belongs(void **state)
{
	const uint64_t first = isolated_process(), second = isolated_process();
	const uint64_t even = first, odd = second + PAGE_SIZE;

	(void)state;
	/* The halves of two processes change places. */
	memcpy(world.ram + even, world.ram + first + PAGE_SIZE, PAGE_SIZE);
	memcpy(world.ram + odd, world.ram + second, PAGE_SIZE);
	assert_int_equal(pw_load(&world, 0, even), -EPERM);
	assert_int_equal(world.last_rule, SECPOD_RULE_PT_PAIR);
	assert_int_equal(world.last_slot, even);
	assert_int_equal(pw_load(&world, 0, odd), -EPERM);
	assert_int_equal(world.last_slot, odd);
}

/* Linux has cleared the kernel's entry only, and the table goes: not only that of the LDT. */
static void test_an_entry_goes_in_both_halves_of_a_pair(void **state)
{
	const uint64_t root = loaded_pair(), user = root + PAGE_SIZE, entry = table();

	(void)state;
	assert_int_equal(pw_poke(&world, 0, user + SLOT, entry), 0);
	assert_int_equal(pw_poke(&world, 0, root + SLOT, entry | PTE_NX), 0);
	assert_int_equal(pw_poke(&world, 0, root + SLOT, 0), 0);
	assert_int_equal(pw_peek(user + SLOT), 0);
	assert_int_equal(frame_word_refs(frame_read(&world.paging.frames, pte_table_frame(entry))),
			 0);
	pw_check(&world);
	/* The other way round the kernel's stays: Linux has that cleared next. */
	assert_int_equal(pw_poke(&world, 0, root, pw_peek(root) ^ 1 << 9), 0);
	assert_int_equal(pw_poke(&world, 0, user, 0), 0);
	assert_true(pw_peek(root) & PTE_P);
}

static void test_an_ldt_is_the_same_in_both_halves_of_a_pair(void **state)
{
	const uint64_t root = loaded_pair(), user = root + PAGE_SIZE;
	const uint64_t slot = LDT_REMAP_INDEX * 8;
	const uint64_t entry = pw_frame(&world) << PAGE_SHIFT | PW_KERNEL_TABLE;
	const uint64_t other = pw_frame(&world) << PAGE_SHIFT | PW_KERNEL_TABLE;

	(void)state;
	assert_int_equal(pw_poke(&world, 0, root + slot, entry), 0);
	refuses_pair(user + slot, other);
	assert_int_equal(pw_poke(&world, 0, user + slot, entry), 0);
	refuses_pair(root + slot, other);
	assert_int_equal(pw_poke(&world, 0, root + slot, 0), 0);
	assert_int_equal(pw_peek(user + slot), 0);
}

static uint64_t pair_slot, pair_entry[2];

static int other_result;
static bool other_done;
static pthread_t other_cpu;

static void *store_to_the_users_half(void *context)
{
	uint64_t old;

	(void)context;
	other_result = paging_store(&world.paging, &world.cpu[1], pair_slot + PAGE_SIZE,
				    pw_set_value, &pair_entry[1], &old);
	__atomic_store_n(&other_done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Time enough for the other store, were it not kept waiting. */
static void store_at_the_same_time(struct paging_world *w, uint64_t gpa, uint64_t next)
{
	(void)gpa;
	(void)next;
	w->before_exchange = NULL;
	assert_int_equal(pthread_create(&other_cpu, NULL, store_to_the_users_half, NULL), 0);
	for (uint32_t i = 0; i < 100 && !__atomic_load_n(&other_done, __ATOMIC_ACQUIRE); i++)
		(void)usleep(1000);
}

static void test_two_cpus_do_not_make_the_halves_differ(void **state)
{
	(void)state;
	pair_slot = loaded_pair() + SLOT;
	pair_entry[0] = table() | PTE_NX;
	pair_entry[1] = table();
	/* Tables already: there is nothing else to wait for. */
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(pw_poke(&world, 0, pair_slot + i * PAGE_SIZE, pair_entry[i]), 0);
		assert_int_equal(pw_poke(&world, 0, pair_slot + i * PAGE_SIZE, 0), 0);
	}
	other_done = false;
	world.before_exchange = store_at_the_same_time;
	assert_int_equal(pw_poke(&world, 0, pair_slot, pair_entry[0]), 0);
	assert_int_equal(pthread_join(other_cpu, NULL), 0);
	assert_int_equal(other_result, -EPERM);
	assert_int_equal(world.last_rule, SECPOD_RULE_PT_PAIR);
	assert_int_equal(pw_peek(pair_slot), pair_entry[0]);
	assert_int_equal(pw_peek(pair_slot + PAGE_SIZE), 0);
}

static void store_to_the_kernels_half(struct paging_world *w)
{
	uint64_t old;

	(void)paging_store(&w->paging, &w->cpu[1], pair_slot, pw_set_value, &pair_entry[0], &old);
}

/* The user's root is just being made when the kernel's gets another entry. */
static void test_halves_do_not_differ_while_one_is_made(void **state)
{
	const uint64_t root = isolated_process(), user = root + PAGE_SIZE;

	(void)state;
	pair_slot = root + SLOT;
	pair_entry[0] = table() | PTE_NX;
	assert_int_equal(pw_poke(&world, 0, user + SLOT, table()), 0);
	assert_int_equal(pw_load(&world, 0, root), 0);
	world.meanwhile = store_to_the_kernels_half;
	(void)pw_load(&world, 0, user);
	world.meanwhile = NULL;
	assert_true(world.refusals[SECPOD_RULE_PT_PAIR] > 0);
	if (pw_peek(root + SLOT) & PTE_P)
		assert_int_not_equal(type_at(user), FRAME_L4);
}

static void test_isolation_has_no_third_kind(void **state)
{
	const uint64_t root = isolated_process(), page = pw_frame(&world) << PAGE_SHIFT;

	(void)state;
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_map(&world, 0, root + PAGE_SIZE, PW_VMALLOC, page | PW_KERNEL_RW, 1,
				PW_KERNEL_TABLE),
			 0);
	assert_int_equal(pw_load(&world, 0, root + PAGE_SIZE), -EPERM);
	assert_int_equal(world.last_rule, SECPOD_RULE_KERNEL_TEMPLATE);
}

/* The place where a user's root would be, were there page-table isolation. */
static void test_without_isolation_there_is_one_upper_half(void **state)
{
	const uint64_t root = two_frames(), page = pw_frame(&world) << PAGE_SHIFT;

	(void)state;
	assert_int_equal(pw_map(&world, 0, root, USER_VA, page | PW_USER_RW, 1, PW_USER_TABLE), 0);
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_map(&world, 0, root + PAGE_SIZE, PW_VMALLOC, page | PW_KERNEL_RW, 1,
				PW_KERNEL_TABLE),
			 0);
	assert_int_equal(pw_load(&world, 0, root + PAGE_SIZE), -EPERM);
	assert_int_equal(world.last_rule, SECPOD_RULE_KERNEL_TEMPLATE);
	assert_int_equal(type_at(root + PAGE_SIZE), FRAME_NONE);
}

static uint64_t process(void)
{
	const uint64_t root = pw_process(&world), page = pw_frame(&world) << PAGE_SHIFT;

	assert_int_equal(pw_map(&world, 0, root, USER_VA, page | PW_USER_RW, 1, PW_USER_TABLE), 0);
	return root;
}

/* A CPU that is reset while it runs a process holds nothing of it. */
static void test_a_cpu_forgets_all_its_roots(void **state)
{
	const uint64_t root = process();

	(void)state;
	assert_int_equal(pw_load(&world, 1, world.swapper), 0);
	assert_int_equal(pw_load(&world, 1, root), 0);
	assert_true(paging_root_known(&world.cpu[1], root));
	paging_roots_forget(&world.paging, &world.cpu[1]);
	assert_false(paging_root_known(&world.cpu[1], root));
	assert_false(paging_root_known(&world.cpu[1], world.swapper));
	pw_check(&world);
	/* The process ends on another CPU, and its memory is used again. */
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, USER_VA, 4), 0), 0);
	assert_int_equal(pw_poke(&world, 0, root + PAGE_SIZE / 2, 0x1234), 0);
	assert_int_equal(type_at(root), FRAME_NONE);
	assert_nothing_refused();
}

/* The page of a root that is over is used again while a CPU, in root mode, still keeps it. */
static void test_a_root_kept_by_a_cpu_is_waited_for(void **state)
{
	const uint64_t root = process();

	(void)state;
	assert_int_equal(pw_load(&world, 1, root), 0);
	assert_int_equal(pw_load(&world, 1, world.swapper), 0);
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, USER_VA, 4), 0), 0);
	world.trims_late = 2;
	assert_int_equal(pw_poke(&world, 0, root + PAGE_SIZE / 2, 0x1234), 0);
	assert_int_equal(world.trims, 3);
	assert_int_equal(type_at(root), FRAME_NONE);
	assert_nothing_refused();
}

/* ---- code */

static uint64_t module_page;

static uint64_t map_module(void)
{
	module_page = pw_frame(&world) << PAGE_SHIFT;
	assert_int_equal(pw_map(&world, 0, world.swapper, MODULE_VA, module_page | PW_KERNEL_RX, 1,
				PW_KERNEL_TABLE),
			 0);
	return module_page;
}

static void unmap_module(void)
{
	assert_int_equal(pw_poke(&world, 0, pw_slot(world.swapper, MODULE_VA, 1), 0), 0);
}

/* As an operand of paging_code_store(): the module goes while its code is written. */
static uint64_t unmap_and_set(void *operand, uint64_t old)
{
	if (type_at(module_page) == FRAME_CODE_DYN)
		unmap_module();
	/* Still nobody else's. */
	assert_int_equal(type_at(module_page), FRAME_CODE_DYN);
	return pw_set_value(operand, old);
}

/* A store to code that was judged with this word. */
static int write_code(uint64_t word, uint64_t gpa, paging_change change)
{
	uint64_t value = 0xcccccccccccccccc, old = 1;
	const int error = paging_code_store(&world.paging, word, gpa, change, &value, &old);

	if (!error)
		assert_int_equal(old, 0);
	return error;
}

static void test_code_is_written_only_while_it_is_code(void **state)
{
	const uint64_t page = map_module(), data = pw_frame(&world) << PAGE_SHIFT;
	const uint64_t word = word_at(page);

	(void)state;
	assert_int_equal(write_code(word, page + 8, pw_set_value), 0);
	assert_int_equal(pw_peek(page + 8), 0xcccccccccccccccc);
	assert_int_equal(write_code(word_at(PW_IMAGE_GPA), PW_IMAGE_GPA, pw_set_value), 0);
	assert_int_equal(write_code(word_at(data), data, pw_set_value), -ENOENT);
	assert_int_equal(write_code(word_at(world.swapper), world.swapper, pw_set_value), -ENOENT);
	assert_int_equal(pw_peek(data), 0);
	pw_check(&world);

	assert_int_equal(write_code(word, page, unmap_and_set), 0);
	assert_int_equal(type_at(page), FRAME_NONE);
	pw_check(&world);
	assert_int_equal(write_code(word, page, pw_set_value), -ENOENT);
}

/* Another CPU may have brought other code to the frame since the store was judged. */
static void test_other_code_is_not_written(void **state)
{
	const uint64_t page = map_module(), word = word_at(page);

	(void)state;
	unmap_module();
	assert_int_equal(pw_map(&world, 0, world.swapper, MODULE_VA + PAGE_SIZE,
				page | PW_KERNEL_RX, 1, PW_KERNEL_TABLE),
			 0);
	assert_int_equal(type_at(page), FRAME_CODE_DYN);
	assert_int_equal(write_code(word, page, pw_set_value), -EAGAIN);
	/* Of the same place, but once it was the kernel's to go on writing. */
	assert_int_equal(write_code(word_at(page) ^ FRAME_FLUID, page, pw_set_value), -EAGAIN);
	assert_int_equal(pw_peek(page), 0);
	assert_int_equal(write_code(word_at(page), page, pw_set_value), 0);
	pw_check(&world);
}

static uint32_t patched_early;

/* Another CPU patches the text that ACTIVATE is about to measure. */
static void patch_meanwhile(struct paging_world *w)
{
	(void)w;
	if (type_at(PW_IMAGE_GPA) != FRAME_CODE)
		return;
	patched_early++;
	assert_int_equal(write_code(word_at(PW_IMAGE_GPA), PW_IMAGE_GPA, pw_set_value), -EAGAIN);
}

/* What is measured would be neither what was there before a patch nor behind it. */
static void test_nothing_is_patched_before_it_is_measured(void **state)
{
	(void)state;
	pw_open(&world);
	world.meanwhile = patch_meanwhile;
	start();
	world.meanwhile = NULL;
	assert_int_not_equal(patched_early, 0);
	assert_int_equal(pw_peek(PW_IMAGE_GPA), 0);
	assert_int_equal(write_code(word_at(PW_IMAGE_GPA), PW_IMAGE_GPA, pw_set_value), 0);
}

/* ---- constants */

static void test_a_constant_page_becomes_nothing_else(void **state)
{
	const uint64_t root = process(), page = pw_frame(&world) << PAGE_SHIFT;
	struct ept_leaf leaf;

	(void)state;
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(paging_make_constant(&world.paging, page >> PAGE_SHIFT), 0);
	assert_int_equal(paging_make_constant(&world.paging, page >> PAGE_SHIFT), 0);
	assert_int_equal(
		pw_poke(&world, 0, pw_slot(root, USER_VA + SIZE_2M, 2), page | PW_USER_TABLE),
		-EPERM);
	assert_int_equal(ept_lookup(&world.ept.ept, page, &leaf), 0);
	assert_int_equal(leaf.rights, EPT_READ);
	pw_check(&world);
	assert_int_equal(paging_free_constant(&world.paging, &world.cpu[0], page >> PAGE_SHIFT), 0);
	assert_int_equal(ept_lookup(&world.ept.ept, page, &leaf), 0);
	assert_true(leaf.rights & EPT_WRITE);

	assert_int_equal(paging_free_constant(&world.paging, &world.cpu[0], page >> PAGE_SHIFT),
			 -EBUSY);
	assert_int_equal(paging_make_constant(&world.paging, root >> PAGE_SHIFT), -EBUSY);
	assert_int_equal(paging_make_constant(&world.paging, PW_DEVICE >> PAGE_SHIFT), -EFAULT);
	assert_int_equal(paging_make_constant(&world.paging, PW_FRAMES), -EFAULT);
}

#define TEST(name, open) cmocka_unit_test_setup_teardown(name, open, pw_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_isolation_has_two_kinds_of_upper_half, open_isolated),
		TEST(test_an_ldt_makes_no_other_kind_of_root, open_isolated),
		TEST(test_isolation_has_no_third_kind, open_isolated),
		TEST(test_both_halves_of_a_pair_come_and_go, open_isolated),
		TEST(test_halves_of_a_pair_do_not_differ, open_isolated),
		TEST(test_the_kernels_half_of_a_pair_executes_no_user_page, open_isolated),
		TEST(test_a_root_agrees_with_the_other_of_its_pair, open_isolated),
		TEST(test_a_root_is_where_its_kind_belongs, open_isolated),
		TEST(test_an_entry_goes_in_both_halves_of_a_pair, open_isolated),
		TEST(test_an_ldt_is_the_same_in_both_halves_of_a_pair, open_isolated),
		TEST(test_two_cpus_do_not_make_the_halves_differ, open_isolated),
		TEST(test_halves_do_not_differ_while_one_is_made, open_isolated),
		TEST(test_without_isolation_there_is_one_upper_half, open_world),
		TEST(test_a_cpu_forgets_all_its_roots, open_world),
		TEST(test_a_root_kept_by_a_cpu_is_waited_for, open_world),
		TEST(test_code_is_written_only_while_it_is_code, open_world),
		TEST(test_other_code_is_not_written, open_world),
		cmocka_unit_test_teardown(test_nothing_is_patched_before_it_is_measured,
					  pw_teardown),
		TEST(test_a_constant_page_becomes_nothing_else, open_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
