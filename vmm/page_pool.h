/* SPDX-License-Identifier: MIT */
/*
 * Pool of 4 KiB pages of the secure space. A page is zeroed when it is handed out and when it comes
 * back (what the monitor kept in it must not outlive its use). Safe on all CPUs; never sleeps.
 */
#ifndef SECPOD_VMM_PAGE_POOL_H
#define SECPOD_VMM_PAGE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/spinlock.h"

struct page_pool {
	struct spinlock lock;
	uint64_t base;	     /* first byte, page aligned */
	uint64_t pages;	     /* size of the pool */
	uint64_t next_fresh; /* index of the first page never handed out */
	uint64_t free_list;  /* address of the first freed page, 0: none; linked through them */
	uint64_t free_count; /* pages that can still be had */
	uint64_t low_water;  /* smallest free_count seen */
};

/* page_pool_left - pages that can still be had; a hint, since other CPUs take some as well. */
static inline uint64_t page_pool_left(const struct page_pool *pool)
{
	return __atomic_load_n(&pool->free_count, __ATOMIC_RELAXED);
}

/*
 * page_pool_init - take [base, base + size) as the pool. One page for each 128 MiB, at
 * the start, holds the pool's own record of which pages are handed out.
 * base, size: bytes, page aligned; the memory belongs to the pool from here on.
 * Result: 0, -EINVAL when the range is unaligned, wraps, starts at 0 or is too small to hold a
 * page.
 */
int page_pool_init(struct page_pool *pool, uint64_t base, uint64_t size);

/* page_pool_alloc - a zeroed page, or NULL when the pool is empty. */
void *page_pool_alloc(struct page_pool *pool);

/*
 * page_pool_alloc_contiguous - count adjacent zeroed pages, aligned to align pages (a power of
 * two), from the part never handed out. NULL when there is no such run. Not returned singly.
 */
void *page_pool_alloc_contiguous(struct page_pool *pool, uint64_t count, uint64_t align);

/*
 * page_pool_free - give one page back; it is scrubbed first.
 * Result: 0, -EINVAL when page_pool_alloc() did not hand the page out, or it was given back
 * already.
 */
int page_pool_free(struct page_pool *pool, void *page);

/* page_pool_owns - does hpa lie in this pool? */
bool page_pool_owns(const struct page_pool *pool, uint64_t hpa);

#endif
