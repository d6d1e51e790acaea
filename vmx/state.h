/* SPDX-License-Identifier: MIT */
/*
 * What all CPUs share in vmx/: built once by vmx_init(), afterwards read-only but for what the parts
 * themselves lock.
 */
#ifndef SECPOD_VMX_STATE_H
#define SECPOD_VMX_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "ept/ept.h"
#include "ept/invalidate.h"
#include "secpod/audit_log.h"
#include "secpod/hypercall.h"
#include "secpod/paging/paging.h"
#include "secpod/phase.h"
#include "secpod/policy.h"
#include "secpod/secure_space.h"
#include "vmm/handoff.h"
#include "vmx/cpuid_policy.h"
#include "vmx/vcpu.h"

/* The guest's one VPID: TLBs are per logical processor, so all vCPUs may share it. */
#define VMX_GUEST_VPID 1u

/* vmx_mtrr_start - MTRRs as they are when the first CPU is launched (exit_mtrr.c follows them from there). */
void vmx_mtrr_start(struct mtrr_state *initial);

struct vmx_state {
	const struct secpod_handoff *handoff;
	bool stats;  /* SECPOD_CFG_DEBUG_STATS */
	bool sealed; /* no way out of VMX operation any more */
	uint32_t physical_bits;
	bool pages_1g; /* CPUID.80000001H:EDX.Page1GB */
	uint64_t launch_tsc;
	struct page_pool *pool;
	struct ept ept;
	uint64_t eptp;
	bool ept_advanced_info; /* EPT violations say whose the linear address is */
	struct ept_flush flush;
	struct secure_space secure;
	struct policy policy;
	struct audit_log audit;
	struct phase phase;
	struct hypercalls hypercalls;
	struct paging paging;
	bool delegating;     /* page tables are read-only to the guest */
	uint64_t root_trims; /* times that all CPUs were asked to give up roots */
	struct store_cache_generations generations; /* of code */
	uint64_t idt_frame; /* gpa of the locked IDT's page, read-only; 0: none */
	bool locking;	    /* every CPU notes its pins before it enters the guest again */
	uint8_t start_pages[256 / 8];	    /* SIPI vectors seen before LOCKED */
	struct cpuid_machine cpuid_machine; /* what all launched CPUs have */
	struct cpuid_policy cpuid;
	uint8_t *msr_bitmap;
	struct vcpu *vcpu[SECPOD_MAX_CPUS];
};

extern struct vmx_state vmx;

/* vmx_flush_ept - all-CPU invalidation of EPT translations, for a change that needs it; frees old tables. */
void vmx_flush_ept(void);

/* vmx_flush_init - set up the invalidation protocol for this machine's CPUs (kick.c). */
int vmx_flush_init(void);

#endif
