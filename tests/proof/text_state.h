/* SPDX-License-Identifier: MIT */
/*
 * A piece of kernel code with a few sites, for the proofs about secpod/text/: all that is within reach of a store at
 * STORE_VA. What was measured does not change; what is kept of it is the invariant. HAS_BORDER: code may begin or end there.
 */
#ifndef SECPOD_TESTS_PROOF_TEXT_STATE_H
#define SECPOD_TESTS_PROOF_TEXT_STATE_H

#include <errno.h>
#include <string.h>

#include "secpod/text/sites.h"
#include "tests/proof/proof.h"

/* A store asks about sites that begin less than 2 * PATCH_BYTES before it, or PATCH_BYTES behind. */
#define WINDOW (4 * PATCH_BYTES)
#define STORE_AT (2 * PATCH_BYTES)
#define SITES_END (3 * PATCH_BYTES)
#define WINDOW_VA 0xffffffff81000000ULL
#define STORE_VA (WINDOW_VA + STORE_AT)

/* Those that there are, and room for one more. */
#define SITES_BEFORE 2u
#define SITES (SITES_BEFORE + 1)

static struct text text;
static uint8_t measured[WINDOW], now[WINDOW];
static uint32_t border; /* of two pages: code of the window begins there */
static bool ends;	/* or ends */
static struct text_site site0, site1, added;
static struct text_site *const sites[SITES] = {&site0, &site1, &added};

/* ---- the code */

static bool is_readable(uint32_t at, uint32_t len)
{
	return at < WINDOW && len <= WINDOW - at && (ends ? at + len <= border : at >= border);
}

/* Of an address in the window. */
static uint32_t at_of(uint64_t va)
{
	return (uint32_t)va % WINDOW;
}

/* ---- the invariant */

/* Is byte at of the window in the site? */
static bool covers(const struct text_site *site, uint32_t at)
{
	return site->patch.va && at - at_of(site->patch.va) < site->patch.extent;
}

static bool is_covered(uint32_t at)
{
	bool covered = false;

	for (uint32_t i = 0; i < SITES; i++)
		covered |= covers(sites[i], at);
	return covered;
}

static bool overlap(const struct text_site *a, const struct text_site *b)
{
	return a->patch.va && b->patch.va && a->patch.va < b->patch.va + b->patch.extent &&
	       b->patch.va < a->patch.va + a->patch.extent;
}

/* What is so of each site by itself. original[]: is_kept(). */
static bool is_sound(const struct text_site *site)
{
	const uint32_t at = at_of(site->patch.va);

	if (!site->patch.va)
		return true;
	return at < SITES_END && site->patch.extent >= 1 && site->patch.extent <= PATCH_BYTES &&
	       is_readable(at, site->patch.extent) && site->state >= PATCH_OPEN &&
	       site->state < PATCH_STATES && site->state != PATCH_ORIGINAL &&
	       (site->state == PATCH_OPEN) == (now[at] == PATCH_INT3);
}

/* Byte i of what the site was: as measured, where there is code. */
static bool is_kept(const struct text_site *site, uint32_t i)
{
	const uint32_t at = at_of(site->patch.va) + i;

	return !site->patch.va || !is_readable(at, 1) || site->patch.original[i] == measured[at];
}

static void begin_site(struct text_site *site)
{
	if (nondet_bool()) {
		*site = (struct text_site){0};
		return;
	}
	__CPROVER_havoc_object(site);
	/* In few bits, of which there is less to be found out. */
	site->patch.va = WINDOW_VA | nondet_u8() % WINDOW;
	site->patch.extent = nondet_u8() % (2 * PATCH_BYTES);
	site->state = nondet_u8() % 8;
	for (uint32_t i = 0; i < PATCH_BYTES; i++)
		assume(is_kept(site, i));
	text.sites++;
}

/* Any state that the invariant allows. */
static void begin_state(void)
{
	__CPROVER_havoc_object(measured);
	__CPROVER_havoc_object(now);
	if (HAS_BORDER) {
		border = nondet_u8() % (2 * WINDOW);
		assume(border <= WINDOW);
		ends = nondet_bool();
	}
	for (uint32_t i = 0; i < SITES_BEFORE; i++)
		begin_site(sites[i]);
	for (uint32_t i = 0; i < WINDOW; i++)
		assume(is_covered(i) || now[i] == measured[i]);
	for (uint32_t i = 0; i < SITES_BEFORE; i++) {
		assume(is_sound(sites[i]));
		for (uint32_t k = 0; k < i; k++)
			assume(!overlap(sites[i], sites[k]));
	}
}

/* It is looked at any one byte. */
static void check_state(void)
{
	const uint32_t at = (uint32_t)any_below(WINDOW), byte = (uint32_t)any_below(PATCH_BYTES);

	for (uint32_t i = 0; i < SITES; i++) {
		prove(is_sound(sites[i]), "each site is sound");
		prove(is_kept(sites[i], byte), "what is kept of each site is what was measured");
		for (uint32_t k = 0; k < i; k++)
			prove(!overlap(sites[i], sites[k]), "no two sites overlap");
	}
	prove(is_covered(at) || now[at] == measured[at],
	      "outside of sites code is what was measured");
}

#endif
