/* SPDX-License-Identifier: MIT */
/*
 * Going on behind the exiting instruction.
 */
#ifndef SECPOD_VMX_ADVANCE_H
#define SECPOD_VMX_ADVANCE_H

#include "vmm/x86.h"
#include "vmx/insn.h"
#include "vmx/vmcs.h"

/* guest_advance_flags - the rare part: RF is done with, and a single step is due. */
void guest_advance_flags(uint64_t flags);

/* guest_advance - the exiting instruction is done: RIP, RFLAGS.RF, interruptibility, pending single step. */
static inline void guest_advance(void)
{
	uint64_t rip = vmread(VMCS_GUEST_RIP);
	uint64_t next = rip + vmread(VMCS_EXIT_INSTRUCTION_LENGTH);
	uint64_t flags = vmread(VMCS_GUEST_RFLAGS);
	uint32_t interruptibility = vmread32(VMCS_GUEST_INTERRUPTIBILITY);

	/* Outside 64-bit code RIP has 32 bits. */
	if (__builtin_expect((rip ^ next) >> 32 != 0, 0) &&
	    !(vmread32(VMCS_GUEST_CS_RIGHTS) & SEGMENT_L))
		next = (uint32_t)next;
	vmwrite(VMCS_GUEST_RIP, next);
	if (__builtin_expect(interruptibility & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS), 0))
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
			interruptibility & ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
	if (__builtin_expect(flags & (RFLAGS_TF | RFLAGS_RF), 0))
		guest_advance_flags(flags);
}

/* guest_stored - an emulated store is done: the new RIP and RFLAGS; what follows an instruction. */
static inline void guest_stored(uint64_t rip, uint64_t flags)
{
	uint32_t interruptibility = vmread32(VMCS_GUEST_INTERRUPTIBILITY);

	vmwrite(VMCS_GUEST_RIP, rip);
	vmwrite(VMCS_GUEST_RFLAGS, flags);
	if (__builtin_expect(interruptibility & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS), 0))
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
			interruptibility & ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
	if (__builtin_expect(flags & RFLAGS_TF, 0))
		guest_advance_flags(flags);
}

#endif
