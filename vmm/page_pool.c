/* SPDX-License-Identifier: MIT */
#include "vmm/page_pool.h"

#include <errno.h>
#include <string.h>

#include "vmm/addr.h"

#define BITS_PER_WORD 64u
#define BITS_PER_PAGE (PAGE_SIZE * 8)

/*
 * The bitmap at the start of the pool: bit i is set while page i is in the hands of a caller of
 * page_pool_alloc(). So a page given back twice, or one of a contiguous run, is refused, whatever
 * it contains.
 */
static uint64_t *bitmap_word(const struct page_pool *pool, uint64_t index)
{
	uint64_t *bitmap = hpa_to_virt(pool->base);

	return &bitmap[index / BITS_PER_WORD];
}

static uint64_t bitmap_bit(uint64_t index)
{
	return 1ULL << (index % BITS_PER_WORD);
}

static uint64_t page_at(const struct page_pool *pool, uint64_t index)
{
	return pool->base + index * PAGE_SIZE;
}

/* page_pool_left() reads free_count without the lock. */
static void set_free_count(struct page_pool *pool, uint64_t count)
{
	__atomic_store_n(&pool->free_count, count, __ATOMIC_RELAXED);
	if (count < pool->low_water)
		pool->low_water = count;
}

int page_pool_init(struct page_pool *pool, uint64_t base, uint64_t size)
{
	uint64_t pages = size / PAGE_SIZE;
	uint64_t bitmap_pages = (pages + BITS_PER_PAGE - 1) / BITS_PER_PAGE;

	if (base % PAGE_SIZE != 0 || size % PAGE_SIZE != 0 || base == 0 || base + size < base ||
	    pages <= bitmap_pages)
		return -EINVAL;

	memset(pool, 0, sizeof(*pool));
	pool->base = base;
	pool->pages = pages;
	pool->next_fresh = bitmap_pages;
	pool->free_count = pages - bitmap_pages;
	pool->low_water = pool->free_count;
	memset(hpa_to_virt(base), 0, bitmap_pages * PAGE_SIZE);
	return 0;
}

void *page_pool_alloc(struct page_pool *pool)
{
	uint64_t *page = NULL;

	spin_lock(&pool->lock);
	if (pool->free_list != 0) {
		page = hpa_to_virt(pool->free_list);
		pool->free_list = *page;
		*page = 0; /* the rest was scrubbed when the page came back */
	} else if (pool->next_fresh < pool->pages) {
		page = hpa_to_virt(page_at(pool, pool->next_fresh));
		pool->next_fresh++;
		memset(page, 0, PAGE_SIZE);
	}
	if (page) {
		uint64_t index = (virt_to_hpa(page) - pool->base) / PAGE_SIZE;

		*bitmap_word(pool, index) |= bitmap_bit(index);
		set_free_count(pool, pool->free_count - 1);
	}
	spin_unlock(&pool->lock);
	return page;
}

/* Put a page nobody has handed out yet on the free list. */
static void push_fresh(struct page_pool *pool, uint64_t index)
{
	uint64_t *page = hpa_to_virt(page_at(pool, index));

	memset(page, 0, PAGE_SIZE);
	*page = pool->free_list;
	pool->free_list = page_at(pool, index);
}

void *page_pool_alloc_contiguous(struct page_pool *pool, uint64_t count, uint64_t align)
{
	uint64_t align_bytes, start;
	void *run = NULL;

	if (count == 0 || align == 0 || (align & (align - 1)) != 0 ||
	    align > UINT64_MAX / PAGE_SIZE)
		return NULL;
	align_bytes = align * PAGE_SIZE;

	spin_lock(&pool->lock);
	/* The address is what is aligned, not the index: the pool may start anywhere. */
	start = page_at(pool, pool->next_fresh);
	if (start <= UINT64_MAX - (align_bytes - 1)) {
		start = ((start + align_bytes - 1) & ~(align_bytes - 1)) - pool->base;
		start /= PAGE_SIZE;
		if (start <= pool->pages && count <= pool->pages - start) {
			while (pool->next_fresh < start) /* skipped pages still serve singly */
				push_fresh(pool, pool->next_fresh++);
			pool->next_fresh = start + count;
			run = hpa_to_virt(page_at(pool, start));
			memset(run, 0, count * PAGE_SIZE);
			set_free_count(pool, pool->free_count - count);
		}
	}
	spin_unlock(&pool->lock);
	return run;
}

int page_pool_free(struct page_pool *pool, void *page)
{
	uint64_t hpa = virt_to_hpa(page);
	uint64_t index;
	int result = -EINVAL;

	if (hpa % PAGE_SIZE != 0 || !page_pool_owns(pool, hpa))
		return -EINVAL;
	index = (hpa - pool->base) / PAGE_SIZE;

	spin_lock(&pool->lock);
	if (*bitmap_word(pool, index) & bitmap_bit(index)) {
		*bitmap_word(pool, index) &= ~bitmap_bit(index);
		memset(page, 0, PAGE_SIZE);
		*(uint64_t *)page = pool->free_list;
		pool->free_list = hpa;
		set_free_count(pool, pool->free_count + 1);
		result = 0;
	}
	spin_unlock(&pool->lock);
	return result;
}

bool page_pool_owns(const struct page_pool *pool, uint64_t hpa)
{
	return hpa >= pool->base && (hpa - pool->base) / PAGE_SIZE < pool->pages;
}
