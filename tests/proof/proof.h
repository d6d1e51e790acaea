/* SPDX-License-Identifier: MIT */
/* What the harnesses have in common: words for CBMC's primitives, and arbitrary values. */
#ifndef SECPOD_TESTS_PROOF_PROOF_H
#define SECPOD_TESTS_PROOF_PROOF_H

#include <stdbool.h>
#include <stdint.h>

/* assume - leave aside what is not so. prove - what must be so in all that is left. */
#define assume(condition) __CPROVER_assume(condition)
#define prove(condition, what) __CPROVER_assert(condition, what)

/* Without a body: any value of the type. */
bool nondet_bool(void);
int nondet_int(void);
uint8_t nondet_u8(void);
uint16_t nondet_u16(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);

static inline uint64_t any_below(uint64_t limit)
{
	uint64_t value = nondet_u64();

	assume(value < limit);
	return value;
}

#endif
