/* SPDX-License-Identifier: MIT */
#include "secpod/text/text.h"

#include <errno.h>
#include <string.h>

#include "secpod/text/redirect.h"

#define SITES_PER_PAGE (PAGE_SIZE / sizeof(struct text_site))

int text_init(struct text *text, struct page_pool *pool)
{
	*text = (struct text){.pool = pool};
	text->bucket = page_pool_alloc_contiguous(
		pool, TEXT_BUCKETS * sizeof(*text->bucket) / PAGE_SIZE, 1);
	return text->bucket ? 0 : -ENOMEM;
}

/* ---- sites */

static struct text_site *site_of(struct text *text, uint32_t number)
{
	const uint32_t index = number - 1;

	return &text->page[index / SITES_PER_PAGE][index % SITES_PER_PAGE];
}

/* Sites that are near to each other share a bucket: of so many bytes. */
#define LINE 16ULL

static uint32_t *bucket_of(const struct text *text, uint64_t va)
{
	return &text->bucket[(va / LINE ^ va >> 16) % TEXT_BUCKETS];
}

static struct text_site *find(struct text *text, uint64_t va)
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
	for (uint32_t i = 0; i < SITES_PER_PAGE; i++) {
		page[i].next = text->free;
		text->free = (text->pages - 1) * (uint32_t)SITES_PER_PAGE + i + 1;
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

static void drop(struct text *text, uint64_t va)
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

/* The last site in [begin, end); NULL: there is none. */
static struct text_site *last_in(struct text *text, uint64_t begin, uint64_t end)
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

static void drop_all(struct text *text, uint64_t begin, uint64_t end)
{
	const struct text_site *site;

	while (text->sites && (site = last_in(text, begin, end)) != NULL)
		drop(text, site->patch.va);
}

/* Sites do not overlap: the last one that begins before the end tells. */
static bool is_patched(struct text *text, uint64_t va, uint32_t count)
{
	const struct text_site *site = last_in(text, va - PATCH_BYTES + 1, va + count);

	return site && site->patch.va + site->patch.extent > va;
}

/* ---- stores. Sites do not overlap: what is kept of each is what was measured. */

struct judged {
	struct text *text;
	const struct text_code *code;
	uint64_t va;
	const uint8_t *bytes;
	uint32_t count;
};

/* As much as there is of it: code may end there. Result: how many bytes are code; the others are 0. */
static uint32_t read_around(const struct text_code *code, uint64_t va, uint8_t *to)
{
	const size_t in_page = PAGE_SIZE - (va & ~PAGE_MASK);

	memset(to, 0, PATCH_BYTES);
	if (!code->read(code->context, va, to, PATCH_BYTES))
		return PATCH_BYTES;
	return in_page < PATCH_BYTES && !code->read(code->context, va, to, in_page)
		       ? (uint32_t)in_page
		       : 0;
}

static struct patch_targets targets_of(const struct text_code *code)
{
	return (struct patch_targets){code->is_code, code->context};
}

/* ---- what the profile has of a patch that is one */

struct profiled {
	const struct text_code *code;
	const struct code_profile *profile;
	const struct code_profile_site *site;
};

static struct profiled profiled_at(const struct text_code *code, const struct code_profile *profile,
				   uint64_t va)
{
	return (struct profiled){code, profile, code_profile_at(profile, va)};
}

static bool is_profiled(const struct judged *j, uint64_t va)
{
	return j->text->profiled && !j->code->any_place &&
	       code_profile_covers(&j->text->profile, va);
}

static bool is_target(void *context, uint64_t va)
{
	const struct profiled *p = context;

	return p->code->is_code(p->code->context, va) &&
	       code_profile_target(p->profile, p->site, va);
}

/* Of the site at va: 0 where there is none, or no profile is asked. */
static uint32_t length_of(const struct judged *j, uint64_t va)
{
	const struct code_profile_site *site =
		is_profiled(j, va) ? code_profile_at(&j->text->profile, va) : NULL;

	return site ? site->length : 0;
}

/* What is patched without INT3 never has one. */
static bool opens(const struct code_profile_site *site)
{
	return site && site->kind != CODE_PROFILE_PREFIX;
}

static bool may_open(const struct judged *j, uint64_t va)
{
	return !is_profiled(j, va) || opens(code_profile_at(&j->text->profile, va));
}

/* now[]: which patch_judge() has admitted, as state, by so many bytes. */
static bool has_patch(struct profiled p, const struct patch_site *patch, const uint8_t *now,
		      enum patch_state state, uint32_t length)
{
	const struct patch_targets targets = {is_target, &p};
	uint32_t extent = length;

	if (!p.site || !code_profile_state(p.site, state, length))
		return false;
	/* NOP is no prefix of an instruction. */
	if (p.site->kind == CODE_PROFILE_PREFIX && state == PATCH_NOP &&
	    !patch_is_prefix_swap(patch->original[0], now[0]))
		return false;
	return patch_judge(patch, now, &extent, &targets) == state;
}

static bool may_close(const struct judged *j, const struct patch_site *patch, const uint8_t *now,
		      enum patch_state state, uint32_t length)
{
	return !is_profiled(j, patch->va) ||
	       has_patch(profiled_at(j->code, &j->text->profile, patch->va), patch, now, state,
			 length);
}

static bool may_fill(const struct judged *j, const struct patch_site *patch, uint32_t first)
{
	struct profiled p = profiled_at(j->code, &j->text->profile, patch->va);
	const struct patch_targets targets = {is_target, &p};

	if (!is_profiled(j, patch->va))
		return true;
	return p.site && first + j->count <= p.site->length &&
	       patch_tail_judge(patch, first, j->count, j->bytes, &targets);
}

/* Put back what of the site lies in the len bytes at va. */
static void restore(const struct patch_site *patch, uint64_t va, uint8_t *bytes, uint64_t len)
{
	for (uint32_t i = 0; i < patch->extent; i++) {
		if (patch->va + i - va < len)
			bytes[patch->va + i - va] = patch->original[i];
	}
}

/* A site where there was none. */
static struct text_site *new_site(struct text *text, const struct text_code *code, uint64_t va)
{
	struct text_site *site = add(text, va);
	uint64_t end = va + PATCH_BYTES;
	const struct text_site *other;

	if (!site)
		return NULL;
	(void)read_around(code, va, site->patch.original);
	while ((other = last_in(text, va + 1, end)) != NULL) {
		restore(&other->patch, va, site->patch.original, PATCH_BYTES);
		end = other->patch.va;
	}
	return site;
}

/* INT3 opens a site. */
static int open_site(const struct judged *j, struct text_site *site)
{
	const bool known = site != NULL;
	int error;

	if (!may_open(j, j->va))
		return -EPERM;
	if (!known)
		site = new_site(j->text, j->code, j->va);
	if (!site)
		return -ENOMEM;
	error = j->code->write(j->code->context);
	/* Where INT3 had been before nothing is opened: it may be a byte of a displacement, and of the one before. */
	if (!known && (error || site->patch.original[0] == PATCH_INT3)) {
		drop(j->text, j->va);
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

	while (at > first + 1 && (other = last_in(j->text, first + 1, at)) != NULL) {
		at = other->patch.va;
		if (!yields(other) || at + other->patch.extent > end)
			return true;
	}
	return false;
}

static void absorb(const struct judged *j, uint64_t first, uint64_t end)
{
	if (end > first + 1)
		drop_all(j->text, first + 1, end);
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
	next = state == PATCH_ORIGINAL ? find(j->text, j->va + *extent) : NULL;
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

	known = read_around(j->code, j->va, now);
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
		drop(j->text, site->patch.va);
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
	site = new_site(j->text, j->code, j->va);
	if (!site)
		return -ENOMEM;
	error = close_site(j, site);
	if (error)
		drop(j->text, j->va);
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
		site = last_in(j->text, j->va - PATCH_BYTES + 1, end);
		end = site ? site->patch.va : end;
	} while (site && is_prefix(site));
	return site;
}

static int judge(const struct judged *j)
{
	struct text_site *site = find(j->text, j->va), *before;
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
	site = new_site(j->text, j->code, va);
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
	while (j->va - (*va - 1) < PATCH_BYTES && !is_patched(j->text, *va - 1, 1)) {
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
			drop(text, begun);
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

/* ---- a profile comes */

/* Between two stores of Linux's there is nothing to judge. */
static bool is_under_way(const struct text_site *site, const struct code_profile *profile)
{
	return site->state == PATCH_OPEN && opens(code_profile_at(profile, site->patch.va));
}

/* Does a site that is patched by now stand in the way? */
static bool stands(const struct text_site *site, const struct code_profile *profile,
		   const struct text_code *code, text_refuse refuse)
{
	const uint64_t va = site->patch.va;
	uint8_t now[PATCH_BYTES];

	if (!va || site->put || !code_profile_covers(profile, va) ||
	    (read_around(code, va, now) >= site->patch.extent &&
	     has_patch(profiled_at(code, profile, va), &site->patch, now,
		       (enum patch_state)site->state, site->patch.extent)))
		return false;
	return refuse(code->context, site, now, profile);
}

/* All that may stand in the way are asked about, so that all are on record. */
static int hold_against(struct text *text, const struct code_profile *profile,
			const struct text_code *code, text_refuse refuse)
{
	const uint32_t count = text->pages * (uint32_t)SITES_PER_PAGE;
	int error = 0;

	for (uint32_t i = 1; i <= count; i++) {
		if (is_under_way(site_of(text, i), profile))
			return -EAGAIN;
	}
	for (uint32_t i = 1; i <= count; i++) {
		if (stands(site_of(text, i), profile, code, refuse))
			error = -EACCES;
	}
	return error;
}

int text_use_profile(struct text *text, const struct code_profile *profile,
		     const struct text_code *code, text_refuse refuse)
{
	int error;

	spin_lock(&text->lock);
	error = text->profiled ? -EPERM : 0;
	if (!error && code)
		error = hold_against(text, profile, code, refuse);
	if (!error) {
		text->profile = *profile;
		__atomic_store_n(&text->profiled, true, __ATOMIC_RELEASE);
	}
	spin_unlock(&text->lock);
	return error;
}

/* ---- what is put where no CPU is: functions that go elsewhere, and calls that come back */

/* Bytes that may cross from one aligned word into the next. Where the second store fails the first is undone. */
static int put_bytes(const struct text_code *code, text_put put, uint64_t va, const uint8_t *bytes,
		     const uint8_t *before, uint32_t count)
{
	const uint32_t room = (uint32_t)(sizeof(uint64_t) - va % sizeof(uint64_t));
	const uint32_t first = count < room ? count : room;
	int error = put(code->context, va, bytes, first);

	if (error || first == count)
		return error;
	error = put(code->context, va + first, bytes + first, count - first);
	if (error)
		(void)put(code->context, va, before, first);
	return error;
}

/* A site of its own, so that what was measured is still known. */
static int put_site(struct text *text, const struct text_code *code, text_put put, uint64_t va,
		    const uint8_t *bytes, uint32_t count, enum patch_state state)
{
	struct text_site *site = new_site(text, code, va);
	int error;

	if (!site)
		return -ENOMEM;
	error = put_bytes(code, put, va, bytes, site->patch.original, count);
	if (error) {
		drop(text, va);
		return error;
	}
	site->state = (uint8_t)state;
	site->put = true;
	site->patch.extent = (uint8_t)count;
	text->stats.patches++;
	return 0;
}

/* The displacement of a jump or call that ends at end. Result: 0, -EINVAL: too far away. */
static int displace(uint64_t end, uint64_t target, uint8_t *to)
{
	const int64_t far = (int64_t)(target - end);
	const int32_t rel = (int32_t)far;

	memcpy(to, &rel, sizeof(rel));
	return rel == far ? 0 : -EINVAL;
}

static int redirect(struct text *text, const struct text_code *code, text_put put,
		    uint64_t function, uint64_t stub)
{
	const uint64_t begin = function - REDIRECT_BEFORE;
	const struct redirect_place *place;
	uint8_t entry[REDIRECT_ENTRY_LENGTH] = {0xeb}, room[REDIRECT_ROOM_LENGTH] = {0xe9};
	uint8_t now[REDIRECT_BYTES];
	int error;

	place = code->read(code->context, begin, now, sizeof(now)) ? NULL : redirect_match(now);
	if (!place)
		return -ENOENT;
	if (is_patched(text, begin + place->room, sizeof(room)) ||
	    is_patched(text, begin + place->entry, sizeof(entry)))
		return -EBUSY;
	error = displace(begin + place->room + sizeof(room), stub, room + 1);
	if (error)
		return error;
	entry[1] = (uint8_t)(place->room - (place->entry + sizeof(entry)));
	error = put_site(text, code, put, begin + place->room, room, sizeof(room), PATCH_JUMP);
	return error ? error
		     : put_site(text, code, put, begin + place->entry, entry, sizeof(entry),
				PATCH_JUMP);
}

int text_redirect(struct text *text, const struct text_code *code, text_put put, uint64_t function,
		  uint64_t stub)
{
	int error;

	if (function % REDIRECT_BEFORE)
		return -EINVAL;
	spin_lock(&text->lock);
	error = redirect(text, code, put, function, stub);
	spin_unlock(&text->lock);
	return error;
}

/* What Linux leaves of a paravirtual call of nothing (arch/x86/kernel/alternative.c), and what was there before. */
#define CALL_BYTES 5u
static const uint8_t call_absent[] = {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00};

static int rearm(struct text *text, const struct text_code *code, text_put put,
		 const struct secpod_call_site *call)
{
	uint8_t now[sizeof(call_absent)], bytes[sizeof(call_absent)] = {0xe8, [CALL_BYTES] = 0x90};
	int error;

	if (code->read(code->context, call->linear, now, sizeof(now)) ||
	    memcmp(now, call_absent, sizeof(now)))
		return -ENOENT;
	if (is_patched(text, call->linear, sizeof(now)))
		return -EBUSY;
	error = displace(call->linear + CALL_BYTES, call->stub, bytes + 1);
	return error ? error
		     : put_site(text, code, put, call->linear, bytes, sizeof(bytes), PATCH_CALL);
}

/* Where that fails there is no code any more. */
static void disarm(struct text *text, const struct text_code *code, text_put put, uint64_t va)
{
	(void)put_bytes(code, put, va, call_absent, call_absent, sizeof(call_absent));
	drop(text, va);
}

int text_rearm(struct text *text, const struct text_code *code, text_put put,
	       const struct secpod_call_site *calls, uint32_t count)
{
	uint32_t done = 0;
	int error = 0;

	spin_lock(&text->lock);
	while (!error && done < count) {
		error = rearm(text, code, put, &calls[done]);
		done += !error;
	}
	while (error && done)
		disarm(text, code, put, calls[--done].linear);
	spin_unlock(&text->lock);
	return error;
}

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
	drop_all(text, va, va + PAGE_SIZE);
	while (text->sites && (site = last_in(text, va - PATCH_BYTES + 1, end)) != NULL) {
		cut(&site->patch, va);
		end = site->patch.va;
	}
	spin_unlock(&text->lock);
}

uint32_t text_site_peek(struct text *text, uint32_t number, struct text_site *site)
{
	while (number < text->pages * (uint32_t)SITES_PER_PAGE) {
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

/* ---- measurement */

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
	while ((site = last_in(text, va - PATCH_BYTES, end)) != NULL) {
		restore(&site->patch, va, page, PAGE_SIZE);
		end = site->patch.va;
	}
	spin_unlock(&text->lock);
	sha256(page, PAGE_SIZE, now);
	return memcmp(now, digest, sizeof(now)) ? -EACCES : 0;
}
