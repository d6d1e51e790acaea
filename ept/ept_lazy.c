/* SPDX-License-Identifier: MIT */
/*
 * Without 1 GiB pages a map of all physical address space would take a table for each GiB. So the
 * space above eager_limit, where only a few device regions are in use, is mapped by the GiB at
 * first use, and regions give way to others. Regions with a page that was protected stay.
 */
#include <errno.h>
#include <stddef.h>

#include "ept/ept_tables.h"

/* Tables an eviction can set free: one PD, all its PTs, the PDPT above it. */
#define EVICT_TABLES_MAX (EPT_ENTRIES + 2u)

static uint64_t *pml4_slot(const struct ept *ept, uint64_t gpa)
{
	return &ept->root[ept_level_index(gpa, EPT_PML4)];
}

/* The PDPT entry for gpa, NULL when there is no PDPT. */
static uint64_t *pdpt_slot(const struct ept *ept, uint64_t gpa)
{
	uint64_t entry = ept_load(pml4_slot(ept, gpa));

	return entry == 0 ? NULL : &ept_table_of(entry)[ept_level_index(gpa, EPT_PDPT)];
}

static bool is_mapped(const struct ept *ept, uint64_t gpa)
{
	const uint64_t *slot = pdpt_slot(ept, gpa);

	return slot && ept_load(slot) != 0;
}

/*
 * Map the region, which is not. coarse: see ept_typed_entry(). Result: 0, -ENOMEM (nothing
 * changed).
 */
static int map_region(struct ept *ept, uint64_t region, bool coarse)
{
	uint64_t missing_pdpt = pdpt_slot(ept, region) ? 0 : 1;
	uint64_t stop = region + SIZE_1G;
	uint64_t need = 1;
	struct ept_reserve reserve;
	uint64_t *slot, *pdpt = NULL;
	uint64_t entry;

	if (!coarse)
		need = ept_typed_need(ept, EPT_PDPT, region, stop, page_pool_left(ept->pool));
	if (ept_reserve_fill(ept, &reserve, need + missing_pdpt) != 0)
		return -ENOMEM;

	slot = pdpt_slot(ept, region);
	if (!slot) {
		pdpt = ept_reserve_take(ept, &reserve);
		slot = &pdpt[ept_level_index(region, EPT_PDPT)];
	}
	entry = ept_typed_entry(ept, &reserve, EPT_PDPT, region, stop, ept->ordinary, coarse);
	ept_store(ept, slot, EPT_PDPT, entry | EPT_ENTRY_LAZY);
	if (pdpt)
		ept_link(ept, pml4_slot(ept, region), EPT_PML4, pdpt);
	ept->lazy_count++;
	ept_reserve_drop(ept, &reserve);
	return 0;
}

/* All tables at and below the one given leave the tree, in which nothing references it any more. */
static void retire(struct ept *ept, const uint64_t *table, uint32_t level)
{
	uint32_t i;

	for (i = 0; i < EPT_ENTRIES; i++) {
		uint64_t entry = ept_load(&table[i]);

		if (ept_is_table(entry, level))
			retire(ept, ept_table_of(entry), level - 1);
		else if (entry != 0)
			ept_count_leaves(ept, level, -1);
	}
	ept_zombie_add(ept, table);
}

static void unmap_region(struct ept *ept, uint64_t region)
{
	const uint64_t *pdpt = ept_table_of(ept_load(pml4_slot(ept, region)));
	uint64_t *slot = pdpt_slot(ept, region);
	const uint64_t *pd = ept_table_of(ept_load(slot));
	uint32_t i;

	__atomic_store_n(slot, 0, __ATOMIC_RELEASE);
	retire(ept, pd, EPT_PD);
	ept->lazy_count--;

	for (i = 0; i < EPT_ENTRIES; i++)
		if (ept_load(&pdpt[i]) != 0)
			return;
	__atomic_store_n(pml4_slot(ept, region), 0, __ATOMIC_RELEASE);
	ept_zombie_add(ept, pdpt);
}

/* Unmap the next region in turn. The caller has seen that there is one. */
static void evict(struct ept *ept)
{
	uint64_t regions = ept->limit / SIZE_1G;
	uint64_t i = ept->lazy_next;

	for (;; i = (i + 1) % regions) {
		const uint64_t *slot = pdpt_slot(ept, i * SIZE_1G);

		if (!slot) {
			i |= EPT_ENTRIES - 1u; /* the last one of this PML4 entry */
			continue;
		}
		if (ept_load(slot) & EPT_ENTRY_LAZY)
			break;
	}
	unmap_region(ept, i * SIZE_1G);
	ept->lazy_next = (i + 1) % regions;
}

static int map_or_evict(struct ept *ept, uint64_t region)
{
	int result = 0;

	if (ept->lazy_count >= EPT_LAZY_MAX) {
		if (ept_zombie_room(ept) < EVICT_TABLES_MAX)
			return EPT_FLUSH_NEEDED;
		evict(ept);
		result = EPT_FLUSH_NEEDED;
	}
	if (map_region(ept, region, false) == 0)
		return result;
	/*
	 * The tables of an evicted region can be used only after the flush, so the guest has to
	 * come again.
	 */
	if (result == EPT_FLUSH_NEEDED)
		return result;
	if (ept->lazy_count > 0) {
		if (ept_zombie_room(ept) >= EVICT_TABLES_MAX)
			evict(ept);
		return EPT_FLUSH_NEEDED;
	}
	return map_region(ept, region, true);
}

int ept_map_lazy(struct ept *ept, uint64_t gpa)
{
	int result = 0;

	if (gpa < ept->eager_limit || gpa >= ept->limit)
		return -ENOENT;

	spin_lock(&ept->lock);
	if (!is_mapped(ept, gpa))
		result = map_or_evict(ept, gpa & ~(SIZE_1G - 1));
	spin_unlock(&ept->lock);
	return result;
}

int ept_lazy_map_range(struct ept *ept, uint64_t begin, uint64_t end)
{
	uint64_t region = begin & ~(SIZE_1G - 1);

	if (region < ept->eager_limit)
		region = ept->eager_limit;
	if (region >= end)
		return 0;
	/* A region takes a table at least: do not even begin with a range that is out of reach. */
	if ((end - region) / SIZE_1G > page_pool_left(ept->pool) + ept->counts.tables)
		return -ENOMEM;
	for (; region < end; region += SIZE_1G)
		if (!is_mapped(ept, region) && map_region(ept, region, false) != 0)
			return -ENOMEM;
	return 0;
}

void ept_lazy_pin(struct ept *ept, uint64_t *slot)
{
	__atomic_store_n(slot, ept_load(slot) & ~EPT_ENTRY_LAZY, __ATOMIC_RELEASE);
	ept->lazy_count--;
}
