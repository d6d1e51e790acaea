/* SPDX-License-Identifier: MIT */
/*
 * The guest's 4-level paging-structure entries (5-level paging is hidden from it). SDM: "4-Level
 * Paging and 5-Level Paging".
 */
#ifndef SECPOD_SECPOD_PAGING_PTE_H
#define SECPOD_SECPOD_PAGING_PTE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/addr.h"
#include "vmm/x86.h"

#define PT_ENTRIES 512u
#define PT_LEVELS 4u
/* Entries of a root from here on map the upper half. */
#define PT_KERNEL_FIRST 256u

/* Page-table isolation remaps LDTs in this entry of the roots, process by process.
 * Documentation/arch/x86/x86_64/mm.rst: LDT remap for PTI. */
#define LDT_REMAP_INDEX 272u

/* What the CPU sets by itself. */
#define PTE_AD (PTE_A | PTE_D)

static inline uint32_t pte_shift(uint32_t level)
{
	return PAGE_SHIFT + 9u * (level - 1u);
}

/* Bytes that an entry of a table of this level maps. */
static inline uint64_t pte_span(uint32_t level)
{
	return 1ULL << pte_shift(level);
}

/* Present, and no reference to a table. */
static inline bool pte_is_leaf(uint64_t entry, uint32_t level)
{
	return (entry & PTE_P) && (level == 1 || (entry & PTE_PS));
}

static inline bool pte_is_table(uint64_t entry, uint32_t level)
{
	return (entry & PTE_P) && level > 1 && !(entry & PTE_PS);
}

/* First frame of a leaf; of a large one without the PAT bit in the address. */
static inline uint64_t pte_leaf_frame(uint64_t entry, uint32_t level)
{
	return (entry & PTE_ADDR & ~(pte_span(level) - 1)) >> PAGE_SHIFT;
}

static inline uint64_t pte_leaf_frames(uint32_t level)
{
	return pte_span(level) >> PAGE_SHIFT;
}

/*
 * What a split makes of a large leaf: the entry at index of the table that takes its place. The PAT
 * bit lies elsewhere in a 4 KiB page's entry.
 */
static inline uint64_t pte_piece(uint64_t leaf, uint32_t level, uint32_t index)
{
	const uint64_t large_pat = 1ULL << PAGE_SHIFT;
	const uint64_t address =
		(pte_leaf_frame(leaf, level) << PAGE_SHIFT) + index * pte_span(level - 1);
	uint64_t bits = leaf & ~PTE_ADDR;

	if (level == 2)
		bits = (bits & ~PTE_PS) | (leaf & large_pat ? PTE_PS : 0);
	else
		bits |= leaf & large_pat;
	return address | bits;
}

static inline uint64_t pte_table_frame(uint64_t entry)
{
	return (entry & PTE_ADDR) >> PAGE_SHIFT;
}

/* Does a supervisor fetch through this leaf work? (Entries above it can only take it away.) */
static inline bool pte_is_kernel_exec(uint64_t leaf)
{
	return !(leaf & (PTE_US | PTE_NX));
}

/* The first present entry of a table at index i or behind; PT_ENTRIES: none. Most tables are nearly empty. */
static inline uint32_t pte_next_present(const uint64_t *entry, uint32_t i)
{
	while (i < PT_ENTRIES) {
		const uint64_t *e = &entry[i];

		if (i % 8 == 0 &&
		    !((e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]) & PTE_P)) {
			i += 8;
			continue;
		}
		if (*e & PTE_P)
			return i;
		i++;
	}
	return i;
}

/* Does the entry hold a reference: to a table, or to code? */
static inline bool pte_is_reference(uint64_t entry, uint32_t level)
{
	return pte_is_table(entry, level) ||
	       (pte_is_leaf(entry, level) && pte_is_kernel_exec(entry));
}

/* The linear address with bits 63:48 as bit 47. */
static inline uint64_t pte_canonical(uint64_t va)
{
	return (uint64_t)((int64_t)(va << 16) >> 16);
}

#endif
