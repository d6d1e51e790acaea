/* SPDX-License-Identifier: MIT */
/*
 * One store to kernel code (secpod/text/text.c), from any state that the invariant of text_state.h allows: what is true of it
 * stays true, so that it is after any number of stores. The sites are a few variables instead of the list of sites.c. The judge
 * of patches answers what it likes within what proof_patch.c proves of it. No profile is asked, and INT3 that is in the code, but in
 * no site, is not taken for one.
 *
 * A proof is of the stores of one kind. SITE_AT_STORE: &site0 or NULL, the site that begins where the store does; KIND: who is
 * asked about the store.
 */
#ifndef SECPOD_TESTS_PROOF_TEXT_STORE_H
#define SECPOD_TESTS_PROOF_TEXT_STORE_H

#include "tests/proof/text_state.h"

#include "secpod/text/profiled.h"

/* Of a whole site or one to be, or of bytes behind INT3. */
enum kind { NOBODY, WHOLE, TAIL };

static uint8_t bytes[sizeof(uint64_t)]; /* that are stored */
static uint32_t count;
static bool written;
static enum kind asked;

/* What the judge has admitted last. */
static struct {
	bool given;
	uint64_t va;
	uint32_t extent;
	enum patch_state state;
	uint8_t now[PATCH_BYTES];
} whole;
static struct {
	bool given;
	uint64_t va;
} tail;

/* Stores of the other kind are of another proof; none is of both. */
static void only(enum kind kind)
{
	prove(asked == NOBODY || asked == kind, "a store is of one kind");
	prove(kind == KIND || !SITE_AT_STORE, "what is a site is asked about whole");
	asked = kind;
	if (kind != KIND)
		assume(false);
}

static bool is_held(void)
{
	return text.lock.next == text.lock.serving + 1;
}

/* As it was. */
static struct text_site sites_before[SITES_BEFORE];
static uint8_t before[WINDOW];

void *memcpy(void *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
	return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (((const uint8_t *)a)[i] != ((const uint8_t *)b)[i])
			return 1;
	}
	return 0;
}

/* ---- sites */

struct text_site *text_site_find(struct text *t, uint64_t va)
{
	struct text_site *found = NULL;

	prove(is_held() && t == &text, "sites are looked at with the lock");
	for (uint32_t i = 0; i < SITES; i++) {
		if (sites[i]->patch.va == va)
			found = sites[i];
	}
	if (va != STORE_VA)
		return found;
	prove(found == SITE_AT_STORE, "it is asked once");
	return SITE_AT_STORE;
}

struct text_site *text_site_last_in(struct text *t, uint64_t begin, uint64_t end)
{
	struct text_site *last = NULL;
	uint64_t at = 0;

	prove(is_held() && t == &text, "sites are looked at with the lock");
	prove(begin <= end && begin >= WINDOW_VA && end <= WINDOW_VA + SITES_END,
	      "no site is looked for outside the window");
	for (uint32_t i = 0; i < SITES; i++) {
		if (sites[i]->patch.va >= begin && sites[i]->patch.va < end &&
		    sites[i]->patch.va > at) {
			last = sites[i];
			at = last->patch.va;
		}
	}
	return last;
}

/* Asked only before INT3 is taken for a site: none is. */
bool text_is_patched(struct text *t, uint64_t va, uint32_t len)
{
	(void)va;
	prove(is_held() && t == &text && len == 1, "one byte is asked about");
	return true;
}

struct text_site *text_site_new(struct text *t, const struct text_code *code, uint64_t va)
{
	(void)code;
	only(WHOLE);
	prove(is_held() && t == &text, "sites are made with the lock");
	prove(is_readable(at_of(va), 1) && !is_covered(at_of(va)) && !added.patch.va,
	      "a site is made where there is none");
	if (nondet_bool())
		return NULL;
	__CPROVER_havoc_object(&added);
	added.patch.va = va;
	added.patch.extent = 0;
	added.state = 0;
	added.put = false;
	for (uint32_t i = 0; i < PATCH_BYTES; i++)
		assume(is_kept(&added, i));
	return &added;
}

void text_site_drop(struct text *t, uint64_t va)
{
	text_sites_drop(t, va, va + 1);
}

void text_sites_drop(struct text *t, uint64_t begin, uint64_t end)
{
	prove(is_held() && t == &text, "sites are dropped with the lock");
	for (uint32_t i = 0; i < SITES; i++) {
		if (sites[i]->patch.va >= begin && sites[i]->patch.va < end)
			*sites[i] = (struct text_site){0};
	}
}

