/* SPDX-License-Identifier: MIT */
/*
 * The guest's registers as the guest sees them, wherever they are: VMCS, read shadow, or the CPU.
 */
#ifndef SECPOD_VMX_GUEST_STATE_H
#define SECPOD_VMX_GUEST_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "secpod/register_policy.h"
#include "vmx/guest_insn.h"
#include "vmx/guest_walk.h"
#include "vmx/insn.h"
#include "vmx/vcpu.h"

#define GUEST_GPR_RSP 4u /* in the SDM's numbering; in the VMCS */

/* guest_gpr, guest_set_gpr - a general-purpose register, 0 RAX to 15 R15, all 64 bits. */
static inline uint64_t guest_gpr(const struct vcpu *vcpu, unsigned int number)
{
	return number == GUEST_GPR_RSP ? vmread(VMCS_GUEST_RSP) : (&vcpu->regs->rax)[number];
}

static inline void guest_set_gpr(const struct vcpu *vcpu, unsigned int number, uint64_t value)
{
	if (number == GUEST_GPR_RSP)
		vmwrite(VMCS_GUEST_RSP, value);
	else
		(&vcpu->regs->rax)[number] = value;
}

/* guest_cr0, guest_cr4 - what the guest reads: own bits from the register, the others from the shadow. */
uint64_t guest_cr0(const struct vcpu *vcpu);
uint64_t guest_cr4(const struct vcpu *vcpu);

/* guest_has_1g_pages - CPUID.80000001H:EDX.Page1GB */
bool guest_has_1g_pages(void);

/* guest_paging - the state guest_walk() needs. */
struct guest_paging guest_paging(const struct vcpu *vcpu);

/* guest_insn - the first size bytes from RIP on, as the CPU would fetch them now: see guest_insn_fetch(). */
size_t guest_insn(const struct vcpu *vcpu, uint8_t to[GUEST_INSN_BYTES], size_t size,
		  uint64_t *gpa);

/* guest_register_value - a listed register; MSR ranges: the first. Result: 0, -EFAULT (the CPU lacks it). */
int guest_register_value(const struct vcpu *vcpu, enum register_id id, uint64_t *value);

/*
 * guest_msr_read, guest_msr_write - an MSR of the guest. Some live in the VMCS, since VM exits load the
 * monitor's own; a write is checked as the CPU checks it. Result: 0, -EFAULT: #GP(0).
 */
int guest_msr_read(uint32_t msr, uint64_t *value);
int guest_msr_write(uint32_t msr, uint64_t value);

#endif
