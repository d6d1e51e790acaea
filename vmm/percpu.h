/* SPDX-License-Identifier: MIT */
/*
 * What each CPU has for itself. In root mode the GS base points to it (HOST_GS_BASE of the VMCS),
 * so that it is found without knowing which CPU one is on.
 */
#ifndef SECPOD_VMM_PERCPU_H
#define SECPOD_VMM_PERCPU_H

/* Offsets in struct percpu, for the assembler files; asserted below. */
#define PERCPU_SELF 0
#define PERCPU_NMI_EVENT 16
#define PERCPU_NMI_WINDOW_BEGIN 24
#define PERCPU_NMI_WINDOW_END 32
#define PERCPU_NMI_RESTART 40
#define PERCPU_EXIT_FRAME 48
#define PERCPU_IN_PANIC 128

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

#include "vmm/handoff.h"

struct page_pool;
struct page_table;

#define CPU_STACK_SIZE 0x4000u /* bytes, each with a guard page below */
#define IST_STACK_SIZE 0x2000u

/* IST slots of the TSS; IST 0 in an IDT gate means "stay on this stack". */
enum ist_slot {
	IST_NONE = 0,
	IST_NMI = 1,
	IST_DOUBLE_FAULT = 2,
	IST_MACHINE_CHECK = 3,
	IST_COUNT = 3
};

struct percpu {
	struct percpu *self; /* must be first: %gs:0 */
	uint32_t index;	     /* of struct secpod_handoff.cpu */
	uint32_t apic_id;
	/*
	 * 1 after an NMI met this CPU in root mode, until it has been looked at. The last thing
	 * before the guest's registers are loaded for VM entry is a test of this word; an NMI
	 * between the test and VM entry is caught by the NMI handler, which moves a return address
	 * in [nmi_window_begin, nmi_window_end) to nmi_restart.
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
	uint32_t in_panic; /* 1: this CPU leads the panic, NMIs must not stop it */
	uint32_t launched;
};

_Static_assert(offsetof(struct percpu, self) == PERCPU_SELF, "used by this_cpu()");
_Static_assert(offsetof(struct percpu, nmi_event) == PERCPU_NMI_EVENT, "used by vmx/entry.S");
_Static_assert(offsetof(struct percpu, nmi_window_begin) == PERCPU_NMI_WINDOW_BEGIN,
	       "used by vmm/exceptions.S");
_Static_assert(offsetof(struct percpu, nmi_window_end) == PERCPU_NMI_WINDOW_END,
	       "used by vmm/exceptions.S");
_Static_assert(offsetof(struct percpu, nmi_restart) == PERCPU_NMI_RESTART,
	       "used by vmm/exceptions.S");
_Static_assert(offsetof(struct percpu, exit_frame) == PERCPU_EXIT_FRAME, "used by vmx/entry.S");
_Static_assert(offsetof(struct percpu, in_panic) == PERCPU_IN_PANIC, "used by vmm/exceptions.S");

/*
 * this_cpu - the calling CPU's area; valid in root mode with the monitor's GS base only. Volatile,
 * so that the compiler does not read it ahead of the test that we are there.
 */
static inline struct percpu *this_cpu(void)
{
	struct percpu *cpu;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

/*
 * percpu_init - areas, stacks, GDT and TSS of every CPU of the hand-off, from pool. Once, on the
 * boot CPU.
 * Result: 0, -EINVAL (CPU count 0 or above SECPOD_MAX_CPUS), -ENOMEM.
 */
int percpu_init(const struct secpod_handoff *handoff, struct page_pool *pool);

/*
 * percpu_map - what the CPUs need in the monitor's page tables: takes the guard pages out, and
 * gives each CPU its page of the guest-memory window. After percpu_init() and after the pool is
 * mapped.
 * Result: 0, -ENOENT (a guard page is not mapped: the pool is not), -ENOMEM.
 */
int percpu_map(struct page_table *table);

/* percpu_of - the area of CPU index, NULL when it does not exist. */
struct percpu *percpu_of(uint32_t index);

/* percpu_count - CPUs of the machine, from the hand-off. */
uint32_t percpu_count(void);

#endif
#endif
