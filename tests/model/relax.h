/* SPDX-License-Identifier: MIT */
/*
 * Seen first by every file of the model: who spins on a lock gives up the processor, as there may be fewer
 * of them than threads.
 */
#ifndef SECPOD_TESTS_MODEL_RELAX_H
#define SECPOD_TESTS_MODEL_RELAX_H

#include <sched.h>

static inline void model_relax(void)
{
	(void)sched_yield();
}

#define __builtin_ia32_pause model_relax

#endif
