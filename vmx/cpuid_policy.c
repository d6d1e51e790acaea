/* SPDX-License-Identifier: MIT */
#include "vmx/cpuid_policy.h"

#include <stddef.h>
#include <string.h>

#include "guest-support/include/secpod_abi.h"
#include "vmm/x86.h"
#include "vmx/vmcs.h"

#define ANY_SUBLEAF 0xffffffffu

struct hidden_bits {
	uint32_t leaf;
	uint32_t subleaf;
	struct cpuid_regs clear;
	uint32_t unless_proc2; /* shown when all of these secondary controls are on; 0: never shown */
	const char *reason;
};

/* Ordered by leaf: cpuid_filter() stops at the first larger one. */
static const struct hidden_bits hidden[] = {
	{CPUID_FEATURES, ANY_SUBLEAF, {0, 0, CPUID_1_ECX_VMX | CPUID_1_ECX_SMX, 0}, 0,
	 "VMX and SMX are the monitor's"},
	{CPUID_THERMAL, ANY_SUBLEAF, {CPUID_6_EAX_HFI | CPUID_6_EAX_THREAD_DIRECTOR, 0, 0, 0}, 0,
	 "hardware feedback writes to a host-physical address"},
	{CPUID_STRUCTURED, 0, {0, CPUID_7_EBX_PT, 0, 0}, 0,
	 "Processor Trace writes to host-physical addresses"},
	{CPUID_STRUCTURED, 0, {0, 0, CPUID_7_ECX_LA57, 0}, 0, "walkers know four levels"},
	{CPUID_STRUCTURED, 0, {0, 0, CPUID_7_ECX_KL, 0}, 0, "key-locker state is not switched"},
	{CPUID_STRUCTURED, 0, {0, 0, CPUID_7_ECX_ENQCMD, 0}, 0, "PASID translation is not set up"},
	{CPUID_STRUCTURED, 0, {0, 0, 0, CPUID_7_EDX_UINTR}, 0, "user-interrupt state is not switched"},
	{CPUID_STRUCTURED, 0, {0, CPUID_7_EBX_INVPCID, 0, 0}, PROC2_INVPCID, "#UD unless enabled"},
	{CPUID_STRUCTURED, 0, {0, 0, CPUID_7_ECX_WAITPKG, 0}, PROC2_USER_WAIT_PAUSE, "#UD unless enabled"},
	{CPUID_STRUCTURED, 0, {0, 0, 0, CPUID_7_EDX_PCONFIG}, PROC2_PCONFIG, "#UD unless enabled"},
	{CPUID_STRUCTURED, 1, {CPUID_7_1_EAX_FRED, 0, 0, 0}, 0, "FRED needs its own VMX support"},
	{CPUID_STRUCTURED, 1, {CPUID_7_1_EAX_HRESET, 0, 0, 0}, 0, "goes with hardware feedback"},
	{CPUID_XSTATE, 1, {1u << 3, 0, 0, 0}, PROC2_XSAVES, "XSAVES: #UD unless enabled"},
	{CPUID_PT, ANY_SUBLEAF, {~0u, ~0u, ~0u, ~0u}, 0, "Processor Trace is hidden"},
	{CPUID_KEY_LOCKER, ANY_SUBLEAF, {~0u, ~0u, ~0u, ~0u}, 0, "key locker is hidden"},
	{CPUID_PCONFIG, ANY_SUBLEAF, {~0u, ~0u, ~0u, ~0u}, PROC2_PCONFIG, "#UD unless enabled"},
	{CPUID_EXTENDED_FEATURES, ANY_SUBLEAF, {0, 0, 0, CPUID_X1_EDX_RDTSCP}, PROC2_RDTSCP,
	 "#UD unless enabled"},
};

static uint32_t signature_word(unsigned int i)
{
	uint32_t word;

	memcpy(&word, &SECPOD_SIGNATURE[4 * i], sizeof(word));
	return word;
}

static void hypervisor_leaf(uint32_t leaf, const struct cpuid_context *context, struct cpuid_regs *regs)
{
	*regs = (struct cpuid_regs){0, 0, 0, 0};
	switch (leaf) {
	case SECPOD_CPUID_SIGNATURE:
		regs->eax = context->stats ? SECPOD_CPUID_STATS : SECPOD_CPUID_VERSION;
		regs->ebx = signature_word(0);
		regs->ecx = signature_word(1);
		regs->edx = signature_word(2);
		break;
	case SECPOD_CPUID_VERSION:
		regs->eax = SECPOD_ABI_MAJOR << 16 | SECPOD_ABI_MINOR;
		regs->ebx = context->stats ? SECPOD_FEATURE_STATS : 0;
		regs->ecx = context->phase;
		break;
	default:
		/* Unused leaves of the range read as zero. */
		break;
	}
}

/* Bits that mirror CR4; the CPU answered in root mode, where CR4 is the monitor's. */
static void mirror_cr4(uint32_t leaf, uint32_t subleaf, const struct cpuid_context *context,
		       struct cpuid_regs *regs)
{
	const uint32_t ospke = 1u << 4;

	if (leaf == CPUID_FEATURES) {
		regs->ecx &= ~CPUID_1_ECX_OSXSAVE;
		if (context->guest_osxsave)
			regs->ecx |= CPUID_1_ECX_OSXSAVE;
		regs->ecx |= CPUID_1_ECX_HYPERVISOR;
	} else if (leaf == CPUID_STRUCTURED && subleaf == 0) {
		regs->ecx &= ~ospke;
		if (context->guest_pke)
			regs->ecx |= ospke;
	}
}

void cpuid_filter(uint32_t leaf, uint32_t subleaf, const struct cpuid_context *context,
		  struct cpuid_regs *regs)
{
	if (cpuid_is_hypervisor(leaf)) {
		hypervisor_leaf(leaf, context, regs);
		return;
	}
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]) && hidden[i].leaf <= leaf; i++) {
		const struct hidden_bits *h = &hidden[i];

		if (h->leaf != leaf || (h->subleaf != ANY_SUBLEAF && h->subleaf != subleaf))
			continue;
		if (h->unless_proc2 && (context->proc2 & h->unless_proc2) == h->unless_proc2)
			continue;
		regs->eax &= ~h->clear.eax;
		regs->ebx &= ~h->clear.ebx;
		regs->ecx &= ~h->clear.ecx;
		regs->edx &= ~h->clear.edx;
	}
	mirror_cr4(leaf, subleaf, context, regs);
}
