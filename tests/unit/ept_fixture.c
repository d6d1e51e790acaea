/* SPDX-License-Identifier: MIT */
#include "tests/unit/ept_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "ept/ept_tables.h"
#include "ept/mtrr_regs.h"

void mtrr_all_wb(struct mtrr_state *mtrr, uint32_t physical_bits)
{
	memset(mtrr, 0, sizeof(*mtrr));
	mtrr->cap = MTRRCAP_WC | MTRRCAP_FIX | 10;
	mtrr->def_type = MTRR_DEF_TYPE_E | MEMORY_WB;
	mtrr->physical_bits = physical_bits;
}

void mtrr_set_range(struct mtrr_state *mtrr, uint32_t i, uint64_t base, uint64_t size,
		    enum memory_type type)
{
	uint64_t address = (X86_BIT(mtrr->physical_bits) - 1) & PAGE_MASK;

	mtrr->variable[i].base = base | type;
	mtrr->variable[i].mask = (address & ~(size - 1)) | MTRR_PHYSMASK_VALID;
}

void mtrr_set_fixed(struct mtrr_state *mtrr, enum memory_type type)
{
	uint32_t i;

	for (i = 0; i < MTRR_FIXED_COUNT; i++)
		mtrr->fixed[i] = 0x0101010101010101ULL * type;
	mtrr->def_type |= MTRR_DEF_TYPE_FE;
}

void mtrr_pc(struct mtrr_state *mtrr, uint32_t physical_bits)
{
	mtrr_all_wb(mtrr, physical_bits);
	mtrr_set_fixed(mtrr, MEMORY_WP);
	mtrr->fixed[0] = 0x0606060606060606;
	mtrr->fixed[1] = 0x0606060606060606;
	mtrr->fixed[2] = 0;
	mtrr_set_range(mtrr, 0, 0x80000000, 0x80000000, MEMORY_UC);
}

void world_open(struct world *world, uint64_t pages, uint32_t physical_bits, uint32_t flags)
{
	uint64_t size = (pages + 1) * PAGE_SIZE; /* and the pool's own page */

	memset(world, 0, sizeof(*world));
	world->memory = aligned_alloc(PAGE_SIZE, size);
	assert_non_null(world->memory);
	memset(world->memory, 0x5a, size);
	assert_int_equal(page_pool_init(&world->pool, virt_to_hpa(world->memory), size), 0);
	assert_int_equal(page_pool_left(&world->pool), pages);
	mtrr_pc(&world->mtrr, physical_bits);
	world->features.page_2m = true;
	world->features.page_1g = (flags & WORLD_1G) != 0;
	world->features.mbec = (flags & WORLD_MBEC) != 0;
	world->features.physical_bits = physical_bits;
}

int world_map(struct world *world, uint64_t ram_top)
{
	return ept_init(&world->ept, &world->pool, &world->features, &world->mtrr, ram_top);
}

void world_close(struct world *world)
{
	free(world->memory);
	world->memory = NULL;
}

struct check {
	struct world *world;
	struct ept_counts counts;
	uint64_t lazy;
};

static void check_leaf(struct check *check, uint64_t entry, uint32_t level, uint64_t gpa)
{
	const struct ept *ept = &check->world->ept;
	uint64_t address = entry & EPT_ENTRY_ADDRESS;
	uint64_t allowed = EPT_ENTRY_ADDRESS | EPT_ENTRY_RIGHTS | EPT_ENTRY_TYPE;

	if (level > EPT_PT)
		allowed |= EPT_ENTRY_LARGE;
	assert_int_equal(entry & ~allowed, 0); /* IPAT, A, D, software bits */
	assert_int_not_equal(entry & EPT_ENTRY_RIGHTS, 0);
	assert_true(entry & EPT_READ || (!(entry & EPT_WRITE) && ept->features.exec_only));
	if (!ept->features.mbec)
		assert_int_equal(entry & EPT_EXEC_USER, 0);
	if (address != gpa) {
		assert_int_equal(level, EPT_PT);
		assert_int_equal(address, ept->dummy);
		assert_int_equal(entry & EPT_ENTRY_RIGHTS, EPT_READ);
		assert_int_equal(ept_leaf_type(entry), MEMORY_WB);
	} else if (!ept->types_coarse) {
		enum memory_type type;
		uint64_t end = gpa + ept_level_size(level);

		assert_int_equal(mtrr_uniform_end(&ept->mtrr, gpa, end, &type), end);
		assert_int_equal(ept_leaf_type(entry), type);
	}
	if (level == EPT_PT)
		check->counts.pages_4k++;
	else if (level == EPT_PD)
		check->counts.pages_2m++;
	else
		check->counts.pages_1g++;
	if (level == EPT_PDPT)
		assert_true(ept->features.page_1g);
	assert_true(level <= EPT_PDPT);
}

