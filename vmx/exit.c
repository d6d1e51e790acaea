/* SPDX-License-Identifier: MIT */
#include "vmx/exit.h"

#include <inttypes.h>

#include "vmm/cpu_ops.h"
#include "vmm/log.h"
#include "vmm/panic.h"
#include "vmm/reset.h"
#include "vmm/x86.h"
#include "vmx/advance.h"
#include "vmx/descriptor_scan.h"
#include "vmx/dump.h"
#include "vmx/insn.h"
#include "vmx/state.h"

/* Called from vmx/entry.S. */
void vmx_exit(void);
void vmx_before_entry(void);
_Noreturn void vmx_resume_failed(void);

struct exit_handler {
	void (*handle)(struct vcpu *vcpu);
	/* The exit may have interrupted the delivery of an event, which must not be lost. */
	bool may_vector;
	/* Comes by the thousand: see descriptor_scan_often(). */
	bool often;
};

/* Reasons not listed cannot happen with the controls we set; should one, the machine stops. */
static const struct exit_handler handlers[EXIT_REASON_COUNT] = {
	[EXIT_REASON_EXCEPTION_NMI] = {exit_exception_nmi, true, false},
	[EXIT_REASON_TRIPLE_FAULT] = {exit_triple_fault, true, false},
	[EXIT_REASON_INIT] = {exit_init, false, false},
	[EXIT_REASON_SIPI] = {exit_sipi, false, false},
	[EXIT_REASON_NMI_WINDOW] = {exit_nmi_window, false, false},
	[EXIT_REASON_TASK_SWITCH] = {exit_task_switch, true, false},
	/* SMX and VMX are hidden: #UD, as with CR4.SMXE or VMXE clear. */
	[EXIT_REASON_GETSEC] = {exit_undefined, false, false},
	[EXIT_REASON_INVD] = {exit_invd, false, false},
	[EXIT_REASON_VMCALL] = {exit_vmcall, false, true},
	[EXIT_REASON_VMCLEAR] = {exit_undefined, false, false},
	[EXIT_REASON_VMLAUNCH] = {exit_undefined, false, false},
	[EXIT_REASON_VMPTRLD] = {exit_undefined, false, false},
	[EXIT_REASON_VMPTRST] = {exit_undefined, false, false},
	[EXIT_REASON_VMREAD] = {exit_undefined, false, false},
	[EXIT_REASON_VMRESUME] = {exit_undefined, false, false},
	[EXIT_REASON_VMWRITE] = {exit_undefined, false, false},
	[EXIT_REASON_VMXOFF] = {exit_undefined, false, false},
	[EXIT_REASON_VMXON] = {exit_undefined, false, false},
	[EXIT_REASON_CR_ACCESS] = {exit_cr_access, false, true},
	[EXIT_REASON_RDMSR] = {exit_rdmsr, false, false},
	[EXIT_REASON_WRMSR] = {exit_wrmsr, false, false},
	[EXIT_REASON_GDTR_IDTR] = {exit_gdtr_idtr, false, false},
	[EXIT_REASON_LDTR_TR] = {exit_ldtr_tr, false, false},
	[EXIT_REASON_EPT_VIOLATION] = {exit_ept_violation, true, true},
	[EXIT_REASON_EPT_MISCONFIG] = {exit_ept_misconfig, true, false},
	[EXIT_REASON_INVEPT] = {exit_undefined, false, false},
	[EXIT_REASON_PREEMPTION_TIMER] = {exit_preemption_timer, false, false},
	[EXIT_REASON_INVVPID] = {exit_undefined, false, false},
	[EXIT_REASON_XSETBV] = {exit_xsetbv, false, false},
	[EXIT_REASON_VMFUNC] = {exit_undefined, false, false},
	[EXIT_REASON_ENCLS] = {exit_undefined, false, false},
	[EXIT_REASON_PCONFIG] = {exit_undefined, false, false},
	[EXIT_REASON_ENCLV] = {exit_undefined, false, false},
	/* No control asks for these: where there is TDX they exit like VMXON. */
	[EXIT_REASON_SEAMCALL] = {exit_undefined, false, false},
	[EXIT_REASON_TDCALL] = {exit_undefined, false, false},
};

