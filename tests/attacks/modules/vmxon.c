/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Enters VMX operation: the first step to a hypervisor of the attacker's own. */
#include "attack.h"

#include <linux/io.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>

/* Locked, and VMXON allowed outside SMX. */
#define FEATURE_CONTROL_FOR_VMX 5ull

static bool entered;

static int attempt(void)
{
	u32 *region = (u32 *)get_zeroed_page(GFP_KERNEL);
	unsigned long flags, cr4;
	u64 address, revision = 0, control;
	unsigned int fault = 1;
	bool failed = true;

	if (!region)
		return -ENOMEM;
	address = virt_to_phys(region);
	rdmsrl_safe(MSR_IA32_VMX_BASIC, &revision);
	*region = (u32)revision;
	local_irq_save(flags);
	cr4 = attack_read_cr4();
	asm volatile(ATTACK_TRY("mov %[value], %%cr4")
		     : [fault] "+r"(fault)
		     : [value] "r"(cr4 | X86_CR4_VMXE)
		     : "memory", "cc");
	if (!rdmsrl_safe(MSR_IA32_FEAT_CTL, &control) && !(control & 1))
		wrmsrl_safe(MSR_IA32_FEAT_CTL, control | FEATURE_CONTROL_FOR_VMX);
	fault = 1;
	asm volatile("1: vmxon %[address]\n\t"
		     "setna %[failed]\n\t"
		     "movl $0, %[fault]\n"
		     "2:\n\t" _ASM_EXTABLE(1b, 2b)
		     : [fault] "+r"(fault), [failed] "+q"(failed)
		     : [address] "m"(address)
		     : "memory", "cc");
	if (!fault && !failed) {
		entered = true;
		asm volatile("vmxoff" : : : "memory", "cc");
	}
	asm volatile(ATTACK_TRY("mov %[value], %%cr4")
		     : [fault] "+r"(fault)
		     : [value] "r"(cr4)
		     : "memory", "cc");
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("VMX operation %s", entered ? "entered" : "not entered");
	return entered;
}

static bool possible(void)
{
	return boot_cpu_has(X86_FEATURE_VMX);
}

static const struct attack vmxon = {
	"vmxon", "cr4,feature-control,instruction", possible, attempt, effect, NULL};
ATTACK_MODULE(vmxon);
