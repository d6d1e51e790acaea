/* SPDX-License-Identifier: MIT */
/*
 * Memory types that follow the MTRRs. The map is walked side by side with the old and the new
 * types, and whatever has the same type in both is stepped over in whole runs.
 */
#include <errno.h>

#include "ept/ept_tables.h"

/*
 * The guest can ask for any number of splits by writing MTRRs. This many pages (or an eighth of a
 * small pool) are left for changes that the monitor itself needs.
 */
#define TYPE_POOL_LEAVE 64u

struct run {
	const struct mtrr_state *mtrr;
	uint64_t end;
	enum memory_type type;
};

struct retype {
	struct ept *ept;
	struct run before;
	struct run after;
	bool all;    /* a former change left leaves without their right type: step over nothing */
	bool coarse; /* this one does */
	bool flush;
};

/* Bring the run up to gpa; the walk only goes upwards. */
static void advance(const struct ept *ept, struct run *run, uint64_t gpa)
{
	if (gpa >= run->end)
		run->end = mtrr_uniform_end(run->mtrr, gpa, ept->limit, &run->type);
}

static void set_type(struct retype *r, uint64_t *slot, uint32_t level, enum memory_type type)
{
	uint64_t entry = ept_load(slot);

	if (ept_leaf_type(entry) == type)
		return;
	entry &= ~EPT_ENTRY_TYPE;
	entry |= (uint64_t)type << EPT_ENTRY_TYPE_SHIFT;
	ept_store(r->ept, slot, level, entry);
	r->flush = true;
}

static bool may_split(const struct ept *ept)
{
	uint64_t leave = ept->pool->pages / 8;

	if (leave > TYPE_POOL_LEAVE)
		leave = TYPE_POOL_LEAVE;
	return page_pool_left(ept->pool) > leave;
}

static void retype_table(struct retype *r, uint64_t *table, uint32_t level, uint64_t base);

static void retype_entry(struct retype *r, uint64_t *slot, uint32_t level, uint64_t gpa)
{
	uint64_t entry = ept_load(slot);
	struct ept_reserve reserve;

	if (entry == 0)
		return;
	if (ept_is_table(entry, level)) {
		retype_table(r, ept_table_of(entry), level - 1, gpa);
		ept_merge(r->ept, slot, level, gpa, 0);
		return;
	}
	if ((entry & EPT_ENTRY_ADDRESS) != gpa) /* the dummy frame is memory of the monitor: WB */
		return;
	if (r->after.end - gpa >= ept_level_size(level)) {
		set_type(r, slot, level, r->after.type);
	} else if (may_split(r->ept) && ept_reserve_fill(r->ept, &reserve, 1) == 0) {
		uint64_t *table = ept_reserve_take(r->ept, &reserve);

		ept_split(r->ept, table, entry, level);
		retype_table(r, table, level - 1, gpa);
		ept_link(r->ept, slot, level, table);
	} else {
		set_type(r, slot, level, MEMORY_UC);
		r->coarse = true;
	}
}

static void retype_table(struct retype *r, uint64_t *table, uint32_t level, uint64_t base)
{
	uint64_t size = ept_level_size(level);
	uint32_t i = 0;

	while (i < EPT_ENTRIES) {
		uint64_t gpa = base + i * size;
		uint64_t end;

		if (gpa >= r->ept->limit)
			return;
		advance(r->ept, &r->before, gpa);
		advance(r->ept, &r->after, gpa);
		end = r->before.end < r->after.end ? r->before.end : r->after.end;
		if (!r->all && r->before.type == r->after.type && end - gpa >= size) {
			uint64_t same = (end - gpa) >> ept_level_shift(level);

			if (same >= EPT_ENTRIES - i)
				return;
			i += (uint32_t)same;
			continue;
		}
		retype_entry(r, &table[i], level, gpa);
		i++;
	}
}

int ept_set_mtrr(struct ept *ept, const struct mtrr_state *mtrr)
{
	struct retype r = {.ept = ept, .before = {.mtrr = &ept->mtrr}, .after = {.mtrr = mtrr}};
	int result = 0;

	spin_lock(&ept->lock);
	r.all = ept->types_coarse;
	if (r.all || !mtrr_same_map(&ept->mtrr, mtrr)) {
		retype_table(&r, ept->root, EPT_PML4, 0);
		ept->types_coarse = r.coarse;
		if (r.coarse)
			result = -ENOMEM;
		else if (r.flush)
			result = EPT_FLUSH_NEEDED;
	}
	ept->mtrr = *mtrr;
	spin_unlock(&ept->lock);
	return result;
}
