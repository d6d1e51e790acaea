/* SPDX-License-Identifier: MIT */
#include "secpod/text/profiled.h"

#include <errno.h>

#include "secpod/text/sites.h"

struct place {
	const struct code_profile *profile;
	const struct code_profile_site *site;
	const struct text_code *code;
};

static bool is_target(void *context, uint64_t va)
{
	const struct place *place = context;

	return place->code->is_code(place->code->context, va) &&
	       code_profile_target(place->profile, place->site, va);
}

uint32_t text_profiled_length(const struct code_profile *profile, uint64_t va)
{
	const struct code_profile_site *site = code_profile_at(profile, va);

	return site ? site->length : 0;
}

bool text_profiled_opens(const struct code_profile *profile, uint64_t va)
{
	const struct code_profile_site *site = code_profile_at(profile, va);

	return site && code_profile_state(site, PATCH_OPEN, 1);
}

bool text_profiled_has(const struct code_profile *profile, const struct text_code *code,
		       const struct patch_site *patch, const uint8_t now[PATCH_BYTES],
		       enum patch_state state, uint32_t length)
{
	struct place place = {profile, code_profile_at(profile, patch->va), code};
	const struct patch_targets targets = {is_target, &place};
	uint32_t extent = length;

	if (!place.site || !code_profile_state(place.site, state, length))
		return false;
	/* NOP is no prefix of an instruction. */
	if (place.site->kind == CODE_PROFILE_PREFIX && state == PATCH_NOP &&
	    !patch_is_prefix_swap(patch->original[0], now[0]))
		return false;
	return patch_judge(patch, now, &extent, &targets) == state;
}

bool text_profiled_fills(const struct code_profile *profile, const struct text_code *code,
			 const struct patch_site *patch, uint32_t first, const uint8_t *bytes,
			 uint32_t count)
{
	struct place place = {profile, code_profile_at(profile, patch->va), code};
	const struct patch_targets targets = {is_target, &place};

	return place.site && first + count <= place.site->length &&
	       patch_tail_judge(patch, first, count, bytes, &targets);
}

/* ---- a profile comes */

/* Between two stores of Linux's there is nothing to judge. */
static bool is_under_way(const struct text_site *site, const struct code_profile *profile)
{
	return site->state == PATCH_OPEN && text_profiled_opens(profile, site->patch.va);
}

/* Does a site that is patched by now stand in the way? */
static bool stands(const struct text_site *site, const struct code_profile *profile,
		   const struct text_code *code, text_refuse refuse)
{
	const uint64_t va = site->patch.va;
	uint8_t now[PATCH_BYTES];

	if (site->put || !code_profile_covers(profile, va) ||
	    (text_read_around(code, va, now) >= site->patch.extent &&
	     text_profiled_has(profile, code, &site->patch, now, (enum patch_state)site->state,
			       site->patch.extent)))
		return false;
	return refuse(code->context, site, now, profile);
}

/* All that may stand in the way are asked about, so that all are on record. */
static int hold_against(struct text *text, const struct code_profile *profile,
			const struct text_code *code, text_refuse refuse)
{
	struct text_site site;
	uint32_t number = 0;
	int error = 0;

	while ((number = text_site_peek(text, number, &site)) != 0) {
		if (is_under_way(&site, profile))
			return -EAGAIN;
	}
	while ((number = text_site_peek(text, number, &site)) != 0) {
		if (stands(&site, profile, code, refuse))
			error = -EACCES;
	}
	return error;
}

_Static_assert((uint32_t)CODE_PROFILE_WRITERS == (uint32_t)POKER_WRITERS, "in the same order");

static void give_writers(struct poker *poker, const struct code_profile *profile)
{
	for (uint32_t i = 0; i < CODE_PROFILE_WRITERS; i++) {
		const struct code_profile_range *writer = &profile->writer[i];

		if (writer->bytes)
			poker_give(poker, (enum poker_writer)i, profile->begin + writer->offset,
				   writer->bytes);
	}
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
		give_writers(&text->poker, profile);
		__atomic_store_n(&text->profiled, true, __ATOMIC_RELEASE);
	}
	spin_unlock(&text->lock);
	return error;
}
