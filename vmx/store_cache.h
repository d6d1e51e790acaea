/* SPDX-License-Identifier: MIT */
/*
 * Store instructions of the kernel's locked text, as a CPU has decoded them before: the few that
 * write page tables come again and again. A line says what the bytes at its RIP were. Only where those
 * cannot change behind our back is one kept: in text that the guest can neither write nor map
 * elsewhere; what is written there in the guest's place raises the generation, and all older lines
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
	uint64_t generation; /* of the text, when it was decoded */
	struct store_insn insn;
};

/* Of one CPU, so that nobody waits for it. */
struct store_cache {
	struct store_cache_line line[STORE_CACHE_LINES];
};
_Static_assert(sizeof(struct store_cache) <= PAGE_SIZE, "a page for each CPU");

/* store_cache_line - the only line that can have the instruction at rip. */
static inline struct store_cache_line *store_cache_line(struct store_cache *cache, uint64_t rip)
{
	return &cache->line[(rip ^ rip >> 6) % STORE_CACHE_LINES];
}

#endif
