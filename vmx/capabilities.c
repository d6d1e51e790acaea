/* SPDX-License-Identifier: MIT */
#include "vmx/capabilities.h"

#include <errno.h>
#include <stdio.h>

#include "vmm/x86.h"
#include "vmx/vmcs.h"

enum need { DEMAND, OPTIONAL, REFUSE };

struct control_rule {
	uint32_t bit;
	enum need need;
	const char *name;
};

/*
 * Bits not listed are left off. Of execution controls the CPU must not insist on any beyond the default1 class: the
 * exits they ask for have no handler.
 */

static const struct control_rule pin_rules[] = {
	/* Interrupts go straight to the guest: it owns the devices. */
	{PIN_EXTERNAL_INTERRUPT_EXITING, REFUSE, "external interrupts without exits"},
	/* NMIs are the kick that takes a CPU out of the guest; the guest's own are injected again. */
	{PIN_NMI_EXITING, DEMAND, "NMI exiting"},
	{PIN_VIRTUAL_NMIS, DEMAND, "virtual NMIs"},
};

static const struct control_rule proc_rules[] = {
	/* Power and latency: the guest is alone on the machine. */
	{PROC_HLT_EXITING, REFUSE, "HLT without exits"},
	{PROC_MWAIT_EXITING, REFUSE, "MWAIT without exits"},
	{PROC_RDTSC_EXITING, REFUSE, "RDTSC without exits"},
	{PROC_INVLPG_EXITING, REFUSE, "INVLPG without exits"},
	/* Needs the TRUE controls: with page-table isolation Linux writes CR3 at every system call. */
	{PROC_CR3_LOAD_EXITING, REFUSE, "CR3 loads without exits (true control MSRs)"},
	{PROC_CR3_STORE_EXITING, REFUSE, "CR3 stores without exits (true control MSRs)"},
	{PROC_CR8_LOAD_EXITING, REFUSE, "CR8 loads without exits"},
	{PROC_CR8_STORE_EXITING, REFUSE, "CR8 stores without exits"},
	{PROC_UNCONDITIONAL_IO, REFUSE, "port I/O without exits"},
	{PROC_NMI_WINDOW, OPTIONAL, "NMI-window exiting"}, /* switched on when needed, see below */
	{PROC_MSR_BITMAPS, DEMAND, "MSR bitmaps"},
	{PROC_SECONDARY_CONTROLS, DEMAND, "secondary controls"},
};

static const struct control_rule proc2_rules[] = {
	{PROC2_EPT, DEMAND, "EPT"},
	{PROC2_VPID, DEMAND, "VPID"},
	/* Real mode of starting CPUs, without emulating it. */
	{PROC2_UNRESTRICTED_GUEST, DEMAND, "unrestricted guest"},
	/* Instructions that raise #UD in the guest unless enabled here; CPUID hides what stays off. */
	{PROC2_RDTSCP, OPTIONAL, "RDTSCP"},
	{PROC2_INVPCID, OPTIONAL, "INVPCID"},
	{PROC2_XSAVES, OPTIONAL, "XSAVES"},
	{PROC2_USER_WAIT_PAUSE, OPTIONAL, "WAITPKG"},
	/* Where there is SGX: #UD, as CPUID shows none. */
	{PROC2_ENCLS_EXITING, OPTIONAL, "ENCLS exiting"},
	{PROC2_ENCLV_EXITING, OPTIONAL, "ENCLV exiting"},
	{PROC2_CONCEAL_FROM_PT, OPTIONAL, "conceal VMX from PT"},
	/* All CPUs walk one EPT: taken back where one of them lacks it, see vmx_share_mbec(). */
	{PROC2_MODE_BASED_EXECUTE, OPTIONAL, "mode-based execute control for EPT"},
};

static const struct control_rule exit_rules[] = {
	{EXIT_HOST_ADDRESS_SPACE_SIZE, DEMAND, "64-bit host"},
	{EXIT_SAVE_DEBUG_CONTROLS, DEMAND, "saving of debug controls"},
	/* A guest that sets IA32_PAT must not choose the memory types of the monitor. */
	{EXIT_SAVE_PAT, DEMAND, "saving of IA32_PAT"},
	{EXIT_LOAD_PAT, DEMAND, "loading of IA32_PAT at exit"},
	{EXIT_SAVE_EFER, DEMAND, "saving of IA32_EFER"},
	{EXIT_LOAD_EFER, DEMAND, "loading of IA32_EFER at exit"},
	{EXIT_CONCEAL_FROM_PT, OPTIONAL, "conceal VM exits from PT"},
};