uint32_t text_read_around(const struct text_code *code, uint64_t va, uint8_t to[PATCH_BYTES])
{
	const uint32_t at = at_of(va);

	(void)code;
	prove(at <= WINDOW - PATCH_BYTES && is_readable(at, 1), "code is read");
	for (uint32_t i = 0; i < PATCH_BYTES; i++)
		to[i] = is_readable(at + i, 1) ? now[at + i] : 0;
	return is_readable(at, PATCH_BYTES) ? PATCH_BYTES : (uint32_t)(border - at);
}

/* ---- the judge of patches */

enum patch_state patch_judge(const struct patch_site *site, const uint8_t bytes_now[PATCH_BYTES],
			     uint32_t *extent, const struct patch_targets *targets)
{
	enum patch_state state = (enum patch_state)any_below(PATCH_STATES);

	(void)targets;
	only(WHOLE);
	prove(*extent >= 1, "a patch has a byte");
	assume((state == PATCH_OPEN) == (bytes_now[0] == PATCH_INT3));
	if (state == PATCH_REFUSED || state == PATCH_OPEN)
		return state;
	if (state == PATCH_ORIGINAL) {
		assume(*extent <= PATCH_BYTES);
		for (uint32_t i = 0; i < PATCH_BYTES; i++)
			assume(i >= *extent || bytes_now[i] == site->original[i]);
	} else {
		const uint32_t length = (uint32_t)any_below(PATCH_BYTES + 1);

		assume(length >= *extent);
		*extent = length;
	}
	whole.given = true;
	whole.va = site->va;
	whole.extent = *extent;
	whole.state = state;
	memcpy(whole.now, bytes_now, PATCH_BYTES);
	return state;
}

bool patch_tail_judge(const struct patch_site *site, uint32_t first, uint32_t len,
		      const uint8_t *tail_bytes, const struct patch_targets *targets)
{
	(void)targets;
	only(TAIL);
	/* They are all alike. */
	assume(site == &site0.patch);
	prove(tail_bytes == bytes && len == count && site->va + first == STORE_VA,
	      "what is stored is judged");
	tail.given = first != 0 && len != 0 && first + len <= PATCH_BYTES && nondet_bool();
	tail.va = site->va;
	return tail.given;
}

bool patch_is_prefix_swap(uint8_t a, uint8_t b)
{
	return (a == 0xf0 && b == 0x3e) || (a == 0x3e && b == 0xf0);
}

/* ---- no profile */

bool code_profile_covers(const struct code_profile *profile, uint64_t va)
{
	(void)profile, (void)va;
	return false;
}

uint32_t text_profiled_length(const struct code_profile *profile, uint64_t va)
{
	(void)profile, (void)va;
	prove(false, "no profile is asked");
	return 0;
}

bool text_profiled_opens(const struct code_profile *profile, uint64_t va)
{
	(void)profile, (void)va;
	prove(false, "no profile is asked");
	return false;
}

bool text_profiled_has(const struct code_profile *profile, const struct text_code *code,
		       const struct patch_site *patch, const uint8_t bytes_now[PATCH_BYTES],
		       enum patch_state state, uint32_t length)
{
	(void)profile, (void)code, (void)patch, (void)bytes_now, (void)state, (void)length;
	prove(false, "no profile is asked");
	return false;
}

bool text_profiled_fills(const struct code_profile *profile, const struct text_code *code,
			 const struct patch_site *patch, uint32_t first, const uint8_t *tail_bytes,
			 uint32_t len)
{
	(void)profile, (void)code, (void)patch, (void)first, (void)tail_bytes, (void)len;
	prove(false, "no profile is asked");
	return false;
}

/* ---- code */

static int read_code(void *context, uint64_t va, uint8_t *to, size_t len)
{
	const uint32_t at = at_of(va);

	(void)context;
	prove(is_held() && len <= sizeof(bytes), "no more than a store is read");
	if (!is_readable(at, len))
		return -EFAULT;
	for (uint32_t i = 0; i < sizeof(bytes); i++) {
		if (i < len)
			to[i] = now[at + i];
	}
	return 0;
}

static int write_code(void *context)
{
	(void)context;
	prove(is_held() && !written, "one store is made, with the lock held");
	if (nondet_bool()) {
		const int error = nondet_int();

		assume(error < 0);
		return error;
	}
	written = true;
	for (uint32_t i = 0; i < sizeof(bytes); i++) {
		if (i < count)
			now[STORE_AT + i] = bytes[i];
	}
	return 0;
}

static bool is_code(void *context, uint64_t va)
{
	(void)context, (void)va;
	return nondet_bool();
}

/* ---- what has been done */

