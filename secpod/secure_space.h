/* SPDX-License-Identifier: MIT */
/*
 * The secure space: memory of the monitor, absent from the guest's EPT view. This is the one owner
 * of what belongs to it. Pure but for the EPT interface.
 */
#ifndef SECPOD_SECPOD_SECURE_SPACE_H
#define SECPOD_SECPOD_SECURE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "ept/ept.h"
#include "vmm/page_pool.h"

/* Kinds of access, as bits. */
#define SECURE_READ (1u << 0)
#define SECURE_WRITE (1u << 1)
#define SECURE_FETCH (1u << 2)

struct secure_space {
	uint64_t base; /* bytes, page aligned */
	uint64_t size;
	uint8_t *seen; /* one byte a frame: the guest has read there */
};

enum secure_answer {
	SECURE_NOT_OURS, /* the address is not in the secure space */
	SECURE_RETRY,	 /* the page now reads as all ones: execute the instruction again */
	SECURE_REFUSE,	 /* raise #GP(0) */
};

/*
 * secure_space_init - the region [base, base + size); a byte for each frame comes from pool.
 * Result: 0, -EINVAL (unaligned, empty, wrapping), -ENOMEM.
 */
int secure_space_init(struct secure_space *space, struct page_pool *pool, uint64_t base,
		      uint64_t size);

/* secure_space_contains - is gpa in the secure space? */
static inline bool secure_space_contains(const struct secure_space *space, uint64_t gpa)
{
	return gpa - space->base < space->size;
}

/*
 * secure_space_hide - take the region out of the guest's view.
 * Result: as ept_protect(): EPT_FLUSH_NEEDED on success.
 */
int secure_space_hide(const struct secure_space *space, struct ept *ept);

/*
 * secure_space_access - the guest touched gpa. access: SECURE_* (several may be set).
 * A read sees all ones, as on memory nobody answers for; a write or a fetch is refused and changes
 * nothing.
 * *record: it is to be put on record: each access that is refused, and of reads that are answered
 * the first one of each frame (later ones do not come here).
 */
enum secure_answer secure_space_access(struct secure_space *space, struct ept *ept, uint64_t gpa,
				       uint32_t access, bool *record);

/*
 * secure_space_retyped - would some of it not be write-back with these MTRRs? While they are disabled, on the way to a new
 * setting, it is uncached as all memory is, and that is not asked: it is when they are enabled again.
 */
bool secure_space_retyped(const struct secure_space *space, const struct mtrr_state *mtrr);

#endif