static const struct control_rule entry_rules[] = {
	{ENTRY_LOAD_DEBUG_CONTROLS, DEMAND, "loading of debug controls"},
	{ENTRY_IA32E_GUEST, DEMAND, "IA-32e mode guest"},
	{ENTRY_LOAD_PAT, DEMAND, "loading of IA32_PAT"},
	{ENTRY_LOAD_EFER, DEMAND, "loading of IA32_EFER"},
	{ENTRY_CONCEAL_FROM_PT, OPTIONAL, "conceal VM entries from PT"},
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Exit and entry controls cause no exits. */
#define ANY 0xffffffffu

/*
 * One control word. capability: bits 31:0 must be 1 where set, bits 63:32 may be 1 where set. insist: bits that may be
 * among the former without being listed.
 */
static int build_word(uint64_t capability, const struct control_rule *rules, size_t count,
		      uint32_t insist, uint32_t *word, const char **missing)
{
	uint32_t must = (uint32_t)capability;
	uint32_t may = (uint32_t)(capability >> 32);
	uint32_t value = must;

	for (size_t i = 0; i < count; i++) {
		const struct control_rule *rule = &rules[i];
		bool possible = rule->need == REFUSE ? !(must & rule->bit) : (may & rule->bit) != 0;

		if (!possible && rule->need != OPTIONAL) {
			*missing = rule->name;
			return -ENODEV;
		}
		if (rule->need == REFUSE)
			continue;
		insist |= rule->bit;
		if (possible)
			value |= rule->bit;
	}
	if (must & ~insist) {
		*missing = "execution controls that can be left off";
		return -ENODEV;
	}
	*word = value;
	return 0;
}

int vmx_controls_build(const struct vmx_capabilities *caps, struct vmx_controls *controls,
		       const char **missing)
{
	*missing = NULL;
	if (build_word(caps->pin, pin_rules, COUNT_OF(pin_rules), PIN_DEFAULT1, &controls->pin,
		       missing) ||
	    build_word(caps->proc, proc_rules, COUNT_OF(proc_rules), PROC_DEFAULT1, &controls->proc,
		       missing) ||
	    build_word(caps->proc2, proc2_rules, COUNT_OF(proc2_rules), 0, &controls->proc2,
		       missing) ||
	    build_word(caps->exit, exit_rules, COUNT_OF(exit_rules), ANY, &controls->exit,
		       missing) ||
	    build_word(caps->entry, entry_rules, COUNT_OF(entry_rules), ANY, &controls->entry,
		       missing))
		return -ENODEV;
	if (!(controls->proc & PROC_NMI_WINDOW)) {
		*missing = "NMI-window exiting";
		return -ENODEV;
	}
	/* Possible, but only while an NMI waits. */
	controls->proc &= ~PROC_NMI_WINDOW;
	return 0;
}

bool vmx_has_mbec(uint64_t proc2)
{
	return proc2 >> 32 & PROC2_MODE_BASED_EXECUTE;
}

void vmx_share_mbec(struct vmx_controls *controls, bool mbec)
{
	if (!mbec)
		controls->proc2 &= ~PROC2_MODE_BASED_EXECUTE;
}

struct demand {
	bool (*met)(const struct vmx_capabilities *caps);
	bool only_several_cpus;
	const char *missing;
};

static bool has_vmx(const struct vmx_capabilities *caps)
{
	return caps->intel_vmx;
}

static bool has_vmx_permission(const struct vmx_capabilities *caps)
{
	return !(caps->feature_control & FEATURE_CONTROL_LOCK) ||
	       (caps->feature_control & FEATURE_CONTROL_VMX);
}

static bool has_nx(const struct vmx_capabilities *caps)
{
	return caps->nx;
}

static bool has_mtrr(const struct vmx_capabilities *caps)
{
	return caps->mtrr;
}

static bool has_wb_vmcs(const struct vmx_capabilities *caps)
{
	return (caps->basic >> VMX_BASIC_TYPE_SHIFT & VMX_BASIC_TYPE_MASK) == 6u;
}

static bool has_64bit_vmcs(const struct vmx_capabilities *caps)
{
	return !(caps->basic & VMX_BASIC_32BIT_ADDRESSES);
}

static bool has_true_controls(const struct vmx_capabilities *caps)
{
	return caps->basic & VMX_BASIC_TRUE_CONTROLS;
}

static bool has_lma_to_entry_control(const struct vmx_capabilities *caps)
{
	return caps->misc & VMX_MISC_LMA_TO_ENTRY_CONTROL;
}

static bool has_wait_sipi(const struct vmx_capabilities *caps)
{
	return caps->misc & VMX_MISC_ACTIVITY_WAIT_SIPI;
}

static bool has_ept_walk(const struct vmx_capabilities *caps)
{
	return (caps->ept_vpid & EPT_CAP_WALK_4) && (caps->ept_vpid & (EPT_CAP_WB | EPT_CAP_UC));
}

static bool has_ept_2m(const struct vmx_capabilities *caps)
{
	return caps->ept_vpid & EPT_CAP_2M;
}

static bool has_invept(const struct vmx_capabilities *caps)
{
	return (caps->ept_vpid & EPT_CAP_INVEPT) &&
	       (caps->ept_vpid & (EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_ALL));
}

static bool has_invvpid(const struct vmx_capabilities *caps)
{
	return (caps->ept_vpid & EPT_CAP_INVVPID) && (caps->ept_vpid & EPT_CAP_INVVPID_SINGLE);
}

static bool has_physical_bits(const struct vmx_capabilities *caps)
{
	return caps->physical_bits >= 32 && caps->physical_bits <= 52;
}

static const struct demand demands[] = {
	{has_vmx, false, "no VT-x: CPUID shows no VMX"},
	/* SDM "Enabling and Entering VMX Operation": VMXON needs the bit, and the lock forbids setting it. */
	{has_vmx_permission, false,
	 "VT-x is switched off and locked by the firmware (IA32_FEATURE_CONTROL)"},
	{has_physical_bits, false, "implausible physical-address width"},
	{has_nx, false, "no execute-disable (NX)"},
	{has_mtrr, false, "no MTRRs: memory types of the machine are unknown"},
	{has_64bit_vmcs, false, "VMX structures limited to 32-bit addresses"},
	{has_wb_vmcs, false, "VMCS memory type is not write-back"},
	{has_true_controls, false, "no true VMX control MSRs: CR3 loads could not be left alone"},
	{has_lma_to_entry_control, false,
	 "EFER.LMA is not stored to the entry controls at VM exits"},
	{has_ept_walk, false, "no EPT with 4-level walks"},
	{has_ept_2m, false, "no 2 MiB EPT pages"},
	{has_invept, false, "no INVEPT"},
	{has_invvpid, false, "no INVVPID of a single context"},
	/* Without it a CPU that Linux starts could not wait for its SIPI as a guest. */
	{has_wait_sipi, true, "no wait-for-SIPI activity state, and the machine has several CPUs"},
};

int vmx_capabilities_check(const struct vmx_capabilities *caps, bool several_cpus, char *reason,
			   size_t size)
{
	struct vmx_controls controls;
	const char *missing;

	for (size_t i = 0; i < COUNT_OF(demands); i++) {
		const struct demand *demand = &demands[i];

		if (demand->only_several_cpus && !several_cpus)
			continue;
		if (demand->met(caps))
			continue;
		snprintf(reason, size, "%s%s", demand->missing,
			 demand->met == has_vmx && caps->hypervisor
				 ? " (this is a virtual machine without nested VT-x)"
				 : "");
		return -ENODEV;
	}
	if (vmx_controls_build(caps, &controls, &missing)) {
		snprintf(reason, size, "VT-x lacks: %s", missing);
		return -ENODEV;
	}
	/* SDM "VMX-Fixed Bits in CR4": PAE paging in the host needs PAE and VMXE settable. */
	if (!(caps->cr4_fixed1 & CR4_PAE) || !(caps->cr4_fixed1 & CR4_VMXE)) {
		snprintf(reason, size, "IA32_VMX_CR4_FIXED1 forbids PAE or VMXE");
		return -ENODEV;
	}
	return 0;
}