/* Would one larger leaf (or hole) do for the table? */
static void check_not_mergeable(struct check *check, const uint64_t *table, uint32_t level,
				uint64_t base)
{
	const struct ept *ept = &check->world->ept;
	uint64_t step = ept_level_size(level);
	uint32_t i, alike = 0;

	if (level == EPT_PML4 || level == EPT_PDPT)
		return;
	if (level == EPT_PD && !ept->features.page_1g && table[0] != 0)
		return;
	if (table[0] == 0 && base >= ept->eager_limit)
		return;
	if (table[0] != 0 && (table[0] & EPT_ENTRY_ADDRESS) != base)
		return;
	if (ept_is_table(table[0], level))
		return;
	for (i = 0; i < EPT_ENTRIES; i++)
		alike += table[i] == (table[0] == 0 ? 0 : table[0] + i * step);
	assert_int_not_equal(alike, EPT_ENTRIES);
}

static void check_table(struct check *check, const uint64_t *table, uint32_t level, uint64_t base)
{
	struct ept *ept = &check->world->ept;
	uint64_t size = ept_level_size(level);
	uint32_t i;

	assert_true(page_pool_owns(&check->world->pool, virt_to_hpa(table)));
	check->counts.tables++;
	if (ept_zombie_room(ept) > 0)
		check_not_mergeable(check, table, level, base);
	for (i = 0; i < EPT_ENTRIES; i++) {
		uint64_t entry = table[i];
		uint64_t gpa = base + i * size;

		if (entry == 0)
			continue;
		assert_true(gpa < ept->limit);
		if (!ept_is_table(entry, level)) {
			check_leaf(check, entry, level, gpa);
			continue;
		}
		if (entry & EPT_ENTRY_LAZY) {
			assert_int_equal(level, EPT_PDPT);
			assert_true(gpa >= ept->eager_limit);
			check->lazy++;
		}
		assert_int_equal(entry & ~(EPT_ENTRY_ADDRESS | EPT_ENTRY_LAZY), EPT_RWX);
		check_table(check, ept_table_of(entry), level - 1, gpa);
	}
}

void world_check(struct world *world)
{
	struct check check = {.world = world};

	check_table(&check, world->ept.root, EPT_PML4, 0);
	assert_int_equal(check.counts.tables, world->ept.counts.tables);
	assert_int_equal(check.counts.pages_4k, world->ept.counts.pages_4k);
	assert_int_equal(check.counts.pages_2m, world->ept.counts.pages_2m);
	assert_int_equal(check.counts.pages_1g, world->ept.counts.pages_1g);
	assert_int_equal(check.lazy, world->ept.lazy_count);
	assert_int_equal(world_leaked(world), 0);
}

uint64_t world_leaked(struct world *world)
{
	const struct ept *ept = &world->ept;
	uint64_t used = ept->counts.tables + EPT_ZOMBIE_PAGES + (ept->dummy != 0 ? 1 : 0) +
			(ept->zombie_added - ept->zombie_freed);

	return world->pool.pages - 1 - page_pool_left(&world->pool) - used;
}

struct ept_leaf world_lookup(struct world *world, uint64_t gpa)
{
	struct ept_leaf leaf;

	assert_int_equal(ept_lookup(&world->ept, gpa, &leaf), 0);
	assert_true(leaf.gpa <= gpa && gpa - leaf.gpa < leaf.size);
	return leaf;
}

uint64_t random_next(struct random *random)
{
	/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators). */
	uint64_t x = random->state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
	return random_next(random) % bound;
}
