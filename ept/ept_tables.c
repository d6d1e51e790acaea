/* SPDX-License-Identifier: MIT */
#include "ept/ept_tables.h"

#include <errno.h>
#include <stddef.h>

int ept_reserve_fill(struct ept *ept, struct ept_reserve *reserve, uint64_t count)
{
	reserve->first = NULL;
	while (count-- > 0) {
		uint64_t *page = page_pool_alloc(ept->pool);

		if (!page) {
			ept_reserve_drop(ept, reserve);
			return -ENOMEM;
		}
		*page = virt_to_hpa(reserve->first);
		reserve->first = page;
	}
	return 0;
}

uint64_t *ept_reserve_take(struct ept *ept, struct ept_reserve *reserve)
{
	uint64_t *page = reserve->first;

	reserve->first = hpa_to_virt(*page);
	*page = 0;
	ept->counts.tables++;
	return page;
}

void ept_reserve_drop(struct ept *ept, struct ept_reserve *reserve)
{
	while (reserve->first) {
		uint64_t *page = reserve->first;

		reserve->first = hpa_to_virt(*page);
		page_pool_free(ept->pool, page);
	}
}

void ept_count_leaves(struct ept *ept, uint32_t level, int64_t leaves)
{
	switch (level) {
	case EPT_PT:
		ept->counts.pages_4k += (uint64_t)leaves;
		break;
	case EPT_PD:
		ept->counts.pages_2m += (uint64_t)leaves;
		break;
	default:
		ept->counts.pages_1g += (uint64_t)leaves;
		break;
	}
}

/* The release order keeps the filling of a table before the store that makes it reachable. */
static void publish(uint64_t *slot, uint64_t entry)
{
	__atomic_store_n(slot, entry, __ATOMIC_RELEASE);
}

void ept_store(struct ept *ept, uint64_t *slot, uint32_t level, uint64_t entry)
{
	if (ept_load(slot) != 0)
		ept_count_leaves(ept, level, -1);
	if (entry != 0 && !ept_is_table(entry, level))
		ept_count_leaves(ept, level, 1);
	publish(slot, entry);
}

void ept_split(struct ept *ept, uint64_t *table, uint64_t leaf, uint32_t level)
{
	uint32_t i;

	if (leaf == 0) /* the table is zero already */
		return;
	for (i = 0; i < EPT_ENTRIES; i++)
		table[i] = ept_piece(leaf, level, i);
	ept_count_leaves(ept, level - 1, EPT_ENTRIES);
}

void ept_link(struct ept *ept, uint64_t *slot, uint32_t level, const uint64_t *table)
{
	ept_store(ept, slot, level, ept_table_entry(table));
}

/* Is the table the pieces of whole? (of a hole when whole is 0) */
static bool is_split_of(const uint64_t *table, uint64_t whole, uint32_t level)
{
	uint64_t expected = ept_piece(whole, level, 0);
	uint64_t step = whole == 0 ? 0 : ept_level_size(level - 1);
	uint32_t i;

	for (i = 0; i < EPT_ENTRIES; i++, expected += step)
		if (ept_load(&table[i]) != expected)
			return false;
	return true;
}

void ept_merge(struct ept *ept, uint64_t *slot, uint32_t level, uint64_t gpa, uint32_t changed)
{
	const uint64_t *table = ept_table_of(ept_load(slot));
	uint64_t first = ept_load(&table[0]);
	uint64_t whole = 0;

	if (level == EPT_PML4)
		return;
	if (first == 0) {
		/* Above eager_limit a hole in a PDPT would read as "not mapped yet". */
		if (gpa >= ept->eager_limit)
			return;
	} else {
		whole = (first & EPT_LEAF_ATTRIBUTES) | gpa | EPT_ENTRY_LARGE;
		if (!ept_leaf_allowed(ept, level) || first != ept_piece(whole, level, 0))
			return;
	}
	/*
	 * One comparison settles the common case, a page that was just made different from its
	 * table.
	 */
	if (ept_load(&table[changed]) != ept_piece(whole, level, changed) ||
	    !is_split_of(table, whole, level) || ept_zombie_room(ept) == 0)
		return;
	if (whole != 0) {
		ept_count_leaves(ept, level - 1, -(int64_t)EPT_ENTRIES);
		ept_count_leaves(ept, level, 1);
	}
	publish(slot, whole);
	ept_zombie_add(ept, table);
}

static uint64_t *zombie_slot(const struct ept *ept, uint64_t sequence)
{
	uint64_t page = sequence / EPT_ZOMBIES_PER_PAGE % EPT_ZOMBIE_PAGES;

	return &ept->zombie[page][sequence % EPT_ZOMBIES_PER_PAGE];
}

uint64_t ept_zombie_room(const struct ept *ept)
{
	return EPT_ZOMBIE_SLOTS - (ept->zombie_added - ept->zombie_freed);
}

void ept_zombie_add(struct ept *ept, const uint64_t *table)
{
	*zombie_slot(ept, ept->zombie_added) = virt_to_hpa(table);
	ept->zombie_added++;
	ept->counts.tables--;
}

uint64_t ept_reclaim_ticket(struct ept *ept)
{
	uint64_t ticket;

	spin_lock(&ept->lock);
	ticket = ept->zombie_added;
	spin_unlock(&ept->lock);
	return ticket;
}

uint64_t ept_reclaim_until(struct ept *ept, uint64_t ticket)
{
	uint64_t freed = 0;

	spin_lock(&ept->lock);
	if (ticket > ept->zombie_added)
		ticket = ept->zombie_added;
	for (; ept->zombie_freed < ticket; ept->zombie_freed++, freed++)
		page_pool_free(ept->pool, hpa_to_virt(*zombie_slot(ept, ept->zombie_freed)));
	spin_unlock(&ept->lock);
	return freed;
}
