/* SPDX-License-Identifier: MIT */
#include "tests/unit/paging_rules.h"

#include <string.h>

#define USER_AREA 0x400000ULL

struct rules_world rules_world;

static struct paging_world *const world = &rules_world.world;

static void set_word(uint64_t gpa, uint64_t value)
{
	memcpy(world->ram + gpa, &value, sizeof(value));
}

/* As Linux has it for CPUs that start: the direct map at 0, the kernel's image. */
static void build_special(void)
{
	const uint64_t direct = pw_slot(world->swapper, PW_DIRECT, 4) % PAGE_SIZE;

	rules_world.special = pw_frame(world) << PAGE_SHIFT;
	set_word(rules_world.special, pw_peek(world->swapper + direct));
	set_word(rules_world.special + 511 * 8, pw_peek(world->swapper + 511 * 8));
}

static void open_world(bool locked)
{
	const char *failed = NULL;
	uint64_t root[2];

	memset(&rules_world, 0, sizeof(rules_world));
	pw_open(world);
	build_special();
	root[0] = world->swapper;
	root[1] = rules_world.special;
	assert_int_equal(paging_activate(&world->paging, &world->cpu[0], root, 2, &failed), 0);
	assert_null(failed);
	if (locked)
		assert_int_equal(paging_lock(&world->paging), 0);
	rules_world.process = pw_process(world);
	assert_int_equal(pw_map(world, 0, rules_world.process, USER_AREA, 0, 1, PW_USER_TABLE), 0);
	assert_int_equal(pw_load(world, 0, rules_world.process), 0);
}

int rules_open_active(void **state)
{
	(void)state;
	open_world(false);
	return 0;
}

int rules_open_locked(void **state)
{
	(void)state;
	open_world(true);
	return 0;
}

int rules_close(void **state)
{
	(void)state;
	pw_close(world);
	return 0;
}

/* An entry for another page, 2 MiB or 1 GiB behind the first address of an area each time. */
static uint64_t fresh_slot(uint64_t root, uint64_t area, uint32_t level)
{
	const uint64_t slot = pw_slot(root, area, level) + (8 + rules_world.used++) * 8;

	/* Not into the next table. */
	assert_true((slot ^ pw_slot(root, area, level)) < PAGE_SIZE);
	assert_int_equal(pw_peek(slot), 0);
	return slot;
}

uint64_t user_slot(uint32_t level)
{
	return fresh_slot(rules_world.process, USER_AREA, level);
}

uint64_t kernel_slot(uint32_t level)
{
	return fresh_slot(world->swapper, PW_VMALLOC, level);
}

uint64_t module_slot(void)
{
	return fresh_slot(world->swapper, PW_MODULES, 1);
}

uint64_t memory(void)
{
	return pw_frame(world) << PAGE_SHIFT;
}

uint64_t module_memory(void)
{
	const uint64_t gpa = memory();

	set_word(gpa, 0x90c3);
	return gpa;
}

uint64_t memory_of(enum frame_type type)
{
	const uint64_t frame = pw_frame(world);

	assert_int_equal(frame_set(&world->paging.frames, frame, FRAME_NONE, type), 0);
	assert_true(paging_protect(&world->paging, frame, type) >= 0);
	return frame << PAGE_SHIFT;
}

uint64_t memory_2m(void)
{
	const uint64_t gpa = ((world->next_frame << PAGE_SHIFT) + SIZE_2M - 1) & ~(SIZE_2M - 1);

	world->next_frame = (gpa + SIZE_2M) >> PAGE_SHIFT;
	assert_true(gpa + SIZE_2M <= PW_SECURE_BASE);
	return gpa;
}

uint64_t leaf_bit(uint32_t level)
{
	return level == 1 ? 0 : PTE_PS;
}

void admits(uint64_t slot, uint64_t value)
{
	memset(world->refusals, 0, sizeof(world->refusals));
	assert_int_equal(pw_poke(world, 0, slot, value), 0);
	assert_int_equal(pw_peek(slot), value);
	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++)
		assert_true(rule == SECPOD_RULE_CODE_NEW || world->refusals[rule] == 0);
}

void refuses(uint64_t slot, uint64_t value, uint8_t rule)
{
	const uint64_t before = pw_peek(slot);

	memset(world->refusals, 0, sizeof(world->refusals));
	assert_int_equal(pw_poke(world, 0, slot, value), -EPERM);
	assert_int_equal(world->last_rule, rule);
	assert_int_equal(world->refusals[rule], 1);
	assert_int_equal(pw_peek(slot), before);
	pw_check(world);

	world->let_pass = true;
	if (rule_of(rule)->mandatory) {
		assert_int_equal(pw_poke(world, 0, slot, value), -EPERM);
		assert_int_equal(pw_peek(slot), before);
	} else {
		assert_int_equal(pw_poke(world, 0, slot, value), 0);
		assert_int_equal(pw_peek(slot), value);
	}
	/* Asked again; where something depends on it that is done with no lock held, once more. */
	assert_in_range(world->refusals[rule], 2, 3);
	world->let_pass = false;
}
