/* SPDX-License-Identifier: MIT */
#include "secpod/text/sha256.h"

#include <cpuid.h>
#include <string.h>

/*
 * All rounds are written out, each with its constant and with the names of the working variables moved on
 * by one, so that nothing is copied between registers: it is some 15 MiB that are measured, at a
 * moment when a CPU waits for it.
 */
/* clang-format off */
#define ROUNDS(X) \
	X(0, 0x428a2f98) X(1, 0x71374491) X(2, 0xb5c0fbcf) X(3, 0xe9b5dba5) \
	X(4, 0x3956c25b) X(5, 0x59f111f1) X(6, 0x923f82a4) X(7, 0xab1c5ed5) \
	X(8, 0xd807aa98) X(9, 0x12835b01) X(10, 0x243185be) X(11, 0x550c7dc3) \
	X(12, 0x72be5d74) X(13, 0x80deb1fe) X(14, 0x9bdc06a7) X(15, 0xc19bf174) \
	X(16, 0xe49b69c1) X(17, 0xefbe4786) X(18, 0x0fc19dc6) X(19, 0x240ca1cc) \
	X(20, 0x2de92c6f) X(21, 0x4a7484aa) X(22, 0x5cb0a9dc) X(23, 0x76f988da) \
	X(24, 0x983e5152) X(25, 0xa831c66d) X(26, 0xb00327c8) X(27, 0xbf597fc7) \
	X(28, 0xc6e00bf3) X(29, 0xd5a79147) X(30, 0x06ca6351) X(31, 0x14292967) \
	X(32, 0x27b70a85) X(33, 0x2e1b2138) X(34, 0x4d2c6dfc) X(35, 0x53380d13) \
	X(36, 0x650a7354) X(37, 0x766a0abb) X(38, 0x81c2c92e) X(39, 0x92722c85) \
	X(40, 0xa2bfe8a1) X(41, 0xa81a664b) X(42, 0xc24b8b70) X(43, 0xc76c51a3) \
	X(44, 0xd192e819) X(45, 0xd6990624) X(46, 0xf40e3585) X(47, 0x106aa070) \
	X(48, 0x19a4c116) X(49, 0x1e376c08) X(50, 0x2748774c) X(51, 0x34b0bcb5) \
	X(52, 0x391c0cb3) X(53, 0x4ed8aa4a) X(54, 0x5b9cca4f) X(55, 0x682e6ff3) \
	X(56, 0x748f82ee) X(57, 0x78a5636f) X(58, 0x84c87814) X(59, 0x8cc70208) \
	X(60, 0x90befffa) X(61, 0xa4506ceb) X(62, 0xbef9a3f7) X(63, 0xc67178f2)
/* clang-format on */

static inline uint32_t ror(uint32_t x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

/* The rotations of FIPS 180-4 (4.4) to (4.7), taken out of each other. */
static inline uint32_t sum0(uint32_t x)
{
	return ror(ror(ror(x, 9) ^ x, 11) ^ x, 2);
}

static inline uint32_t sum1(uint32_t x)
{
	return ror(ror(ror(x, 14) ^ x, 5) ^ x, 6);
}

static inline uint32_t sigma0(uint32_t x)
{
	return ror(ror(x, 11) ^ x, 7) ^ x >> 3;
}

static inline uint32_t sigma1(uint32_t x)
{
	return ror(ror(x, 2) ^ x, 17) ^ x >> 10;
}

static inline uint32_t load_big(const uint8_t *from)
{
	uint32_t value;

	__builtin_memcpy(&value, from, sizeof(value));
	return __builtin_bswap32(value);
}

/* Variable v[(n - i) mod 8] plays part n in round i. */
#define PART(n, i) v[((n) + 64 - (i)) % 8]
#define WORD(i) w[(i) % 16]
/* a ^ b of round i, that takes part in the majority of the next round as well. */
#define PAIR(i) pair[((i) + 2) % 2]

#define ROUND(i, k)                                                              \
	do {                                                                     \
		const uint32_t a = PART(0, i), e = PART(4, i);                   \
		uint32_t word, t;                                                \
                                                                                 \
		if ((i) < 16)                                                    \
			word = load_big(block + 4 * (i));                        \
		else                                                             \
			word = sigma0(WORD((i) + 1)) + WORD(i) + WORD((i) + 9) + \
			       sigma1(WORD((i) + 14));                           \
		WORD(i) = word;                                                  \
		t = PART(7, i) + word + (k);                                     \
		t += sum1(e) + (((PART(5, i) ^ PART(6, i)) & e) ^ PART(6, i));   \
		PART(3, i) += t;                                                 \
		PAIR(i) = a ^ PART(1, i);                                        \
		PAIR((i)-1) &= PAIR(i);                                          \
		PAIR((i)-1) ^= PART(1, i);                                       \
		PART(7, i) = t + PAIR((i)-1) + sum0(a);                          \
	} while (0);

static inline __attribute__((always_inline)) void add(uint32_t state[8], const uint8_t *block)
{
	uint32_t w[16], v[8], pair[2];

	__builtin_memcpy(v, state, sizeof(v));
	PAIR(-1) = state[1] ^ state[2];
	ROUNDS(ROUND)
	for (unsigned int i = 0; i < 8; i++)
		state[i] += v[i];
}

static void add_block(uint32_t state[8], const uint8_t *block)
{
	add(state, block);
}

/* The same with instructions that rotate one register into another, and that load the other way round. */
__attribute__((target("bmi2,movbe"))) static void add_block_bmi2(uint32_t state[8],
								 const uint8_t *block)
{
	add(state, block);
}

bool sha256_has_bmi2(void)
{
	uint32_t eax, ebx, ecx, edx;

	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_MOVBE) &&
	       __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit_BMI2);
}

void sha256_by(bool bmi2, const void *from, size_t len, uint8_t digest[SHA256_BYTES])
{
	void (*const add_to)(uint32_t *, const uint8_t *) = bmi2 ? add_block_bmi2 : add_block;
	/* FIPS 180-4, 5.3.3 */
	uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	const uint64_t bits = (uint64_t)len * 8;
	const uint8_t *at = from;
	uint8_t tail[2 * SHA256_BLOCK] = {0};
	size_t tail_len;

	for (; len >= SHA256_BLOCK; len -= SHA256_BLOCK, at += SHA256_BLOCK)
		add_to(state, at);
	/* 5.1.1: a one, zeros, and the length in bits. */
	if (len)
		memcpy(tail, at, len);
	tail[len] = 0x80;
	tail_len = len + 9 <= SHA256_BLOCK ? SHA256_BLOCK : 2 * SHA256_BLOCK;
	for (unsigned int i = 0; i < 8; i++)
		tail[tail_len - 1 - i] = (uint8_t)(bits >> 8 * i);
	for (size_t done = 0; done < tail_len; done += SHA256_BLOCK)
		add_to(state, tail + done);
	for (unsigned int i = 0; i < SHA256_BYTES; i++)
		digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256(const void *from, size_t len, uint8_t digest[SHA256_BYTES])
{
	/* CPUID is slow under another hypervisor. CPUs that ask at once find the same. */
	static enum { UNKNOWN, WITHOUT, WITH } bmi2;

	if (__atomic_load_n(&bmi2, __ATOMIC_RELAXED) == UNKNOWN)
		__atomic_store_n(&bmi2, sha256_has_bmi2() ? WITH : WITHOUT, __ATOMIC_RELAXED);
	sha256_by(__atomic_load_n(&bmi2, __ATOMIC_RELAXED) == WITH, from, len, digest);
}
