/* SPDX-License-Identifier: MIT */
#include "vmx/guest_insn.h"

#include <errno.h>
#include <string.h>

#include "vmm/addr.h"
#include "vmm/guest_mem.h"
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
		entry = guest_word_read((entry & PTE_ADDR) + (gva >> shift & 511) * sizeof(entry));
		if (!(entry & PTE_P))
			return -EFAULT;
	} while (shift > PAGE_SHIFT && !(entry & PTE_PS));
	*gpa = (entry & PTE_ADDR & ~0ULL << shift) | (gva & ~(~0ULL << shift));
	return 0;
}

/* What is in memory at gpa, up to the end of its page at most. */
static const uint8_t *open_bytes(uint64_t gpa)
{
	const uint8_t *word = (const uint8_t *)guest_word_open(gpa & ~(sizeof(uint64_t) - 1));

	return word ? word + gpa % sizeof(uint64_t) : NULL;
}

_Static_assert(GUEST_INSN_BYTES == 2 * sizeof(uint64_t), "two words");

/* The lower bytes of a word of which so many count. */
static uint64_t keep(uint64_t word, size_t bytes)
{
	return bytes < sizeof(word) ? word & ~(~0ULL << bytes * 8) : word;
}

/* All of it in one page, and what is behind it too. */
static size_t fetch_words(uint64_t gpa, uint8_t *to, size_t size)
{
	const uint8_t *from = open_bytes(gpa);
	const size_t half = GUEST_INSN_BYTES / 2;
	uint64_t low, high;

	if (!from)
		return 0;
	memcpy(&low, from, half);
	memcpy(&high, from + half, half);
	guest_word_close();
	low = keep(low, size);
	high = size > half ? keep(high, size - half) : 0;
	memcpy(to, &low, half);
	memcpy(to + half, &high, half);
	return size;
}

/* Near the end of a page: the rest may be in another one. */
static size_t fetch_bytes(const struct guest_paging *paging, const struct guest_walk_memory *memory,
			  uint64_t gva, uint64_t gpa, uint8_t *to, size_t size)
{
	const uint8_t *from = open_bytes(gpa);
	size_t done = 0;

	memset(to, 0, GUEST_INSN_BYTES);
	while (from) {
		do
			to[done++] = *from++;
		while (done < size && (gva + done) % PAGE_SIZE);
		guest_word_close();
		if (done == size || locate(paging, memory, gva + done, &gpa))
			break;
		from = open_bytes(gpa);
	}
	return done;
}

size_t guest_insn_fetch(const struct guest_paging *paging, const struct guest_walk_memory *memory,
			uint64_t gva, uint8_t to[GUEST_INSN_BYTES], size_t size, uint64_t *gpa)
{
	if (size == 0 || locate(paging, memory, gva, gpa))
		return 0;
	if ((gva & ~PAGE_MASK) <= PAGE_SIZE - GUEST_INSN_BYTES)
		return fetch_words(*gpa, to, size);
	return fetch_bytes(paging, memory, gva, *gpa, to, size);
}
