/* SPDX-License-Identifier: MIT */
/*
 * What each CPU has for itself. In root mode the GS base points to it (HOST_GS_BASE of the VMCS), so
 * that it is found without knowing which CPU one is on.
 */
#ifndef SECPOD_VMM_PERCPU_H
#define SECPOD_VMM_PERCPU_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/handoff.h"

#define CPU_STACK_SIZE 0x4000u /* bytes, each with a guard page below */
#define IST_STACK_SIZE 0x2000u

/* IST slots of the TSS; IST 0 in an IDT gate means "stay on this stack". */
enum ist_slot { IST_NMI = 1, IST_DOUBLE_FAULT = 2, IST_MACHINE_CHECK = 3, IST_COUNT = 3 };

struct percpu {
	struct percpu *self; /* must be first: %gs:0 */
	uint32_t index;	     /* of struct secpod_handoff.cpu */
	uint32_t apic_id;
	/*
	 * 1 after an NMI met this CPU in root mode, until it has been looked at. The last thing before
	 * the guest's registers are loaded for VM entry is a test of this word; an NMI between the test
	 * and VM entry is caught by the NMI handler, which moves a return address in [nmi_window_begin,
	 * nmi_window_end) to nmi_restart.
	 */
	uint32_t nmi_event;
	uint32_t kick_inflight; /* 1: an NMI on its way to this CPU is the monitor's own */
	uint64_t nmi_window_begin;
	uint64_t nmi_window_end;
	uint64_t nmi_restart;
	void *exit_frame; /* struct guest_regs of the running VM exit */
	void *vcpu;	  /* struct vcpu, owned by vmx/ */

	uint64_t stack_top; /* RSP at VM exit */
	uint64_t ist_top[IST_COUNT];
	void *gdt;	    /* GDT_ENTRIES descriptors */
	void *tss;	    /* 64-bit TSS */
	uint64_t window_va; /* this CPU's page of the guest-memory window */
	uint64_t *window_pte;
	uint32_t in_panic;
	uint32_t launched;
};

#define PERCPU_SELF 0
#define PERCPU_NMI_EVENT 16
#define PERCPU_EXIT_FRAME 48
_Static_assert(offsetof(struct percpu, nmi_event) == PERCPU_NMI_EVENT, "used by vmx/entry.S");
_Static_assert(offsetof(struct percpu, exit_frame) == PERCPU_EXIT_FRAME, "used by vmx/entry.S");

/* this_cpu - the calling CPU's area; valid in root mode with the monitor's GS base only. */
static inline struct percpu *this_cpu(void)
{
	struct percpu *cpu;

	__asm__("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

/* percpu_of - the area of CPU index, NULL when it does not exist. */
struct percpu *percpu_of(uint32_t index);

/* percpu_count - CPUs of the machine, from the hand-off. */
uint32_t percpu_count(void);

#endif
