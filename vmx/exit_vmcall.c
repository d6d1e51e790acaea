/* SPDX-License-Identifier: MIT */
/* VMCALL: the boot code's own calls, and the guest's. */
#include <inttypes.h>

#include "vmm/boot_calls.h"
#include "vmm/guest_mem.h"
#include "vmm/log.h"
#include "vmm/panic.h"
#include "vmx/advance.h"
#include "vmx/audit.h"
#include "vmx/delegation.h"
#include "vmx/exit.h"
#include "vmx/exit_text.h"
#include "vmx/insn.h"
#include "vmx/launch.h"
#include "vmx/state.h"

/* The boot code's own calls: only from the monitor's image, at CPL 0, while it is not sealed. */
static bool is_boot_call(void)
{
	const struct secpod_handoff *handoff = vmx.handoff;

	return !vmx.sealed && vmread(VMCS_GUEST_RIP) - handoff->image_base < handoff->image_size &&
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

static int read_guest(void *context, uint64_t gpa, void *to, uint64_t size)
{
	(void)context;
	return guest_read(gpa, to, size);
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

static void caller(void *context, struct secpod_record *record)
{
	(void)context;
	*record = audit_from(this_vcpu());
}

static int redirect(void *context, uint64_t function, uint64_t stub)
{
	(void)context;
	return text_redirect_guest(this_vcpu(), function, stub);
}

static int rearm(void *context, const struct secpod_call_site *calls, uint32_t count)
{
	(void)context;
	return text_rearm_guest(this_vcpu(), calls, count);
}

static bool is_module_code(void *context, uint64_t va)
{
	(void)context;
	return text_is_module_code(this_vcpu(), va);
}

static int profile(void *context, uint64_t list, uint64_t bytes)
{
	(void)context;
	return text_profile_guest(this_vcpu(), list, bytes);
}

void exit_vmcall_init(void)
{
	vmx.hypercalls = (struct hypercalls){
		.machine = {NULL, is_guest_memory, read_guest, write_guest, machine_stats, caller,
			    redirect, rearm, is_module_code, profile},
		.phase = &vmx.phase,
		.policy = &vmx.policy,
		.log = &vmx.audit,
		.paging = &vmx.paging,
		.features = SECPOD_FEATURE_HYPERCALL | SECPOD_FEATURE_AUDIT |
			    (vmx.stats ? SECPOD_FEATURE_STATS : 0),
		.lock_request = vmx.handoff->config.flags & SECPOD_CFG_LOCK_REQUEST,
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
		.cpl = (uint8_t)SEGMENT_DPL(vmread32(VMCS_GUEST_SS_RIGHTS)),
		.paging = vcpu->paging,
	};

	switch (hypercall(&vmx.hypercalls, &call)) {
	case HYPERCALL_DONE:
		regs->rax = call.rax;
		regs->rdx = call.rdx;
		guest_advance();
		break;
	case HYPERCALL_PANIC:
		panic("policy.hypercall = panic, and a call was malformed");
	case HYPERCALL_UNDEFINED:
		exit_undefined(vcpu);
		break;
	}
}

/* PT_SET of a user's page: the call that comes most. What is not that, or is malformed, goes the long way. */
static bool set_plain(struct vcpu *vcpu)
{
	struct guest_regs *regs = vcpu->regs;

	if (regs->rax != (SECPOD_HYPERCALL | SECPOD_CALL_PT_SET) || (regs->rdx | regs->r10) ||
	    !vcpu->delegating || SEGMENT_DPL(vmread32(VMCS_GUEST_SS_RIGHTS)) != 0 ||
	    !paging_set_plain(&vmx.paging, regs->rdi, regs->rsi))
		return false;
	__atomic_fetch_add(&vmx.hypercalls.count, 1u, __ATOMIC_RELAXED);
	regs->rax = 0;
	guest_advance();
	return true;
}

static __attribute__((noinline)) void any_call(struct vcpu *vcpu)
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

void exit_vmcall(struct vcpu *vcpu)
{
	if (!set_plain(vcpu))
		any_call(vcpu);
}
