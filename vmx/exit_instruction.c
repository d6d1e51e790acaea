/* SPDX-License-Identifier: MIT */
/* Instructions that always exit and belong to no other family. */
#include <errno.h>
#include <inttypes.h>

#include "vmm/boot_calls.h"
#include "vmm/cpu_ops.h"
#include "vmm/guest_mem.h"
#include "vmm/log.h"
#include "vmm/msr_safe.h"
#include "vmm/panic.h"
#include "vmm/x86.h"
#include "vmx/cr_rules.h"
#include "vmx/advance.h"
#include "vmx/audit.h"
#include "vmx/delegation.h"
#include "vmx/exit.h"
#include "vmx/insn.h"
#include "vmx/launch.h"
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

/* The boot code's own calls: only from the monitor's image, at CPL 0, while it is not sealed. */
static bool is_boot_call(void)
{
	const struct secpod_handoff *handoff = vmx.handoff;
	uint64_t rip = vmread(VMCS_GUEST_RIP);

	return !vmx.sealed && rip - handoff->image_base < handoff->image_size &&
	       SEGMENT_DPL(vmread32(VMCS_GUEST_SS_RIGHTS)) == 0;
}

static void seal(struct vcpu *vcpu)
{
	int result = secure_space_hide(&vmx.secure, &vmx.ept);

	if (result < 0) {
		vcpu->regs->rax = (uint64_t)(int64_t)result;
		guest_advance();
		return;
	}
	vmx.sealed = true;
	vmx_flush_ept();
	log_info("sealed: %#" PRIx64 "-%#" PRIx64 " is out of the guest's view", vmx.secure.base,
		 vmx.secure.base + vmx.secure.size - 1);
	vcpu->regs->rax = 0;
	vmwrite(VMCS_GUEST_RIP, vcpu->regs->rdx);
}

static bool is_guest_memory(void *context, uint64_t gpa, uint64_t size)
{
	(void)context;
	return guest_range_ok(gpa, size);
}

static int write_guest(void *context, uint64_t gpa, const void *from, uint64_t size)
{
	(void)context;
	return delegation_write(gpa, from, size);
}

static void machine_stats(void *context, struct secpod_stats *stats)
{
	(void)context;
	(void)stats_read(SECPOD_STAT_CPUS, &stats->cpus);
	(void)stats_read(SECPOD_STAT_EXITS, &stats->exits);
	(void)stats_read(SECPOD_STAT_POOL_FREE, &stats->pool_free);
}

void exit_vmcall_init(void)
{
	vmx.hypercalls = (struct hypercalls){
		.machine = {NULL, is_guest_memory, write_guest, machine_stats},
		.phase = &vmx.phase,
		.policy = &vmx.policy,
		.log = &vmx.audit,
		.features = SECPOD_FEATURE_HYPERCALL | SECPOD_FEATURE_AUDIT |
			    (vmx.stats ? SECPOD_FEATURE_STATS : 0),
	};
}

static void guest_call(struct vcpu *vcpu)
{
	struct guest_regs *regs = vcpu->regs;
	struct hypercall call = {
		.rax = regs->rax,
		.rdi = regs->rdi,
		.rsi = regs->rsi,
		.rdx = regs->rdx,
		.r10 = regs->r10,
		.from = audit_from(vcpu),
	};

	switch (hypercall(&vmx.hypercalls, &call)) {
	case HYPERCALL_DONE:
		regs->rax = call.rax;
		guest_advance();
		break;
	case HYPERCALL_PANIC:
		panic("policy.hypercall = panic, and a call was malformed");
	case HYPERCALL_UNDEFINED:
		exit_undefined(vcpu);
		break;
	}
}

void exit_vmcall(struct vcpu *vcpu)
{
	if (is_boot_call() && vcpu->regs->rax == BOOT_CALL_SEAL) {
		seal(vcpu);
	} else if (is_boot_call() && vcpu->regs->rax == BOOT_CALL_UNLAUNCH) {
		vcpu->regs->rax = 0;
		guest_advance();
		vmx_leave_operation(vcpu);
	} else {
		guest_call(vcpu);
	}
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
