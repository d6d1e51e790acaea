/* SPDX-License-Identifier: MIT */
/*
 * The list of sites (secpod/text/sites.c) with up to two of them near a place: what is found, made and dropped is what one would
 * have of a plain list, and a new site has kept what was measured. So it does what text_store.h has instead of it.
 */
#define HAS_BORDER 0
#include "tests/proof/text_state.h"

static uint32_t bucket[TEXT_BUCKETS];
static struct text_site page[TEXT_SITES_PER_PAGE];

void *memset(void *to, int byte, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = (uint8_t)byte;
	return to;
}

/* There is room for all. */
void *page_pool_alloc(struct page_pool *pool)
{
	(void)pool;
	prove(false, "no page is asked for");
	return NULL;
}

static int read_code(void *context, uint64_t va, uint8_t *to, size_t len)
{
	(void)context;
	prove(va == STORE_VA && len == PATCH_BYTES, "the code of a site is read");
	for (uint32_t i = 0; i < PATCH_BYTES; i++)
		to[i] = now[STORE_AT + i];
	return 0;
}

/* The list has the sites of text_state.h, in any order. */
static void link_site(uint32_t i)
{
	const uint64_t va = sites[i]->patch.va;
	uint32_t *first = &bucket[(va / 16 ^ va >> 16) % TEXT_BUCKETS];

	if (!va) {
		page[i] = (struct text_site){.next = text.free};
		text.free = i + 1;
		return;
	}
	page[i] = *sites[i];
	page[i].next = *first;
	*first = i + 1;
}

static void begin(void)
{
	begin_state();
	text.bucket = bucket;
	text.page[0] = page;
	text.pages = 1;
	text.free = SITES;
	if (nondet_bool()) {
		link_site(0);
		link_site(1);
	} else {
		link_site(1);
		link_site(0);
	}
}

/* What one has of the plain list. */
static const struct text_site *last_in(uint64_t begin_va, uint64_t end)
{
	const struct text_site *last = NULL;

	for (uint32_t i = 0; i < SITES; i++) {
		if (sites[i]->patch.va >= begin_va && sites[i]->patch.va < end &&
		    (!last || sites[i]->patch.va > last->patch.va))
			last = sites[i];
	}
	return last;
}

static bool is_same(const struct text_site *a, const struct text_site *b)
{
	const uint32_t i = (uint32_t)any_below(PATCH_BYTES);

	if (!a || !b)
		return a == b;
	return a->patch.va == b->patch.va && a->patch.extent == b->patch.extent &&
	       a->patch.original[i] == b->patch.original[i] && a->state == b->state &&
	       a->put == b->put;
}

/* Ask it as a store does. */
static void check_list(void)
{
	const uint64_t va = WINDOW_VA | nondet_u8() % SITES_END;
	const uint32_t len = nondet_u8() % (2 * PATCH_BYTES);
	uint32_t count = 0;

	for (uint32_t i = 0; i < SITES; i++)
		count += sites[i]->patch.va != 0;
	prove(text.sites == count, "sites are counted");
	prove(is_same(text_site_find(&text, va), last_in(va, va + 1)), "the site of a place is found");
	assume(va + len <= WINDOW_VA + SITES_END && len);
	prove(is_same(text_site_last_in(&text, va, va + len), last_in(va, va + len)),
	      "the last one of a range is found");
}

static void check_patched(void)
{
	const uint32_t at = PATCH_BYTES + nondet_u8() % PATCH_BYTES;

	prove(text_is_patched(&text, WINDOW_VA + at, 1) == is_covered(at), "a site's bytes are known");
}

static void drop(void)
{
	const uint64_t va = WINDOW_VA | nondet_u8() % SITES_END;
	const uint32_t len = nondet_u8() % (PATCH_BYTES + 1);

	if (len == 0)
		text_site_drop(&text, va);
	else
		text_sites_drop(&text, va, va + len);
	for (uint32_t i = 0; i < SITES; i++) {
		if (sites[i]->patch.va >= va && sites[i]->patch.va < va + (len ? len : 1))
			*sites[i] = (struct text_site){0};
	}
}

static void make(void)
{
	static const struct text_code code = {.read = read_code};
	const uint32_t byte = (uint32_t)any_below(PATCH_BYTES);
	const struct text_site *site;

	assume(!is_covered(STORE_AT));
	site = text_site_new(&text, &code, STORE_VA);
	prove(site && site->patch.va == STORE_VA && !site->patch.extent && !site->state && !site->put,
	      "a new site is of no byte yet");
	prove(is_kept(site, byte), "what was measured is kept");
	added = *site;
}

int main(void)
{
	begin();
	switch (nondet_u8() % 3) {
	case 0:
		check_patched();
		break;
	case 1:
		drop();
		break;
	default:
		make();
	}
	check_list();
	return 0;
}
