/* SPDX-License-Identifier: MIT */
#include "tests/unit/text_world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POOL_PAGES 64u

struct text text;
uint8_t image[PAGES * PAGE_SIZE];

static struct page_pool pool;
static uint8_t *memory;

int read_code(void *context, uint64_t va, uint8_t *to, size_t len)
{
	(void)context;
	if (va < BEGIN || va - BEGIN + len > sizeof(image))
		return -EFAULT;
	memcpy(to, image + (va - BEGIN), len);
	return 0;
}

bool is_code(void *context, uint64_t va)
{
	(void)context;
	return va >= BEGIN && va < BEGIN + sizeof(image);
}

void text_world_open(uint8_t fill)
{
	memory = aligned_alloc(PAGE_SIZE, POOL_PAGES * PAGE_SIZE);
	if (!memory || page_pool_init(&pool, (uint64_t)(uintptr_t)memory, POOL_PAGES * PAGE_SIZE) ||
	    text_init(&text, &pool) || text_measure_begin(&text, BEGIN, sizeof(image)))
		abort();
	memset(image, fill, sizeof(image));
}

void text_world_close(void)
{
	free(memory);
}

void measure(uint32_t pages)
{
	for (uint32_t i = 0; i < pages; i++)
		text_measure(&text, BEGIN + i * PAGE_SIZE, image + i * PAGE_SIZE);
}

int verified(uint64_t va)
{
	static uint8_t page[PAGE_SIZE];

	memcpy(page, image + ((va & PAGE_MASK) - BEGIN), PAGE_SIZE);
	return text_verify(&text, va, page);
}
