/* SPDX-License-Identifier: MIT */
/*
 * What is asked of the list of sites (secpod/text/sites.c), with up to two of them near a place: the answers are those of a plain list,
 * as text_store.h has it.
 */
#define HAS_BORDER 0
#include "tests/proof/text_state.h"

static uint32_t bucket[TEXT_BUCKETS];
static struct text_site page[TEXT_SITES_PER_PAGE];

/* The list has the sites of text_state.h, in any order. */
static void link_site(uint32_t i)
{
	const uint64_t va = sites[i]->patch.va;
	uint32_t *first = &bucket[(va / 16 ^ va >> 16) % TEXT_BUCKETS];

	page[i] = *sites[i];
	page[i].next = 0;
	if (!va)
		return;
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
	const uint32_t len = nondet_u8() % (PATCH_BYTES + 1);

	prove(is_same(text_site_find(&text, va), last_in(va, va + 1)),
	      "the site of a place is found");
	assume(va + len <= WINDOW_VA + SITES_END && len);
	prove(is_same(text_site_last_in(&text, va, va + len), last_in(va, va + len)),
	      "the last one of a range is found");
}

static void check_patched(void)
{
	const uint32_t at = PATCH_BYTES + nondet_u8() % PATCH_BYTES;

	prove(text_is_patched(&text, WINDOW_VA + at, 1) == is_covered(at),
	      "a site's bytes are known");
}

int main(void)
{
	begin();
	check_patched();
	check_list();
	return 0;
}
