/* SPDX-License-Identifier: MIT */
#include "secpod/phase.h"

#include <errno.h>
#include <stdbool.h>

/* In phase.state: a CPU runs the hooks of the step to the next phase. */
#define STEPPING (1u << 31)

void phase_init(struct phase *phase, const struct phase_hook *hooks, size_t hook_count,
		void *context)
{
	*phase = (struct phase){
		.state = SECPOD_PHASE_GUEST,
		.hooks = hooks,
		.hook_count = hook_count,
		.context = context,
	};
}

uint32_t phase_current(const struct phase *phase)
{
	return __atomic_load_n(&phase->state, __ATOMIC_ACQUIRE) & ~STEPPING;
}

static int run_hooks(struct phase *phase, uint32_t target)
{
	for (size_t i = 0; i < phase->hook_count; i++) {
		const struct phase_hook *hook = &phase->hooks[i];
		int (*call)(void *) =
			target == SECPOD_PHASE_ACTIVE ? hook->on_active : hook->on_locked;
		int error = call ? call(phase->context) : 0;

		if (error) {
			__atomic_store_n(&phase->failed, hook->name, __ATOMIC_RELAXED);
			return error;
		}
	}
	return 0;
}

int phase_advance(struct phase *phase, uint32_t target)
{
	uint32_t before = target - 1;
	int error;

	if (target != SECPOD_PHASE_ACTIVE && target != SECPOD_PHASE_LOCKED)
		return -EINVAL;
	if (!__atomic_compare_exchange_n(&phase->state, &before, before | STEPPING, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
		/* before is now what was found. */
		if ((before & ~STEPPING) >= target)
			return 0;
		return before & STEPPING ? -EBUSY : -EPERM;
	}
	error = run_hooks(phase, target);
	__atomic_store_n(&phase->state, error ? before : target, __ATOMIC_RELEASE);
	return error;
}

const char *phase_name(uint32_t phase)
{
	switch (phase) {
	case SECPOD_PHASE_GUEST:
		return "GUEST";
	case SECPOD_PHASE_ACTIVE:
		return "ACTIVE";
	case SECPOD_PHASE_LOCKED:
		return "LOCKED";
	default:
		return "OFF";
	}
}
