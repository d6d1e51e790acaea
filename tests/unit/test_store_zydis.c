/* SPDX-License-Identifier: MIT */
/*
 * The store decoder against Zydis: all opcodes of one and two bytes with all ModR/M bytes under the
 * prefixes that matter, known instructions with bits turned over, and random bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/store_world.h"
#include "tests/unit/store_zydis.h"
#include "vmx/store_decode.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES_SIZE 24u
#define RANDOM_ROUNDS 1000000u

static unsigned int compare(const uint8_t bytes[BYTES_SIZE], size_t len)
{
	int accepted;
	const char *difference = store_zydis_compare(bytes, len, &accepted);

	if (difference)
		fail_msg("%s: %zu of %02x %02x %02x %02x %02x %02x %02x %02x %02x %02x %02x %02x "
			 "%02x %02x %02x",
			 difference, len, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
			 bytes[5], bytes[6], bytes[7], bytes[8], bytes[9], bytes[10], bytes[11],
			 bytes[12], bytes[13], bytes[14]);
	return (unsigned int)accepted;
}

static void fill(uint8_t bytes[BYTES_SIZE], uint64_t *seed)
{
	for (unsigned int i = 0; i < BYTES_SIZE; i += sizeof(uint64_t)) {
		uint64_t random = store_random(seed);

		memcpy(bytes + i, &random, sizeof(random));
	}
}

static const struct {
	uint8_t bytes[3];
	uint8_t len;
} prefixes[] = {
	{{0}, 0},	   {{0x66}, 1},	      {{0x67}, 1},
	{{0x48}, 1},	   {{0x44}, 1},	      {{0x43}, 1},
	{{0xf0}, 1},	   {{0xf2}, 1},	      {{0xf3}, 1},
	{{0x3e}, 1},	   {{0x64}, 1},	      {{0x65}, 1},
	{{0x66, 0x48}, 2}, {{0x48, 0x66}, 2}, {{0xf0, 0x4f}, 2},
	{{0xf3, 0x48}, 2}, {{0x64, 0x3e}, 2}, {{0x65, 0x67}, 2},
	{{0xf2, 0xf0}, 2}, {{0xf3, 0xf2}, 2}, {{0xf0, 0x66, 0x67}, 3},
};

/* Every opcode of the map that escape leads to (none: the first), with every ModR/M byte, and random others behind. */
static unsigned int compare_map(const uint8_t *prefix, size_t prefix_len, bool escape)
{
	uint8_t bytes[BYTES_SIZE];
	uint64_t seed = 12 + prefix_len;
	unsigned int accepted = 0;
	size_t len = prefix_len;

	for (unsigned int opcode = 0; opcode < 256; opcode++) {
		for (unsigned int modrm = 0; modrm < 256; modrm++) {
			fill(bytes, &seed);
			memcpy(bytes, prefix, prefix_len);
			len = prefix_len;
			if (escape)
				bytes[len++] = 0x0f;
			bytes[len++] = (uint8_t)opcode;
			bytes[len++] = (uint8_t)modrm;
			accepted += compare(bytes, BYTES_SIZE);
			accepted += compare(bytes, STORE_INSN_MAX);
		}
	}
	return accepted;
}

static void all_opcodes_with_all_modrm(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
		/* With LOCK too, the arithmetic is left: 12 opcodes. */
		assert_true(compare_map(prefixes[i].bytes, prefixes[i].len, false) > 12 * 192);
		assert_true(compare_map(prefixes[i].bytes, prefixes[i].len, true) > 6 * 192);
	}
}

/* Whatever the first three bytes are. */
static void all_beginnings(void **state)
{
	uint8_t bytes[BYTES_SIZE];
	uint64_t seed = 6;
	unsigned int accepted = 0;

	(void)state;
	for (unsigned int i = 0; i < 1u << 24; i++) {
		if (i % 4096 == 0)
			fill(bytes, &seed);
		bytes[0] = (uint8_t)i;
		bytes[1] = (uint8_t)(i >> 8);
		bytes[2] = (uint8_t)(i >> 16);
		accepted += compare(bytes, BYTES_SIZE);
	}
	assert_true(accepted > 1000000);
}

