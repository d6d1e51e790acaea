/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the auditor's rules share: a world with a process, a root for CPUs that start, entries
 * nobody uses yet, and the two questions.
 */
#ifndef SECPOD_TESTS_UNIT_PAGING_RULES_H
#define SECPOD_TESTS_UNIT_PAGING_RULES_H

#include <errno.h>

#include "tests/unit/paging_world.h"

struct rules_world {
	struct paging_world world;
	uint64_t process; /* root, loaded on CPU 0 */
	uint64_t special; /* root with the direct map at 0 */
	uint32_t used;	  /* entries given out by user_slot() and kernel_slot() */
};

extern struct rules_world rules_world;

/* Set-up for cmocka: the phase ACTIVE, or LOCKED. And the end, with all invariants checked. */
int rules_open_active(void **state);
int rules_open_locked(void **state);
int rules_close(void **state);

/*
 * user_slot, kernel_slot - an empty entry of a table of this level, in the lower half or among vmalloc's
 * addresses: gpa. Each call another one. module_slot: level 1, where code may come.
 */
uint64_t user_slot(uint32_t level);
uint64_t kernel_slot(uint32_t level);
uint64_t module_slot(void);

/* Frames: memory; with a module's instructions in it; memory that was made this type; 2 MiB of memory, at its first frame. gpas. */
uint64_t memory(void);
uint64_t module_memory(void);
uint64_t memory_of(enum frame_type type);
uint64_t memory_2m(void);

/* PTE_PS where a leaf of this level has it. */
uint64_t leaf_bit(uint32_t level);

/* admits - the store is made. */
void admits(uint64_t slot, uint64_t value);

/*
 * refuses - it is not, by this rule; with the answer off it is refused by a mandatory rule all the same, and
 * let pass by another one.
 */
void refuses(uint64_t slot, uint64_t value, uint8_t rule);

#define RULE_TEST(name, phase) \
	cmocka_unit_test_setup_teardown(name, rules_open_##phase, rules_close)

#endif
