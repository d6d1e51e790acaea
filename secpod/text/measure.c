/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "secpod/text/sites.h"

int text_measure_begin(struct text *text, uint64_t begin, uint64_t bytes)
{
	const uint64_t size = bytes / PAGE_SIZE * sizeof(*text->digest);

	if (!bytes || (begin | bytes) % PAGE_SIZE)
		return -EINVAL;
	text->digest =
		page_pool_alloc_contiguous(text->pool, (size + PAGE_SIZE - 1) / PAGE_SIZE, 1);
	if (!text->digest)
		return -ENOMEM;
	text->begin = begin;
	text->bytes = bytes;
	return 0;
}

static uint8_t *digest_of(const struct text *text, uint64_t va)
{
	return va - text->begin < text->bytes ? text->digest[(va - text->begin) / PAGE_SIZE] : NULL;
}

void text_measure(struct text *text, uint64_t va, const void *page)
{
	uint8_t *digest = digest_of(text, va);

	if (!digest)
		return;
	sha256(page, PAGE_SIZE, digest);
	text->stats.measured++;
}

int text_verify(struct text *text, uint64_t va, uint8_t *page)
{
	static const uint8_t none[SHA256_BYTES];
	const uint8_t *digest = digest_of(text, va &= PAGE_MASK);
	uint64_t end = va + PAGE_SIZE;
	const struct text_site *site;
	uint8_t now[SHA256_BYTES];

	if (!digest || !memcmp(digest, none, sizeof(none)))
		return -ENOENT;
	spin_lock(&text->lock);
	while ((site = text_site_last_in(text, va - PATCH_BYTES, end)) != NULL) {
		text_site_restore(&site->patch, va, page, PAGE_SIZE);
		end = site->patch.va;
	}
	spin_unlock(&text->lock);
	sha256(page, PAGE_SIZE, now);
	return memcmp(now, digest, sizeof(now)) ? -EACCES : 0;
}
