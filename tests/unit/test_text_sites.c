/* SPDX-License-Identifier: MIT */
/* TEXT_SITES: which sites of the kernel's text are patched. */
#include <string.h>

#include "tests/unit/request_world.h"

#define SITES 5u
#define SITE(i) (PW_IMAGE + 0x100 + 32 * (uint64_t)(i))
#define LIST 0x2000u

static int read_image(void *context, uint64_t va, uint8_t *to, size_t len)
{
	(void)context;
	memcpy(to, world.ram + PW_IMAGE_GPA + (va - PW_IMAGE), len);
	return 0;
}

static int write_nothing(void *context)
{
	(void)context;
	return 0;
}

static bool is_image(void *context, uint64_t va)
{
	(void)context;
	return va - PW_IMAGE < PW_TEXT_PAGES * PAGE_SIZE;
}

static void open_sites(void)
{
	static const struct text_code code = {read_image, write_nothing, is_image, NULL, false};
	const uint8_t int3 = 0xcc;

	for (uint32_t i = 0; i < SITES; i++) {
		world.ram[PW_IMAGE_GPA + (SITE(i) - PW_IMAGE)] = (uint8_t)(i + 1);
		assert_int_equal(text_store(&world.paging.text, &code, SITE(i), &int3, 1), 0);
	}
}

/* By calls of two each, every site once. */
static void sites_are_listed_with_what_they_were(void **state)
{
	const struct secpod_text_site *site = (const void *)(machine.ram + LIST);
	uint64_t after = 0;
	uint32_t seen = 0;
	int64_t count;

	(void)state;
	assert_int_equal(ask(SECPOD_CALL_TEXT_SITES, LIST, 0, SECPOD_TEXT_SITES_MAX, 0), 0);
	open_sites();
	while ((count = ask(SECPOD_CALL_TEXT_SITES, LIST, after, 2, 0)) > 0) {
		assert_true(count <= 2);
		for (int64_t i = 0; i < count; i++) {
			const uint64_t index = (site[i].linear - SITE(0)) / 32;

			assert_true(site[i].number > after && index < SITES);
			assert_int_equal(site[i].linear, SITE(index));
			assert_int_equal(site[i].original[0], index + 1);
			assert_int_equal(site[i].length, 1);
			assert_int_equal(site[i].state, SECPOD_TEXT_OPEN);
			assert_false(seen & 1u << index);
			seen |= 1u << index;
			after = site[i].number;
		}
	}
	assert_int_equal(count, 0);
	assert_int_equal(seen, (1u << SITES) - 1);
	assert_int_equal(malformed(), 0);
}

static void sites_of_a_malformed_call_are_not_listed(void **state)
{
	static const uint64_t rows[][5] = {
		{LIST, 0, 0, 0, SECPOD_EINVAL},
		{LIST, 0, SECPOD_TEXT_SITES_MAX + 1, 0, SECPOD_EINVAL},
		{LIST, 0, ~0ULL, 0, SECPOD_EINVAL},
		{LIST, 1ULL << 32, 1, 0, SECPOD_EINVAL},
		{LIST + 4, 0, 1, 0, SECPOD_EINVAL},
		{LIST, 0, 1, 1, SECPOD_EINVAL},
		{WORLD_SECURE_BASE, 0, 1, 0, SECPOD_EFAULT},
		{WORLD_SECURE_BASE - 40, 0, 2, 0, SECPOD_EFAULT},
		{WORLD_RAM - 40, 0, 2, 0, SECPOD_EFAULT},
		{~7ULL, 0, 1, 0, SECPOD_EFAULT},
	};

	(void)state;
	open_sites();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
			ask(SECPOD_CALL_TEXT_SITES, rows[i][0], rows[i][1], rows[i][2], rows[i][3]),
			-(int64_t)rows[i][4]);
		assert_int_equal(machine.bytes_written, 0);
	}
	assert_int_equal(malformed(), sizeof(rows) / sizeof(rows[0]));
}

int main(void)
{
#define WITH_WORLD(test) \
	cmocka_unit_test_setup_teardown(test, request_world_open, request_world_close)
	const struct CMUnitTest tests[] = {
		WITH_WORLD(sites_are_listed_with_what_they_were),
		WITH_WORLD(sites_of_a_malformed_call_are_not_listed),
	};

	return cmocka_run_group_tests_name("text_sites", tests, NULL, NULL);
}
