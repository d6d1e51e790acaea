/* SPDX-License-Identifier: MIT */
/*
 * Phases of protection: GUEST -> ACTIVE -> LOCKED, one after the other and never back
 * (SECPOD_PHASE_* of the ABI header). Pure.
 *
 * A step calls the hooks of a const table in their order, on the CPU that asked for it, in root
 * mode, and then publishes the new phase: who sees a phase sees all that its hooks have set up. Two
 * CPUs that ask at the same time do not wait for each other, one of them is told -EBUSY.
 */
#ifndef SECPOD_SECPOD_PHASE_H
#define SECPOD_SECPOD_PHASE_H

#include <stddef.h>
#include <stdint.h>

#include "guest-support/include/secpod_abi.h"

/*
 * A hook sets up what the phase protects; the phase is still the old one. It may stop the other
 * CPUs. Result: 0, or a negative errno: then the phase stays, and the hooks before this one will be
 * called a second time when the step is tried again. NULL: nothing to do.
 */
struct phase_hook {
	const char *name;
	int (*on_active)(void *context);
	int (*on_locked)(void *context);
};

struct phase {
	uint32_t state; /* the phase, and whether a CPU is taking the step to the next */
	const struct phase_hook *hooks;
	size_t hook_count;
	void *context;
	const char *failed; /* name of the hook that failed last, NULL: none */
};

/* phase_init - begin in GUEST. hooks, context: kept. */
void phase_init(struct phase *phase, const struct phase_hook *hooks, size_t hook_count,
		void *context);

/* phase_current - SECPOD_PHASE_*. */
uint32_t phase_current(const struct phase *phase);

/*
 * phase_advance - take the step to target (ACTIVE or LOCKED).
 * Result: 0 (also when target or a later phase is reached already); -EINVAL (no such phase), -EPERM
 * (a phase lies between), -EBUSY (another CPU is taking a step; try again), the error of a hook.
 */
int phase_advance(struct phase *phase, uint32_t target);

/* phase_name - "GUEST", "ACTIVE", "LOCKED"; "OFF" for all others. */
const char *phase_name(uint32_t phase);

#endif
