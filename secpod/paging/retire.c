/* SPDX-License-Identifier: MIT */
/*
 * Page tables become memory again. A table without references is put in a list with the number of
 * all-CPU invalidations begun by then: a CPU may have it in its paging-structure caches until one
 * begun later is over. Until then it stays a read-only page table, and may be referenced anew.
 */
#include <errno.h>

#include "secpod/paging/internal.h"

static struct table_info *info_of(struct paging *paging, uint32_t number)
{
	return table_info_of(&paging->infos, number);
}

void paging_flush(struct paging *paging)
{
	uint64_t ticket = __atomic_add_fetch(&paging->flush_begun, 1u, __ATOMIC_SEQ_CST);
	uint64_t done = __atomic_load_n(&paging->flush_done, __ATOMIC_RELAXED);

	paging->ops.flush(paging->ops.context);
	while (done < ticket &&
	       !__atomic_compare_exchange_n(&paging->flush_done, &done, ticket, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		continue;
	__atomic_fetch_add(&paging->stats.flushes, 1u, __ATOMIC_RELAXED);
}

/* No lock is held by the caller on the list. */
static void list_add(struct paging *paging, uint32_t number)
{
	struct table_info *info = info_of(paging, number);

	info->retired = 1;
	info->next = 0;
	info->previous = paging->retired_last;
	if (paging->retired_last)
		info_of(paging, paging->retired_last)->next = number;
	else
		paging->retired_first = number;
	paging->retired_last = number;
	paging->retired_count++;
}

static void list_remove(struct paging *paging, uint32_t number)
{
	struct table_info *info = info_of(paging, number);

	if (info->previous)
		info_of(paging, info->previous)->next = info->next;
	else
		paging->retired_first = info->next;
	if (info->next)
		info_of(paging, info->next)->previous = info->previous;
	else
		paging->retired_last = info->previous;
	info->next = 0;
	info->previous = 0;
	info->retired = 0;
	paging->retired_count--;
}

/* A root also lives on the address space below it. */
static bool is_dead(const struct table_info *info, uint64_t word)
{
	return frame_is_table(frame_word_type(word)) && frame_word_refs(word) == 0 &&
	       !(word & (FRAME_CLAIMED | FRAME_DOOMED | FRAME_PERMANENT)) &&
	       (frame_word_type(word) != FRAME_L4 ||
		__atomic_load_n(&info->user_entries, __ATOMIC_ACQUIRE) == 0);
}

void retire(struct paging *paging, uint64_t frame)
{
	uint64_t word, number;
	struct table_info *info;

	spin_lock(&paging->retired_lock);
	/* Under the lock: no sweep releases the frame in between. */
	word = frame_read(&paging->frames, frame);
	number = frame_word_info(word);
	if (frame_is_table(frame_word_type(word)) && !(word & FRAME_CLAIMED)) {
		info = info_of(paging, (uint32_t)number);
		if (is_dead(info, word)) {
			if (info->retired)
				list_remove(paging, (uint32_t)number);
			info->epoch = __atomic_load_n(&paging->flush_begun, __ATOMIC_SEQ_CST);
			list_add(paging, (uint32_t)number);
		}
	}
	spin_unlock(&paging->retired_lock);
}

static void drop_children(struct paging *paging, struct paging_cpu *cpu,
			  const struct table_info *info, uint32_t level)
{
	const uint64_t *entry = read_table(cpu, info->frame, level);

	if (!entry)
		return;
	for (uint32_t i = 0; i < PT_ENTRIES; i++) {
		if (entry[i] & PTE_P) {
			const struct pte_place place = pte_place_of(paging, info, level, i);

			reference_drop(paging, &place, entry[i]);
		}
	}
}

/* The frame is doomed by us, and off the list. */
static void release(struct paging *paging, struct paging_cpu *cpu, uint32_t number, uint64_t word)
{
	const struct table_info *info = info_of(paging, number);
	const uint64_t frame = info->frame;

	drop_children(paging, cpu, info, (uint32_t)frame_word_type(word));
	(void)paging_protect(paging, frame, FRAME_NONE);
	frame_free(&paging->frames, frame);
	table_info_free(&paging->infos, number);
	__atomic_fetch_add(&paging->stats.released, 1u, __ATOMIC_RELAXED);
}

/*
 * Doom the table and take it off the list. Under the list's lock, so that the number is not
 * somebody else's by now. Result: 0, -EBUSY, -EAGAIN (an invalidation has to come first).
 */
static int take_off(struct paging *paging, uint32_t number, uint64_t *word)
{
	struct table_info *info = info_of(paging, number);

	if (info->epoch >= __atomic_load_n(&paging->flush_done, __ATOMIC_SEQ_CST))
		return -EAGAIN;
	*word = frame_read(&paging->frames, info->frame);
	if (!is_dead(info, *word) || frame_doom(&paging->frames, info->frame))
		return -EBUSY;
	/* It may have been referenced, changed and left again since: then it has another epoch. */
	if (!is_dead(info, *word & ~FRAME_DOOMED)) {
		frame_undoom(&paging->frames, info->frame);
		return -EBUSY;
	}
	list_remove(paging, number);
	return 0;
}

void retire_sweep(struct paging *paging, struct paging_cpu *cpu, uint32_t limit)
{
	while (limit-- > 0) {
		uint32_t number;
		uint64_t word = 0;
		int error = -EAGAIN;

		if (!__atomic_load_n(&paging->retired_first, __ATOMIC_RELAXED))
			return;
		spin_lock(&paging->retired_lock);
		number = paging->retired_first;
		if (number)
			error = take_off(paging, number, &word);
		/* In use again: whoever leaves it will retire it anew. */
		if (error == -EBUSY)
			list_remove(paging, number);
		spin_unlock(&paging->retired_lock);
		if (error == -EAGAIN)
			return;
		if (!error)
			release(paging, cpu, number, word);
	}
}

int paging_settle(struct paging *paging, struct paging_cpu *cpu, uint64_t frame)
{
	for (int flushed = 0;; flushed++) {
		uint64_t word = frame_read(&paging->frames, frame);
		uint32_t number = (uint32_t)frame_word_info(word);
		int error;

		if (!frame_is_table(frame_word_type(word)))
			return 0;
		if (word & (FRAME_CLAIMED | FRAME_DOOMED))
			return -EAGAIN;
		spin_lock(&paging->retired_lock);
		/* The word is read anew under the lock: see take_off(). */
		word = frame_read(&paging->frames, frame);
		error = -EBUSY;
		if (frame_is_table(frame_word_type(word)) &&
		    (uint32_t)frame_word_info(word) == number && info_of(paging, number)->retired)
			error = take_off(paging, number, &word);
		spin_unlock(&paging->retired_lock);
		if (!error) {
			release(paging, cpu, number, word);
			return 0;
		}
		if (error != -EAGAIN || flushed)
			return error;
		paging_flush(paging);
	}
}
