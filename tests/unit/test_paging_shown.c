/* SPDX-License-Identifier: MIT */
/* What the guest is shown of its page tables, against the frame table. */
#include <errno.h>
#include <string.h>

#include "secpod/paging/internal.h"
#include "secpod/paging/request.h"
#include "tests/unit/paging_world.h"

#define USER_VA 0x400000ULL

static struct paging_world world;
static uint64_t shown; /* gpa of the page */

static int open_world(void **state)
{
	(void)state;
	pw_start(&world);
	shown = pw_frame(&world) << PAGE_SHIFT;
	/* What was there is no bitmap. */
	memset(world.ram + shown, 0xa5, PAGE_SIZE);
	return 0;
}

static bool is_shown(uint64_t frame)
{
	return pw_peek(shown + frame / 64 * sizeof(uint64_t)) >> frame % 64 & 1;
}

/* Each bit of the page, those of no frame included. */
static void check_all(void)
{
	for (uint64_t frame = 0; frame < SECPOD_SETUP_FRAMES; frame++) {
		const bool table = frame_is_table(frame_type(&world.paging.frames, frame));

		if (is_shown(frame) != table)
			fail_msg("frame %#lx", (unsigned long)frame);
	}
}

static bool is_writable(uint64_t gpa)
{
	struct ept_leaf leaf;

	assert_int_equal(ept_lookup(&world.ept.ept, gpa, &leaf), 0);
	return leaf.rights & EPT_WRITE;
}

static uint64_t process(void)
{
	const uint64_t root = pw_process(&world);

	for (uint64_t va = USER_VA; va <= USER_VA + SIZE_1G; va += SIZE_1G)
		assert_int_equal(pw_map(&world, 0, root, va,
					pw_frame(&world) << PAGE_SHIFT | PW_USER_RW, 1,
					PW_USER_TABLE),
				 0);
	return root;
}

static void tables_are_shown_from_the_start_and_as_they_come_and_go(void **state)
{
	const uint64_t flushes = world.flushes;
	uint64_t root;

	(void)state;
	assert_int_equal(paging_request_setup(&world.paging, 0, shown), 0);
	/* Read-only before it is filled, so that no CPU goes on writing. */
	assert_true(world.flushes > flushes && !is_writable(shown));
	assert_true(is_shown(world.swapper >> PAGE_SHIFT) && !is_shown(shown >> PAGE_SHIFT));
	check_all();
	root = process();
	assert_false(is_shown(root >> PAGE_SHIFT));
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_true(is_shown(root >> PAGE_SHIFT));
	check_all();
	/* By request, and one by one. */
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(paging_request_unpin(&world.paging, &world.cpu[0], root, 0), 0);
	assert_false(is_shown(root >> PAGE_SHIFT));
	check_all();
	root = process();
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, USER_VA, 4), 0), 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	check_all();
	paging_flush(&world.paging);
	retire_sweep(&world.paging, &world.cpu[0], ~0u);
	check_all();
}

static uint64_t other_root;

/* Another CPU makes a process's tables while the page is becoming read-only. */
static void load_another(struct paging_world *w)
{
	w->meanwhile = NULL;
	assert_int_equal(pw_load(w, 1, other_root), 0);
}

static void tables_that_come_meanwhile_are_shown(void **state)
{
	(void)state;
	other_root = process();
	world.meanwhile = load_another;
	assert_int_equal(paging_request_setup(&world.paging, 0, shown), 0);
	assert_true(is_shown(other_root >> PAGE_SHIFT));
	check_all();
}

/* It is written from now on: nothing that matters may be asked for. */
static void only_ordinary_memory_is_taken(void **state)
{
	const uint64_t root = process(), constant = pw_frame(&world) << PAGE_SHIFT;
	const struct {
		const char *what;
		uint64_t index, gpa;
		int error;
	} rows[] = {
		{"no such page", world.paging.shown_pages, shown, -EINVAL},
		{"far away", UINT64_MAX, shown, -EINVAL},
		{"unaligned", 0, shown + 8, -EINVAL},
		{"frame 0", 0, 0, -EINVAL},
		{"a device", 0, PW_DEVICE, -EFAULT},
		{"behind RAM", 0, PW_FRAMES << PAGE_SHIFT, -EFAULT},
		{"the monitor's", 0, PW_SECURE_BASE, -EFAULT},
		{"wrapping", 0, ~0ULL << PAGE_SHIFT, -EFAULT},
		{"a root", 0, root, -EBUSY},
		{"the kernel's root", 0, world.swapper, -EBUSY},
		{"code", 0, PW_IMAGE_GPA, -EBUSY},
		{"the kernel's constants", 0, PW_IMAGE_GPA + PW_TEXT_PAGES * PAGE_SIZE, -EBUSY},
		{"a page like the IDT's", 0, constant, -EBUSY},
	};

	(void)state;
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(paging_make_constant(&world.paging, constant >> PAGE_SHIFT), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int error = paging_request_setup(&world.paging, rows[i].index, rows[i].gpa);

		if (error != rows[i].error)
			fail_msg("%s: %d", rows[i].what, error);
	}
	assert_true(is_writable(shown));
	assert_int_equal(pw_peek(shown), 0xa5a5a5a5a5a5a5a5);
	assert_int_equal(paging_request_setup(&world.paging, 0, shown), 0);
	/* Once, and the second page stays what it was. */
	assert_int_equal(paging_request_setup(&world.paging, 0, shown), -EBUSY);
	assert_int_equal(paging_request_setup(&world.paging, 0, pw_frame(&world) << PAGE_SHIFT),
			 -EBUSY);
	assert_true(is_writable((world.next_frame - 1) << PAGE_SHIFT));
	assert_int_equal(frame_type(&world.paging.frames, world.next_frame - 1), FRAME_NONE);
	check_all();
}

int main(void)
{
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, pw_teardown)
	const struct CMUnitTest tests[] = {
		WITH_WORLD(tables_are_shown_from_the_start_and_as_they_come_and_go),
		WITH_WORLD(tables_that_come_meanwhile_are_shown),
		WITH_WORLD(only_ordinary_memory_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
