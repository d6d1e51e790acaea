/* SPDX-License-Identifier: MIT */
#include "ept/invalidate.h"

#include <errno.h>
#include <string.h>

int ept_flush_init(struct ept_flush *flush, uint32_t cpus, const struct ept_flush_ops *ops)
{
	if (cpus == 0 || cpus > EPT_FLUSH_MAX_CPUS || !ops->invalidate_local || !ops->kick ||
	    !ops->relax)
		return -EINVAL;
	memset(flush, 0, sizeof(*flush));
	flush->cpus = cpus;
	flush->ops = *ops;
	return 0;
}

void ept_flush_follow(struct ept_flush *flush, struct ept_flush_cpu *self)
{
	uint64_t generation;

	while ((generation = __atomic_load_n(&flush->generation, __ATOMIC_SEQ_CST)) != self->seen) {
		/* What follows may wait for other CPUs, and they are not to wait for this one. */
		__atomic_store_n(&self->in_guest, 0u, __ATOMIC_RELEASE);
		flush->ops.invalidate_local(flush->ops.context);
		self->flushes++;
		__atomic_store_n(&self->seen, generation, __ATOMIC_RELEASE);
		__atomic_exchange_n(&self->in_guest, 1u, __ATOMIC_SEQ_CST);
	}
}

/* Is this CPU in the guest, perhaps with translations from before the generation? */
static bool is_behind(const struct ept_flush *flush, uint32_t cpu, uint64_t generation)
{
	const struct ept_flush_cpu *other = &flush->cpu[cpu];

	return __atomic_load_n(&other->in_guest, __ATOMIC_SEQ_CST) != 0 &&
	       __atomic_load_n(&other->seen, __ATOMIC_ACQUIRE) < generation;
}

void ept_flush_all(struct ept_flush *flush, uint32_t cpu)
{
	/*
	 * A full barrier: the changes of the tables before it, the looks at in_guest behind it. A
	 * CPU that is not in the guest at that look finds the new generation when it enters.
	 */
	uint64_t generation = __atomic_add_fetch(&flush->generation, 1u, __ATOMIC_SEQ_CST);
	uint32_t i;

	__atomic_fetch_add(&flush->requests, 1u, __ATOMIC_RELAXED);
	for (i = 0; i < flush->cpus; i++) {
		if (i == cpu || !is_behind(flush, i, generation))
			continue;
		__atomic_fetch_add(&flush->kicks, 1u, __ATOMIC_RELAXED);
		flush->ops.kick(flush->ops.context, i);
	}
	for (i = 0; i < flush->cpus; i++)
		while (i != cpu && is_behind(flush, i, generation))
			flush->ops.relax(flush->ops.context);
}

uint64_t ept_flush_map(struct ept_flush *flush, uint32_t cpu, struct ept *ept)
{
	uint64_t ticket = ept_reclaim_ticket(ept);

	ept_flush_all(flush, cpu);
	return ept_reclaim_until(ept, ticket);
}
