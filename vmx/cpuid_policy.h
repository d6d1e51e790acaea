/* SPDX-License-Identifier: MIT */
/*
 * What CPUID tells the guest: the CPU's own answer, less what is hidden, plus the hypervisor leaves. Pure.
 * SDM: "CPUID—CPU Identification".
 */
#ifndef SECPOD_VMX_CPUID_POLICY_H
#define SECPOD_VMX_CPUID_POLICY_H

#include <stdbool.h>
#include <stdint.h>

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

struct cpuid_context {
	uint32_t proc2;	    /* secondary controls in force: instructions they leave off are hidden */
	bool guest_osxsave; /* guest CR4.OSXSAVE */
	bool guest_pke;	    /* guest CR4.PKE */
	bool stats;	    /* the statistics leaf answers */
	uint32_t phase;	    /* SECPOD_PHASE_* */
};

/*
 * cpuid_filter - turn the CPU's answer into the guest's.
 * leaf, subleaf: EAX and ECX of the guest. regs: in the CPU's own answer, out the guest's.
 */
void cpuid_filter(uint32_t leaf, uint32_t subleaf, const struct cpuid_context *context,
		  struct cpuid_regs *regs);

/* cpuid_is_hypervisor - is leaf in the range reserved for hypervisors (answered without the CPU)? */
static inline bool cpuid_is_hypervisor(uint32_t leaf)
{
	return leaf >> 28 == 4u;
}

#endif
