/* SPDX-License-Identifier: MIT */
/*
 * Roots: address spaces as CPUs load them. Linux tells nobody when one is over. It is when its user
 * half is empty and no CPU may load it: found when a CPU leaves it, or when a store empties it.
 */
#include <errno.h>
#include <string.h>

#include "guest-support/include/secpod_abi.h"
#include "secpod/paging/internal.h"

/* Retired tables released at each load, when an invalidation has covered them. */
#define SWEEP_LOAD 16u

static bool refuse_root(struct paging *paging, uint64_t root)
{
	return paging->ops.refuse(paging->ops.context, SECPOD_RULE_PT_ROOT, root, 0, root);
}

static void leave(struct paging *paging, uint64_t frame)
{
	if (frame != PAGING_NO_ROOT && frame_put(&paging->frames, frame))
		retire(paging, frame);
}

void paging_cpu_init(struct paging_cpu *cpu)
{
	for (uint32_t i = 0; i < PAGING_CPU_ROOTS; i++)
		cpu->root[i] = PAGING_NO_ROOT;
}

bool paging_root_known(const struct paging_cpu *cpu, uint64_t root)
{
	for (uint32_t i = 0; i < PAGING_CPU_ROOTS; i++) {
		if (cpu->root[i] == root >> PAGE_SHIFT)
			return true;
	}
	return false;
}

static void leave_from(struct paging *paging, struct paging_cpu *cpu, uint32_t first)
{
	for (uint32_t i = first; i < PAGING_CPU_ROOTS; i++) {
		leave(paging, cpu->root[i]);
		cpu->root[i] = PAGING_NO_ROOT;
	}
}

void paging_roots_trim(struct paging *paging, struct paging_cpu *cpu)
{
	leave_from(paging, cpu, 1);
}

void paging_roots_forget(struct paging *paging, struct paging_cpu *cpu)
{
	leave_from(paging, cpu, 0);
}

/* A reference to the root of an admitted tree. Result: as paging_root_load(), -EACCES: no such tree. */
static int enter(struct paging *paging, struct paging_cpu *cpu, uint64_t frame)
{
	const struct tree_root tree = {.frame = frame, .level = PT_LEVELS, .half = HALF_USER};
	int error = frame_get(&paging->frames, frame, PT_LEVELS);

	return error == -EPERM ? promote_tree(paging, cpu, &tree) : error;
}

int paging_root_load(struct paging *paging, struct paging_cpu *cpu, uint64_t root,
		     uint64_t *evicted)
{
	const uint64_t frame = root >> PAGE_SHIFT;
	uint32_t place = 0;

	*evicted = PAGING_NO_ROOT;
	while (place < PAGING_CPU_ROOTS && cpu->root[place] != frame)
		place++;
	if (place == PAGING_CPU_ROOTS) {
		const int error = enter(paging, cpu, frame);

		if (error == -EPERM)
			return error;
		if (error == -EACCES || error == -EFAULT || error == -EOVERFLOW) {
			(void)refuse_root(paging, root);
			return -EPERM;
		}
		/* Another CPU is making the tree, or unmaking it. */
		if (error)
			return error == -ENOMEM ? error : -EAGAIN;
		place = PAGING_CPU_ROOTS - 1;
		if (cpu->root[place] != PAGING_NO_ROOT)
			*evicted = cpu->root[place] << PAGE_SHIFT;
		leave(paging, cpu->root[place]);
	}
	memmove(&cpu->root[1], &cpu->root[0], place * sizeof(cpu->root[0]));
	cpu->root[0] = frame;
	retire_sweep(paging, cpu, SWEEP_LOAD);
	return 0;
}
