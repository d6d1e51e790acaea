/* SPDX-License-Identifier: MIT */
/*
 * Rights. A range is walked twice with the same decisions: first to count the tables the change
 * needs, then, with those in hand, to make it.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "ept/ept_tables.h"

struct protect {
	struct ept *ept;
	struct ept_reserve reserve;
	uint64_t begin;
	uint64_t end;
	uint64_t rights;
	bool flush; /* a translation that may be cached lost a right or its frame */
};

/* SDM "EPT Misconfigurations": no write without read; execute without read only where announced. */
static bool rights_ok(const struct ept *ept, uint64_t rights)
{
	if (rights & ~EPT_ENTRY_RIGHTS)
		return false;
	if (rights & EPT_READ)
		return true;
	if (rights & EPT_WRITE)
		return false;
	return (rights & ept_all_rights(ept)) == EPT_NONE || ept->features.exec_only;
}

/* Entries of a table of this level, based at base, that the range touches: [*first, *last]. */
static void touched(const struct protect *p, uint32_t level, uint64_t base, uint32_t *first,
		    uint32_t *last)
{
	uint64_t table_end = base + (ept_level_size(level) << EPT_TABLE_BITS);

	*first = p->begin > base ? ept_level_index(p->begin, level) : 0;
	*last = p->end < table_end ? ept_level_index(p->end - 1, level) : EPT_ENTRIES - 1;
}

static bool covers(const struct protect *p, uint32_t level, uint64_t gpa)
{
	return p->begin <= gpa && gpa + ept_level_size(level) <= p->end;
}

/* Is there nothing to do for this leaf or hole? */
static bool is_done(const struct protect *p, uint64_t entry, uint64_t gpa)
{
	if (entry == 0)
		return p->rights == EPT_NONE;
	return (entry & EPT_ENTRY_RIGHTS) == p->rights && (entry & EPT_ENTRY_ADDRESS) == gpa;
}

static uint64_t need_entry(const struct protect *p, uint64_t entry, uint32_t level, uint64_t gpa)
{
	bool is_table = ept_is_table(entry, level);
	uint64_t budget = page_pool_left(p->ept->pool);
	uint64_t need = 0;
	uint32_t i, last;

	if (!is_table) {
		if (is_done(p, entry, gpa))
			return 0;
		if (covers(p, level, gpa)) {
			if (entry != 0)
				return 0;
			return ept_typed_need(p->ept, level, gpa, p->ept->limit, budget);
		}
		need = 1;
	}
	touched(p, level - 1, gpa, &i, &last);
	for (; i <= last && need <= budget; i++) {
		uint64_t child =
			is_table ? ept_load(&ept_table_of(entry)[i]) : ept_piece(entry, level, i);

		need += need_entry(p, child, level - 1, gpa + i * ept_level_size(level - 1));
	}
	return need;
}

/* What a leaf or hole that lies wholly in the range becomes. */
static uint64_t changed_entry(struct protect *p, uint64_t entry, uint32_t level, uint64_t gpa)
{
	bool own_frame = (entry & EPT_ENTRY_ADDRESS) == gpa;

	if (entry != 0 && (!own_frame || (entry & EPT_ENTRY_RIGHTS & ~p->rights) != 0))
		p->flush = true;
	if (p->rights == EPT_NONE)
		return 0;
	if (!own_frame || entry == 0)
		return ept_typed_entry(p->ept, &p->reserve, level, gpa, p->ept->limit, p->rights,
				       false);
	return (entry & ~EPT_ENTRY_RIGHTS) | p->rights;
}

static void change_table(struct protect *p, uint64_t *table, uint32_t level, uint64_t base);

static void change_entry(struct protect *p, uint64_t *slot, uint32_t level, uint64_t gpa)
{
	uint64_t entry = ept_load(slot);

	if (ept_is_table(entry, level)) {
		uint32_t first, last;

		change_table(p, ept_table_of(entry), level - 1, gpa);
		if (entry & EPT_ENTRY_LAZY) /* what is in it now matters */
			ept_lazy_pin(p->ept, slot);
		touched(p, level - 1, gpa, &first, &last);
		ept_merge(p->ept, slot, level, gpa, first);
	} else if (is_done(p, entry, gpa)) {
		return;
	} else if (covers(p, level, gpa)) {
		ept_store(p->ept, slot, level, changed_entry(p, entry, level, gpa));
	} else {
		uint64_t *table = ept_reserve_take(p->ept, &p->reserve);

		ept_split(p->ept, table, entry, level);
		change_table(p, table, level - 1, gpa);
		ept_link(p->ept, slot, level, table);
	}
}

static void change_table(struct protect *p, uint64_t *table, uint32_t level, uint64_t base)
{
	uint32_t i, last;

	touched(p, level, base, &i, &last);
	for (; i <= last; i++)
		change_entry(p, &table[i], level, base + i * ept_level_size(level));
}

/* The tables that the range needs, below the root. */
static uint64_t need_all(const struct protect *p)
{
	uint64_t budget = page_pool_left(p->ept->pool);
	uint64_t need = 0;
	uint32_t i, last;

	touched(p, EPT_PML4, 0, &i, &last);
	for (; i <= last && need <= budget; i++)
		need += need_entry(p, ept_load(&p->ept->root[i]), EPT_PML4,
				   i * ept_level_size(EPT_PML4));
	return need;
}

