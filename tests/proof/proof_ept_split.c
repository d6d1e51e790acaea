/* SPDX-License-Identifier: MIT */
/*
 * Splitting a leaf (ept/ept_tables.c) changes no translation: every leaf of every level that has a table
 * below, a whole table of 512 entries; any one page is looked at.
 */
#include "ept/ept_tables.h"

#include "tests/proof/proof.h"

#define ATTRIBUTES (EPT_ENTRY_RIGHTS | EPT_ENTRY_TYPE)

uint64_t proof_table[EPT_ENTRIES];
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

int main(void)
{
	if (nondet_bool())
		split(EPT_PD);
	else
		split(EPT_PDPT);
	return 0;
}
