/* SPDX-License-Identifier: MIT */
/* CPUID: the one exit a user program causes at will, so short. */
#include "guest-support/include/secpod_abi.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"
#include "vmx/advance.h"
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

static __attribute__((noinline)) void hypervisor_range(struct guest_regs *regs)
{
	uint32_t leaf = (uint32_t)regs->rax;
	struct cpuid_regs out;

	if (leaf == SECPOD_CPUID_STATS && vmx.stats)
		read_statistics((uint32_t)regs->rcx, &out);
	else
		cpuid_hypervisor_leaf(&vmx.cpuid, leaf, phase_current(&vmx.phase), &out);
	if (leaf == SECPOD_CPUID_VERSION)
		out.edx = paging_profile_places(&vmx.paging);
	regs->rax = out.eax;
	regs->rbx = out.ebx;
	regs->rcx = out.ecx;
	regs->rdx = out.edx;
}

static inline void answer(struct guest_regs *regs, uint32_t leaf, uint32_t subleaf)
{
	const struct cpuid_regs *keep = cpuid_keep(&vmx.cpuid, leaf, subleaf);
	struct cpuid_result cpu = cpuid(leaf, subleaf);

	regs->rax = cpu.eax & keep->eax;
	regs->rbx = cpu.ebx & keep->ebx;
	regs->rcx = cpu.ecx & keep->ecx;
	regs->rdx = cpu.edx & keep->edx;
	if (cpuid_mirrors_cr4(leaf))
		regs->rcx = cpuid_mirror_cr4(leaf, subleaf, vmread(VMCS_GUEST_CR4),
					     (uint32_t)regs->rcx);
}

void exit_cpuid(struct vcpu *vcpu)
{
	struct guest_regs *regs = vcpu->regs;
	uint32_t leaf = (uint32_t)regs->rax;
	uint32_t subleaf = (uint32_t)regs->rcx;

	if (__builtin_expect(cpuid_is_basic(&vmx.cpuid, leaf), 1))
		answer(regs, leaf, subleaf);
	else if (cpuid_is_hypervisor(leaf))
		hypervisor_range(regs);
	else
		answer(regs, cpuid_resolve(&vmx.cpuid, leaf), subleaf);
	guest_advance();
}
