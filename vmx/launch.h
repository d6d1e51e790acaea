/* SPDX-License-Identifier: MIT */
/* Entering and leaving VMX operation. */
#ifndef SECPOD_VMX_LAUNCH_H
#define SECPOD_VMX_LAUNCH_H

#include "vmx/vcpu.h"

/* vmcs_setup - write every field of the current VMCS of vcpu. Result: 0, -EINVAL (a field was refused). */
int vmcs_setup(struct vcpu *vcpu);

/* vmcs_write_cr3_targets - the set as it is now into the current VMCS. Result: was every field accepted? */
bool vmcs_write_cr3_targets(const struct cr3_targets *targets);

/* vmx_leave_operation - back to the guest's context outside VMX operation; does not return. */
_Noreturn void vmx_leave_operation(struct vcpu *vcpu);

/* vmx/entry.S */
int vmx_launch_guest(void);
_Noreturn void vmx_leave(const struct guest_regs *regs, uint64_t rip, uint64_t rsp,
			 uint64_t rflags);
extern const char vmx_exit_entry[], vmx_window_begin[], vmx_window_end[], vmx_enter_again[];

#endif
