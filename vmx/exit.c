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
	/* No handler: what it takes for such an exit. The machine stops, as the CPU or the monitor is broken. */
	const char *only_with;
};

#define ONLY_WITH(control)             \
	{                              \
		.only_with = (control) \
	}

/*
 * Every reason the SDM has. vmx/capabilities.c does not start on a CPU that insists on a control that is not wanted, so
 * a guest cannot bring about one of those with ONLY_WITH, whatever instructions its CPU has.
 */
static const struct exit_handler handlers[EXIT_REASON_COUNT] = {
	[EXIT_REASON_EXCEPTION_NMI] = {exit_exception_nmi, true, false, NULL},
	[EXIT_REASON_EXTERNAL_INTERRUPT] = ONLY_WITH("external-interrupt exiting"),
	[EXIT_REASON_TRIPLE_FAULT] = {exit_triple_fault, true, false, NULL},
	[EXIT_REASON_INIT] = {exit_init, false, false, NULL},
	[EXIT_REASON_SIPI] = {exit_sipi, false, false, NULL},
	[EXIT_REASON_IO_SMI] = ONLY_WITH("dual-monitor treatment of SMIs"),
	[EXIT_REASON_OTHER_SMI] = ONLY_WITH("dual-monitor treatment of SMIs"),
	[EXIT_REASON_INTERRUPT_WINDOW] = ONLY_WITH("interrupt-window exiting"),
	[EXIT_REASON_NMI_WINDOW] = {exit_nmi_window, false, false, NULL},
	[EXIT_REASON_TASK_SWITCH] = {exit_task_switch, true, false, NULL},
	[EXIT_REASON_CPUID] = {exit_cpuid, false, true, NULL},
	/* SMX and VMX are hidden: #UD, as with CR4.SMXE or VMXE clear. */
	[EXIT_REASON_GETSEC] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_HLT] = ONLY_WITH("HLT exiting"),
	[EXIT_REASON_INVD] = {exit_invd, false, false, NULL},
	[EXIT_REASON_INVLPG] = ONLY_WITH("INVLPG exiting"),
	[EXIT_REASON_RDPMC] = ONLY_WITH("RDPMC exiting"),
	[EXIT_REASON_RDTSC] = ONLY_WITH("RDTSC exiting"),
	[EXIT_REASON_RSM] = ONLY_WITH("dual-monitor treatment of SMIs"),
	[EXIT_REASON_VMCALL] = {exit_vmcall, false, true, NULL},
	[EXIT_REASON_VMCLEAR] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_VMLAUNCH] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_VMPTRLD] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_VMPTRST] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_VMREAD] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_VMRESUME] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_VMWRITE] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_VMXOFF] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_VMXON] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_CR_ACCESS] = {exit_cr_access, false, true, NULL},
	[EXIT_REASON_MOV_DR] = ONLY_WITH("MOV-DR exiting"),
	[EXIT_REASON_IO_INSTRUCTION] = ONLY_WITH("I/O exiting or I/O bitmaps"),
	[EXIT_REASON_RDMSR] = {exit_rdmsr, false, false, NULL},
	[EXIT_REASON_WRMSR] = {exit_wrmsr, false, false, NULL},
	[EXIT_REASON_INVALID_GUEST_STATE] = ONLY_WITH("a VM entry that fails"),
	[EXIT_REASON_MSR_LOADING] = ONLY_WITH("a VM entry that fails"),
	[EXIT_REASON_MWAIT] = ONLY_WITH("MWAIT exiting"),
	[EXIT_REASON_MONITOR_TRAP_FLAG] = ONLY_WITH("monitor trap flag"),
	[EXIT_REASON_MONITOR] = ONLY_WITH("MONITOR exiting"),
	[EXIT_REASON_PAUSE] = ONLY_WITH("PAUSE exiting or PAUSE-loop exiting"),
	[EXIT_REASON_MACHINE_CHECK] = ONLY_WITH("a VM entry that fails"),
	[EXIT_REASON_TPR_THRESHOLD] = ONLY_WITH("TPR shadow"),
	[EXIT_REASON_APIC_ACCESS] = ONLY_WITH("virtualize APIC accesses"),
	[EXIT_REASON_VIRTUALIZED_EOI] = ONLY_WITH("virtual-interrupt delivery"),
	[EXIT_REASON_GDTR_IDTR] = {exit_gdtr_idtr, false, false, NULL},
	[EXIT_REASON_LDTR_TR] = {exit_ldtr_tr, false, false, NULL},
	[EXIT_REASON_EPT_VIOLATION] = {exit_ept_violation, true, true, NULL},
	[EXIT_REASON_EPT_MISCONFIG] = {exit_ept_misconfig, true, false, NULL},
	[EXIT_REASON_INVEPT] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_RDTSCP] = ONLY_WITH("RDTSC exiting"),
	[EXIT_REASON_PREEMPTION_TIMER] = {exit_preemption_timer, false, false, NULL},
	[EXIT_REASON_INVVPID] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_WBINVD] = ONLY_WITH("WBINVD exiting"),
	[EXIT_REASON_XSETBV] = {exit_xsetbv, false, false, NULL},
	[EXIT_REASON_APIC_WRITE] = ONLY_WITH("APIC-register virtualization"),
	[EXIT_REASON_RDRAND] = ONLY_WITH("RDRAND exiting"),
	[EXIT_REASON_INVPCID] = ONLY_WITH("INVLPG exiting"),
	[EXIT_REASON_VMFUNC] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_ENCLS] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_RDSEED] = ONLY_WITH("RDSEED exiting"),
	[EXIT_REASON_PML_FULL] = ONLY_WITH("page-modification logging"),
	[EXIT_REASON_XSAVES] = ONLY_WITH("a bit in the XSS-exiting bitmap"),
	[EXIT_REASON_XRSTORS] = ONLY_WITH("a bit in the XSS-exiting bitmap"),
	[EXIT_REASON_PCONFIG] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_SPP] = ONLY_WITH("sub-page write permissions"),
	[EXIT_REASON_UMWAIT] = ONLY_WITH("RDTSC exiting"),
	[EXIT_REASON_TPAUSE] = ONLY_WITH("RDTSC exiting"),
	[EXIT_REASON_LOADIWKEY] = ONLY_WITH("LOADIWKEY exiting"),
	[EXIT_REASON_ENCLV] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_ENQCMD_PASID] = ONLY_WITH("PASID translation"),
	[EXIT_REASON_ENQCMDS_PASID] = ONLY_WITH("PASID translation"),
	[EXIT_REASON_BUS_LOCK] = ONLY_WITH("bus-lock detection"),
	[EXIT_REASON_INSTRUCTION_TIMEOUT] = ONLY_WITH("instruction timeout"),
	/* No control asks for these: where there is TDX they exit like VMXON. */
	[EXIT_REASON_SEAMCALL] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_TDCALL] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_RDMSRLIST] = ONLY_WITH("MSR-list instructions"),
	[EXIT_REASON_WRMSRLIST] = ONLY_WITH("MSR-list instructions"),
	/* No control either: by the MSR bitmap. The first two are hidden in CPUID. */
	[EXIT_REASON_URDMSR] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_UWRMSR] = {exit_undefined, false, false, NULL},
	[EXIT_REASON_RDMSR_IMM] = {exit_rdmsr_imm, false, false, NULL},
	[EXIT_REASON_WRMSRNS_IMM] = {exit_wrmsrns_imm, false, false, NULL},
};

