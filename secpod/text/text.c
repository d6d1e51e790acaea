/* SPDX-License-Identifier: MIT */
#include "secpod/text/text.h"

#include <errno.h>
#include <string.h>

#include "secpod/text/profiled.h"
#include "secpod/text/sites.h"

struct judged {
	struct text *text;
	const struct text_code *code;
	uint64_t va;
	const uint8_t *bytes;
	uint32_t count;
};

static struct patch_targets targets_of(const struct text_code *code)
{
	return (struct patch_targets){code->is_code, code->context};
}

/* ---- what the profile has of a patch that is one */

static bool is_profiled(const struct judged *j, uint64_t va)
{
	return j->text->profiled && !j->code->any_place &&
	       code_profile_covers(&j->text->profile, va);
}

/* Of the site at va: 0 where there is none, or no profile is asked. */
static uint32_t length_of(const struct judged *j, uint64_t va)
{
	return is_profiled(j, va) ? text_profiled_length(&j->text->profile, va) : 0;
}

static bool may_open(const struct judged *j, uint64_t va)
{
	return !is_profiled(j, va) || text_profiled_opens(&j->text->profile, va);
}

static bool may_close(const struct judged *j, const struct patch_site *patch, const uint8_t *now,
		      enum patch_state state, uint32_t length)
{
	return !is_profiled(j, patch->va) ||
	       text_profiled_has(&j->text->profile, j->code, patch, now, state, length);
}

static bool may_fill(const struct judged *j, const struct patch_site *patch, uint32_t first)
{
	return !is_profiled(j, patch->va) ||
	       text_profiled_fills(&j->text->profile, j->code, patch, first, j->bytes, j->count);
}

/* ---- stores */

/* INT3 opens a site. */
static int open_site(const struct judged *j, struct text_site *site)
{
	const bool known = site != NULL;
	int error;

	if (!may_open(j, j->va))
		return -EPERM;
	if (!known)
		site = text_site_new(j->text, j->code, j->va);
	if (!site)
		return -ENOMEM;
	error = j->code->write(j->code->context);
	/* Where INT3 had been before nothing is opened: it may be a byte of a displacement, and of the one before. */
	if (!known && (error || site->patch.original[0] == PATCH_INT3)) {
		text_site_drop(j->text, j->va);
	} else if (!error) {
		site->state = PATCH_OPEN;
		site->put = false;
		if (site->patch.extent == 0)
			site->patch.extent = 1;
	}
	return error;
}

/* LOCK, or what came in its place without INT3. */
static bool is_prefix(const struct text_site *site)
{
	return site->state == PATCH_NOP && site->patch.extent == 1 && !site->put;
}

static bool yields(const struct text_site *site)
{
	return site->state == PATCH_OPEN || is_prefix(site);
}

/*
 * Sites behind the first byte of this one, up to end. A displacement that arrives in parts may have bytes that were taken
 * for INT3, or for a prefix that was exchanged, and the rest of it for what is behind that. Where such a site lies whole in
 * this one it is part of it.
 */
static bool meets_another(const struct judged *j, uint64_t first, uint64_t end)
{
	const struct text_site *other;
	uint64_t at = end;

	while (at > first + 1 && (other = text_site_last_in(j->text, first + 1, at)) != NULL) {
		at = other->patch.va;
		if (!yields(other) || at + other->patch.extent > end)
			return true;
	}
	return false;
}

static void absorb(const struct judged *j, uint64_t first, uint64_t end)
{
	if (end > first + 1)
		text_sites_drop(j->text, first + 1, end);
}

/* now[]: as it will be. *extent: of what has been patched; becomes what the patch has. */
static enum patch_state judge_whole(const struct judged *j, const struct patch_site *patch,
				    const uint8_t *now, uint32_t *extent)
{
	const struct patch_targets targets = targets_of(j->code);
	const enum patch_state state = patch_judge(patch, now, extent, &targets);
	const struct text_site *next;
	enum patch_state other;
	uint32_t longer;

	/* A call of another function may begin with the bytes it had, and go on with one that was taken for a site. */
	next = state == PATCH_ORIGINAL ? text_site_find(j->text, j->va + *extent) : NULL;
	if (!next || !yields(next))
		return state;
	longer = *extent + next->patch.extent;
	other = patch_judge(patch, now, &longer, &targets);
	if (other == PATCH_REFUSED)
		return state;
	*extent = longer;
	return other;
}

/* The first byte: the site is judged whole. */
static int close_site(const struct judged *j, struct text_site *site)
{
	uint32_t extent = site->patch.extent > j->count ? site->patch.extent : j->count;
	uint8_t now[PATCH_BYTES];
	enum patch_state state;
	uint32_t known;
	int error;

	known = text_read_around(j->code, j->va, now);
	memcpy(now, j->bytes, j->count);
	state = judge_whole(j, &site->patch, now, &extent);
	/*
	 * INT3 comes alone: what comes with it would not be judged. What lies behind the end of code is not known,
	 * and no part of a patch.
	 */
	if (state == PATCH_REFUSED || state == PATCH_OPEN || extent > known ||
	    meets_another(j, j->va, j->va + extent))
		return -EACCES;
	if (!may_close(j, &site->patch, now, state, extent))
		return -EPERM;
	error = j->code->write(j->code->context);
	if (error)
		return error;
	absorb(j, j->va, j->va + extent);
	site->state = (uint8_t)state;
	site->put = false;
	site->patch.extent = (uint8_t)extent;
	if (state == PATCH_ORIGINAL)
		text_site_drop(j->text, site->patch.va);
	return 0;
}

