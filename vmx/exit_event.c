/* SPDX-License-Identifier: MIT */
/* Exceptions that exit, NMIs and the NMI window. SDM: "VM Exits Due to Exceptions or NMIs". */
#include <inttypes.h>

#include "vmm/cpu_ops.h"
#include "vmm/log.h"
#include "vmm/msr_safe.h"
#include "vmm/panic.h"
#include "vmm/x86.h"
#include "vmx/exit.h"
#include "vmx/insn.h"
#include "vmx/state.h"

/* DR6 bits an exit qualification for #DB brings: B0-B3, BD, BS; RTM and bus lock are active low. */
#define DR6_TRAPS 0xe00fULL
#define DR6_ACTIVE_LOW (X86_BIT(16) | X86_BIT(11))
#define DR7_GD X86_BIT(13)

/*
 * A counter overflow is waiting to be served: the NMI that came may have been its, merged with the kick.
 * SDM "IA32_PERF_GLOBAL_STATUS".
 */
static bool counter_overflow_waits(void)
{
	uint64_t status;

	return !rdmsr_safe(MSR_PERF_GLOBAL_STATUS, &status) && status != 0;
}

/* NMIs that can wait: the CPU latches one while another is served, or on its way to be. */
static uint32_t nmi_room(const struct vcpu *vcpu)
{
	const uint32_t nmi = EVENT_VALID | EVENT_TYPE_NMI;
	bool served = (vcpu->event.info & (EVENT_VALID | EVENT_TYPE_MASK)) == nmi ||
		      (vmread32(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKING_BY_NMI);

	return served ? 1 : 2;
}

void take_nmi_event(struct vcpu *vcpu)
{
	struct percpu *cpu = vcpu->cpu;
	bool kick;

	__atomic_store_n(&cpu->nmi_event, 0, __ATOMIC_SEQ_CST);
	panic_check();
	kick = __atomic_exchange_n(&cpu->kick_inflight, 0, __ATOMIC_SEQ_CST);
	if (kick && !counter_overflow_waits())
		return;
	vcpu->nmi_count++;
	if (vcpu->nmi_queued < nmi_room(vcpu))
		vcpu->nmi_queued++;
	vcpu->entry_work = 1;
}

/* SDM "Debug Exceptions": the exit has not touched DR6, DR7.GD and DEBUGCTL; delivery of #DB does. */
static void reflect_debug(struct vcpu *vcpu)
{
	uint64_t qualification = vmread(VMCS_EXIT_QUALIFICATION);
	uint64_t dr6 = read_dr6() & ~(uint64_t)0xf;

	dr6 |= qualification & DR6_TRAPS;
	dr6 |= DR6_ACTIVE_LOW;
	dr6 &= ~(qualification & DR6_ACTIVE_LOW);
	write_dr6(dr6);
	vmwrite(VMCS_GUEST_DR7, vmread(VMCS_GUEST_DR7) & ~DR7_GD);
	vmwrite(VMCS_GUEST_DEBUGCTL, vmread(VMCS_GUEST_DEBUGCTL) & ~(DEBUGCTL_LBR | DEBUGCTL_BTF));
	guest_inject(vcpu, VECTOR_DB, 0);
}

/* SDM "Event Injection": with this type VM entry pushes RIP plus the instruction's length. */
static void reflect_int1(struct vcpu *vcpu)
{
	vcpu->event = (struct guest_event){
		EVENT_VALID | EVENT_TYPE_PRIVILEGED_SOFTWARE | VECTOR_DB,
		0,
		vmread32(VMCS_EXIT_INSTRUCTION_LENGTH),
	};
	vcpu->entry_work = 1;
}

/*
 * #DB and #AC exit, and go back to the guest, only so that a guest whose handler raises them again in its own
 * delivery cannot keep a CPU in microcode for ever, deaf to NMIs (the loops of CVE-2015-5307 and
 * CVE-2015-8104): each turn leaves the guest once.
 */
void exit_exception_nmi(struct vcpu *vcpu)
{
	uint32_t info = vmread32(VMCS_EXIT_INTERRUPTION_INFO);
	uint8_t vector = (uint8_t)(info & EVENT_VECTOR);

	if ((info & EVENT_TYPE_MASK) == EVENT_TYPE_NMI) {
		/* Sorted by take_nmi_event() with those that met the CPU in root mode. */
		__atomic_store_n(&vcpu->cpu->nmi_event, 1, __ATOMIC_SEQ_CST);
		return;
	}
	if ((info & EVENT_NMI_UNBLOCKING) && !(vcpu->event.info & EVENT_VALID))
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
			vmread(VMCS_GUEST_INTERRUPTIBILITY) | BLOCKING_BY_NMI);
	switch (vector) {
	case VECTOR_DB:
		/* INT1 is a trap that leaves DR6 alone; its handler returns behind it. */
		if ((info & EVENT_TYPE_MASK) == EVENT_TYPE_PRIVILEGED_SOFTWARE)
			reflect_int1(vcpu);
		else
			reflect_debug(vcpu);
		break;
	case VECTOR_AC:
		guest_inject(vcpu, VECTOR_AC, vmread32(VMCS_EXIT_INTERRUPTION_ERROR));
		break;
	default:
		panic("exception exit that no control asks for: interruption information %#" PRIx32,
		      info);
	}
}

void exit_nmi_window(struct vcpu *vcpu)
{
	/* vmx_before_entry() injects what is queued and closes the window. */
	(void)vcpu;
}
