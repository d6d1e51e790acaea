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

void paging_roots_trim(struct paging *paging, struct paging_cpu *cpu)
{
	for (uint32_t i = 1; i < PAGING_CPU_ROOTS; i++) {
		leave(paging, cpu->root[i]);
		cpu->root[i] = PAGING_NO_ROOT;
	}
}

/* Is frame the user half's root of an address space whose other root is known? */
static bool has_pair(const struct paging *paging, uint64_t frame)
{
	const uint64_t word = frame_read(&paging->frames, frame ^ 1u);

	return (frame & 1u) && frame_word_type(word) == FRAME_L4 && !(word & FRAME_CLAIMED) &&
	       table_info_of(&paging->infos, frame_word_info(word))->root_kind == ROOT_KIND_NORMAL;
}

/*
 * The upper half that user mode runs on is not known before it is used for the first time; that is
 * right after LOCK. A reference to the root is held.
 */
static int learn_user_half(struct paging *paging, struct paging_cpu *cpu, uint64_t frame)
{
	const uint64_t *upper;
	int error = 0;

	upper = read_table(cpu, frame, PT_LEVELS);
	if (!upper)
		return -EFAULT;
	upper += PT_KERNEL_FIRST;
	spin_lock(&paging->template_lock);
	if (paging->template_known & 1u << ROOT_KIND_USER) {
		for (uint32_t i = 0; i < PT_ENTRIES - PT_KERNEL_FIRST; i++) {
			if ((upper[i] & PTE_P) && i + PT_KERNEL_FIRST != LDT_REMAP_INDEX &&
			    !judge_is_harmless(paging->template[ROOT_KIND_USER][i], upper[i]))
				error = -EACCES;
		}
	} else if (has_pair(paging, frame)) {
		memcpy(paging->template[ROOT_KIND_USER], upper,
		       sizeof(paging->template[ROOT_KIND_USER]));
		__atomic_fetch_or(&paging->template_known, 1u << ROOT_KIND_USER, __ATOMIC_RELEASE);
	} else {
		error = -EACCES;
	}
	spin_unlock(&paging->template_lock);
	return error;
}

/* A reference to the root of an admitted tree. Result: as paging_root_load(), -EACCES: no such tree. */
static int enter(struct paging *paging, struct paging_cpu *cpu, uint64_t frame)
{
	const struct tree_root tree = {.frame = frame, .level = PT_LEVELS, .half = HALF_USER};
	struct table_info *info;
	int error = frame_get(&paging->frames, frame, PT_LEVELS);

	if (error == -EPERM)
		error = promote_tree(paging, cpu, &tree);
	if (error)
		return error;
	info = table_info_of(&paging->infos, frame_word_info(frame_read(&paging->frames, frame)));
	/* Admitted before there was a template, perhaps in vain. */
	if (paging->locked && table_info_root_kind(info) == ROOT_KIND_USER &&
	    !__atomic_load_n(&info->upper_judged, __ATOMIC_RELAXED)) {
		error = learn_user_half(paging, cpu, frame);
		if (error)
			leave(paging, frame);
		else
			__atomic_store_n(&info->upper_judged, 1u, __ATOMIC_RELAXED);
	}
	return error;
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
