/* SPDX-License-Identifier: MIT */
#include "vmx/cpuid_policy.h"

#include <stddef.h>
#include <string.h>

#include "guest-support/include/secpod_abi.h"
#include "secpod/register_policy.h"
#include "vmm/x86.h"
#include "vmx/vmcs.h"

struct hidden_bits {
	enum cpuid_slot slot;
	struct cpuid_regs clear;
	uint32_t
		unless_proc2; /* shown when all of these secondary controls are on; 0: never shown */
	const char *reason;
};

static const struct hidden_bits hidden[] = {
	{CPUID_SLOT_FEATURES,
	 {0, 0, CPUID_1_ECX_VMX | CPUID_1_ECX_SMX, 0},
	 0,
	 "VMX and SMX are the monitor's"},
	{CPUID_SLOT_FEATURES,
	 {0, 0, CPUID_1_ECX_DTES64 | CPUID_1_ECX_DS_CPL, CPUID_1_EDX_DS},
	 0,
	 "records of the DS area that fall into root mode are written with the monitor's page tables"},
	{CPUID_SLOT_THERMAL,
	 {CPUID_6_EAX_HFI | CPUID_6_EAX_THREAD_DIRECTOR, 0, 0, 0},
	 0,
	 "hardware feedback writes to a host-physical address"},
	{CPUID_SLOT_STRUCTURED_0,
	 {0, CPUID_7_EBX_PT, 0, 0},
	 0,
	 "Processor Trace writes to host-physical addresses"},
	{CPUID_SLOT_STRUCTURED_0,
	 {0, CPUID_7_EBX_SGX, CPUID_7_ECX_SGX_LC, CPUID_7_EDX_SGX_KEYS},
	 0,
	 "what an enclave does nobody can judge; IA32_FEATURE_CONTROL reads as off"},
	{CPUID_SLOT_STRUCTURED_0, {0, 0, CPUID_7_ECX_LA57, 0}, 0, "walkers know four levels"},
	{CPUID_SLOT_STRUCTURED_0, {0, 0, CPUID_7_ECX_KL, 0}, 0, "key-locker state is not switched"},
	{CPUID_SLOT_STRUCTURED_0,
	 {0, 0, CPUID_7_ECX_ENQCMD, 0},
	 0,
	 "PASID translation is not set up"},
	{CPUID_SLOT_STRUCTURED_0,
	 {0, 0, 0, CPUID_7_EDX_UINTR},
	 0,
	 "user-interrupt state is not switched"},
	{CPUID_SLOT_STRUCTURED_0,
	 {0, CPUID_7_EBX_INVPCID, 0, 0},
	 PROC2_INVPCID,
	 "#UD unless enabled"},
	{CPUID_SLOT_STRUCTURED_0,
	 {0, 0, CPUID_7_ECX_WAITPKG, 0},
	 PROC2_USER_WAIT_PAUSE,
	 "#UD unless enabled"},
	{CPUID_SLOT_STRUCTURED_0,
	 {0, 0, 0, CPUID_7_EDX_PCONFIG},
	 PROC2_PCONFIG,
	 "#UD unless enabled"},
	{CPUID_SLOT_STRUCTURED_1,
	 {CPUID_7_1_EAX_FRED, 0, 0, 0},
	 0,
	 "FRED needs its own VMX support"},
	{CPUID_SLOT_STRUCTURED_1,
	 {CPUID_7_1_EAX_HRESET, 0, 0, 0},
	 0,
	 "goes with hardware feedback"},
	{CPUID_SLOT_STRUCTURED_1,
	 {CPUID_7_1_EAX_MSRLIST, 0, 0, 0},
	 0,
	 "lists of MSRs: #UD unless enabled"},
	{CPUID_SLOT_STRUCTURED_1,
	 {0, 0, 0, CPUID_7_1_EDX_USER_MSR},
	 0,
	 "CPL 3 has no business with what is guarded"},
	{CPUID_SLOT_XSTATE_1,
	 {CPUID_D_1_EAX_XSAVES, 0, 0, 0},
	 PROC2_XSAVES,
	 "XSAVES: #UD unless enabled"},
	{CPUID_SLOT_SGX, {~0u, ~0u, ~0u, ~0u}, 0, "SGX is hidden"},
	{CPUID_SLOT_PT, {~0u, ~0u, ~0u, ~0u}, 0, "Processor Trace is hidden"},
	{CPUID_SLOT_KEY_LOCKER, {~0u, ~0u, ~0u, ~0u}, 0, "key locker is hidden"},
	{CPUID_SLOT_PCONFIG, {~0u, ~0u, ~0u, ~0u}, PROC2_PCONFIG, "#UD unless enabled"},
	{CPUID_SLOT_EXTENDED, {0, 0, 0, CPUID_X1_EDX_RDTSCP}, PROC2_RDTSCP, "#UD unless enabled"},
};

