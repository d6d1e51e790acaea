/* SPDX-License-Identifier: MIT */
/*
 * Included before the judge's source: a large leaf has few frames, so that loops over all of them end.
 * Addresses, and everything else, are as they are.
 */
#ifndef SECPOD_TESTS_PROOF_EDGE_JUDGE_H
#define SECPOD_TESTS_PROOF_EDGE_JUDGE_H

#include "secpod/paging/pte.h"

#define LARGE 2u

static inline uint64_t small_leaf_frames(uint32_t level)
{
	return level == 1 ? 1 : LARGE;
}

#define pte_leaf_frames(level) small_leaf_frames(level)

#endif
