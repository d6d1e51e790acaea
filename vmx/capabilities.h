/* SPDX-License-Identifier: MIT */
/*
 * What SecPod demands of a CPU, and the VM-execution, exit and entry controls it derives from what the
 * CPU offers. Pure: a function of register values. SDM: "VMX Capability Reporting Facility" and
 * "Algorithms for Determining VMX Capabilities".
 */
#ifndef SECPOD_VMX_CAPABILITIES_H
#define SECPOD_VMX_CAPABILITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Register values of one CPU, read before anything is changed. */
struct vmx_capabilities {
	bool intel_vmx;		/* CPUID.1:ECX.VMX */
	bool hypervisor;	/* CPUID.1:ECX[31]: we are a guest ourselves */
	bool nx;		/* CPUID.80000001H:EDX.NX */
	bool mtrr;		/* CPUID.1:EDX.MTRR */
	bool xsave;		/* CPUID.1:ECX.XSAVE */
	bool lam;		/* CPUID.(EAX=07H,ECX=1):EAX.LAM */
	uint32_t physical_bits; /* MAXPHYADDR */
	uint64_t feature_control;
	uint64_t basic;
	uint64_t pin; /* the TRUE register of each pair where there is one */
	uint64_t proc;
	uint64_t proc2; /* 0 without secondary controls */
	uint64_t exit;
	uint64_t entry;
	uint64_t misc;
	uint64_t ept_vpid;
	uint64_t cr0_fixed0, cr0_fixed1;
	uint64_t cr4_fixed0, cr4_fixed1;
};

struct vmx_controls {
	uint32_t pin;
	uint32_t proc;
	uint32_t proc2;
	uint32_t exit;
	uint32_t entry;
};

/*
 * vmx_capabilities_check - can this CPU run SecPod?
 * several_cpus: the machine has more than one (then INIT and SIPI have to be virtualized).
 * reason: receives one line that names what is missing; size: its bytes.
 * Result: 0 or -ENODEV.
 */
int vmx_capabilities_check(const struct vmx_capabilities *caps, bool several_cpus, char *reason,
			   size_t size);

/*
 * vmx_controls_build - the control words for this CPU: demanded bits, the optional ones it has, and what
 * it insists on. missing: receives the name of the first demand that cannot be met.
 * Result: 0 or -ENODEV.
 */
int vmx_controls_build(const struct vmx_capabilities *caps, struct vmx_controls *controls,
		       const char **missing);

/*
 * vmx_has_mbec - can mode-based execute control for EPT be set? proc2: vmx_capabilities.proc2 of one CPU, or
 * of several what they have in common (by AND).
 * vmx_share_mbec - switch it off in controls unless all CPUs have it (mbec): bit 10 of an EPT entry means
 * something with it and nothing without, and there is one EPT for all. SDM "VM-Execution Controls":
 * the secondary ones may all be 0.
 */
bool vmx_has_mbec(uint64_t proc2);
void vmx_share_mbec(struct vmx_controls *controls, bool mbec);

/* vmx_cr_fixed - value with the bits set and cleared that VMX operation wants; SDM "VMX-Fixed Bits in CR0/CR4". */
static inline uint64_t vmx_cr_fixed(uint64_t value, uint64_t fixed0, uint64_t fixed1)
{
	return (value | fixed0) & fixed1;
}

#endif
