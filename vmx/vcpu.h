/* SPDX-License-Identifier: MIT */
/*
 * One virtual CPU: the guest's side of one logical processor, for ever the same one.
 */
#ifndef SECPOD_VMX_VCPU_H
#define SECPOD_VMX_VCPU_H

#include <stdbool.h>
#include <stdint.h>

#include "ept/invalidate.h"
#include "secpod/descriptor_policy.h"
#include "secpod/paging/paging.h"
#include "secpod/register_policy.h"
#include "vmm/percpu.h"
#include "vmx/capabilities.h"
#include "vmx/cr3_targets.h"
#include "vmx/event.h"
#include "vmx/launch_msrs.h"
#include "vmx/store_cache.h"
#include "vmx/vmcs.h"

/* General-purpose registers at a VM exit, in the SDM's numbering (the RSP slot is unused: VMCS). */
struct guest_regs {
	uint64_t rax, rcx, rdx, rbx, rsp_unused, rbp, rsi, rdi;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
};
_Static_assert(sizeof(struct guest_regs) == 128, "pushed by vmx/entry.S");

struct vcpu {
	struct percpu *cpu;
	struct ept_flush_cpu *flush; /* this CPU's part of the invalidation protocol */
	struct guest_regs *regs;     /* where every VM exit of this CPU leaves them */
	void *vmxon_region;
	void *vmcs;
	struct vmx_capabilities caps;
	struct vmx_controls controls;	/* as last written */
	uint64_t cr4_mask;		/* guest/host mask of CR4 */
	struct cr3_targets cr3_targets; /* as last written */
	bool locked;			/* pins are noted, and hold */
	bool delegating;		/* runs on audited page tables */
	uint64_t root_trims;		/* vmx.root_trims as this CPU last followed it */
	struct paging_cpu *paging;
	struct store_cache *store_cache;
	struct register_pins pins;
	struct descriptor_pins descriptors;
	struct descriptor_contents contents; /* of the tables at LOCK */
	struct descriptor_clock look;	     /* at the tables' contents */
	int32_t often_left;  /* until one more of the exits that come often looks as well */
	uint64_t launch_cr0; /* as the firmware had them */
	uint64_t launch_cr4;
	struct launch_msrs launch_msrs;
	struct guest_event event; /* to be injected at the next VM entry */
	uint32_t entry_work;	  /* 1: the next entry has more to do than to enter */
	uint32_t nmi_queued;   /* NMIs for the guest not yet injected (0..2, as hardware latches) */
	bool waiting_for_sipi; /* entered with the wait-for-SIPI activity state */
	uint64_t nmi_count;
	uint64_t exit_tsc;   /* TSC at the running exit, with debug-stats only */
	uint64_t root_tsc;   /* sum over exits, with debug-stats only */
	uint64_t wait_turns; /* of the invalidation this CPU waits for */
	/* By reason; the last of those that no table holds. */
	uint64_t exits[EXIT_REASON_COUNT + 1];
	uint64_t reason_tsc[EXIT_REASON_COUNT + 1]; /* root_tsc by reason */
	bool text_exit;				    /* the running exit has stored to code */
	uint64_t text_exits;			    /* of that kind, with debug-stats only */
	uint64_t text_tsc;			    /* root_tsc of them */
};

static inline struct vcpu *this_vcpu(void)
{
	return this_cpu()->vcpu;
}

#endif