static void random_bytes(void **state)
{
	uint8_t bytes[BYTES_SIZE];
	uint64_t seed = 1;

	(void)state;
	for (unsigned int i = 0; i < RANDOM_ROUNDS; i++) {
		fill(bytes, &seed);
		compare(bytes, store_random(&seed) % (STORE_INSN_MAX + 2));
	}
}

static const struct {
	const char *bytes;
	size_t len;
} known[] = {
#define KNOWN(string)                        \
	{                                    \
		(string), sizeof(string) - 1 \
	}
	KNOWN("\x48\x89\x37"),
	KNOWN("\x49\x89\x55\x00"),
	KNOWN("\x4b\x89\x94\xe5\x10\x20\x30\x40"),
	KNOWN("\x48\xc7\x03\x00\x00\x00\x00"),
	KNOWN("\x48\xc7\x05\x01\x02\x03\x04\x00\x00\x00\x00"),
	KNOWN("\xc6\x04\x25\x01\x02\x03\x04\x05"),
	KNOWN("\x49\x87\x34\x24"),
	KNOWN("\xf0\x48\x0f\xba\x32\x05"),
	KNOWN("\x3e\x48\x0f\xba\x32\x05"),
	KNOWN("\xf0\x41\x80\x24\x24\xfd"),
	KNOWN("\xf0\x41\x80\x65\x00\xfd"),
	KNOWN("\xf0\x48\x0f\xb1\x13"),
	KNOWN("\xf0\x48\x0f\xc1\x5c\x24\x08"),
	KNOWN("\x66\x81\xb4\x43\x01\x02\x03\x04\x05\x06"),
	KNOWN("\x66\x0f\xbb\x4e\x10"),
	KNOWN("\x48\x0f\xc3\x40\x18"),
	KNOWN("\xf3\xa4"),
	KNOWN("\xf3\x48\xa5"),
	KNOWN("\x65\xf3\x66\xa5"),
	KNOWN("\xf3\xaa"),
	KNOWN("\xf3\x48\xab"),
#undef KNOWN
};

/* Up to three changes: a bit, a byte, a prefix in front. */
static void mutate(uint8_t bytes[BYTES_SIZE], uint64_t *seed)
{
	static const uint8_t fronts[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67,
					 0xf0, 0xf2, 0xf3, 0x40, 0x41, 0x44, 0x48, 0x4f};

	for (uint64_t n = store_random(seed) % 4; n > 0; n--) {
		uint64_t random = store_random(seed) >> 16;
		unsigned int at = (unsigned int)(random % 12);

		switch (random >> 8 & 3) {
		case 0:
			bytes[at] ^= (uint8_t)(1u << (random >> 16 & 7));
			break;
		case 1:
			bytes[at] = (uint8_t)(random >> 16);
			break;
		default:
			memmove(bytes + 1, bytes, BYTES_SIZE - 1);
			bytes[0] = fronts[random >> 16 & 15];
			break;
		}
	}
}

static void known_instructions_changed(void **state)
{
	uint8_t bytes[BYTES_SIZE];
	uint64_t seed = 3;
	unsigned int accepted = 0;

	(void)state;
	for (unsigned int i = 0; i < RANDOM_ROUNDS; i++) {
		unsigned int row = i % (unsigned int)COUNT_OF(known);

		fill(bytes, &seed);
		memcpy(bytes, known[row].bytes, known[row].len);
		mutate(bytes, &seed);
		accepted += compare(bytes, BYTES_SIZE);
		compare(bytes, store_random(&seed) % (STORE_INSN_MAX + 1));
	}
	assert_true(accepted > RANDOM_ROUNDS / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_opcodes_with_all_modrm),
		cmocka_unit_test(all_beginnings),
		cmocka_unit_test(random_bytes),
		cmocka_unit_test(known_instructions_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
