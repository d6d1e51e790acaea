/* SPDX-License-Identifier: MIT */
/* CPUID: the one exit a user program causes at will, so short. */
#include "guest-support/include/secpod_abi.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"
#include "vmx/exit.h"
#include "vmx/insn.h"
#include "vmx/state.h"

static void read_statistics(uint32_t index, struct cpuid_regs *regs)
{
	uint64_t value = 0;

	regs->ebx = stats_read(index, &value);
	regs->eax = (uint32_t)value;
	regs->ecx = 0;
	regs->edx = (uint32_t)(value >> 32);
}

static void hypervisor_range(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
	if (leaf == SECPOD_CPUID_STATS && vmx.stats)
		read_statistics(subleaf, out);
	else
		cpuid_hypervisor_leaf(&vmx.cpuid, leaf, SECPOD_PHASE_GUEST, out);
}

void exit_cpuid(struct vcpu *vcpu)
{
	struct guest_regs *regs = vcpu->regs;
	uint32_t leaf = (uint32_t)regs->rax;
	uint32_t subleaf = (uint32_t)regs->rcx;
	struct cpuid_regs out;

	if (__builtin_expect(cpuid_is_hypervisor(leaf), 0)) {
		hypervisor_range(leaf, subleaf, &out);
	} else {
		struct cpuid_result cpu = cpuid(leaf, subleaf);

		out = (struct cpuid_regs){cpu.eax, cpu.ebx, cpu.ecx, cpu.edx};
		cpuid_filter(&vmx.cpuid, leaf, subleaf, &out);
		if (cpuid_mirrors_cr4(leaf))
			cpuid_mirror_cr4(leaf, subleaf, vmread(VMCS_GUEST_CR4), &out);
	}
	regs->rax = out.eax;
	regs->rbx = out.ebx;
	regs->rcx = out.ecx;
	regs->rdx = out.edx;
	guest_advance(vcpu);
}
