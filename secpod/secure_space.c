/* SPDX-License-Identifier: MIT */
#include "secpod/secure_space.h"

#include <errno.h>

#include "ept/mtrr_regs.h"
#include "vmm/addr.h"

int secure_space_init(struct secure_space *space, struct page_pool *pool, uint64_t base,
		      uint64_t size)
{
	uint64_t frames = size >> PAGE_SHIFT;

	if ((base | size) & ~PAGE_MASK || !range_ok(base, size, ~0ULL))
		return -EINVAL;
	space->base = base;
	space->size = size;
	space->seen = page_pool_alloc_contiguous(pool, (frames + PAGE_SIZE - 1) >> PAGE_SHIFT, 1);
	return space->seen ? 0 : -ENOMEM;
}

int secure_space_hide(const struct secure_space *space, struct ept *ept)
{
	return ept_protect(ept, space->base, space->size, EPT_NONE);
}

enum secure_answer secure_space_access(struct secure_space *space, struct ept *ept, uint64_t gpa,
				       uint32_t access, bool *record)
{
	*record = false;
	if (!secure_space_contains(space, gpa))
		return SECURE_NOT_OURS;
	*record = true;
	if (access & (SECURE_WRITE | SECURE_FETCH))
		return SECURE_REFUSE;
	/* Out of pool pages the read is refused like a write: no less closed. */
	if (ept_map_dummy(ept, gpa & PAGE_MASK) != 0)
		return SECURE_REFUSE;
	*record = !__atomic_exchange_n(&space->seen[(gpa - space->base) >> PAGE_SHIFT], 1,
				       __ATOMIC_RELAXED);
	return SECURE_RETRY;
}

bool secure_space_retyped(const struct secure_space *space, const struct mtrr_state *mtrr)
{
	const uint64_t end = space->base + space->size;
	enum memory_type type;

	return (mtrr->def_type & MTRR_DEF_TYPE_E) &&
	       (mtrr_uniform_end(mtrr, space->base, end, &type) != end || type != MEMORY_WB);
}
