/* SPDX-License-Identifier: MIT */
/*
 * The format of EPT paging-structure entries. SDM: "The Extended Page Table Mechanism (EPT)", the
 * tables of formats of EPT PML4, page-directory-pointer, page-directory and page-table entries.
 *
 *	 2:0  read, write, execute (with mode-based execute control: supervisor execute)
 *	 5:3  memory type			leaf only, zero in an entry that references a table
 *	   6  ignore PAT			leaf only; never set: the guest's PAT keeps its say
 *	   7  this entry is a leaf		PDPT and PD; zero elsewhere
 *	   8  accessed	   9  dirty		unused: EPT A/D flags are off
 *	  10  user execute			with mode-based execute control, ignored otherwise
 *	51:12 physical address of the frame or the next table
 *	  52  ignored by the CPU in an entry that references a table: EPT_ENTRY_LAZY
 *
 * An entry that is not present is all zero.
 */
#ifndef SECPOD_EPT_EPT_ENTRY_H
#define SECPOD_EPT_EPT_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "ept/ept.h"
#include "vmm/x86.h"

#define EPT_ENTRY_RIGHTS ((uint64_t)EPT_RWX)
#define EPT_ENTRY_TYPE_SHIFT 3
#define EPT_ENTRY_TYPE (X86_U64(7) << EPT_ENTRY_TYPE_SHIFT)
#define EPT_ENTRY_IPAT X86_BIT(6)
#define EPT_ENTRY_LARGE X86_BIT(7)
#define EPT_ENTRY_ACCESSED X86_BIT(8)
#define EPT_ENTRY_DIRTY X86_BIT(9)
#define EPT_ENTRY_ADDRESS X86_U64(0x000ffffffffff000)
/*
 * Ours, in a PDPT entry: the table below came from ept_map_lazy() and nothing in it was protected.
 */
#define EPT_ENTRY_LAZY X86_BIT(52)

/* What two leaves must have in common to be pieces of one larger leaf. */
#define EPT_LEAF_ATTRIBUTES (EPT_ENTRY_RIGHTS | EPT_ENTRY_TYPE)

_Static_assert(EPT_RWX == 0x407, "bits 2:0 and 10 of an entry");
_Static_assert((EPT_ENTRY_RIGHTS & (EPT_ENTRY_TYPE | EPT_ENTRY_IPAT | EPT_ENTRY_LARGE |
				    EPT_ENTRY_ACCESSED | EPT_ENTRY_DIRTY)) == 0,
	       "rights overlap no other field");
_Static_assert((EPT_ENTRY_ADDRESS & (PAGE_SIZE - 1)) == 0 && EPT_ENTRY_ADDRESS >> 52 == 0,
	       "bits 51:12");
_Static_assert((EPT_ENTRY_LAZY & (EPT_ENTRY_ADDRESS | EPT_ENTRY_RIGHTS)) == 0, "an ignored bit");
_Static_assert((uint64_t)MEMORY_WB << EPT_ENTRY_TYPE_SHIFT <= EPT_ENTRY_TYPE, "types fit bits 5:3");

/* Bits of an address that choose an entry of a table. Tests may have smaller tables (tests/unit/test_ept_small.c). */
#ifndef EPT_TABLE_BITS
#define EPT_TABLE_BITS 9u
#endif
#define EPT_ENTRIES (1u << EPT_TABLE_BITS)
_Static_assert(EPT_ENTRIES * sizeof(uint64_t) == PAGE_SIZE, "a table is a page");

/* Levels, by the table an entry lies in. */
enum ept_level { EPT_PT = 1, EPT_PD = 2, EPT_PDPT = 3, EPT_PML4 = 4 };

static inline uint32_t ept_level_shift(uint32_t level)
{
	return PAGE_SHIFT + EPT_TABLE_BITS * (level - 1u);
}

/* Bytes that one entry of a table of this level covers. */
static inline uint64_t ept_level_size(uint32_t level)
{
	return 1ULL << ept_level_shift(level);
}
_Static_assert(SIZE_2M == SIZE_4K * EPT_ENTRIES && SIZE_1G == SIZE_2M * EPT_ENTRIES &&
		       SIZE_512G == SIZE_1G * EPT_ENTRIES,
	       "nine bits a level");

static inline uint32_t ept_level_index(uint64_t gpa, uint32_t level)
{
	return (uint32_t)(gpa >> ept_level_shift(level)) & (EPT_ENTRIES - 1u);
}

/* Does entry, found in a table of this level, reference a table? */
static inline bool ept_is_table(uint64_t entry, uint32_t level)
{
	return level > EPT_PT && entry != 0 && !(entry & EPT_ENTRY_LARGE);
}

static inline uint64_t *ept_table_of(uint64_t entry)
{
	return hpa_to_virt(entry & EPT_ENTRY_ADDRESS);
}

/* All rights: what a page may do is said by its leaf alone. */
static inline uint64_t ept_table_entry(const uint64_t *table)
{
	return virt_to_hpa(table) | EPT_ENTRY_RIGHTS;
}

static inline uint64_t ept_leaf_entry(uint64_t hpa, uint32_t level, uint64_t rights,
				      enum memory_type type)
{
	return hpa | rights | (uint64_t)type << EPT_ENTRY_TYPE_SHIFT |
	       (level == EPT_PT ? 0 : EPT_ENTRY_LARGE);
}

static inline enum memory_type ept_leaf_type(uint64_t leaf)
{
	return (enum memory_type)((leaf & EPT_ENTRY_TYPE) >> EPT_ENTRY_TYPE_SHIFT);
}

/* Piece i of a leaf, or of a hole, of this level (at least EPT_PD): what its split table holds. */
static inline uint64_t ept_piece(uint64_t leaf, uint32_t level, uint32_t i)
{
	uint64_t piece;

	if (leaf == 0)
		return 0;
	piece = leaf + i * ept_level_size(level - 1);
	return level - 1 == EPT_PT ? piece & ~EPT_ENTRY_LARGE : piece;
}

/* Can this machine have a leaf at this level? */
static inline bool ept_leaf_allowed(const struct ept *ept, uint32_t level)
{
	return level == EPT_PT || level == EPT_PD || (level == EPT_PDPT && ept->features.page_1g);
}

#endif
