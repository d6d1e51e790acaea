/* SPDX-License-Identifier: MIT */
/* SHA-256 of whole blocks: what code is measured with. Pure. FIPS 180-4, "SHA-256". */
#ifndef SECPOD_SECPOD_TEXT_SHA256_H
#define SECPOD_SECPOD_TEXT_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32u
#define SHA256_BLOCK 64u

/* sha256 - the digest of len bytes. */
void sha256(const void *from, size_t len, uint8_t digest[SHA256_BYTES]);

/* sha256_by - the same, with BMI2 and MOVBE or without. bmi2 only where sha256_has_bmi2(). */
void sha256_by(bool bmi2, const void *from, size_t len, uint8_t digest[SHA256_BYTES]);

/* sha256_first - the first 8 bytes of a digest, the first one highest: what is on record of it. */
static inline uint64_t sha256_first(const uint8_t *digest)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < sizeof(value); i++)
		value = value << 8 | digest[i];
	return value;
}

/* sha256_has_bmi2 - does this CPU have what the faster one uses? */
bool sha256_has_bmi2(void);

#endif
