/* SPDX-License-Identifier: MIT */
/*
 * Ticket spinlock: fair, so that a guest which keeps one CPU in root mode cannot starve another.
 * Rule of the house: nobody waits for another CPU while holding a lock (see ept/invalidate.h).
 */
#ifndef SECPOD_VMM_SPINLOCK_H
#define SECPOD_VMM_SPINLOCK_H

#include <stdint.h>

struct spinlock {
	uint32_t next;
	uint32_t serving;
};

static inline void spin_lock(struct spinlock *lock)
{
	uint32_t ticket = __atomic_fetch_add(&lock->next, 1u, __ATOMIC_RELAXED);

	while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket)
		__builtin_ia32_pause();
}

static inline void spin_unlock(struct spinlock *lock)
{
	/* Only the holder writes serving. */
	__atomic_store_n(&lock->serving, lock->serving + 1u, __ATOMIC_RELEASE);
}

#endif
