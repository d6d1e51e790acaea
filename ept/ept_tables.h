/* SPDX-License-Identifier: MIT */
/*
 * The ground under ept/: table pages and entries. All functions want ept->lock held.
 *
 * A change is made in two steps: count the tables it needs and reserve them; then do it, which can
 * no longer fail. A table is filled completely before an entry that references it is stored.
 *
 * A table that leaves the tree may still be walked by CPUs that hold its address in their
 * paging-structure caches, so it keeps its contents until they have invalidated: nothing is written
 * to it, its address waits in a ring of its own (ept->zombie). When the ring is full, tables are
 * not merged.
 */
#ifndef SECPOD_EPT_EPT_TABLES_H
#define SECPOD_EPT_EPT_TABLES_H

#include "ept/ept_entry.h"

#define EPT_ZOMBIES_PER_PAGE (PAGE_SIZE / sizeof(uint64_t))
#define EPT_ZOMBIE_SLOTS (EPT_ZOMBIE_PAGES * EPT_ZOMBIES_PER_PAGE)

/*
 * Table pages set aside for one change; linked through their first words, which nobody walks yet.
 */
struct ept_reserve {
	uint64_t *first;
};

/* ept_reserve_fill - take count pages from the pool. Result: 0, or -ENOMEM with nothing taken. */
int ept_reserve_fill(struct ept *ept, struct ept_reserve *reserve, uint64_t count);

/* ept_reserve_take - one zeroed table page; the reserve holds enough by construction. */
uint64_t *ept_reserve_take(struct ept *ept, struct ept_reserve *reserve);

/* ept_reserve_drop - give back what was not used. */
void ept_reserve_drop(struct ept *ept, struct ept_reserve *reserve);

/*
 * ept_count_leaves - add (or with a negative number subtract) leaves of this level to ept->counts.
 */
void ept_count_leaves(struct ept *ept, uint32_t level, int64_t leaves);

/*
 * ept_store - replace an entry that is not a table, by anything, with one store; keeps the counts.
 */
void ept_store(struct ept *ept, uint64_t *slot, uint32_t level, uint64_t entry);

/*
 * ept_split - fill the empty table with the pieces of leaf (of this level), or of a hole. Not
 * linked yet.
 */
void ept_split(struct ept *ept, uint64_t *table, uint64_t leaf, uint32_t level);

/*
 * ept_link - store a reference to table, filled, in slot, which held the leaf or hole it was split
 * from. The pieces are counted already.
 */
void ept_link(struct ept *ept, uint64_t *slot, uint32_t level, const uint64_t *table);

/*
 * ept_merge - when the table that slot references (slot being of this level, for gpa) holds nothing
 * but the pieces of one leaf or hole, store that in its place. changed: index of an entry just
 * changed.
 */
void ept_merge(struct ept *ept, uint64_t *slot, uint32_t level, uint64_t gpa, uint32_t changed);

/* ept_zombie_room - how many more tables can wait for reclaim? */
uint64_t ept_zombie_room(const struct ept *ept);

/* ept_zombie_add - table, no longer referenced, waits for reclaim. There is room. */
void ept_zombie_add(struct ept *ept, const uint64_t *table);

/*
 * ept_typed_need - tables needed to map the whole entry of this level at gpa with the types of
 * ept->mtrr, not counting above stop. Gives up counting beyond budget (the result is then larger
 * than it).
 */
uint64_t ept_typed_need(const struct ept *ept, uint32_t level, uint64_t gpa, uint64_t stop,
			uint64_t budget);

/*
 * ept_typed_entry - that entry itself, with tables from the reserve. Not stored anywhere yet; what
 * lies below it is counted, the entry is not. coarse: use no tables below a PD; what is not uniform
 * there gets UC.
 */
uint64_t ept_typed_entry(struct ept *ept, struct ept_reserve *reserve, uint32_t level, uint64_t gpa,
			 uint64_t stop, uint64_t rights, bool coarse);

/*
 * ept_lazy_map_range - map what ept_map_lazy() has not yet mapped of [begin, end), without
 * eviction.
 * Result: 0, -ENOMEM (a part may have been mapped, which changes nothing the guest can see).
 */
int ept_lazy_map_range(struct ept *ept, uint64_t begin, uint64_t end);

/* ept_lazy_pin - the table that the PDPT entry in slot references is not to be evicted any more. */
void ept_lazy_pin(struct ept *ept, uint64_t *slot);

/* ept_all_rights - what EPT_RWX means in this map. */
static inline uint32_t ept_all_rights(const struct ept *ept)
{
	return ept->features.mbec ? EPT_RWX : EPT_RWX & ~EPT_EXEC_USER;
}

static inline uint64_t ept_load(const uint64_t *slot)
{
	return __atomic_load_n(slot, __ATOMIC_RELAXED);
}

#endif
