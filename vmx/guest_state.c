/* SPDX-License-Identifier: MIT */
#include "vmx/guest_state.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "vmm/cpu_ops.h"
#include "vmm/guest_mem.h"
#include "vmm/msr_safe.h"
#include "vmm/x86.h"
#include "vmx/cr_rules.h"
#include "vmx/insn.h"
#include "vmx/state.h"

uint64_t guest_cr0(const struct vcpu *vcpu)
{
	const uint64_t mask = CR0_GUEST_HOST_MASK;

	(void)vcpu;
	return (vmread(VMCS_GUEST_CR0) & ~mask) | (vmread(VMCS_CR0_SHADOW) & mask);
}

uint64_t guest_cr4(const struct vcpu *vcpu)
{
	uint64_t mask = vcpu->cr4_mask;

	return (vmread(VMCS_GUEST_CR4) & ~mask) | (vmread(VMCS_CR4_SHADOW) & mask);
}

bool guest_has_1g_pages(void)
{
	const uint32_t page_1g = 1u << 26;

	return cpuid(CPUID_EXTENDED_FEATURES, 0).edx & page_1g;
}

struct guest_paging guest_paging(const struct vcpu *vcpu)
{
	struct guest_paging paging = {
		.cr0 = guest_cr0(vcpu),
		.cr3 = vmread(VMCS_GUEST_CR3),
		.cr4 = guest_cr4(vcpu),
		.efer = vmread(VMCS_GUEST_EFER),
		.rflags = vmread(VMCS_GUEST_RFLAGS),
		.physical_bits = vcpu->caps.physical_bits,
		.pages_1g = vmx.pages_1g,
		.cpl = (uint8_t)SEGMENT_DPL(vmread32(VMCS_GUEST_SS_RIGHTS)),
	};

	/* PAE paging only. */
	for (unsigned int i = 0; !(paging.efer & EFER_LMA) && i < 4; i++)
		paging.pdpte[i] = vmread(VMCS_GUEST_PDPTE0 + 2 * i);
	return paging;
}

size_t guest_insn(const struct vcpu *vcpu, uint8_t to[GUEST_INSN_BYTES], size_t size, uint64_t *gpa)
{
	static const struct guest_walk_memory looking = {guest_read, guest_write, NULL};
	uint64_t rip = vmread(VMCS_GUEST_RIP);
	struct guest_paging paging;

	/* 4-level paging needs nothing else to find code that has run. */
	paging.efer = vmread(VMCS_GUEST_EFER);
	paging.cr3 = vmread(VMCS_GUEST_CR3);
	if (!(paging.efer & EFER_LMA))
		paging = guest_paging(vcpu);
	if (!(paging.efer & EFER_LMA) || !(vmread32(VMCS_GUEST_CS_RIGHTS) & SEGMENT_L))
		rip = (uint32_t)(vmread(VMCS_GUEST_CS_BASE) + rip);
	return guest_insn_fetch(&paging, &looking, rip, to, size, gpa);
}

/* IA32_SYSENTER_CS: 32 bits are there, as on the CPU. IA32_EFER: guest_msr_write() asks for itself. */
static bool any_value_ok(uint64_t value)
{
	(void)value;
	return true;
}

/* Which bits there are depends on the model: the CPU is asked. Root mode runs with the register 0. */
static bool debugctl_ok(uint64_t value)
{
	bool ok = wrmsr_safe(MSR_DEBUGCTL, value) == 0;

	wrmsr(MSR_DEBUGCTL, 0);
	return ok;
}

static const struct {
	uint32_t msr;
	uint32_t field;
	bool (*ok)(uint64_t value);
} vmcs_msrs[] = {
	{MSR_EFER, VMCS_GUEST_EFER, any_value_ok},
	{MSR_PAT, VMCS_GUEST_PAT, pat_write_ok},
	{MSR_DEBUGCTL, VMCS_GUEST_DEBUGCTL, debugctl_ok},
	{MSR_SYSENTER_CS, VMCS_GUEST_SYSENTER_CS, any_value_ok},
	{MSR_SYSENTER_ESP, VMCS_GUEST_SYSENTER_ESP, gva_canonical},
	{MSR_SYSENTER_EIP, VMCS_GUEST_SYSENTER_EIP, gva_canonical},
};

#define VMCS_MSR_COUNT (sizeof(vmcs_msrs) / sizeof(vmcs_msrs[0]))

int guest_msr_read(uint32_t msr, uint64_t *value)
{
	for (size_t i = 0; i < VMCS_MSR_COUNT; i++) {
		if (vmcs_msrs[i].msr == msr) {
			*value = vmread(vmcs_msrs[i].field);
			return 0;
		}
	}
	return rdmsr_safe(msr, value);
}

int guest_msr_write(uint32_t msr, uint64_t value)
{
	for (size_t i = 0; i < VMCS_MSR_COUNT; i++) {
		if (vmcs_msrs[i].msr != msr)
			continue;
		if (!vmcs_msrs[i].ok(value) ||
		    (msr == MSR_EFER &&
		     efer_write(vmread(VMCS_GUEST_CR0), vmread(VMCS_GUEST_EFER), value, &value)))
			return -EFAULT;
		vmwrite(vmcs_msrs[i].field, value);
		return 0;
	}
	return wrmsr_safe(msr, value);
}

int guest_register_value(const struct vcpu *vcpu, enum register_id id, uint64_t *value)
{
	switch (id) {
	case REGISTER_CR0:
		*value = guest_cr0(vcpu);
		return 0;
	case REGISTER_CR4:
		*value = guest_cr4(vcpu);
		return 0;
	case REGISTER_XCR0:
		*value = vcpu->caps.xsave ? xgetbv(0) : 0;
		return 0;
	default:
		return guest_msr_read(register_rows[id].first, value);
	}
}
