/* SPDX-License-Identifier: MIT */
/*
 * Seen first by every file of the model. Who spins on a lock gives up the processor, as there may be fewer of
 * them than threads. And with threads whoever is about to change something others see may lose the
 * processor just then, so that what happens between two steps of one CPU is not left to chance.
 */
#ifndef SECPOD_TESTS_MODEL_RELAX_H
#define SECPOD_TESTS_MODEL_RELAX_H

#include <sched.h>
#include <stdint.h>
#include <unistd.h>

/* One change in so many is delayed by a turn of the others, and one by many of them. */
#define MODEL_SHORT_DELAY 64u
#define MODEL_LONG_DELAY 1024u
#define MODEL_LONG_DELAY_US 20u

/* Set while there are threads. */
extern int model_shaken;

static inline void model_relax(void)
{
	(void)sched_yield();
}

static inline void model_shake(void)
{
	static _Thread_local uint32_t state;

	if (!model_shaken)
		return;
	state = state * 1664525u + 1013904223u + (uint32_t)(uintptr_t)&state;
	if ((state >> 8) % MODEL_LONG_DELAY == 0)
		(void)usleep(MODEL_LONG_DELAY_US);
	else if ((state >> 8) % MODEL_SHORT_DELAY == 0)
		(void)sched_yield();
}

#define __builtin_ia32_pause model_relax
#define __atomic_store_n(...) (model_shake(), __atomic_store_n(__VA_ARGS__))
#define __atomic_fetch_add(...) (model_shake(), __atomic_fetch_add(__VA_ARGS__))
#define __atomic_fetch_sub(...) (model_shake(), __atomic_fetch_sub(__VA_ARGS__))
#define __atomic_fetch_and(...) (model_shake(), __atomic_fetch_and(__VA_ARGS__))
#define __atomic_fetch_or(...) (model_shake(), __atomic_fetch_or(__VA_ARGS__))
#define __atomic_compare_exchange_n(...) (model_shake(), __atomic_compare_exchange_n(__VA_ARGS__))

#endif
