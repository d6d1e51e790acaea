/* SPDX-License-Identifier: MIT */
#include "tests/unit/text_world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POOL_PAGES 64u

struct text text;
uint8_t image[PAGES * PAGE_SIZE];

uint32_t text_world_writes;
int text_world_error;

/* The store that is under way. */
static struct {
	uint64_t va;
	const uint8_t *bytes;
	uint32_t count;
} now;

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

int text_world_write(void *context)
{
	(void)context;
	if (text_world_error)
		return text_world_error;
	memcpy(image + (now.va - BEGIN), now.bytes, now.count);
	text_world_writes++;
	return 0;
}

int text_world_store(const struct text_code *code, uint64_t va, const void *bytes, uint32_t count)
{
	now.va = va;
	now.bytes = bytes;
	now.count = count;
	return text_store(&text, code, va, bytes, count);
}

void text_world_open(uint8_t fill)
{
	text_world_writes = 0;
	text_world_error = 0;
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
