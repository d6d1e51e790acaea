/* SPDX-License-Identifier: MIT */
#include "vmx/launch_msrs.h"

#include <stddef.h>

#include "secpod/register_policy.h"
#include "vmm/x86.h"

/*
 * In this order: the limit first, as CPUID tells what is there; and what sends records before the place
 * they are sent to.
 */
static const struct {
	uint32_t msr;
	enum launch_feature needs;
	uint64_t clear; /* 0: what the register policy hides */
} registers[LAUNCH_MSRS] = {
	{MSR_MISC_ENABLE, LAUNCH_ALWAYS, MISC_ENABLE_LIMIT_CPUID},
	/* "VMXON": an active trace is not for VMX operation on every CPU. */
	{MSR_RTIT_CTL, LAUNCH_PT, 0},
	{MSR_DEBUGCTL, LAUNCH_ALWAYS, 0},
	{MSR_PEBS_ENABLE, LAUNCH_PEBS, 0},
	{MSR_DS_AREA, LAUNCH_DS, 0},
	{MSR_HW_FEEDBACK_CONFIG, LAUNCH_HFI, 0},
	{MSR_RAR_CTRL, LAUNCH_RAR, 0},
	{MSR_XSS, LAUNCH_XSAVES, 0},
};

void launch_msrs_clear(struct launch_msrs *msrs, const struct launch_access *access)
{
	*msrs = (struct launch_msrs){.changed = {false}};
	for (size_t i = 0; i < LAUNCH_MSRS; i++) {
		uint32_t msr = registers[i].msr;
		uint64_t clear = registers[i].clear;

		if (!clear)
			clear = register_class_bits(register_of_msr(msr), CLASS_HIDDEN);
		if (registers[i].needs != LAUNCH_ALWAYS && !access->has(registers[i].needs))
			continue;
		msrs->value[i] = access->read(msr);
		if (!(msrs->value[i] & clear))
			continue;
		access->write(msr, msrs->value[i] & ~clear);
		msrs->changed[i] = true;
	}
}

void launch_msrs_restore(const struct launch_msrs *msrs, const struct launch_access *access)
{
	for (size_t i = LAUNCH_MSRS; i-- > 0;) {
		if (msrs->changed[i])
			access->write(registers[i].msr, msrs->value[i]);
	}
}
