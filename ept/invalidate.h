/* SPDX-License-Identifier: MIT */
/*
 * Invalidation of EPT translations on all CPUs without a deadlock.
 *
 * A generation number counts changes. A CPU that enters the guest first announces it (in_guest =
 * 1), then compares the generation with the one it last invalidated for; when it is behind, it takes
 * the announcement back, invalidates, and begins anew. A CPU that asks for an invalidation raises the generation, and kicks (NMI) and waits for
 * those CPUs only that are in the guest with an older generation. A CPU in root mode is never
 * waited for: it will see the new generation before it enters. So two CPUs may ask at once, and one
 * that holds a lock the other spins on cannot block it. The store of in_guest and the load of the
 * generation (and the other way round on the asking side) are ordered by full barriers.
 *
 * Pure: INVEPT and the kick come in through struct ept_flush_ops, so that host tests can record
 * them.
 */
#ifndef SECPOD_EPT_INVALIDATE_H
#define SECPOD_EPT_INVALIDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "ept/ept.h"

#define EPT_FLUSH_MAX_CPUS 256u

struct ept_flush_cpu {
	uint64_t seen;	   /* generation this CPU last invalidated for */
	uint32_t in_guest; /* 1 from the announcement before VM entry until the VM exit */
	uint32_t present;  /* 1 once the CPU is launched */
	uint64_t flushes;  /* invalidations done */
	uint64_t zero[5];  /* one cache line each */
};

struct ept_flush_ops {
	/* INVEPT on the calling CPU, which is in root mode for the others: it may ask itself */
	void (*invalidate_local)(void *context);
	/* make cpu leave the guest soon; must not block */
	void (*kick)(void *context, uint32_t cpu);
	void (*relax)(void *context); /* one turn of waiting */
	void *context;
};

struct ept_flush {
	uint64_t generation;
	uint64_t requests; /* all-CPU invalidations asked for */
	uint64_t kicks;	   /* CPUs that had to be kicked */
	uint32_t cpus;
	uint32_t zero;
	struct ept_flush_ops ops;
	struct ept_flush_cpu cpu[EPT_FLUSH_MAX_CPUS];
};

/* ept_flush_init - cpus: number of CPUs, at most EPT_FLUSH_MAX_CPUS (else -EINVAL). */
int ept_flush_init(struct ept_flush *flush, uint32_t cpus, const struct ept_flush_ops *ops);

/* ept_flush_exit - first thing after a VM exit; self: the calling CPU's element of flush->cpu. */
static inline void ept_flush_exit(struct ept_flush_cpu *self)
{
	__atomic_store_n(&self->in_guest, 0u, __ATOMIC_RELEASE);
}

/* ept_flush_follow - the rare part of ept_flush_enter(): invalidate, and announce anew, until not behind. */
void ept_flush_follow(struct ept_flush *flush, struct ept_flush_cpu *self);

/* ept_flush_enter - last thing before VM entry; invalidates when behind. self as above. */
static inline void ept_flush_enter(struct ept_flush *flush, struct ept_flush_cpu *self)
{
	/* The exchange is a full barrier: announce first, look second. */
	__atomic_exchange_n(&self->in_guest, 1u, __ATOMIC_SEQ_CST);
	if (__builtin_expect(__atomic_load_n(&flush->generation, __ATOMIC_SEQ_CST) != self->seen,
			     0))
		ept_flush_follow(flush, self);
}

/*
 * ept_flush_all - when it returns, no CPU uses a translation that was cached before the call: each
 * has invalidated since, or is in root mode and will before it enters the guest. Called in root
 * mode (cpu's own in_guest is 0); holding locks is allowed, see above.
 */
void ept_flush_all(struct ept_flush *flush, uint32_t cpu);

/*
 * ept_flush_map - ept_flush_all(), and then free the table pages that had left the map before: what
 * EPT_FLUSH_NEEDED asks for. Takes ept->lock, but not while it waits. Result: pages freed.
 */
uint64_t ept_flush_map(struct ept_flush *flush, uint32_t cpu, struct ept *ept);

#endif
