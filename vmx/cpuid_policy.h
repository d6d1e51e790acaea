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

/* Leaves some bit of which may be hidden; CPUID_SLOT_NONE for all others. */
enum cpuid_slot {
	CPUID_SLOT_NONE,
	CPUID_SLOT_FEATURES,
	CPUID_SLOT_THERMAL,
	CPUID_SLOT_STRUCTURED_0,
	CPUID_SLOT_STRUCTURED_1,
	CPUID_SLOT_XSTATE_1,
	CPUID_SLOT_PT,
	CPUID_SLOT_KEY_LOCKER,
	CPUID_SLOT_PCONFIG,
	CPUID_SLOT_EXTENDED,
	CPUID_SLOT_COUNT,
};

/* What is fixed when the machine is launched, worked out once: CPUID is the exit programs cause most. */
struct cpuid_policy {
	struct cpuid_regs keep[CPUID_SLOT_COUNT]; /* bits that are shown */
	bool stats;				  /* the statistics leaf answers */
};

/*
 * cpuid_policy_build - proc2: secondary controls in force, instructions they leave off are hidden;
 * stats: does the statistics leaf answer?
 */
void cpuid_policy_build(struct cpuid_policy *policy, uint32_t proc2, bool stats);

/*
 * cpuid_filter - turn the CPU's answer into the guest's.
 * leaf, subleaf: EAX and ECX of the guest, leaf not of the hypervisor's range. regs: in the CPU's own
 * answer, out the guest's. CR4 bits that CPUID mirrors are those of root mode, see cpuid_mirror_cr4().
 */
void cpuid_filter(const struct cpuid_policy *policy, uint32_t leaf, uint32_t subleaf,
		  struct cpuid_regs *regs);

/* cpuid_mirrors_cr4 - does this leaf show bits of CR4? Then cpuid_mirror_cr4() is due, with the guest's CR4. */
static inline bool cpuid_mirrors_cr4(uint32_t leaf)
{
	return leaf == 1u || leaf == 7u;
}
void cpuid_mirror_cr4(uint32_t leaf, uint32_t subleaf, uint64_t guest_cr4, struct cpuid_regs *regs);

/* cpuid_hypervisor_leaf - a leaf of the hypervisor's range; phase: SECPOD_PHASE_*. */
void cpuid_hypervisor_leaf(const struct cpuid_policy *policy, uint32_t leaf, uint32_t phase,
			   struct cpuid_regs *regs);

/* cpuid_is_hypervisor - is leaf in the range reserved for hypervisors (answered without the CPU)? */
static inline bool cpuid_is_hypervisor(uint32_t leaf)
{
	return leaf >> 28 == 4u;
}

#endif
