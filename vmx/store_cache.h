/* SPDX-License-Identifier: MIT */
/*
 * Store instructions of the kernel's locked text, as a CPU has decoded them before: the few that
 * write page tables come again and again. A line says what the bytes at its RIP were. Only where those
 * cannot change behind our back is one kept: in text that the guest can neither write nor map
 * elsewhere; what is written there in the guest's place raises the generation of its page, and older lines
 * are void. Even a wrong line could do no more than the guest may: the store is judged all the same.
 */
#ifndef SECPOD_VMX_STORE_CACHE_H
#define SECPOD_VMX_STORE_CACHE_H

#include <stdint.h>

#include "vmm/addr.h"
#include "vmx/store_decode.h"

#define STORE_CACHE_LINES 64u

struct store_cache_line {
	uint64_t rip;	     /* 0: empty */
	uint64_t generation; /* of its page, when it was decoded */
	struct store_insn insn;
};

/* Of one CPU, so that nobody waits for it. */
struct store_cache {
	struct store_cache_line line[STORE_CACHE_LINES];
};
_Static_assert(sizeof(struct store_cache) <= PAGE_SIZE, "a page for each CPU");

/* How often the monitor has changed code in the guest's place. Pages that share a generation lose lines together. */
#define STORE_CACHE_GENERATIONS 64u

struct store_cache_generations {
	uint64_t of_page[STORE_CACHE_GENERATIONS];
};

/* store_cache_generation - of the page of code that is executed at va */
static inline uint64_t *store_cache_generation(struct store_cache_generations *generations,
					       uint64_t va)
{
	return &generations->of_page[(va >> PAGE_SHIFT) % STORE_CACHE_GENERATIONS];
}

/* store_cache_line - the only line that can have the instruction at rip. */
static inline struct store_cache_line *store_cache_line(struct store_cache *cache, uint64_t rip)
{
	return &cache->line[(rip ^ rip >> 6) % STORE_CACHE_LINES];
}

#endif
