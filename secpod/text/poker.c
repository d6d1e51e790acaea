/* SPDX-License-Identifier: MIT */
#include "secpod/text/poker.h"

#define USER_HALF_END (1ULL << 47)
/* The instructions of one memcpy() or memset() lie within so many bytes. */
#define WRITER_BYTES 512u

static uint64_t known(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}

/* Is it value, or not known yet and value from now on? */
static bool is_learned(uint64_t *to, uint64_t value)
{
	uint64_t found = 0;

	return __atomic_compare_exchange_n(to, &found, value, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE) ||
	       found == value;
}

static bool is_near(uint64_t rip, uint64_t writer)
{
	return rip - writer + WRITER_BYTES < 2 * WRITER_BYTES;
}

static bool is_writer(uint64_t *writer, uint64_t rip)
{
	return is_learned(writer, rip) || is_near(rip, known(writer));
}

bool poker_is_known(struct poker *poker, const struct poke *poke)
{
	const uint64_t copy = known(&poker->rip[POKER_COPY]);

	if (poke->va >= USER_HALF_END || poke->interrupts)
		return false;
	if (poke->fluid && !copy)
		return true;
	if (!is_learned(&poker->root, poke->root))
		return false;
	return is_writer(&poker->rip[POKER_COPY], poke->rip) ||
	       (poke->fluid && is_writer(&poker->rip[POKER_FILL], poke->rip));
}
