/* SPDX-License-Identifier: MIT */
/*
 * The bytes of the instruction an exit is about, read through the guest's own page tables, with
 * guest_word_open() and guest_word_read(). Another CPU may have changed instruction and tables since the
 * CPU fetched it: what is read is a hint on a record, and a proposal to the store decoder.
 */
#ifndef SECPOD_VMX_GUEST_INSN_H
#define SECPOD_VMX_GUEST_INSN_H

#include <stddef.h>
#include <stdint.h>

#include "vmx/guest_walk.h"

/*
 * guest_insn_length - how many bytes at RIP are the instruction.
 * reason: basic exit reason. length: VM-exit instruction length. max: of the result.
 * Result: 0 for exits that no instruction caused; max where the CPU does not tell the length.
 */
size_t guest_insn_length(uint32_t reason, uint32_t length, size_t max);

/* What is fetched at most: no instruction is longer than fifteen. */
#define GUEST_INSN_BYTES 16u

/*
 * guest_insn_fetch - size bytes (GUEST_INSN_BYTES at most) of the code at linear address gva. Nothing
 * faults, and no flag is set in an entry (memory->cmpxchg64 has to be NULL).
 * paging: in 4-level paging only cr3 and efer are looked at. memory: for the other kinds of paging.
 * *gpa: where the first byte is.
 * Result: bytes at to; fewer than size where a page cannot be had. What is behind them is 0; with none
 * of them to and *gpa are undefined.
 */
size_t guest_insn_fetch(const struct guest_paging *paging, const struct guest_walk_memory *memory,
			uint64_t gva, uint8_t to[GUEST_INSN_BYTES], size_t size, uint64_t *gpa);

#endif
