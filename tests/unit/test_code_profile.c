/* SPDX-License-Identifier: MIT */
/* Profiles of kernels: which files are some, which is the running kernel's, and what it has of a place. */
#include "secpod/text/code_profile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BEGIN 0xffffffff9a000000ULL
#define TEXT 0x1000u
#define IMAGE 0x3000u
#define ID_AT 0x2100u

#define SITES 6u
#define FUNCTIONS 2u

struct made {
	struct code_profile_header header;
	struct code_profile_site site[SITES];
	uint32_t function[FUNCTIONS];
	uint32_t tracer;
};

static struct {
	struct made other, own;
} file;

static uint8_t image[IMAGE];
static struct code_profiles profiles;
static struct code_profile profile;

static struct made make_one(uint8_t id)
{
	struct made made = {
		.header = {CODE_PROFILE_MAGIC,
			   CODE_PROFILE_VERSION,
			   sizeof(made),
			   TEXT,
			   SITES,
			   FUNCTIONS,
			   1,
			   ID_AT,
			   {0},
			   {{0x500, 0x40}, {0, 0}}},
		.site = {{0x100, 0x180, CODE_PROFILE_JUMP, 2, 0},
			 {0x200, 0, CODE_PROFILE_CALL, 5, 0},
			 {0x205, 0, CODE_PROFILE_TAIL, 5, 0},
			 {0x300, 0, CODE_PROFILE_BRANCH, 6, 0},
			 {0x400, 0, CODE_PROFILE_TRACE, 5, 0},
			 {0xfff, 0, CODE_PROFILE_PREFIX, 1, 0}},
		.function = {0x400, 0xfff},
		.tracer = 0x800,
	};

	memset(made.header.id, id, sizeof(made.header.id));
	return made;
}

static int make(void **state)
{
	(void)state;
	memset(image, 0, sizeof(image));
	memset(image + ID_AT, 2, CODE_PROFILE_ID);
	file.other = make_one(1);
	file.own = make_one(2);
	file.own.site[0].target = 0x188;
	assert_int_equal(code_profiles_open(&profiles, &file, sizeof(file)), 0);
	return 0;
}

static int read_image(void *context, uint64_t offset, void *to, uint64_t len)
{
	(void)context;
	if (offset > IMAGE || len > IMAGE - offset)
		return -EFAULT;
	memcpy(to, image + offset, len);
	return 0;
}

static bool choose(void)
{
	return code_profiles_choose(&profiles, read_image, NULL, BEGIN, IMAGE, &profile);
}

static void the_running_kernel_s_is_found_by_its_build_id(void **state)
{
	uint8_t digest[SHA256_BYTES];

	(void)state;
	assert_int_equal(profiles.count, 2);
	assert_true(choose());
	assert_int_equal(profile.sites, SITES);
	assert_int_equal(profile.writer[0].offset, 0x500);
	assert_int_equal(profile.writer[0].bytes, 0x40);
	assert_int_equal(profile.writer[1].bytes, 0);
	assert_int_equal(code_profile_at(&profile, BEGIN + 0x100)->target, 0x188);
	sha256(&file.own, sizeof(file.own), digest);
	assert_memory_equal(profile.digest, digest, sizeof(digest));
	image[ID_AT + CODE_PROFILE_ID - 1]++;
	assert_false(choose());
	assert_int_equal(profile.sites, 0);
	assert_null(code_profile_at(&profile, BEGIN + 0x100));
	assert_true(code_profile_covers(&profile, BEGIN));
	memset(image + ID_AT, 2, CODE_PROFILE_ID);
	/* An image that is smaller than its text, or ends before its ID, is another kernel's. */
	assert_false(code_profiles_choose(&profiles, read_image, NULL, BEGIN, TEXT - 1, &profile));
	file.own.header.id_at = IMAGE - 1;
	assert_false(choose());
}

