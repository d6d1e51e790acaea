/* SPDX-License-Identifier: MIT */
/*
 * What the EPT tests share: a pool of ordinary memory, MTRR states, and a check of all invariants.
 */
#ifndef SECPOD_TESTS_UNIT_EPT_FIXTURE_H
#define SECPOD_TESTS_UNIT_EPT_FIXTURE_H

#include "ept/ept.h"

/* cmocka wants these before its own header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct world {
	struct page_pool pool;
	struct ept ept;
	struct mtrr_state mtrr;
	struct ept_features features;
	void *memory;
};

/* How rights read back with mode-based execute control off. */
#define RWX (EPT_READ | EPT_WRITE | EPT_EXEC)

#define WORLD_1G 1u   /* the CPU has 1 GiB pages */
#define WORLD_MBEC 2u /* mode-based execute control */

/*
 * MTRRs off the beaten track are set by the test itself; this is a machine that is WB everywhere.
 */
void mtrr_all_wb(struct mtrr_state *mtrr, uint32_t physical_bits);

/* Variable range i: base and size (a power of two) in bytes. */
void mtrr_set_range(struct mtrr_state *mtrr, uint32_t i, uint64_t base, uint64_t size,
		    enum memory_type type);

/* All eight pieces of all fixed ranges get type, and the fixed ranges are enabled. */
void mtrr_set_fixed(struct mtrr_state *mtrr, enum memory_type type);

/* The usual PC: below 640 KiB WB, VGA hole UC, ROM WP, 2 GiB to 4 GiB UC. */
void mtrr_pc(struct mtrr_state *mtrr, uint32_t physical_bits);

/*
 * A pool of this many usable pages, no map yet. features and mtrr may be changed before
 * world_map().
 */
void world_open(struct world *world, uint64_t pages, uint32_t physical_bits, uint32_t flags);
int world_map(struct world *world, uint64_t ram_top);
void world_close(struct world *world);

/* Every invariant of ept/ept.h and the counts; fails the test that is running. */
void world_check(struct world *world);

/*
 * Pages of the pool that are neither free nor accounted for by the map (0 unless something leaked).
 */
uint64_t world_leaked(struct world *world);

struct ept_leaf world_lookup(struct world *world, uint64_t gpa);

/* A small fast generator with a fixed seed: the same run everywhere. */
struct random {
	uint64_t state;
};
uint64_t random_next(struct random *random);
uint64_t random_below(struct random *random, uint64_t bound);

#endif
