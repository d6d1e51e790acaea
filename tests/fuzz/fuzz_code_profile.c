/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: any file as profiles of kernels, and then stores to a page of kernel text. The file is refused, or can be
 * asked without reading beyond it. Whatever is stored, each place that is not what was measured is one of the profile's, is no longer
 * than it, and is open or in a state that its kind has, with a target that it may have.
 */
#include "tests/fuzz/fuzz_text.h"

/* Code outside of the image. */
#define MODULE (BEGIN + PAGE_SIZE)
#define MODULE_BYTES 64u

/* The input: how many stores, and behind how many of them the profile comes; these; the file. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_code(void *context, uint64_t va)
{
	(void)context;
	return va >= BEGIN && va < MODULE + MODULE_BYTES;
}

static int read_image(void *context, uint64_t offset, void *to, uint64_t len)
{
	(void)context;
	if (offset > sizeof(page) || len > sizeof(page) - offset)
		return -EFAULT;
	memcpy(to, page + offset, len);
	return 0;
}

/* Of a jump or call at the site as it is: where it leads; 0: it is none. */
static uint64_t target_at(const struct text_site *site)
{
	const uint8_t *at = page + (site->patch.va - BEGIN);
	const uint32_t length = site->patch.extent;
	int32_t rel = 0;

	if (site->state != PATCH_JUMP && site->state != PATCH_CALL)
		return 0;
	if (length == 2)
		rel = (int8_t)at[1];
	else
		memcpy(&rel, at + length - sizeof(rel), sizeof(rel));
	return site->patch.va + length + (uint64_t)(int64_t)rel;
}

static bool is_listed(const uint32_t *table, uint32_t count, uint64_t offset)
{
	for (uint32_t i = 0; i < count; i++) {
		if (table[i] == offset)
			return true;
	}
	return false;
}

static bool may_lead(const struct code_profile *profile, const struct code_profile_site *place,
		     uint64_t target)
{
	const uint64_t offset = target - BEGIN;

	if (place->kind == CODE_PROFILE_JUMP)
		return offset == place->target;
	if (target >= MODULE)
		return target < MODULE + MODULE_BYTES;
	return place->kind == CODE_PROFILE_TRACE
		       ? is_listed(profile->tracer, profile->tracers, offset)
		       : is_listed(profile->function, profile->functions, offset);
}

static const struct code_profile_site *place_of(const struct code_profile *profile, uint64_t va)
{
	for (uint32_t i = 0; i < profile->sites; i++) {
		if (BEGIN + profile->site[i].offset == va)
			return &profile->site[i];
	}
	return NULL;
}

static void check_site(const struct code_profile *profile, const struct text_site *site)
{
	const struct code_profile_site *place = place_of(profile, site->patch.va);
	const uint64_t target = target_at(site);

	check(place && site->patch.extent <= place->length);
	check(site->state == PATCH_OPEN || site->patch.extent == place->length);
	check(!target || may_lead(profile, place, target));
}

static void check_all(struct text *text, const struct code_profile *profile)
{
	struct text_site site;
	uint32_t number = 0;

	while ((number = text_site_after(text, number, &site)) != 0)
		check_site(profile, &site);
	check_page(text);
}

static bool refuse(void *context, const struct text_site *site, const uint8_t now[PATCH_BYTES],
		   const struct code_profile *profile)
{
	(void)context;
	(void)site;
	(void)now;
	(void)profile;
	return true;
}

/* The profile comes behind the first so many stores: then it has all that they have left, or it is not in force. */
static void store_all(const struct code_profile *profile, const uint8_t *data, uint32_t stores,
		      uint32_t before)
{
	const struct text_code code = {read_code, write_code, is_code, NULL, false};
	static struct text text;
	void *memory = open_text(&text);

	for (uint32_t i = 0; i <= stores; i++) {
		if (i == before)
			(void)text_use_profile(&text, profile, &code, refuse);
		if (i < stores)
			store(&text, &code, data + i * STORE_BYTES, data[i * STORE_BYTES] & 0x3fu,
			      1 + data[i * STORE_BYTES + 1] % 8);
	}
	check(before || text.profiled);
	if (text.profiled)
		check_all(&text, profile);
	else
		check_page(&text);
	free(memory);
}

static void use(const uint8_t *bytes, size_t size, const uint8_t *data, uint32_t stores,
		uint32_t before)
{
	/* Of its own size, so that what is read behind it is seen. */
	uint8_t *file = malloc(size ? size : 1);
	struct code_profiles profiles;
	struct code_profile profile;

	if (!file)
		return;
	memcpy(file, bytes, size);
	if (!code_profiles_open(&profiles, file, size)) {
		(void)code_profiles_choose(&profiles, read_image, NULL, BEGIN, PAGE_SIZE, &profile);
		store_all(&profile, data, stores, before);
	} else {
		check(profiles.size == 0 && !code_profiles_choose(&profiles, read_image, NULL,
								  BEGIN, PAGE_SIZE, &profile));
	}
	free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t stores;

	/* Zeros are the build ID. */
	memset(page, 0, sizeof(page));
	memset(page, 0x48, 64);
	memcpy(page + 8, "\x0f\x1f\x44\x00\x00\xf0\x66\x90\xe8\x10\x00\x00\x00\xe9\x10\x00\x00\x00",
	       18);
	if (size < 1)
		return 0;
	stores = data[0] % 16u;
	if (size - 1 < stores * STORE_BYTES)
		return 0;
	use(data + 1 + stores * STORE_BYTES, size - 1 - stores * STORE_BYTES, data + 1, stores,
	    data[0] / 16u < stores ? data[0] / 16u : stores);
	return 0;
}
