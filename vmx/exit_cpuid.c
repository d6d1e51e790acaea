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

void exit_cpuid(struct vcpu *vcpu)
{
	struct guest_regs *regs = vcpu->regs;
	uint32_t leaf = (uint32_t)regs->rax;
	uint32_t subleaf = (uint32_t)regs->rcx;
	struct cpuid_regs out = {0, 0, 0, 0};

	if (leaf == SECPOD_CPUID_STATS && vmx.stats) {
		read_statistics(subleaf, &out);
	} else {
		struct cpuid_context context = {
			.proc2 = vcpu->controls.proc2,
			.stats = vmx.stats,
			.phase = SECPOD_PHASE_GUEST,
		};

		if (!cpuid_is_hypervisor(leaf)) {
			struct cpuid_result cpu = cpuid(leaf, subleaf);

			out = (struct cpuid_regs){cpu.eax, cpu.ebx, cpu.ecx, cpu.edx};
		}
		if (leaf == CPUID_FEATURES || leaf == CPUID_STRUCTURED) {
			uint64_t cr4 = vmread(VMCS_GUEST_CR4);

			context.guest_osxsave = cr4 & CR4_OSXSAVE;
			context.guest_pke = cr4 & CR4_PKE;
		}
		cpuid_filter(leaf, subleaf, &context, &out);
	}
	regs->rax = out.eax;
	regs->rbx = out.ebx;
	regs->rcx = out.ecx;
	regs->rdx = out.edx;
	guest_advance(vcpu);
}
