/* SPDX-License-Identifier: MIT */
/*
 * What the guest may read of the frame table: one bit for each frame, set while it is a page table, so that
 * its kernel knows which stores to ask for. The pages are the guest's own, read-only to it. Nothing rests
 * on what is in them: of the frame's word each store and each request is judged.
 */
#include <errno.h>
#include <string.h>

#include "guest-support/include/secpod_abi.h"
#include "secpod/paging/internal.h"
#include "secpod/paging/request.h"
#include "vmm/guest_mem.h"

#define FRAMES ((uint64_t)SECPOD_SETUP_FRAMES)
#define WORD_BITS 64u
/* Another CPU that makes and unmakes the same table all the time leaves a bit that is late, and no more. */
#define TRIES 4u

_Static_assert(SECPOD_SETUP_FRAMES == PAGE_SIZE * 8, "a bit for each frame");

int shown_init(struct paging *paging, struct page_pool *pool)
{
	const uint64_t pages = (paging->frames.count + FRAMES - 1) / FRAMES;

	paging->shown = page_pool_alloc_contiguous(pool, shown_bytes(pages) / PAGE_SIZE, 1);
	if (!paging->shown)
		return -ENOMEM;
	paging->shown_pages = pages;
	return 0;
}

static bool is_table(const struct paging *paging, uint64_t frame)
{
	return frame_is_table(frame_type(&paging->frames, frame));
}

void shown_update(struct paging *paging, uint64_t frame)
{
	const uint64_t page = __atomic_load_n(&paging->shown[frame / FRAMES], __ATOMIC_ACQUIRE);
	const uint64_t bit = 1ULL << frame % WORD_BITS;
	bool table = is_table(paging, frame);

	if (!page)
		return;
	for (uint32_t i = 0; i < TRIES; i++) {
		uint64_t *word = guest_word_open(page + frame % FRAMES / WORD_BITS * sizeof(*word));

		if (!word)
			return;
		if (table)
			__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
		else
			__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
		guest_word_close();
		/* What another CPU has made of it meanwhile it may have shown before us. */
		if (is_table(paging, frame) == table)
			return;
		table = !table;
	}
}

static void clear(uint64_t gpa)
{
	uint64_t *page = guest_word_open(gpa);

	if (!page)
		return;
	memset(page, 0, PAGE_SIZE);
	guest_word_close();
}

/* What are page tables already. */
static void fill(struct paging *paging, uint64_t index)
{
	const uint64_t region = SIZE_2M / PAGE_SIZE;
	uint64_t frame = index * FRAMES;

	for (; frame < (index + 1) * FRAMES && frame < paging->frames.count; frame += region) {
		if (frames_none(&paging->frames, frame, region))
			continue;
		for (uint64_t i = 0; i < region && frame + i < paging->frames.count; i++) {
			if (is_table(paging, frame + i))
				shown_update(paging, frame + i);
		}
	}
}

int paging_request_setup(struct paging *paging, uint64_t index, uint64_t gpa)
{
	const uint64_t frame = gpa >> PAGE_SHIFT;
	uint64_t none = 0;
	int error;

	if (index >= paging->shown_pages || gpa % PAGE_SIZE || !gpa)
		return -EINVAL;
	if (!guest_range_ok(gpa, PAGE_SIZE))
		return -EFAULT;
	/* Ordinary memory, and not what is constant already: it will be written. */
	if (frame_set(&paging->frames, frame, FRAME_NONE, FRAME_RODATA))
		return -EBUSY;
	error = paging_protect(paging, frame, FRAME_RODATA);
	if (error >= 0) {
		paging_flush(paging);
		clear(gpa);
		error = __atomic_compare_exchange_n(&paging->shown[index], &none, gpa, false,
						    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
				? 0
				: -EBUSY;
	}
	if (error < 0) {
		/* Where the first fails the guest asks for it: see paging_settle(). */
		(void)paging_protect(paging, frame, FRAME_NONE);
		(void)frame_set(&paging->frames, frame, FRAME_RODATA, FRAME_NONE);
		return error;
	}
	fill(paging, index);
	return 0;
}
