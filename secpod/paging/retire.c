/* SPDX-License-Identifier: MIT */
/*
 * Page tables become memory again. A table without references is put in a list with the number of
 * all-CPU invalidations begun by then: a CPU may have it in its paging-structure caches until one
 * begun later is over. Until then it stays a read-only page table, and may be referenced anew.
 */
#include <errno.h>

#include "secpod/paging/internal.h"
#include "vmm/guest_mem.h"

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
		__atomic_store_n(&paging->retired_first, number, __ATOMIC_RELAXED);
	paging->retired_last = number;
	paging->retired_count++;
}

static void list_remove(struct paging *paging, uint32_t number)
{
	struct table_info *info = info_of(paging, number);

	if (info->previous)
		info_of(paging, info->previous)->next = info->next;
	else
		__atomic_store_n(&paging->retired_first, info->next, __ATOMIC_RELAXED);
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
static bool maps_users(const struct table_info *info, uint64_t word)
{
	return frame_word_type(word) == FRAME_L4 && table_info_user_entries(info) != 0;
}

void retire(struct paging *paging, uint64_t frame)
{
	uint32_t number;
	struct table_info *info;

	spin_lock(&paging->retired_lock);
	/* With the mark, and under the lock: no sweep releases the frame in between. */
	if (frame_retire(&paging->frames, frame)) {
		const uint64_t word = frame_read(&paging->frames, frame);

		number = (uint32_t)frame_word_info(word);
		info = info_of(paging, number);
		if (info->retired)
			list_remove(paging, number);
		/* The mark first: who referenced it before is covered by an invalidation begun now. */
		__atomic_store_n(&info->epoch,
				 __atomic_load_n(&paging->flush_begun, __ATOMIC_SEQ_CST),
				 __ATOMIC_RELAXED);
		if (!maps_users(info, word))
			list_add(paging, number);
	}
	spin_unlock(&paging->retired_lock);
}

uint32_t retire_doom(struct paging *paging, uint64_t frame)
{
	uint32_t number = 0;

	spin_lock(&paging->retired_lock);
	if (frame_retire(&paging->frames, frame) && !frame_doom(&paging->frames, frame)) {
		number = (uint32_t)frame_word_info(frame_read(&paging->frames, frame));
		if (info_of(paging, number)->retired)
			list_remove(paging, number);
	}
	spin_unlock(&paging->retired_lock);
	return number;
}

/*
 * The frame is doomed by us, and off the list. What it references is read before it can be written
 * again. Result: 0, -ENOMEM (it stays a page table, in the list).
 */
static int release(struct paging *paging, struct paging_cpu *cpu, uint32_t number, uint64_t word)
{
	const struct table_info *info = info_of(paging, number);
	const uint64_t frame = info->frame;
	const uint32_t level = (uint32_t)frame_word_type(word);
	/* Nearly always Linux has cleared the entries by now. */
	const uint64_t *entry = info->references ? read_table(cpu, frame, level) : NULL;

	if ((info->references && !entry) || paging_protect(paging, frame, FRAME_NONE) < 0) {
		frame_undoom(&paging->frames, frame);
		retire(paging, frame);
		return -ENOMEM;
	}
	for (uint32_t i = 0; entry && (i = pte_next_present(entry, i)) < PT_ENTRIES; i++) {
		const struct pte_place place = pte_place_of(paging, info, level, i);

		reference_drop(paging, &place, entry[i]);
	}
	frame_free(&paging->frames, frame);
	shown_update(paging, frame);
	table_info_free(&paging->infos, number);
	__atomic_fetch_add(&paging->stats.released, 1u, __ATOMIC_RELAXED);
	return 0;
}

/*
 * Doom the table and take it off the list. Under the list's lock, so that the number is not
 * somebody else's by now. Result: 0; -EBUSY (it is in use again: whoever leaves it will retire it
 * anew, and off the list it is); -EAGAIN (an invalidation has to come first, or a CPU is at it).
 */
static int take_off(struct paging *paging, uint32_t number, uint64_t *word)
{
	struct table_info *info = info_of(paging, number);
	int error;

	if (info->epoch >= __atomic_load_n(&paging->flush_done, __ATOMIC_SEQ_CST))
		return -EAGAIN;
	error = frame_doom(&paging->frames, info->frame);
	if (error == -EAGAIN)
		return error;
	*word = frame_read(&paging->frames, info->frame);
	/* Nobody changes its entries any more. */
	if (!error && maps_users(info, *word)) {
		frame_undoom(&paging->frames, info->frame);
		error = -EBUSY;
	}
	list_remove(paging, number);
	return error;
}

void retire_sweep(struct paging *paging, struct paging_cpu *cpu, uint32_t limit)
{
	while (limit-- > 0) {
		uint32_t number;
		uint64_t word = 0;
		int error = -EAGAIN;

		if (!retire_due(paging))
			return;
		spin_lock(&paging->retired_lock);
		number = paging->retired_first;
		if (number)
			error = take_off(paging, number, &word);
		spin_unlock(&paging->retired_lock);
		if (!error)
			error = release(paging, cpu, number, word);
		if (error && error != -EBUSY)
			return;
	}
}

/*
 * What is ordinary memory should be the guest's to write. It is not where EPT had no memory to split a
 * page when it became so. Held, so that nobody makes something of it meanwhile.
 */
static int give_back(struct paging *paging, uint64_t frame)
{
	int error;

	if (!guest_range_ok(frame << PAGE_SHIFT, PAGE_SIZE))
		return -EFAULT;
	error = frame_hold(&paging->frames, frame);
	if (error)
		return -EAGAIN;
	error = paging_protect(paging, frame, FRAME_NONE);
	frame_release(&paging->frames, frame);
	return error < 0 ? error : 0;
}

int paging_settle(struct paging *paging, struct paging_cpu *cpu, uint64_t frame)
{
	for (int flushed = 0;; flushed++) {
		uint64_t word = frame_read(&paging->frames, frame);
		uint32_t number = (uint32_t)frame_word_info(word);
		int error;

		if (frame_word_type(word) == FRAME_NONE)
			return give_back(paging, frame);
		if (!frame_is_table(frame_word_type(word)))
			return -ENOENT;
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
		if (!error)
			return release(paging, cpu, number, word);
		if (error != -EAGAIN || flushed)
			return error;
		paging_flush(paging);
	}
}