static __attribute__((noinline)) void take_vectoring(struct vcpu *vcpu, uint32_t info)
{
	vcpu->entry_work = 1;
	vcpu->event = event_from_vectoring(info, vmread32(VMCS_IDT_VECTORING_ERROR),
					   vmread32(VMCS_EXIT_INSTRUCTION_LENGTH));
	/* An NMI half delivered blocks NMIs already; its injection anew must not find them blocked. */
	if ((info & EVENT_TYPE_MASK) == EVENT_TYPE_NMI)
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
			vmread(VMCS_GUEST_INTERRUPTIBILITY) & ~(uint64_t)BLOCKING_BY_NMI);
}

static __attribute__((noinline)) _Noreturn void stop(struct vcpu *vcpu, uint32_t reason)
{
	if (reason & EXIT_REASON_ENTRY_FAILURE)
		dump_entry_failure(vcpu);
	panic("unexpected VM exit, reason %" PRIu32, reason & EXIT_REASON_BASIC);
}

/* Every reason but CPUID. Apart, so that the short path saves no registers for this one. */
static __attribute__((noinline)) void dispatch(struct vcpu *vcpu,
					       const struct exit_handler *handler)
{
	if (handler->may_vector) {
		const uint32_t info = vmread32(VMCS_IDT_VECTORING_INFO);

		if (info & EVENT_VALID)
			take_vectoring(vcpu, info);
	}
	handler->handle(vcpu);
	if (!handler->often)
		descriptor_scan(vcpu);
	else if (--vcpu->often_left < 0)
		descriptor_scan_often(vcpu);
}

static void set_nmi_window(struct vcpu *vcpu, bool on)
{
	uint32_t proc =
		on ? vcpu->controls.proc | PROC_NMI_WINDOW : vcpu->controls.proc & ~PROC_NMI_WINDOW;

	if (proc == vcpu->controls.proc)
		return;
	vcpu->controls.proc = proc;
	vmwrite(VMCS_PROC_CONTROLS, proc);
}

/*
 * Queued NMIs: one is injected when nothing else is and the guest is open to it. Blocking by STI or MOV SS
 * is waited out through the window too; SDM "Checks on Guest Non-Register State" lets some CPUs refuse it.
 */
static void deliver_nmi(struct vcpu *vcpu)
{
	const uint32_t blocking = BLOCKING_BY_NMI | BLOCKING_BY_MOV_SS | BLOCKING_BY_STI;

	if (!(vcpu->event.info & EVENT_VALID) &&
	    !(vmread32(VMCS_GUEST_INTERRUPTIBILITY) & blocking)) {
		vcpu->event = (struct guest_event){EVENT_VALID | EVENT_TYPE_NMI | VECTOR_NMI, 0, 0};
		vcpu->nmi_queued--;
	}
	set_nmi_window(vcpu, vcpu->nmi_queued != 0);
}

static void write_event(const struct guest_event *event)
{
	vmwrite(VMCS_ENTRY_INTERRUPTION_INFO, event->info);
	if (event->info & EVENT_ERROR_CODE)
		vmwrite(VMCS_ENTRY_EXCEPTION_ERROR, event->error_code);
	if (event->instruction_length)
		vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, event->instruction_length);
}

/* Everything but an ordinary entry: something to inject or to wait for. */
static __attribute__((noinline)) void do_entry_work(struct vcpu *vcpu)
{
	if (vcpu->cpu->nmi_event)
		take_nmi_event(vcpu);
	if (vcpu->nmi_queued || (vcpu->controls.proc & PROC_NMI_WINDOW))
		deliver_nmi(vcpu);
	if (vcpu->event.info & EVENT_VALID)
		write_event(&vcpu->event);
	/* The event goes with this entry; a queued NMI has its window, which is an exit. */
	vcpu->entry_work = vcpu->nmi_queued != 0;
}

static __attribute__((noinline)) void count_root_time(struct vcpu *vcpu)
{
	const uint64_t now = rdtsc(), spent = now - vcpu->exit_tsc;

	vcpu->root_tsc += spent;
	vcpu->reason_tsc[vmread32(VMCS_EXIT_REASON) & EXIT_REASON_BASIC] += spent;
	if (vcpu->text_exit) {
		vcpu->text_exits++;
		vcpu->text_tsc += spent;
	}
	vcpu->text_exit = false;
	vcpu->exit_tsc = now;
}

