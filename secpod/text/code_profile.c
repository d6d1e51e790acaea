/* SPDX-License-Identifier: MIT */
#include "secpod/text/code_profile.h"

#include <errno.h>
#include <string.h>

#define ALIGNMENT 8u

/* ---- what a site of each kind may be */

#define STATE(state) (1u << (state))
#define LENGTH(length) (1u << (length))

static const struct {
	uint32_t states;
	uint32_t lengths;
} kinds[CODE_PROFILE_KINDS] = {
	/* arch/x86/kernel/jump_label.c */
	[CODE_PROFILE_JUMP] = {STATE(PATCH_NOP) | STATE(PATCH_JUMP), LENGTH(2) | LENGTH(5)},
	/* arch/x86/kernel/static_call.c */
	[CODE_PROFILE_CALL] = {STATE(PATCH_CALL) | STATE(PATCH_NOP) | STATE(PATCH_CLEAR),
			       LENGTH(5)},
	[CODE_PROFILE_TAIL] = {STATE(PATCH_JUMP) | STATE(PATCH_RETURN), LENGTH(5)},
	[CODE_PROFILE_BRANCH] = {STATE(PATCH_JUMP), LENGTH(6)},
	/* arch/x86/kernel/ftrace.c */
	[CODE_PROFILE_TRACE] = {STATE(PATCH_CALL) | STATE(PATCH_NOP), LENGTH(5)},
	/* arch/x86/kernel/alternative.c, alternatives_smp_lock() */
	[CODE_PROFILE_PREFIX] = {STATE(PATCH_NOP), LENGTH(1)},
};

/* Any may be what it was. LOCK is exchanged without INT3. */
bool code_profile_state(const struct code_profile_site *site, enum patch_state state,
			uint32_t length)
{
	if (state == PATCH_OPEN)
		return site->kind != CODE_PROFILE_PREFIX;
	return state == PATCH_ORIGINAL ||
	       (length == site->length && (kinds[site->kind].states & STATE(state)));
}

/* ---- the file */

static bool is_site_good(const struct code_profile_site *site, uint32_t from, uint32_t text)
{
	return site->offset >= from && site->offset < text && site->kind > 0 &&
	       site->kind < CODE_PROFILE_KINDS && site->length <= text - site->offset &&
	       site->length <= PATCH_BYTES && (kinds[site->kind].lengths & LENGTH(site->length)) &&
	       !site->zero &&
	       (site->kind == CODE_PROFILE_JUMP ? site->target < text : !site->target);
}

static bool are_sites_good(const struct code_profile_site *site, uint32_t count, uint32_t text)
{
	uint32_t from = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (!is_site_good(&site[i], from, text))
			return false;
		from = site[i].offset + site[i].length;
	}
	return true;
}

static bool is_ascending(const uint32_t *offset, uint32_t count, uint32_t text)
{
	for (uint32_t i = 0; i < count; i++) {
		if (offset[i] >= text || (i && offset[i] <= offset[i - 1]))
			return false;
	}
	return true;
}

static bool are_writers_good(const struct code_profile_header *header)
{
	for (uint32_t i = 0; i < CODE_PROFILE_WRITERS; i++) {
		const struct code_profile_range *writer = &header->writer[i];

		if (writer->bytes > CODE_PROFILE_WRITER_MAX || writer->bytes > header->text ||
		    writer->offset > header->text - writer->bytes)
			return false;
	}
	return true;
}

