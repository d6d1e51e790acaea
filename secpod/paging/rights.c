/* SPDX-License-Identifier: MIT */
/*
 * What each kind of frame may be used for, as EPT has it. With mode-based execute control EPT tells the
 * kernel's fetches from the user's, so that the kernel executes nothing but code whatever its own page
 * tables say; without it that rests on the judged leaves, SMEP and NX alone, and data must stay
 * executable for user mode's sake.
 */
#include "secpod/paging/internal.h"

/* Data, from ACTIVE on. */
static uint32_t data_rights(const struct paging *paging)
{
	return EPT_READ | EPT_WRITE | EPT_EXEC_USER | (paging->mbec ? 0 : EPT_EXEC);
}

uint32_t paging_rights(const struct paging *paging, uint64_t word)
{
	/* Mode-based execute control off: one right to execute, for both. */
	const uint32_t kernel_exec = EPT_EXEC | (paging->mbec ? 0 : EPT_EXEC_USER);
	const uint32_t user_exec = EPT_EXEC_USER | (paging->mbec ? 0 : EPT_EXEC);

	switch (frame_word_type(word)) {
	case FRAME_NONE:
	case FRAME_OUTSIDE:
		return paging->ept->ordinary;
	case FRAME_CODE:
	case FRAME_CODE_DYN:
		return EPT_READ | kernel_exec;
	case FRAME_TRAMP:
		/* SDM "Mode-Based Execute Control": without paging all linear addresses are user mode's. */
		return EPT_READ | EPT_EXEC | EPT_EXEC_USER;
	case FRAME_EFI_RT:
		return EPT_READ | kernel_exec | (word & FRAME_FLUID ? EPT_WRITE : 0);
	case FRAME_RODATA:
		return word & FRAME_USER_EXEC ? EPT_READ | user_exec : EPT_READ;
	case FRAME_SECURE:
		return EPT_NONE;
	default:
		return EPT_READ;
	}
}

bool paging_is_mixed(const struct paging *paging, uint64_t frame)
{
	const uint64_t frames = SIZE_2M / PAGE_SIZE, first = frame & ~(frames - 1);
	const uint32_t rights = paging_rights(paging, frame_read(&paging->frames, first));

	for (uint64_t i = 1; i < frames; i++) {
		if (paging_rights(paging, frame_read(&paging->frames, first + i)) != rights)
			return true;
	}
	return false;
}

int paging_protect(struct paging *paging, uint64_t frame, uint64_t word)
{
	return ept_protect(paging->ept, frame << PAGE_SHIFT, PAGE_SIZE,
			   paging_rights(paging, word));
}

int paging_restrict_data(struct paging *paging)
{
	const int result = ept_set_ordinary(paging->ept, data_rights(paging));

	return result < 0 ? result : 0;
}

void paging_free_data(struct paging *paging)
{
	(void)ept_set_ordinary(paging->ept, EPT_RWX);
}