/* The last C code before VM entry. */
static inline void before_entry(struct vcpu *vcpu)
{
	if (__builtin_expect(vcpu->waiting_for_sipi, 0))
		return; /* not in the guest until the SIPI exit; nothing can be injected, no one need wait */
	if (__builtin_expect(vcpu->cpu->nmi_event | vcpu->entry_work, 0))
		do_entry_work(vcpu);
	if (__builtin_expect(vmx.stats, 0))
		count_root_time(vcpu);
	ept_flush_enter(&vmx.flush, vcpu->flush);
}

/* Once more, because an NMI came behind the first time: see vmx/entry.S. */
void vmx_before_entry(void)
{
	before_entry(this_vcpu());
}

void vmx_exit(void)
{
	struct vcpu *vcpu = this_vcpu();
	uint32_t reason;

	ept_flush_exit(vcpu->flush);
	if (__builtin_expect(vmx.stats, 0))
		vcpu->exit_tsc = rdtsc();
	reason = vmread32(VMCS_EXIT_REASON);
	vcpu->event.info = 0;

	/* The one exit a program causes at will. */
	if (__builtin_expect(reason == EXIT_REASON_CPUID, 1)) {
		vcpu->exits[EXIT_REASON_CPUID]++;
		exit_cpuid(vcpu);
		/* After LOCK often the only exits there are; each of them would be too often. */
		if (__builtin_expect(--vcpu->often_left < 0, 0))
			descriptor_scan_often(vcpu);
	} else {
		/* A failed entry has bit 31, which is beyond the table as well. */
		if (__builtin_expect(reason >= EXIT_REASON_COUNT || !handlers[reason].handle, 0))
			stop(vcpu, reason);
		vcpu->exits[reason]++;
		dispatch(vcpu, &handlers[reason]);
	}
	before_entry(vcpu);
}

void vmx_resume_failed(void)
{
	panic("VMRESUME failed, VM-instruction error %" PRIu32 " (%s)",
	      vmread32(VMCS_INSTRUCTION_ERROR),
	      dump_instruction_error(vmread32(VMCS_INSTRUCTION_ERROR)));
}

void exit_triple_fault(struct vcpu *vcpu)
{
	/*
	 * A CPU in shutdown resets the machine on real boards, and Linux uses that as its last resort to
	 * reboot: not an error of the monitor.
	 */
	log_warn("guest triple fault on CPU %" PRIu32 ": resetting the machine", vcpu->cpu->index);
	dump_guest(LOG_DEBUG);
	machine_reset();
}

void guest_advance_flags(uint64_t flags)
{
	vmwrite(VMCS_GUEST_RFLAGS, flags & ~RFLAGS_RF);
	/* SDM "Debug Exceptions": with BTF only branches trap, and no instruction handled here is one. */
	if ((flags & RFLAGS_TF) && !(vmread(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF))
		vmwrite(VMCS_GUEST_PENDING_DEBUG,
			vmread(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
}

/* On top of an event whose delivery the exit interrupted. */
static __attribute__((noinline)) struct guest_event inject_over(struct vcpu *vcpu,
								struct guest_event event)
{
	struct guest_event result, deferred;

	if (event_combine(vcpu->event, event, &result, &deferred) == EVENT_TRIPLE_FAULT)
		exit_triple_fault(vcpu);
	/*
	 * What was being delivered is lost to the fault, as on the CPU: an interrupt is in service at the local
	 * APIC, an NMI blocks others until the fault's handler returns.
	 */
	if ((deferred.info & EVENT_VALID) && (deferred.info & EVENT_TYPE_MASK) == EVENT_TYPE_NMI)
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
			vmread(VMCS_GUEST_INTERRUPTIBILITY) | BLOCKING_BY_NMI);
	return result;
}

void guest_inject(struct vcpu *vcpu, uint8_t vector, uint32_t error_code)
{
	struct guest_event event = event_exception(vector, error_code);

	if (vcpu->event.info & EVENT_VALID)
		event = inject_over(vcpu, event);
	vcpu->event = event_fit_mode(event, vmread(VMCS_GUEST_CR0) & CR0_PE);
	vcpu->entry_work = 1;
}
