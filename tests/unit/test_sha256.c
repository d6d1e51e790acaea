/* SPDX-License-Identifier: MIT */
#include "secpod/text/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void check_by(bool bmi2, const void *from, size_t len, const char *expected)
{
	uint8_t digest[SHA256_BYTES];
	char text[2 * SHA256_BYTES + 1];

	sha256_by(bmi2, from, len, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	assert_string_equal(text, expected);
}

/* By both, where the host can. */
static void check(const void *from, size_t len, const char *expected)
{
	check_by(false, from, len, expected);
	if (sha256_has_bmi2())
		check_by(true, from, len, expected);
}

/* FIPS 180-4's examples, as NIST publishes them with intermediate values. */
static void published_vectors(void **state)
{
	static char million[1000000];

	(void)state;
	check("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	check("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
	      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	memset(million, 'a', sizeof(million));
	check(million, sizeof(million),
	      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Every length around the borders of a block, into one digest, as other programs compute it. */
static void every_padding(void **state)
{
	uint8_t bytes[200], all[sizeof(bytes) * SHA256_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (size_t len = 0; len < sizeof(bytes); len++)
		sha256(bytes, len, all + len * SHA256_BYTES);
	check(all, sizeof(all), "ba7b0fcea7d10c06b855b43d2b4dce1e3e842fff6be0acefb0faf4f2dd05bb47");
}

static void zero_page(void **state)
{
	static const uint8_t page[4096];

	(void)state;
	check(page, sizeof(page),
	      "ad7facb2586fc6e966c004d7d1d16b024f5805ff7cb47c7a85dabd8b48892ca7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors),
		cmocka_unit_test(every_padding),
		cmocka_unit_test(zero_page),
	};

	return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