/* What no control asks for is an instruction: one that is newer than this table, which the guest does not have. */
static const struct exit_handler unknown = {exit_undefined, true, false, NULL};

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

/* Where reasons are counted; what no table holds is at the end of the counters. */
static uint32_t counter_of(uint32_t reason)
{
	const uint32_t basic = reason & EXIT_REASON_BASIC;

	return basic < EXIT_REASON_COUNT ? basic : EXIT_REASON_COUNT;
}

/* Reasons without a handler, and such with flags (SDM "Basic VM-Exit Information"). */
static __attribute__((noinline)) void dispatch_rare(struct vcpu *vcpu, uint32_t reason)
{
	const uint32_t counter = counter_of(reason);
	const struct exit_handler *handler =
		counter < EXIT_REASON_COUNT ? &handlers[counter] : &unknown;

	if (reason & EXIT_REASON_ENTRY_FAILURE)
		dump_entry_failure(vcpu);
	if (handler->only_with)
		panic("VM exit, reason %" PRIu32 ": only with %s", counter, handler->only_with);
	vcpu->exits[counter]++;
	dispatch(vcpu, handler->handle ? handler : &unknown);
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
	vcpu->reason_tsc[counter_of(vmread32(VMCS_EXIT_REASON))] += spent;
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
	} else if (__builtin_expect(reason < EXIT_REASON_COUNT && handlers[reason].handle, 1)) {
		vcpu->exits[reason]++;
		dispatch(vcpu, &handlers[reason]);
	} else {
		dispatch_rare(vcpu, reason);
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
