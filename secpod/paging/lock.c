/* SPDX-License-Identifier: MIT */
/*
 * LOCK: more rules begin. Between ACTIVE and LOCK the kernel was still free to make what these forbid, so they hold first
 * for whatever comes, and then each page table there is is held against them: a change that was judged before is
 * over when the lock of its table has been had, and a table that was being made has been admitted or given up.
 */
#include <errno.h>

#include "secpod/paging/internal.h"
#include "vmm/guest_mem.h"

/*
 * Entry code, IDT, GDT, TSS and exception stacks of all CPUs.
 * Documentation/arch/x86/x86_64/mm.rst: cpu_entry_area mapping.
 */
#define CPU_ENTRY_AREA_BEGIN 0xfffffe0000000000ULL
#define CPU_ENTRY_AREA_END 0xfffffe8000000000ULL

/* Entries read at a time, to the stack. */
#define CHUNK 64u

static int judge_chunk(struct paging *paging, const struct table_info *info, uint32_t level,
		       uint32_t first)
{
	uint64_t entry[CHUNK];
	int error = guest_read((info->frame << PAGE_SHIFT) + first * sizeof(entry[0]), entry,
			       sizeof(entry));

	for (uint32_t i = 0; !error && i < CHUNK; i++) {
		/* In a root what is missing counts, too. */
		if ((entry[i] & PTE_P) || level == PT_LEVELS) {
			const struct pte_place place = pte_place_of(paging, info, level, first + i);

			error = judge_standing(paging, &place, entry[i]);
		}
	}
	return error;
}

static int judge_table(struct paging *paging, uint64_t frame)
{
	const struct table_info *info;
	uint32_t level;
	uint64_t word;
	int error;

	/* Nobody who makes or unmakes a table waits for a CPU in root mode. */
	while ((error = frame_lock(&paging->frames, frame, &word)) == -EAGAIN)
		__builtin_ia32_pause();
	if (error)
		return 0;
	info = table_info_of(&paging->infos, frame_word_info(word));
	level = (uint32_t)frame_word_type(word);
	/* Users' tables are under the same rules as before. */
	if (level == PT_LEVELS || info->half != HALF_USER) {
		for (uint32_t i = 0; !error && i < PT_ENTRIES; i += CHUNK)
			error = judge_chunk(paging, info, level, i);
	}
	frame_unlock(&paging->frames, frame);
	return error;
}

int paging_lock(struct paging *paging)
{
	int error = 0;

	if (!paging->active)
		return -EPERM;
	paging->locked_range[0] = (struct paging_range){CPU_ENTRY_AREA_BEGIN, CPU_ENTRY_AREA_END};
	paging->locked_ranges = 1;
	/* Before any table is looked at: one that is made meanwhile is judged by all the rules. */
	__atomic_store_n(&paging->locked, true, __ATOMIC_SEQ_CST);
	for (uint64_t i = 0; !error && i < paging->frames.count; i++) {
		if (frame_is_table(frame_type(&paging->frames, i)))
			error = judge_table(paging, i);
	}
	if (error)
		__atomic_store_n(&paging->locked, false, __ATOMIC_RELEASE);
	return error;
}
