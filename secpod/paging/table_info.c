/* SPDX-License-Identifier: MIT */
#include "secpod/paging/table_info.h"

#include <errno.h>
#include <stddef.h>

/* Numbers have 28 bits in the frame table's word. */
#define NUMBERS_MAX (1ULL << 28)

static uint64_t directory_entries(uint64_t frames)
{
	/* One more: number 0 is nobody's. */
	uint64_t numbers = frames + 1 < NUMBERS_MAX ? frames + 1 : NUMBERS_MAX;

	return (numbers + TABLE_INFO_PER_PAGE - 1) / TABLE_INFO_PER_PAGE;
}

static uint64_t directory_pages(uint64_t frames)
{
	return (directory_entries(frames) * sizeof(uint64_t) + PAGE_SIZE - 1) / PAGE_SIZE;
}

uint64_t table_infos_bytes(uint64_t frames)
{
	return directory_pages(frames) * PAGE_SIZE;
}

int table_infos_init(struct table_infos *infos, struct page_pool *pool, uint64_t frames)
{
	*infos = (struct table_infos){
		.pool = pool,
		.page = page_pool_alloc_contiguous(pool, directory_pages(frames), 1),
		.pages_max = directory_entries(frames),
	};
	return infos->page ? 0 : -ENOMEM;
}

static int add_page(struct table_infos *infos)
{
	uint64_t first = infos->pages * TABLE_INFO_PER_PAGE;
	struct table_info *page;

	if (infos->pages == infos->pages_max)
		return -ENOMEM;
	page = page_pool_alloc(infos->pool);
	if (!page)
		return -ENOMEM;
	infos->page[infos->pages++] = virt_to_hpa(page);
	for (uint64_t i = TABLE_INFO_PER_PAGE; i-- > 0;) {
		if (first + i == 0)
			break;
		page[i].next = infos->free;
		infos->free = (uint32_t)(first + i);
	}
	return 0;
}

uint32_t table_info_alloc(struct table_infos *infos, uint64_t frame)
{
	uint32_t number = 0;

	spin_lock(&infos->lock);
	if (infos->free || !add_page(infos)) {
		struct table_info *info;

		number = infos->free;
		info = table_info_of(infos, number);
		infos->free = info->next;
		info->next = 0;
		info->frame = frame;
		infos->used++;
	}
	spin_unlock(&infos->lock);
	return number;
}

void table_info_free(struct table_infos *infos, uint32_t number)
{
	struct table_info *info = table_info_of(infos, number);

	spin_lock(&infos->lock);
	info->frame = 0;
	info->va = 0;
	info->previous = 0;
	info->half = 0;
	info->judged = 0;
	info->references = 0;
	/* It has been taken off the list; retired another CPU may be looking at, as at these. */
	__atomic_store_n(&info->epoch, 0ULL, __ATOMIC_RELAXED);
	__atomic_store_n(&info->user_entries, 0u, __ATOMIC_RELAXED);
	__atomic_store_n(&info->root_kind, 0u, __ATOMIC_RELAXED);
	__atomic_store_n(&info->owner, NULL, __ATOMIC_RELAXED);
	info->next = infos->free;
	infos->free = number;
	infos->used--;
	spin_unlock(&infos->lock);
}
