/* SPDX-License-Identifier: MIT */
#include "vmx/guest_insn.h"

#include <errno.h>

#include "vmm/addr.h"
#include "vmm/x86.h"
#include "vmx/vmcs.h"

/* SDM "VM-Exit Instruction Length": for EPT violations it is undefined. */
size_t guest_insn_length(uint32_t reason, uint32_t length, size_t max)
{
	switch (reason) {
	case EXIT_REASON_EXCEPTION_NMI:
	case EXIT_REASON_TRIPLE_FAULT:
	case EXIT_REASON_INIT:
	case EXIT_REASON_SIPI:
	case EXIT_REASON_NMI_WINDOW:
	case EXIT_REASON_PREEMPTION_TIMER:
		return 0;
	case EXIT_REASON_EPT_VIOLATION:
		return max;
	default:
		return length < max ? length : max;
	}
}

/*
 * Where the CPU found the byte at gva. In 4-level paging without a look at rights and reserved bits,
 * which it has checked: each record of the log costs this once.
 */
static int locate(const struct guest_paging *paging, const struct guest_walk_memory *memory,
		  uint64_t gva, uint64_t *gpa)
{
	unsigned int shift = PAGE_SHIFT + 9 * 4;
	uint64_t entry = paging->cr3;
	struct guest_walk walk;
	int error;

	if (!(paging->efer & EFER_LMA)) {
		error = guest_walk(paging, memory, gva, WALK_FETCH, &walk);
		*gpa = walk.gpa;
		return error;
	}
	do {
		shift -= 9;
		if (memory->read((entry & PTE_ADDR) + (gva >> shift & 511) * sizeof(entry), &entry,
				 sizeof(entry)) ||
		    !(entry & PTE_P))
			return -EFAULT;
	} while (shift > PAGE_SHIFT && !(entry & PTE_PS));
	*gpa = (entry & PTE_ADDR & ~0ULL << shift) | (gva & ~(~0ULL << shift));
	return 0;
}

size_t guest_insn_fetch(const struct guest_paging *paging, const struct guest_walk_memory *memory,
			uint64_t gva, void *to, size_t size)
{
	uint8_t *bytes = to;
	size_t done = 0;

	while (done < size) {
		const uint64_t at = gva + done;
		const size_t in_page = PAGE_SIZE - (at & ~PAGE_MASK);
		const size_t step = size - done < in_page ? size - done : in_page;
		uint64_t gpa;

		if (locate(paging, memory, at, &gpa) || memory->read(gpa, bytes + done, step))
			break;
		done += step;
	}
	return done;
}