/* clang-format off */
#define ALL_SUBLEAVES(slot) {slot, slot, slot}
/* clang-format on */

const uint8_t cpuid_basic_slot[CPUID_BASIC_LEAVES][CPUID_SUBLEAF_CLASSES] = {
	[CPUID_FEATURES] = ALL_SUBLEAVES(CPUID_SLOT_FEATURES),
	[CPUID_THERMAL] = ALL_SUBLEAVES(CPUID_SLOT_THERMAL),
	[CPUID_STRUCTURED] = {CPUID_SLOT_STRUCTURED_0, CPUID_SLOT_STRUCTURED_1, CPUID_SLOT_NONE},
	[CPUID_XSTATE] = {CPUID_SLOT_XSTATE_0, CPUID_SLOT_XSTATE_1, CPUID_SLOT_NONE},
	[CPUID_SGX] = ALL_SUBLEAVES(CPUID_SLOT_SGX),
	[CPUID_PT] = ALL_SUBLEAVES(CPUID_SLOT_PT),
	[CPUID_KEY_LOCKER] = ALL_SUBLEAVES(CPUID_SLOT_KEY_LOCKER),
	[CPUID_PCONFIG] = ALL_SUBLEAVES(CPUID_SLOT_PCONFIG),
};

/* State components that XCR0 and IA32_XSS cannot be given are none that the CPU has. */
static void hide_state_components(struct cpuid_policy *policy)
{
	const uint64_t user = register_class_bits(REGISTER_XCR0, CLASS_PASSED);
	const uint64_t supervisor = register_class_bits(REGISTER_XSS, CLASS_PASSED);

	policy->keep[CPUID_SLOT_XSTATE_0].eax = (uint32_t)user;
	policy->keep[CPUID_SLOT_XSTATE_0].edx = (uint32_t)(user >> 32);
	policy->keep[CPUID_SLOT_XSTATE_1].ecx = (uint32_t)supervisor;
	policy->keep[CPUID_SLOT_XSTATE_1].edx = (uint32_t)(supervisor >> 32);
}

void cpuid_policy_build(struct cpuid_policy *policy, const struct cpuid_machine *machine)
{
	policy->max_basic = machine->max_basic;
	policy->max_extended = machine->max_extended;
	policy->stats = machine->stats;
	memset(policy->keep, 0xff, sizeof(policy->keep));
	hide_state_components(policy);
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		const struct hidden_bits *h = &hidden[i];
		struct cpuid_regs *keep = &policy->keep[h->slot];

		if (h->unless_proc2 && (machine->proc2 & h->unless_proc2) == h->unless_proc2)
			continue;
		keep->eax &= ~h->clear.eax;
		keep->ebx &= ~h->clear.ebx;
		keep->ecx &= ~h->clear.ecx;
		keep->edx &= ~h->clear.edx;
	}
}

static uint32_t signature_word(unsigned int i)
{
	uint32_t word;

	memcpy(&word, &SECPOD_SIGNATURE[4 * i], sizeof(word));
	return word;
}

void cpuid_hypervisor_leaf(const struct cpuid_policy *policy, uint32_t leaf, uint32_t phase,
			   struct cpuid_regs *regs)
{
	*regs = (struct cpuid_regs){0, 0, 0, 0};
	switch (leaf) {
	case SECPOD_CPUID_SIGNATURE:
		regs->eax = policy->stats ? SECPOD_CPUID_STATS : SECPOD_CPUID_VERSION;
		regs->ebx = signature_word(0);
		regs->ecx = signature_word(1);
		regs->edx = signature_word(2);
		break;
	case SECPOD_CPUID_VERSION:
		regs->eax = SECPOD_ABI_MAJOR << 16 | SECPOD_ABI_MINOR;
		regs->ebx = SECPOD_FEATURE_HYPERCALL | SECPOD_FEATURE_AUDIT |
			    (policy->stats ? SECPOD_FEATURE_STATS : 0);
		regs->ecx = phase;
		break;
	default:
		/* Unused leaves of the range read as zero. */
		break;
	}
}
