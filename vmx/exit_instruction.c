/* SPDX-License-Identifier: MIT */
/* Instructions that always exit and belong to no other family. */
#include "vmm/cpu_ops.h"
#include "vmm/msr_safe.h"
#include "vmm/x86.h"
#include "vmx/cr_rules.h"
#include "vmx/advance.h"
#include "vmx/audit.h"
#include "vmx/exit.h"
#include "vmx/insn.h"
#include "vmx/lock.h"
#include "vmx/state.h"

void exit_undefined(struct vcpu *vcpu)
{
	/*
	 * On record when the kernel does it. A user program gets the same #UD, but could fill the log with
	 * what is no attack on anything.
	 */
	if (SEGMENT_DPL(vmread32(VMCS_GUEST_SS_RIGHTS)) == 0)
		(void)audit_refuse(vcpu, SECPOD_RULE_INSTRUCTION, vmread32(VMCS_EXIT_REASON),
				   vmread(VMCS_EXIT_QUALIFICATION), vcpu->regs->rax, true);
	guest_inject(vcpu, VECTOR_UD, 0);
}

/* INVD would throw away the monitor's own modified lines; SDM allows WBINVD in its place. */
void exit_invd(struct vcpu *vcpu)
{
	(void)vcpu;
	wbinvd();
	guest_advance();
}

/*
 * CPL and CR4.OSXSAVE the CPU checks before it exits; CPL is checked again, because an emulator is known to do
 * it in the other order. Only the low half of RCX counts.
 */
void exit_xsetbv(struct vcpu *vcpu)
{
	struct guest_regs *regs = vcpu->regs;
	struct cpuid_result components = cpuid(CPUID_XSTATE, 0);
	uint64_t supported = (uint64_t)components.edx << 32 | components.eax;
	uint64_t value = regs->rdx << 32 | (uint32_t)regs->rax;

	struct register_context context = {lock_phase(vcpu), &vcpu->pins, xgetbv(0)};
	struct register_result result;

	if ((uint32_t)regs->rcx == 0 &&
	    register_write(&context, REGISTER_XCR0, value, &result) == VERDICT_REFUSE &&
	    (result.rule == REGISTER_NO_RULE ||
	     audit_refuse(vcpu, result.rule, value, context.present, regs->rcx,
			  result.mandatory))) {
		guest_inject(vcpu, VECTOR_GP, 0);
		return;
	}
	if (SEGMENT_DPL(vmread32(VMCS_GUEST_SS_RIGHTS)) != 0 ||
	    !xcr0_write_ok((uint32_t)regs->rcx, value, supported) || xsetbv_safe(0, value)) {
		guest_inject(vcpu, VECTOR_GP, 0);
		return;
	}
	guest_advance();
}

/*
 * Only code outside IA-32e mode can switch tasks in hardware, and no system SecPod starts does. The attempt
 * is answered like a bad TSS descriptor.
 */
void exit_task_switch(struct vcpu *vcpu)
{
	uint16_t selector = (uint16_t)vmread(VMCS_EXIT_QUALIFICATION);

	(void)audit_refuse(vcpu, SECPOD_RULE_TASK_SWITCH, selector,
			   vmread(VMCS_EXIT_QUALIFICATION) >> 30, 0, true);
	guest_inject(vcpu, VECTOR_GP, selector & 0xfffcu);
}
