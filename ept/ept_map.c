/* SPDX-License-Identifier: MIT */
/* Building the map from the memory types, and looking into it. */
#include <errno.h>
#include <string.h>

#include "ept/ept_tables.h"

/* The level the root would be an entry of: "entry" 0 there is the whole map. */
#define EPT_WHOLE (EPT_PML4 + 1u)

/* 4-level EPT translates this many bits of a guest-physical address. */
#define EPT_ADDRESS_BITS 48u
#define PHYSICAL_BITS_MIN 32u
#define PHYSICAL_BITS_MAX 52u
/*
 * Without 1 GiB pages everything below is mapped from the start: there are RAM, APICs and firmware.
 */
#define EAGER_MIN (4 * SIZE_1G)

/* EPTP. SDM: "Extended-Page-Table Pointer (EPTP)". */
#define EPTP_WALK_WB ((uint64_t)MEMORY_WB)
#define EPTP_WALK_UC ((uint64_t)MEMORY_UC)
#define EPTP_LEVELS_4 ((EPT_PML4 - 1ULL) << 3)

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* How many entries of this level, from gpa on, lie wholly in [gpa, stop) and have one type? */
static uint64_t uniform_entries(const struct ept *ept, uint32_t level, uint64_t gpa, uint64_t stop,
				enum memory_type *type)
{
	return (mtrr_uniform_end(&ept->mtrr, gpa, stop, type) - gpa) >> ept_level_shift(level);
}

uint64_t ept_typed_need(const struct ept *ept, uint32_t level, uint64_t gpa, uint64_t stop,
			uint64_t budget)
{
	uint64_t end = min_u64(gpa + ept_level_size(level), stop);
	uint64_t need = 1;
	enum memory_type type;

	if (ept_leaf_allowed(ept, level) && uniform_entries(ept, level, gpa, end, &type) > 0)
		return 0;

	level--;
	while (gpa < end && need <= budget) {
		uint64_t alike = uniform_entries(ept, level, gpa, end, &type);

		if (alike == 0 || !ept_leaf_allowed(ept, level)) {
			alike = alike == 0 ? 1 : alike;
			need += alike * ept_typed_need(ept, level, gpa, end, budget);
		}
		gpa += alike << ept_level_shift(level);
	}
	return need;
}

uint64_t ept_typed_entry(struct ept *ept, struct ept_reserve *reserve, uint32_t level, uint64_t gpa,
			 uint64_t stop, uint64_t rights, bool coarse)
{
	uint64_t end = min_u64(gpa + ept_level_size(level), stop);
	enum memory_type type;
	uint64_t *table;
	uint32_t i = 0;

	if (ept_leaf_allowed(ept, level)) {
		bool uniform = uniform_entries(ept, level, gpa, end, &type) > 0;

		if (!uniform && coarse && level == EPT_PD) {
			ept->types_coarse = true;
			type = MEMORY_UC;
			uniform = true;
		}
		if (uniform)
			return ept_leaf_entry(gpa, level, rights, type);
	}

	table = ept_reserve_take(ept, reserve);
	level--;
	while (gpa < end) {
		uint64_t alike = uniform_entries(ept, level, gpa, end, &type);

		if (alike > 0 && ept_leaf_allowed(ept, level)) {
			/* The hot loop: a 2^46 map is 65536 entries of 1 GiB. */
			uint64_t leaf = ept_leaf_entry(gpa, level, rights, type);
			uint32_t run_end = i + (uint32_t)alike;

			for (; i < run_end; i++, leaf += ept_level_size(level))
				table[i] = leaf;
			ept_count_leaves(ept, level, (int64_t)alike);
			gpa += alike << ept_level_shift(level);
		} else {
			table[i] = ept_typed_entry(ept, reserve, level, gpa, end, rights, coarse);
			if (!ept_is_table(table[i], level))
				ept_count_leaves(ept, level, 1);
			gpa += ept_level_size(level);
			i++;
		}
	}
	return ept_table_entry(table);
}

int ept_init(struct ept *ept, struct page_pool *pool, const struct ept_features *features,
	     const struct mtrr_state *mtrr, uint64_t ram_top)
{
	struct ept_reserve reserve;
	uint64_t need;
	uint32_t i;

	if (!features->page_2m || features->physical_bits < PHYSICAL_BITS_MIN ||
	    features->physical_bits > PHYSICAL_BITS_MAX)
		return -EINVAL;

	memset(ept, 0, sizeof(*ept));
	ept->pool = pool;
	ept->features = *features;
	ept->ordinary = ept_all_rights(ept);
	ept->mtrr = *mtrr;
	ept->limit = X86_BIT(min_u64(features->physical_bits, EPT_ADDRESS_BITS));
	ept->eager_limit = ept->limit;
	if (!features->page_1g) {
		uint64_t top = ram_top > EAGER_MIN ? min_u64(ram_top, ept->limit) : EAGER_MIN;

		ept->eager_limit = (top + SIZE_1G - 1) & ~(SIZE_1G - 1);
	}

	need = ept_typed_need(ept, EPT_WHOLE, 0, ept->eager_limit, page_pool_left(pool));
	if (ept_reserve_fill(ept, &reserve, need + EPT_ZOMBIE_PAGES) != 0)
		return -ENOMEM;
	for (i = 0; i < EPT_ZOMBIE_PAGES; i++)
		ept->zombie[i] = ept_reserve_take(ept, &reserve);
	ept->counts.tables = 0; /* the ring is no table */
	ept->root = ept_table_of(ept_typed_entry(ept, &reserve, EPT_WHOLE, 0, ept->eager_limit,
						 ept->ordinary, false));
	ept_reserve_drop(ept, &reserve);
	return 0;
}

int ept_lookup(struct ept *ept, uint64_t gpa, struct ept_leaf *leaf)
{
	const uint64_t *table = ept->root;
	uint32_t level = EPT_PML4;
	uint64_t entry, size;

	if (gpa >= ept->limit)
		return -EINVAL;

	spin_lock(&ept->lock);
	entry = ept_load(&table[ept_level_index(gpa, level)]);
	while (ept_is_table(entry, level)) {
		table = ept_table_of(entry);
		level--;
		entry = ept_load(&table[ept_level_index(gpa, level)]);
	}
	spin_unlock(&ept->lock);

	/* An empty PML4 entry stands for 512 holes of the largest size a leaf has. */
	size = ept_level_size(level == EPT_PML4 ? EPT_PDPT : level);
	leaf->gpa = gpa & ~(size - 1);
	leaf->hpa = entry & EPT_ENTRY_ADDRESS;
	leaf->size = size;
	leaf->rights = (uint32_t)(entry & EPT_ENTRY_RIGHTS);
	leaf->type = ept_leaf_type(entry);
	return 0;
}

uint64_t ept_pointer(const struct ept *ept, bool walk_wb)
{
	return virt_to_hpa(ept->root) | EPTP_LEVELS_4 | (walk_wb ? EPTP_WALK_WB : EPTP_WALK_UC);
}