static uint64_t size_of(const struct code_profile_header *header)
{
	const uint64_t size = sizeof(*header) +
			      (uint64_t)header->sites * sizeof(struct code_profile_site) +
			      ((uint64_t)header->functions + header->tracers) * sizeof(uint32_t);

	return (size + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
}

static void lay_out(const struct code_profile_header *header, struct code_profile *profile)
{
	profile->site = (const struct code_profile_site *)(header + 1);
	profile->sites = header->sites;
	profile->function = (const uint32_t *)(profile->site + header->sites);
	profile->functions = header->functions;
	profile->tracer = profile->function + header->functions;
	profile->tracers = header->tracers;
	memcpy(profile->writer, header->writer, sizeof(profile->writer));
}

static bool is_good(const struct code_profile_header *header, uint64_t left)
{
	struct code_profile profile;

	if (left < sizeof(*header) || header->magic != CODE_PROFILE_MAGIC ||
	    header->version != CODE_PROFILE_VERSION || header->size > left ||
	    size_of(header) != header->size || header->text > CODE_PROFILE_TEXT_MAX)
		return false;
	lay_out(header, &profile);
	return are_writers_good(header) &&
	       are_sites_good(profile.site, profile.sites, header->text) &&
	       is_ascending(profile.function, profile.functions, header->text) &&
	       is_ascending(profile.tracer, profile.tracers, header->text);
}

int code_profiles_open(struct code_profiles *profiles, const void *file, uint64_t size)
{
	const uint8_t *bytes = file;
	uint32_t count = 0;

	*profiles = (struct code_profiles){0};
	if (size > CODE_PROFILE_SIZE_MAX)
		return -EINVAL;
	for (uint64_t at = 0; at < size; count++) {
		const struct code_profile_header *header = (const void *)(bytes + at);

		if (!is_good(header, size - at))
			return -EINVAL;
		at += header->size;
	}
	*profiles = (struct code_profiles){bytes, size, count};
	return 0;
}

bool code_profiles_choose(const struct code_profiles *profiles, code_profile_read read,
			  void *context, uint64_t begin, uint64_t bytes,
			  struct code_profile *profile)
{
	*profile = (struct code_profile){.begin = begin, .bytes = bytes};
	for (uint64_t at = 0; at < profiles->size;) {
		const struct code_profile_header *header = (const void *)(profiles->file + at);
		uint8_t id[CODE_PROFILE_ID];

		if (header->text <= bytes && !read(context, header->id_at, id, sizeof(id)) &&
		    !memcmp(id, header->id, sizeof(id))) {
			lay_out(header, profile);
			sha256(header, header->size, profile->digest);
			return true;
		}
		at += header->size;
	}
	return false;
}

/* ---- questions */

/* The first of count that is not below offset; size: bytes from one to the next. */
static uint32_t lower_bound(const void *table, uint32_t count, size_t size, uint64_t offset)
{
	uint32_t first = 0;

	while (first < count) {
		const uint32_t middle = first + (count - first) / 2;
		uint32_t value;

		memcpy(&value, (const uint8_t *)table + middle * size, sizeof(value));
		if (value < offset)
			first = middle + 1;
		else
			count = middle;
	}
	return first;
}

bool code_profile_covers(const struct code_profile *profile, uint64_t va)
{
	return va - profile->begin < profile->bytes;
}

const struct code_profile_site *code_profile_at(const struct code_profile *profile, uint64_t va)
{
	const uint64_t offset = va - profile->begin;
	const uint32_t i =
		lower_bound(profile->site, profile->sites, sizeof(*profile->site), offset);

	return i < profile->sites && profile->site[i].offset == offset ? &profile->site[i] : NULL;
}

static bool has(const uint32_t *table, uint32_t count, uint64_t offset)
{
	const uint32_t i = lower_bound(table, count, sizeof(*table), offset);

	return i < count && table[i] == offset;
}

bool code_profile_target(const struct code_profile *profile, const struct code_profile_site *site,
			 uint64_t va)
{
	const uint64_t offset = va - profile->begin;

	if (site->kind == CODE_PROFILE_JUMP)
		return offset == site->target;
	/* Modules, BPF, trampolines: admitted by the rules about new code. */
	if (!code_profile_covers(profile, va))
		return true;
	return site->kind == CODE_PROFILE_TRACE
		       ? has(profile->tracer, profile->tracers, offset)
		       : has(profile->function, profile->functions, offset);
}
