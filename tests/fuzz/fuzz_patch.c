/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: stores to a page of kernel text, as one who has got at Linux's way of patching would send
 * them. Whatever comes, the page is what was measured but for its sites; no two of them overlap; and each
 * that is not open is its original or a form of the table whose target is code.
 */
#include "secpod/text/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BEGIN 0xffffffff81000000ULL
#define POOL_PAGES 64u

/* The input: stores of a place, a length and bytes. */
#define STORE_BYTES 10u

static uint8_t page[PAGE_SIZE];
static const uint8_t *stored;
static uint32_t stored_count;
static uint64_t stored_at;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

static bool is_code(void *context, uint64_t va)
{
	(void)context;
	return va >= BEGIN && va < BEGIN + sizeof(page);
}

static const struct text_code code = {read_code, write_code, is_code, NULL};
static const struct patch_targets targets = {is_code, NULL};

static void check_site(const struct text_site *site, uint8_t *covered)
{
	const uint64_t at = site->patch.va - BEGIN;
	uint8_t now[PATCH_BYTES] = {0};
	uint32_t extent = site->patch.extent;

	memcpy(now, page + at, at + sizeof(now) <= PAGE_SIZE ? sizeof(now) : PAGE_SIZE - at);
	check(patch_judge(&site->patch, now, &extent, &targets) == (enum patch_state)site->state);
	check(extent == site->patch.extent && at + extent <= PAGE_SIZE);
	for (uint32_t i = 0; i < extent; i++)
		check(covered[at + i]++ == 0);
}

static void check_all(struct text *text)
{
	uint8_t copy[PAGE_SIZE], covered[PAGE_SIZE] = {0};
	struct text_site site;
	uint32_t number = 0, count = 0;

	while ((number = text_site_after(text, number, &site)) != 0) {
		check_site(&site, covered);
		count++;
	}
	check(count == text->sites);
	memcpy(copy, page, sizeof(copy));
	check(text_verify(text, BEGIN, copy) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct text text;
	struct page_pool pool;
	void *memory = aligned_alloc(PAGE_SIZE, POOL_PAGES * PAGE_SIZE);

	check(memory &&
	      !page_pool_init(&pool, (uint64_t)(uintptr_t)memory, POOL_PAGES * PAGE_SIZE));
	check(!text_init(&text, &pool) && !text_measure_begin(&text, BEGIN, PAGE_SIZE));
	/* Code of several kinds at either end of the page, so that all is within a few bytes. */
	memset(page, 0x48, sizeof(page));
	memcpy(page + 8, "\x0f\x1f\x44\x00\x00\xf0\x0f\xb1\x0f\x66\x90\xc3\xcc\xcc\xcc\xcc", 16);
	memcpy(page + PAGE_SIZE - 5, "\xe8\x00\xf0\xff\xff", 5);
	text_measure(&text, BEGIN, page);
	for (; size >= STORE_BYTES; data += STORE_BYTES, size -= STORE_BYTES) {
		const uint32_t count = 1 + data[1] % 8;
		const uint64_t at =
			data[0] & 0x80 ? PAGE_SIZE - count - (data[0] & 0x1fu) : data[0] & 0x1fu;

		stored_at = BEGIN + at;
		stored = data + 2;
		stored_count = count;
		(void)text_store(&text, &code, stored_at, stored, count);
	}
	check_all(&text);
	free(memory);
	return 0;
}
