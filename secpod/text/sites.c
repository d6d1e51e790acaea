/* SPDX-License-Identifier: MIT */
#include "secpod/text/sites.h"

#include <errno.h>
#include <string.h>

int text_init(struct text *text, struct page_pool *pool)
{
	*text = (struct text){.pool = pool};
	text->bucket = page_pool_alloc_contiguous(
		pool, TEXT_BUCKETS * sizeof(*text->bucket) / PAGE_SIZE, 1);
	return text->bucket ? 0 : -ENOMEM;
}

static struct text_site *site_of(struct text *text, uint32_t number)
{
	const uint32_t index = number - 1;

	return &text->page[index / TEXT_SITES_PER_PAGE][index % TEXT_SITES_PER_PAGE];
}

/* Sites that are near to each other share a bucket: of so many bytes. */
#define LINE 16ULL

static uint32_t *bucket_of(const struct text *text, uint64_t va)
{
	return &text->bucket[(va / LINE ^ va >> 16) % TEXT_BUCKETS];
}

struct text_site *text_site_find(struct text *text, uint64_t va)
{
	uint32_t number = *bucket_of(text, va);

	while (number) {
		struct text_site *site = site_of(text, number);

		if (site->patch.va == va)
			return site;
		number = site->next;
	}
	return NULL;
}

static bool more_sites(struct text *text)
{
	struct text_site *page;

	if (text->pages == TEXT_SITE_PAGES_MAX)
		return false;
	page = page_pool_alloc(text->pool);
	if (!page)
		return false;
	text->page[text->pages] = page;
	/* Whoever counts it without the lock finds it. */
	__atomic_store_n(&text->pages, text->pages + 1, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < TEXT_SITES_PER_PAGE; i++) {
		page[i].next = text->free;
		text->free = (text->pages - 1) * (uint32_t)TEXT_SITES_PER_PAGE + i + 1;
	}
	return true;
}

static struct text_site *add(struct text *text, uint64_t va)
{
	uint32_t *bucket = bucket_of(text, va);
	struct text_site *site;
	uint32_t number;

	if (!text->free && !more_sites(text))
		return NULL;
	number = text->free;
	site = site_of(text, number);
	text->free = site->next;
	*site = (struct text_site){.patch.va = va, .next = *bucket};
	*bucket = number;
	text->sites++;
	return site;
}

void text_site_drop(struct text *text, uint64_t va)
{
	uint32_t *link = bucket_of(text, va);

	while (*link) {
		const uint32_t number = *link;
		struct text_site *site = site_of(text, number);

		if (site->patch.va == va) {
			*link = site->next;
			*site = (struct text_site){.next = text->free};
			text->free = number;
			text->sites--;
			return;
		}
		link = &site->next;
	}
}

struct text_site *text_site_last_in(struct text *text, uint64_t begin, uint64_t end)
{
	for (uint64_t line = (end - 1) & ~(LINE - 1); line + LINE > begin; line -= LINE) {
		struct text_site *last = NULL;

		for (uint32_t number = *bucket_of(text, line); number;) {
			struct text_site *site = site_of(text, number);

			if (site->patch.va - begin < end - begin &&
			    (!last || site->patch.va > last->patch.va))
				last = site;
			number = site->next;
		}
		if (last)
			return last;
	}
	return NULL;
}

void text_sites_drop(struct text *text, uint64_t begin, uint64_t end)
{
	const struct text_site *site;

	while (text->sites && (site = text_site_last_in(text, begin, end)) != NULL)
		text_site_drop(text, site->patch.va);
}

/* Sites do not overlap: the last one that begins before the end tells. */
bool text_is_patched(struct text *text, uint64_t va, uint32_t count)
{
	const struct text_site *site = text_site_last_in(text, va - PATCH_BYTES + 1, va + count);

	return site && site->patch.va + site->patch.extent > va;
}
uint32_t text_read_around(const struct text_code *code, uint64_t va, uint8_t to[PATCH_BYTES])
{
	const size_t in_page = PAGE_SIZE - (va & ~PAGE_MASK);

	memset(to, 0, PATCH_BYTES);
	if (!code->read(code->context, va, to, PATCH_BYTES))
		return PATCH_BYTES;
	return in_page < PATCH_BYTES && !code->read(code->context, va, to, in_page)
		       ? (uint32_t)in_page
		       : 0;
}

void text_site_restore(const struct patch_site *patch, uint64_t va, uint8_t *bytes, uint64_t len)
{
	for (uint32_t i = 0; i < patch->extent; i++) {
		if (patch->va + i - va < len)
			bytes[patch->va + i - va] = patch->original[i];
	}
}

struct text_site *text_site_new(struct text *text, const struct text_code *code, uint64_t va)
{
	struct text_site *site = add(text, va);
	uint64_t end = va + PATCH_BYTES;
	const struct text_site *other;

	if (!site)
		return NULL;
	(void)text_read_around(code, va, site->patch.original);
	while ((other = text_site_last_in(text, va + 1, end)) != NULL) {
		text_site_restore(&other->patch, va, site->patch.original, PATCH_BYTES);
		end = other->patch.va;
	}
	return site;
}

/* ---- code of another origin, sites by number */

/* A site of the page before ends with it: behind it is not what has been patched there, nor what was. */
static void cut(struct patch_site *patch, uint64_t end)
{
	const uint32_t left = (uint32_t)(end - patch->va);

	memset(patch->original + left, PATCH_INT3, PATCH_BYTES - left);
	if (patch->extent > left)
		patch->extent = (uint8_t)left;
}

void text_forget(struct text *text, uint64_t va)
{
	struct text_site *site;
	uint64_t end;

	end = va &= PAGE_MASK;
	spin_lock(&text->lock);
	text_sites_drop(text, va, va + PAGE_SIZE);
	while (text->sites && (site = text_site_last_in(text, va - PATCH_BYTES + 1, end)) != NULL) {
		cut(&site->patch, va);
		end = site->patch.va;
	}
	spin_unlock(&text->lock);
}

uint32_t text_site_peek(struct text *text, uint32_t number, struct text_site *site)
{
	while (number < text->pages * (uint32_t)TEXT_SITES_PER_PAGE) {
		const struct text_site *at = site_of(text, ++number);

		if (!at->patch.va)
			continue;
		*site = *at;
		return number;
	}
	return 0;
}

uint32_t text_site_after(struct text *text, uint32_t number, struct text_site *site)
{
	uint32_t found;

	spin_lock(&text->lock);
	found = text_site_peek(text, number, site);
	spin_unlock(&text->lock);
	return found;
}
