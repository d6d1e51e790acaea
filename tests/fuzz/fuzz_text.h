/* SPDX-License-Identifier: MIT */
/* A page of kernel text that a fuzzer stores to, through the judge of secpod/text/. */
#ifndef SECPOD_TESTS_FUZZ_TEXT_H
#define SECPOD_TESTS_FUZZ_TEXT_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "secpod/text/text.h"

#define BEGIN 0xffffffff81000000ULL
#define POOL_PAGES 64u

/* The input: stores of a place, a length and bytes. */
#define STORE_BYTES 10u

static uint8_t page[PAGE_SIZE];
static const uint8_t *stored;
static uint32_t stored_count;
static uint64_t stored_at;

static void check(bool holds)
{
	if (!holds)
		abort();
}

static int read_code(void *context, uint64_t va, uint8_t *to, size_t len)
{
	(void)context;
	if (va < BEGIN || va - BEGIN + len > sizeof(page))
		return -EFAULT;
	memcpy(to, page + (va - BEGIN), len);
	return 0;
}

static int write_code(void *context)
{
	(void)context;
	memcpy(page + (stored_at - BEGIN), stored, stored_count);
	return 0;
}

/* The page as it is becomes what was measured. Result: memory to be freed at the end. */
static void *open_text(struct text *text)
{
	static struct page_pool pool;
	void *memory = aligned_alloc(PAGE_SIZE, POOL_PAGES * PAGE_SIZE);

	check(memory &&
	      !page_pool_init(&pool, (uint64_t)(uintptr_t)memory, POOL_PAGES * PAGE_SIZE));
	check(!text_init(text, &pool) && !text_measure_begin(text, BEGIN, PAGE_SIZE));
	text_measure(text, BEGIN, page);
	return memory;
}

/* One store of the input, to so many bytes behind the beginning of the page. */
static void store(struct text *text, const struct text_code *code, const uint8_t *data, uint64_t at,
		  uint32_t count)
{
	stored_at = BEGIN + at;
	stored = data + 2;
	stored_count = count;
	(void)text_store(text, code, stored_at, stored, count);
}

/* But for its sites the page is what was measured. */
static void check_page(struct text *text)
{
	uint8_t copy[PAGE_SIZE];

	memcpy(copy, page, sizeof(copy));
	check(text_verify(text, BEGIN, copy) == 0);
}

#endif