static bool is_same_site(const struct text_site *a, const struct text_site *b)
{
	return a->patch.va == b->patch.va && a->patch.extent == b->patch.extent &&
	       a->state == b->state && a->put == b->put;
}

static bool are_sites_same(void)
{
	bool same = true;

	for (uint32_t i = 0; i < SITES; i++) {
		same &= i < SITES_BEFORE ? is_same_site(sites[i], &sites_before[i])
					 : !sites[i]->patch.va;
	}
	return same;
}

static bool yields(const struct text_site *site)
{
	return site->state == PATCH_OPEN ||
	       (site->state == PATCH_NOP && site->patch.extent == 1 && !site->put);
}

/* The site of the store is at va. Other sites stay as they are, or are part of this one now: of len bytes. */
static void check_others(uint64_t va, uint32_t len)
{
	for (uint32_t i = 0; i < SITES_BEFORE; i++) {
		const struct text_site *was = &sites_before[i];

		if (was->patch.va == va || is_same_site(sites[i], was))
			continue;
		prove(!sites[i]->patch.va, "no other site changes");
		prove(was->patch.va > va && was->patch.va + was->patch.extent <= va + len &&
			      yields(was),
		      "a site that goes is part of that of the store");
	}
	prove(!added.patch.va || added.patch.va == va, "no other site comes");
}

static const struct text_site *site_at(uint64_t va)
{
	const struct text_site *site = NULL;

	for (uint32_t i = 0; i < SITES; i++)
		site = sites[i]->patch.va == va ? sites[i] : site;
	return site;
}

static void check_closed(void)
{
	const uint32_t i = (uint32_t)any_below(PATCH_BYTES);
	const struct text_site *site = site_at(STORE_VA);

	prove(whole.va == STORE_VA && whole.extent >= count,
	      "the site of the store was judged, whole");
	prove(i >= whole.extent || whole.now[i] == now[STORE_AT + i],
	      "by the bytes that are there now");
	check_others(STORE_VA, whole.extent);
	if (whole.state == PATCH_ORIGINAL) {
		prove(i >= whole.extent || (now[STORE_AT + i] == measured[STORE_AT + i] &&
					    !is_covered(STORE_AT + i)),
		      "what is as measured is in no site");
		return;
	}
	prove(site && site->state == whole.state && site->patch.extent == whole.extent &&
		      !site->put,
	      "and is what the judge has said");
}

static void check_filled(void)
{
	const struct text_site *site = site_at(tail.va);

	prove(site && site->state == PATCH_OPEN && tail.va < STORE_VA &&
		      tail.va + site->patch.extent >= STORE_VA + count,
	      "behind INT3 the store is in the site that was asked about");
	check_others(tail.va, site->patch.extent);
}

static void check_opened(void)
{
	const struct text_site *site = site_at(STORE_VA);

	prove(count == 1 && bytes[0] == PATCH_INT3, "INT3 opens a site");
	prove(site ? site->state == PATCH_OPEN : measured[STORE_AT] == PATCH_INT3,
	      "a site is open, or INT3 was there");
	check_others(STORE_VA, 1);
}

/* Is what is stored what was there? */
static bool is_idle(void)
{
	bool same = true;

	for (uint32_t i = 0; i < sizeof(bytes); i++)
		same &= i >= count || before[STORE_AT + i] == bytes[i];
	return same;
}

static void check_done(void)
{
	prove(written, "what is admitted is stored");
	if (is_idle() && are_sites_same())
		return;
	if (tail.given)
		check_filled();
	else if (whole.given)
		check_closed();
	else
		check_opened();
}

static void begin(void)
{
	begin_state();
	for (uint32_t i = 0; i < SITES_BEFORE; i++) {
		assume((sites[i]->patch.va == STORE_VA) == (sites[i] == SITE_AT_STORE));
		if (sites[i] == SITE_AT_STORE)
			sites[i]->patch.va = STORE_VA;
		sites_before[i] = *sites[i];
	}
	for (uint32_t i = 0; i < WINDOW; i++)
		before[i] = now[i];
}

int main(void)
{
	const struct text_code code = {read_code, write_code, is_code, NULL, nondet_bool()};
	int error;

	__CPROVER_havoc_object(bytes);
	count = nondet_u32();
	text.profiled = nondet_bool();
	begin();
	/* A store is in one page. */
	assume(count > sizeof(bytes) || is_readable(STORE_AT, count));
	error = text_store(&text, &code, STORE_VA, bytes, count);
	prove(!is_held(), "the lock is given back");
	check_state();
	if (error)
		prove(!written && are_sites_same(), "what is refused changes nothing");
	else
		check_done();
	return 0;
}

#endif