static void what_is_malformed_is_no_profile(void **state)
{
#define FIELD(member, value)                                                  \
	{                                                                     \
		offsetof(struct made, member), sizeof(file.own.member), value \
	}
	static const struct {
		size_t offset, size;
		uint64_t value;
	} rows[] = {
		FIELD(header.magic, 0),
		FIELD(header.version, CODE_PROFILE_VERSION + 1),
		FIELD(header.size, sizeof(file.own) + 8),
		FIELD(header.size, 0),
		FIELD(header.text, CODE_PROFILE_TEXT_MAX + 1),
		FIELD(header.text, 0xfff),
		FIELD(header.sites, SITES + 1),
		FIELD(header.sites, UINT32_MAX),
		FIELD(header.functions, UINT32_MAX),
		FIELD(header.tracers, 4),
		FIELD(header.writer[0].offset, TEXT - 0x3f),
		FIELD(header.writer[0].bytes, TEXT + 1),
		FIELD(header.writer[1].offset, TEXT + 1),
		FIELD(header.writer[1].bytes, UINT32_MAX),
		FIELD(site[0].offset, 0x1ff),
		FIELD(site[0].target, TEXT),
		FIELD(site[0].length, 3),
		FIELD(site[0].kind, 0),
		FIELD(site[0].kind, CODE_PROFILE_KINDS),
		FIELD(site[0].zero, 1),
		FIELD(site[1].target, 1),
		FIELD(site[1].offset, 0x201),
		FIELD(site[1].length, 0),
		FIELD(site[1].length, 255),
		FIELD(site[5].offset, TEXT),
		FIELD(site[5].offset, UINT32_MAX),
		FIELD(function[0], 0xfff),
		FIELD(function[1], TEXT),
		FIELD(tracer, TEXT),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		file.own = make_one(2);
		memcpy((uint8_t *)&file.own + rows[i].offset, &rows[i].value, rows[i].size);
		if (code_profiles_open(&profiles, &file, sizeof(file)) != -EINVAL)
			fail_msg("row %zu", i);
		assert_int_equal(profiles.count, 0);
		assert_false(choose());
	}
}

static void a_file_is_whole_profiles_and_nothing_else(void **state)
{
	static uint8_t long_file[CODE_PROFILE_SIZE_MAX + 8];

	(void)state;
	for (size_t size = 0; size < sizeof(file); size++)
		assert_int_equal(code_profiles_open(&profiles, &file, size),
				 size == 0 || size == sizeof(file.other) ? 0 : -EINVAL);
	assert_int_equal(code_profiles_open(&profiles, long_file, sizeof(long_file)), -EINVAL);
}

#define STATE(state) (1u << (state))

/* By kind: in which state, of how many bytes. */
static void a_place_has_the_states_of_its_kind(void **state)
{
	static const struct {
		uint32_t offset, length, states;
	} rows[SITES] = {
		{0x100, 2, STATE(PATCH_NOP) | STATE(PATCH_JUMP)},
		{0x200, 5, STATE(PATCH_CALL) | STATE(PATCH_NOP) | STATE(PATCH_CLEAR)},
		{0x205, 5, STATE(PATCH_JUMP) | STATE(PATCH_RETURN)},
		{0x300, 6, STATE(PATCH_JUMP)},
		{0x400, 5, STATE(PATCH_CALL) | STATE(PATCH_NOP)},
		{0xfff, 1, STATE(PATCH_NOP)},
	};

	(void)state;
	assert_true(choose());
	for (uint32_t i = 0; i < SITES; i++) {
		const struct code_profile_site *site =
			code_profile_at(&profile, BEGIN + rows[i].offset);

		assert_non_null(site);
		assert_null(code_profile_at(&profile, BEGIN + rows[i].offset + 1));
		for (uint32_t length = 1; length <= PATCH_BYTES; length++) {
			for (uint32_t s = PATCH_OPEN; s < PATCH_STATES; s++)
				assert_int_equal(
					code_profile_state(site, (enum patch_state)s, length),
					(s == PATCH_OPEN && rows[i].length > 1) ||
						s == PATCH_ORIGINAL ||
						(length == rows[i].length &&
						 (rows[i].states & STATE(s))));
		}
	}
	assert_null(code_profile_at(&profile, BEGIN - 1));
	assert_null(code_profile_at(&profile, BEGIN + (1ULL << 32) + 0x100));
}

static void a_place_leads_where_its_kind_may(void **state)
{
	enum { TARGET = 0x188, FUNCTION = 0x400, TRACER = 0x800, INSIDE = 0x404, OUTSIDE = IMAGE };
	static const uint32_t offset[] = {TARGET, FUNCTION, TRACER, INSIDE, OUTSIDE};
	static const struct {
		uint32_t site;
		bool may[5];
	} rows[] = {
		{0x100, {true, false, false, false, false}},
		{0x200, {false, true, false, false, true}},
		{0x205, {false, true, false, false, true}},
		{0x300, {false, true, false, false, true}},
		{0x400, {false, false, true, false, true}},
	};

	(void)state;
	assert_true(choose());
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t to = 0; to < sizeof(offset) / sizeof(offset[0]); to++) {
			const struct code_profile_site *site =
				code_profile_at(&profile, BEGIN + rows[i].site);

			assert_int_equal(code_profile_target(&profile, site, BEGIN + offset[to]),
					 rows[i].may[to]);
		}
	}
}

int main(void)
{
#define WITH_FILE(test) cmocka_unit_test_setup(test, make)
	const struct CMUnitTest tests[] = {
		WITH_FILE(the_running_kernel_s_is_found_by_its_build_id),
		WITH_FILE(what_is_malformed_is_no_profile),
		WITH_FILE(a_file_is_whole_profiles_and_nothing_else),
		WITH_FILE(a_place_has_the_states_of_its_kind),
		WITH_FILE(a_place_leads_where_its_kind_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