/* Bytes behind the INT3 of an open site. */
static int fill_site(const struct judged *j, struct text_site *site)
{
	const struct patch_targets targets = targets_of(j->code);
	const uint32_t first = (uint32_t)(j->va - site->patch.va);
	int error;

	if (meets_another(j, site->patch.va, j->va + j->count) ||
	    !patch_tail_judge(&site->patch, first, j->count, j->bytes, &targets))
		return -EACCES;
	if (!may_fill(j, &site->patch, first))
		return -EPERM;
	error = j->code->write(j->code->context);
	if (error)
		return error;
	absorb(j, site->patch.va, j->va + j->count);
	if (site->patch.extent < first + j->count)
		site->patch.extent = (uint8_t)(first + j->count);
	return 0;
}

static bool swaps_prefix(const struct judged *j)
{
	uint8_t before;

	return j->count == 1 && !j->code->read(j->code->context, j->va, &before, 1) &&
	       patch_is_prefix_swap(before, j->bytes[0]);
}

/* A byte that is patched without INT3: the LOCK prefix, when a second CPU comes or the last but one goes. */
static int swap_prefix(const struct judged *j, struct text_site *site)
{
	int error;

	if (!swaps_prefix(j))
		return -EACCES;
	if (site)
		return close_site(j, site);
	site = text_site_new(j->text, j->code, j->va);
	if (!site)
		return -ENOMEM;
	error = close_site(j, site);
	if (error)
		text_site_drop(j->text, j->va);
	return error;
}

/* Does what is known of the site's instruction reach as far as this? */
static bool reaches(const struct judged *j, const struct text_site *site)
{
	const uint32_t known = length_of(j, site->patch.va);
	const uint32_t length = known ? known : site->patch.extent;

	return site->patch.va + length > j->va;
}

/* The site that a byte behind its first one may belong to. Exchanged prefixes in between may belong to it, too. */
static struct text_site *site_before(const struct judged *j)
{
	uint64_t end = j->va;
	struct text_site *site;

	do {
		site = text_site_last_in(j->text, j->va - PATCH_BYTES + 1, end);
		end = site ? site->patch.va : end;
	} while (site && is_prefix(site));
	return site;
}

static int judge(const struct judged *j)
{
	struct text_site *site = text_site_find(j->text, j->va), *before;
	const bool int3 = j->count == 1 && j->bytes[0] == PATCH_INT3;

	if (site && int3)
		return open_site(j, site);
	if (site && site->state == PATCH_OPEN)
		return close_site(j, site);
	before = site ? NULL : site_before(j);
	/* INT3, or an exchanged prefix, right behind what has been patched of an open site is taken for a site of its own. */
	if (before && before->state == PATCH_OPEN &&
	    (reaches(j, before) || !(int3 || swaps_prefix(j))))
		return fill_site(j, before);
	if (before && before->patch.va + before->patch.extent > j->va)
		return -EACCES;
	return int3 ? open_site(j, NULL) : swap_prefix(j, site);
}

static bool is_same(const struct judged *j)
{
	uint8_t now[PATCH_BYTES];

	return !j->code->read(j->code->context, j->va, now, j->count) &&
	       !memcmp(now, j->bytes, j->count);
}

/* INT3 that is in the code at va, and of no site, becomes one that is open. Result: is there any? */
static bool adopt(const struct judged *j, uint64_t va)
{
	struct text_site *site;
	uint8_t byte;

	if (j->code->read(j->code->context, va, &byte, 1) || byte != PATCH_INT3 || !may_open(j, va))
		return false;
	site = text_site_new(j->text, j->code, va);
	if (!site)
		return false;
	site->state = PATCH_OPEN;
	site->patch.extent = 1;
	return true;
}

/*
 * A patch that was under way at ACTIVATE had been opened by then, and was measured so: what was there before is not
 * known. Who may store here could as well open it anew, so this admits nothing more. The next site below *va that the
 * store may belong to; *va: where it is. Result: is there one?
 */
static __attribute__((noinline)) bool adopt_begun(const struct judged *j, uint64_t *va)
{
	while (j->va - (*va - 1) < PATCH_BYTES && !text_is_patched(j->text, *va - 1, 1)) {
		if (adopt(j, --*va))
			return true;
	}
	return false;
}

int text_store(struct text *text, const struct text_code *code, uint64_t va, const uint8_t *bytes,
	       uint32_t count)
{
	const struct judged j = {text, code, va, bytes, count};
	uint64_t begun = va + 1; /* behind the places where it may have been */
	int error;

	if (count == 0 || count > sizeof(uint64_t))
		return -EINVAL;
	spin_lock(&text->lock);
	do {
		error = judge(&j);
		if (error && begun <= va)
			text_site_drop(text, begun);
	} while (error == -EACCES && bytes[0] != PATCH_INT3 && adopt_begun(&j, &begun));
	/* Storing the same again changes nothing, whoever does it. */
	if ((error == -EACCES || error == -EPERM) && is_same(&j))
		error = code->write(code->context);
	if (!error)
		text->stats.patches++;
	else if (error == -EACCES || error == -EPERM)
		text->stats.refused++;
	spin_unlock(&text->lock);
	return error;
}
