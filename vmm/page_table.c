/* SPDX-License-Identifier: MIT */
#include "vmm/page_table.h"

#include <errno.h>
#include <stdbool.h>

#include "vmm/addr.h"

#define ENTRIES 512u
#define TOP_LEVEL 4u
#define LEVEL_4K 1u
#define LEVEL_2M 2u

/* A and D are set from the start: the CPU has no reason to write to the tables. */
#define LEAF_BITS (PTE_P | PTE_A | PTE_D)
/* Rights are decided by the leaf alone. */
#define TABLE_BITS (PTE_P | PTE_RW | PTE_A)
#define KIND_BITS (PTE_RW | PTE_NX | PTE_PCD | PTE_PWT)

static bool canonical(uint64_t va)
{
	uint64_t high = va >> 47;

	return high == 0 || high == 0x1ffff;
}

static uint32_t level_shift(uint32_t level)
{
	return PAGE_SHIFT + 9 * (level - 1);
}

static uint64_t *entry_of(uint64_t *table, uint64_t va, uint32_t level)
{
	return &table[va >> level_shift(level) & (ENTRIES - 1)];
}

static bool is_leaf(uint64_t entry, uint32_t level)
{
	return (entry & PTE_P) && (level == LEVEL_4K || (entry & PTE_PS));
}

/*
 * Down from the root towards the entry for va at level; stops early at a leaf. Missing tables are
 * made when create is set. NULL: a table is missing, or there is no memory for it.
 */
static uint64_t *walk(const struct page_table *table, uint64_t va, uint32_t level, bool create,
		      uint32_t *found)
{
	uint64_t *entry = entry_of(table->root, va, TOP_LEVEL);
	uint32_t at = TOP_LEVEL;

	while (at > level && !is_leaf(*entry, at)) {
		if (!(*entry & PTE_P)) {
			void *fresh = create ? page_pool_alloc(table->pool) : NULL;

			if (!fresh)
				return NULL;
			*entry = virt_to_hpa(fresh) | TABLE_BITS;
		}
		at--;
		entry = entry_of(hpa_to_virt(*entry & PTE_ADDR), va, at);
	}
	*found = at;
	return entry;
}

int page_table_init(struct page_table *table, struct page_pool *pool)
{
	table->pool = pool;
	table->root = page_pool_alloc(pool);
	return table->root ? 0 : -ENOMEM;
}

static int map_one(struct page_table *table, uint64_t va, uint64_t hpa, uint32_t level,
		   uint64_t kind)
{
	uint32_t found;
	uint64_t *entry = walk(table, va, level, true, &found);

	if (!entry)
		return -ENOMEM;
	if (*entry & PTE_P)
		return -EEXIST;
	*entry = hpa | kind | LEAF_BITS | (level == LEVEL_4K ? 0 : PTE_PS);
	return 0;
}

int page_table_map(struct page_table *table, uint64_t va, uint64_t hpa, uint64_t size,
		   uint64_t kind)
{
	if (((va | hpa | size) & ~PAGE_MASK) || size == 0 || va + (size - 1) < va)
		return -EINVAL;
	/*
	 * No physical range is as long as the hole between the canonical halves: both ends are in
	 * one.
	 */
	if (!range_ok(hpa, size, PTE_ADDR + PAGE_SIZE) || !canonical(va) ||
	    !canonical(va + size - 1))
		return -EINVAL;
	if ((kind & ~KIND_BITS) || ((kind & PTE_RW) && !(kind & PTE_NX)))
		return -EINVAL;

	while (size) {
		bool large = !((va | hpa) & (SIZE_2M - 1)) && size >= SIZE_2M;
		uint64_t step = large ? SIZE_2M : SIZE_4K;
		int error = map_one(table, va, hpa, large ? LEVEL_2M : LEVEL_4K, kind);

		if (error)
			return error;
		va += step;
		hpa += step;
		size -= step;
	}
	return 0;
}

/* Replace the 2 MiB leaf by a table of 4 KiB leaves with the same rights. */
static int split(struct page_table *table, uint64_t *entry)
{
	uint64_t *fresh = page_pool_alloc(table->pool);
	uint64_t leaf = *entry & ~PTE_PS;

	if (!fresh)
		return -ENOMEM;
	for (uint32_t i = 0; i < ENTRIES; i++)
		fresh[i] = leaf + i * SIZE_4K;
	*entry = virt_to_hpa(fresh) | TABLE_BITS;
	return 0;
}

int page_table_unmap(struct page_table *table, uint64_t va)
{
	uint32_t level;
	uint64_t *entry;

	if ((va & ~PAGE_MASK) || !canonical(va))
		return -EINVAL;
	entry = walk(table, va, LEVEL_4K, false, &level);
	if (!entry || !(*entry & PTE_P))
		return -ENOENT;
	if (level != LEVEL_4K) {
		int error = split(table, entry);

		if (error)
			return error;
		entry = entry_of(hpa_to_virt(*entry & PTE_ADDR), va, LEVEL_4K);
	}
	*entry = 0;
	return 0;
}

uint64_t *page_table_slot(struct page_table *table, uint64_t va)
{
	uint32_t level;
	uint64_t *entry;

	if (!canonical(va))
		return NULL;
	entry = walk(table, va, LEVEL_4K, true, &level);
	return entry && level == LEVEL_4K ? entry : NULL;
}

uint64_t page_table_lookup(const struct page_table *table, uint64_t va, uint64_t *size)
{
	uint32_t level;
	uint64_t *entry;

	if (!canonical(va))
		return 0;
	entry = walk(table, va, LEVEL_4K, false, &level);
	if (!entry || !(*entry & PTE_P))
		return 0;
	if (size)
		*size = 1ULL << level_shift(level);
	return *entry;
}
