/* SPDX-License-Identifier: MIT */
/*
 * What CPUID tells the guest: the CPU's own answer, less what is hidden, plus the hypervisor leaves. Pure.
 * SDM: "CPUID—CPU Identification".
 */
#ifndef SECPOD_VMX_CPUID_POLICY_H
#define SECPOD_VMX_CPUID_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/x86.h"

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
	CPUID_SLOT_XSTATE_0,
	CPUID_SLOT_XSTATE_1,
	CPUID_SLOT_SGX,
	CPUID_SLOT_PT,
	CPUID_SLOT_KEY_LOCKER,
	CPUID_SLOT_PCONFIG,
	CPUID_SLOT_EXTENDED,
	CPUID_SLOT_COUNT,
};

/* What is fixed when the machine is launched, worked out once: CPUID is the exit programs cause most. */
struct cpuid_policy {
	struct cpuid_regs keep[CPUID_SLOT_COUNT]; /* bits that are shown */
	uint32_t max_basic;			  /* highest basic leaf of the CPUs */
	uint32_t max_extended;			  /* highest leaf from CPUID_MAX_EXTENDED on */
	bool stats;				  /* the statistics leaf answers */
};

/* What the answers depend on; where CPUs differ, the least that all of them have. */
struct cpuid_machine {
	uint32_t proc2; /* secondary controls in force: instructions they leave off are hidden */
	uint32_t max_basic;    /* CPUID.0H:EAX */
	uint32_t max_extended; /* CPUID.80000000H:EAX */
	bool stats;	       /* does the statistics leaf answer? */
};

void cpuid_policy_build(struct cpuid_policy *policy, const struct cpuid_machine *machine);

/* Basic leaves below this have a row each, by subleaf: 0, 1, any other. */
#define CPUID_BASIC_LEAVES 0x20u
#define CPUID_SUBLEAF_CLASSES 3u
extern const uint8_t cpuid_basic_slot[CPUID_BASIC_LEAVES][CPUID_SUBLEAF_CLASSES];

/* cpuid_is_basic - a basic leaf that the CPU has; any other asks cpuid_is_hypervisor() and cpuid_resolve(). */
static inline bool cpuid_is_basic(const struct cpuid_policy *policy, uint32_t leaf)
{
	return leaf <= policy->max_basic;
}

/* cpuid_is_hypervisor - is leaf in the range reserved for hypervisors (answered without the CPU)? */
static inline bool cpuid_is_hypervisor(uint32_t leaf)
{
	return leaf >> 28 == 4u;
}

/*
 * cpuid_resolve - the leaf whose data the CPU returns for leaf, not of the hypervisor's range: one that
 * it does not have is answered as the highest basic leaf (with its subleaf), and has to be shown as that.
 */
static inline uint32_t cpuid_resolve(const struct cpuid_policy *policy, uint32_t leaf)
{
	if (cpuid_is_basic(policy, leaf) ||
	    (leaf >= CPUID_MAX_EXTENDED && leaf <= policy->max_extended))
		return leaf;
	return policy->max_basic;
}

/*
 * cpuid_keep - the bits of the CPU's own answer that the guest is shown.
 * leaf: of cpuid_resolve(); subleaf: ECX of the guest. CR4 bits that CPUID
 * mirrors are those of root mode in the CPU's answer, see cpuid_mirror_cr4().
 */
static inline const struct cpuid_regs *cpuid_keep(const struct cpuid_policy *policy, uint32_t leaf,
						  uint32_t subleaf)
{
	const uint32_t last = CPUID_SUBLEAF_CLASSES - 1;

	if (leaf < CPUID_BASIC_LEAVES)
		return &policy->keep[cpuid_basic_slot[leaf][subleaf < last ? subleaf : last]];
	return &policy->keep[leaf == CPUID_EXTENDED_FEATURES ? CPUID_SLOT_EXTENDED
							     : CPUID_SLOT_NONE];
}

/* cpuid_mirrors_cr4 - does this leaf's ECX show bits of CR4? Then cpuid_mirror_cr4() is due. */
static inline bool cpuid_mirrors_cr4(uint32_t leaf)
{
	return leaf == CPUID_FEATURES || leaf == CPUID_STRUCTURED;
}

/* cpuid_mirror_cr4 - ecx with OSXSAVE or OSPKE as in the guest's CR4, and the hypervisor bit. */
static inline uint32_t cpuid_mirror_cr4(uint32_t leaf, uint32_t subleaf, uint64_t guest_cr4,
					uint32_t ecx)
{
	const uint32_t ospke = 1u << 4;

	if (leaf == CPUID_FEATURES)
		return (ecx & ~CPUID_1_ECX_OSXSAVE) | CPUID_1_ECX_HYPERVISOR |
		       (guest_cr4 & CR4_OSXSAVE ? CPUID_1_ECX_OSXSAVE : 0);
	return subleaf ? ecx : (ecx & ~ospke) | (guest_cr4 & CR4_PKE ? ospke : 0);
}

/* cpuid_hypervisor_leaf - a leaf of the hypervisor's range; phase: SECPOD_PHASE_*. */
void cpuid_hypervisor_leaf(const struct cpuid_policy *policy, uint32_t leaf, uint32_t phase,
			   struct cpuid_regs *regs);

#endif
