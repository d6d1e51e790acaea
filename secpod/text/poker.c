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

void poker_give(struct poker *poker, enum poker_writer writer, uint64_t begin, uint64_t bytes)
{
	poker->begin[writer] = begin;
	__atomic_store_n(&poker->bytes[writer], bytes, __ATOMIC_RELEASE);
}

/* May this be an instruction of the writer's, by what is given or else learned? */
static bool may_write(const struct poker *poker, enum poker_writer writer, uint64_t rip)
{
	const uint64_t bytes = known(&poker->bytes[writer]), learned = known(&poker->rip[writer]);

	return bytes ? rip - poker->begin[writer] < bytes
		     : !learned || rip - learned + WRITER_BYTES < 2 * WRITER_BYTES;
}

/* Another CPU may have taught meanwhile. */
static bool learn(struct poker *poker, enum poker_writer writer, const struct poke *poke)
{
	if (!is_learned(&poker->root, poke->root))
		return false;
	return known(&poker->bytes[writer]) || is_learned(&poker->rip[writer], poke->rip) ||
	       may_write(poker, writer, poke->rip);
}

bool poker_is_known(struct poker *poker, const struct poke *poke)
{
	const uint64_t root = known(&poker->root);

	if (poke->va >= USER_HALF_END || poke->interrupts)
		return false;
	if (poke->fluid && !known(&poker->bytes[POKER_COPY]) && !known(&poker->rip[POKER_COPY]))
		return true;
	if (root && root != poke->root)
		return false;
	if (may_write(poker, POKER_COPY, poke->rip))
		return learn(poker, POKER_COPY, poke);
	return poke->fluid && may_write(poker, POKER_FILL, poke->rip) &&
	       learn(poker, POKER_FILL, poke);
}
