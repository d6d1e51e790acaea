/* SPDX-License-Identifier: MIT */
#include "boot/paging.h"

#define ENTRY_PRESENT (1ull << 0)
#define ENTRY_PAGE_SIZE (1ull << 7)
#define ENTRY_EXECUTE_DISABLE (1ull << 63)
#define ENTRY_ADDRESS 0x000ffffffffff000ull

#define PAGE_BITS 12u
#define INDEX_BITS 9u
#define INDEX_MASK ((1ull << INDEX_BITS) - 1)
/* Levels count from 0, the page table; entries that map a page instead: 2 MiB and 1 GiB. */
#define LEVEL_HIGHEST_PAGE 2u
#define LEVELS_4 4u
#define LEVELS_5 5u

static unsigned int shift_of(unsigned int level)
{
	return PAGE_BITS + level * INDEX_BITS;
}

/* Bytes of the page that maps address, 0 when there is none or it is not executable. */
static uint64_t executable_page(uint64_t cr3, unsigned int levels, uint64_t address)
{
	const uint64_t *table = (const uint64_t *)(uintptr_t)(cr3 & ENTRY_ADDRESS);

	for (unsigned int level = levels; level-- != 0;) {
		uint64_t entry = table[address >> shift_of(level) & INDEX_MASK];

		if (!(entry & ENTRY_PRESENT) || (entry & ENTRY_EXECUTE_DISABLE))
			return 0;
		if (level == 0 || (level <= LEVEL_HIGHEST_PAGE && (entry & ENTRY_PAGE_SIZE)))
			return 1ull << shift_of(level);
		table = (const uint64_t *)(uintptr_t)(entry & ENTRY_ADDRESS);
	}
	return 0;
}

bool paging_executable(uint64_t cr3, bool five_levels, uint64_t base, uint64_t size)
{
	uint64_t last = base + size - 1;

	for (;;) {
		uint64_t page = executable_page(cr3, five_levels ? LEVELS_5 : LEVELS_4, base);

		if (page == 0)
			return false;
		/* The last byte of this page. */
		base |= page - 1;
		if (base >= last)
			return true;
		base++;
	}
}
