/* SPDX-License-Identifier: MIT */
#include "vmx/guest_insn.h"

#include "vmm/addr.h"
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

size_t guest_insn_fetch(const struct guest_paging *paging, const struct guest_walk_memory *memory,
			uint64_t gva, void *to, size_t size)
{
	uint8_t *bytes = to;
	size_t done = 0;

	while (done < size) {
		const uint64_t at = gva + done;
		const size_t in_page = PAGE_SIZE - (at & ~PAGE_MASK);
		const size_t step = size - done < in_page ? size - done : in_page;
		struct guest_walk walk;

		if (guest_walk(paging, memory, at, WALK_FETCH, &walk) ||
		    memory->read(walk.gpa, bytes + done, step))
			break;
		done += step;
	}
	return done;
}