int ept_protect(struct ept *ept, uint64_t gpa, uint64_t size, uint32_t rights)
{
	struct protect p = {.ept = ept, .begin = gpa, .end = gpa + size};
	int result;

	if (!range_ok(gpa, size, ept->limit) || (gpa | size) % PAGE_SIZE != 0 ||
	    !rights_ok(ept, rights))
		return -EINVAL;
	p.rights = rights & ept_all_rights(ept);

	spin_lock(&ept->lock);
	result = ept_lazy_map_range(ept, gpa, p.end);
	if (result == 0)
		result = ept_reserve_fill(ept, &p.reserve, need_all(&p));
	if (result == 0) {
		change_table(&p, ept->root, EPT_PML4, 0);
		ept_reserve_drop(ept, &p.reserve);
		/* A ring half full is a reason to have the tables back, too. */
		if (p.flush || ept_zombie_room(ept) < EPT_ZOMBIE_SLOTS / 2)
			result = EPT_FLUSH_NEEDED;
	}
	spin_unlock(&ept->lock);
	return result;
}

/* Leaves with the ordinary rights get others; gpa: of the table's first entry. */
static void change_ordinary(struct ept *ept, uint64_t *table, uint32_t level, uint64_t gpa,
			    uint32_t rights)
{
	for (uint32_t i = 0; i < EPT_ENTRIES; i++, gpa += ept_level_size(level)) {
		const uint64_t entry = ept_load(&table[i]);

		if (ept_is_table(entry, level)) {
			change_ordinary(ept, ept_table_of(entry), level - 1, gpa, rights);
			ept_merge(ept, &table[i], level, gpa, 0);
		} else if ((entry & EPT_ENTRY_RIGHTS) == ept->ordinary &&
			   (entry & EPT_ENTRY_ADDRESS) == gpa) {
			ept_store(ept, &table[i], level, (entry & ~EPT_ENTRY_RIGHTS) | rights);
		}
	}
}

int ept_set_ordinary(struct ept *ept, uint32_t rights)
{
	uint32_t taken;

	if (!(rights & ept_all_rights(ept)) || !rights_ok(ept, rights))
		return -EINVAL;
	rights &= ept_all_rights(ept);
	spin_lock(&ept->lock);
	taken = ept->ordinary & ~rights;
	if (rights != ept->ordinary) {
		change_ordinary(ept, ept->root, EPT_PML4, 0, rights);
		ept->ordinary = rights;
	}
	spin_unlock(&ept->lock);
	return taken ? EPT_FLUSH_NEEDED : 0;
}

/* The frame of all ones, made at first use. */
static int dummy_get(struct ept *ept)
{
	void *page;

	if (ept->dummy != 0)
		return 0;
	page = page_pool_alloc(ept->pool);
	if (!page)
		return -ENOMEM;
	memset(page, 0xff, PAGE_SIZE);
	ept->dummy = virt_to_hpa(page);
	return 0;
}

/*
 * The tables missing on the way to the hole at gpa. *slot and *level become the entry where the
 * walk ended.
 * Result: their number, or -EINVAL when the page is mapped.
 */
static int dummy_walk(struct ept *ept, uint64_t gpa, uint64_t **slot, uint32_t *level)
{
	uint64_t *table = ept->root;

	for (*level = EPT_PML4;; (*level)--) {
		uint64_t entry;

		*slot = &table[ept_level_index(gpa, *level)];
		entry = ept_load(*slot);
		if (!ept_is_table(entry, *level))
			return entry == 0 ? (int)(*level - EPT_PT) : -EINVAL;
		table = ept_table_of(entry);
	}
}

int ept_map_dummy(struct ept *ept, uint64_t gpa)
{
	struct ept_reserve reserve = {NULL};
	uint64_t *slot, *page;
	uint64_t entry;
	uint32_t level;
	int need, result;

	/* Holes above eager_limit are pages nobody has used yet, not pages that were taken away. */
	if (gpa % PAGE_SIZE != 0 || gpa >= ept->eager_limit)
		return -EINVAL;

	spin_lock(&ept->lock);
	need = dummy_walk(ept, gpa, &slot, &level);
	if (need < 0) {
		/* Another CPU was first with the same page: as good as done. */
		result = level == EPT_PT && (ept_load(slot) & EPT_ENTRY_ADDRESS) == ept->dummy &&
					 ept->dummy != 0
				 ? 0
				 : -EINVAL;
		goto out;
	}
	result = dummy_get(ept);
	if (result == 0)
		result = ept_reserve_fill(ept, &reserve, (uint64_t)need);
	if (result != 0)
		goto out;

	entry = ept_leaf_entry(ept->dummy, EPT_PT, EPT_READ, MEMORY_WB);
	/* From the bottom up, so that the store into the tree comes last. */
	if (level > EPT_PT)
		ept_count_leaves(ept, EPT_PT, 1);
	for (need = EPT_PT; need < (int)level; need++) {
		page = ept_reserve_take(ept, &reserve);
		page[ept_level_index(gpa, (uint32_t)need)] = entry;
		entry = ept_table_entry(page);
	}
	ept_store(ept, slot, level, entry);
out:
	spin_unlock(&ept->lock);
	return result;
}
