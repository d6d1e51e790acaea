/* SPDX-License-Identifier: MIT */
/*
 * Splitting a leaf, and merging a table (ept/ept_tables.c), change no translation: every leaf of every level
 * that has a table below, and every table, of 512 entries of any contents; any one entry is looked at.
 */
#include "ept/ept_tables.h"

#include "tests/proof/proof.h"

#define ATTRIBUTES (EPT_ENTRY_RIGHTS | EPT_ENTRY_TYPE)

uint64_t proof_table[EPT_ENTRIES];
static uint64_t zombies[EPT_ZOMBIE_PAGES][EPT_ZOMBIES_PER_PAGE];
static struct ept ept;

/* No page comes from or goes to the pool here. */
void *page_pool_alloc(struct page_pool *pool)
{
	(void)pool;
	prove(false, "no allocation");
	return NULL;
}

int page_pool_free(struct page_pool *pool, void *page)
{
	(void)pool, (void)page;
	prove(false, "nothing is freed before the invalidation");
	return 0;
}

/* A leaf as ept_leaf_entry() makes them: of its own gpa, or another frame of its size. */
static uint64_t any_leaf(uint32_t level)
{
	const uint64_t frame = nondet_u64() & EPT_ENTRY_ADDRESS & ~(ept_level_size(level) - 1);

	return frame | (nondet_u64() & ATTRIBUTES) | EPT_READ |
	       (level == EPT_PT ? 0 : EPT_ENTRY_LARGE);
}

static void split(uint32_t level)
{
	const uint64_t leaf = nondet_bool() ? any_leaf(level) : 0;
	const uint32_t i = (uint32_t)any_below(EPT_ENTRIES);
	uint64_t piece;

	ept_split(&ept, proof_table, leaf, level);
	piece = proof_table[i];
	if (!leaf) {
		prove(!piece, "a hole is split into holes");
		return;
	}
	prove((piece & ATTRIBUTES) == (leaf & ATTRIBUTES), "rights and type are the leaf's");
	prove((piece & EPT_ENTRY_ADDRESS) ==
		      (leaf & EPT_ENTRY_ADDRESS) + i * ept_level_size(level - 1),
	      "each piece maps its part of the frame");
	prove(!!(piece & EPT_ENTRY_LARGE) == (level - 1 != EPT_PT), "a leaf of its level");
	prove(!(piece & ~(ATTRIBUTES | EPT_ENTRY_ADDRESS | EPT_ENTRY_LARGE)), "and no other bit");
}

/* A table of any entries, which is in slot; any one of them has been changed. */
static void merge(uint32_t level)
{
	const uint64_t gpa = nondet_u64() & EPT_ENTRY_ADDRESS & ~(ept_level_size(level) - 1);
	const uint64_t reference = ept_table_entry(proof_table);
	const uint32_t i = (uint32_t)any_below(EPT_ENTRIES);
	const uint64_t room = any_below(EPT_ZOMBIE_SLOTS + 1);
	uint64_t slot = reference, entry;

	__CPROVER_havoc_object(proof_table);
	entry = proof_table[i];
	ept.features.page_1g = nondet_bool();
	ept.eager_limit = nondet_u64();
	ept.zombie[0] = zombies[0];
	ept.zombie[1] = zombies[1];
	ept.zombie_freed = any_below(EPT_ZOMBIE_SLOTS);
	ept.zombie_added = ept.zombie_freed + EPT_ZOMBIE_SLOTS - room;
	ept_merge(&ept, &slot, level, gpa, (uint32_t)any_below(EPT_ENTRIES));
	prove(proof_table[i] == entry, "other CPUs may be walking the table: it stays as it is");
	if (slot == reference) {
		prove(ept_zombie_room(&ept) == room, "a table in use does not wait to be freed");
		return;
	}
	prove(room && ept_zombie_room(&ept) == room - 1, "it waits until all have invalidated");
	if (!slot) {
		prove(!entry, "holes become a hole");
		prove(gpa < ept.eager_limit, "where a hole is what was taken away");
		return;
	}
	prove((slot & EPT_ENTRY_ADDRESS) == gpa, "the leaf maps its own address");
	prove((slot & EPT_ENTRY_LARGE) &&
		      !(slot & ~(ATTRIBUTES | EPT_ENTRY_ADDRESS | EPT_ENTRY_LARGE)),
	      "it is a leaf, and has no other bit");
	prove(level == EPT_PD || ept.features.page_1g, "of a size that this machine has");
	prove(entry == ((slot & ATTRIBUTES) | (gpa + i * ept_level_size(level - 1)) |
			(level - 1 == EPT_PT ? 0 : EPT_ENTRY_LARGE)),
	      "each entry was its part of the frame, with its rights and type");
}

int main(void)
{
	switch (any_below(4)) {
	case 0:
		split(EPT_PD);
		break;
	case 1:
		split(EPT_PDPT);
		break;
	case 2:
		merge(EPT_PD);
		break;
	default:
		merge(EPT_PDPT);
		break;
	}
	return 0;
}
