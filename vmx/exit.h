/* SPDX-License-Identifier: MIT */
/*
 * VM exits: the handlers by family, and what they share. SDM: "Reasons for VM Exits",
 * "Information for VM Exits".
 */
#ifndef SECPOD_VMX_EXIT_H
#define SECPOD_VMX_EXIT_H

#include "vmx/vcpu.h"

/* exit_cpuid.c */
void exit_cpuid(struct vcpu *vcpu);
/* exit_cr.c */
void exit_cr_access(struct vcpu *vcpu);
/* exit_ept.c */
void exit_ept_violation(struct vcpu *vcpu);
void exit_ept_misconfig(struct vcpu *vcpu);
/*
 * operand_refused - the monitor was to access (SECURE_*) gpa in the guest's place, as the operand of an
 * instruction at linear, and cannot: put on record if it is the secure space or something read-only. Result:
 * false: policy lets it pass, and the guest may try again.
 */
bool operand_refused(struct vcpu *vcpu, uint64_t gpa, uint32_t access, uint64_t linear);
/* exit_fetch.c */
/* violation_is_over - has another CPU changed the map meanwhile, so that the guest just tries again? */
bool violation_is_over(uint64_t gpa, uint64_t qualification);
/* exit_descriptor.c */
void exit_gdtr_idtr(struct vcpu *vcpu);
void exit_ldtr_tr(struct vcpu *vcpu);
/* descriptor_lock - note the tables this CPU has at LOCK. */
void descriptor_lock(struct vcpu *vcpu);
/* exit_event.c */
void exit_exception_nmi(struct vcpu *vcpu);
void exit_nmi_window(struct vcpu *vcpu);
/* exit_init.c */
void exit_init(struct vcpu *vcpu);
void exit_sipi(struct vcpu *vcpu);
/* exit_instruction.c */
void exit_undefined(struct vcpu *vcpu);
void exit_invd(struct vcpu *vcpu);
void exit_xsetbv(struct vcpu *vcpu);
void exit_task_switch(struct vcpu *vcpu);
/* exit_msr.c */
void exit_rdmsr(struct vcpu *vcpu);
void exit_wrmsr(struct vcpu *vcpu);
void exit_rdmsr_imm(struct vcpu *vcpu);
void exit_wrmsrns_imm(struct vcpu *vcpu);
/* exit_mtrr.c */
/* exit_write_mtrr - a WRMSR to an MTRR of this CPU. Result: 0; negative errno: #GP(0). */
int exit_write_mtrr(const struct vcpu *vcpu, uint32_t msr, uint64_t value);
/* exit_vmcall.c */
void exit_vmcall(struct vcpu *vcpu);
/* exit_vmcall_init - once: what hypercalls reach. */
void exit_vmcall_init(void);
/* exit.c */
void exit_triple_fault(struct vcpu *vcpu);

/*
 * guest_inject - raise an exception in the guest at the next VM entry, combined with an event whose delivery
 * the exit interrupted. RIP stays.
 */
void guest_inject(struct vcpu *vcpu, uint8_t vector, uint32_t error_code);

/* take_nmi_event - sort what the NMI handler noted: the monitor's own kick, or an NMI of the guest's. */
void take_nmi_event(struct vcpu *vcpu);

/* stats_read - value of SECPOD_STAT_* index; false when there is no such index. */
bool stats_read(uint32_t index, uint64_t *value);

#endif
