/* SPDX-License-Identifier: MIT */
#include "vmx/msr_policy.h"

#include <string.h>

#include "secpod/register_policy.h"
#include "vmm/x86.h"
#include "vmx/vmcs.h"

static const struct msr_rule rules[] = {
	{MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, MSR_READ_FEATURE_CONTROL, MSR_WRITE_PASS,
	 "VMX belongs to the monitor; locked off, as firmware can leave it"},
	{MSR_SMM_MONITOR_CTL, MSR_SMM_MONITOR_CTL, MSR_READ_REFUSE, MSR_WRITE_PASS,
	 "dual-monitor SMM goes with VMX"},
	{MSR_CORE_CAPABILITIES, MSR_CORE_CAPABILITIES, MSR_READ_CORE_CAPABILITIES, MSR_WRITE_PASS,
	 "remote action requests are hidden; the CPU refuses to write it"},
	{MSR_RAR_CTRL, MSR_RAR_INFO, MSR_READ_REFUSE, MSR_WRITE_PASS,
	 "remote action requests are hidden in IA32_CORE_CAPABILITIES"},
	{MSR_MTRR_PHYSBASE0, MSR_MTRR_PHYSBASE0 + 2 * 32 - 1, MSR_READ_PASS, MSR_WRITE_MTRR,
	 "EPT memory types follow the MTRRs"},
	{MSR_MTRR_FIX64K_00000, MSR_MTRR_FIX64K_00000, MSR_READ_PASS, MSR_WRITE_MTRR, "as above"},
	{MSR_MTRR_FIX16K_80000, MSR_MTRR_FIX16K_A0000, MSR_READ_PASS, MSR_WRITE_MTRR, "as above"},
	{MSR_MTRR_FIX4K_C0000, MSR_MTRR_FIX4K_F8000, MSR_READ_PASS, MSR_WRITE_MTRR, "as above"},
	{MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, MSR_READ_PASS, MSR_WRITE_MTRR, "as above"},
	{MSR_VMX_BASIC, MSR_VMX_LAST, MSR_READ_REFUSE, MSR_WRITE_PASS,
	 "the guest's CPU has no VMX"},
	{MSR_RTIT_OUTPUT_BASE, MSR_RTIT_LAST, MSR_READ_REFUSE, MSR_WRITE_PASS,
	 "Processor Trace is hidden in CPUID"},
	{MSR_HW_FEEDBACK_PTR, MSR_HW_FEEDBACK_CONFIG, MSR_READ_REFUSE, MSR_WRITE_PASS,
	 "hardware feedback is hidden in CPUID"},
	{MSR_HYPERVISOR_FIRST, MSR_HYPERVISOR_LAST, MSR_READ_REFUSE, MSR_WRITE_PASS,
	 "hypervisor-defined range: not ours to forward to whoever may be below"},
	{0, 0xffffffff, MSR_READ_PASS, MSR_WRITE_PASS, "the guest owns the machine"},
};

const struct msr_rule *msr_rule_of(uint32_t msr)
{
	const struct msr_rule *rule = rules;

	while (msr < rule->first || msr > rule->last)
		rule++;
	return rule;
}

/* SDM "MSR-Bitmap Address": MSRs 0..1FFFH and C0000000H..C0001FFFH, 1 KiB for each kind of access. */
#define BITMAP_MSRS 0x2000u
#define BITMAP_HIGH_FIRST 0xc0000000u
#define BITMAP_READ_LOW 0u
#define BITMAP_READ_HIGH 1024u
#define BITMAP_WRITE_LOW 2048u
#define BITMAP_WRITE_HIGH 3072u

bool msr_in_bitmap(uint32_t msr)
{
	return msr < BITMAP_MSRS ||
	       (msr >= BITMAP_HIGH_FIRST && msr - BITMAP_HIGH_FIRST < BITMAP_MSRS);
}

static void set_bit(uint8_t *bitmap, uint32_t offset, uint32_t bit)
{
	bitmap[offset + bit / 8] = (uint8_t)(bitmap[offset + bit / 8] | 1u << (bit % 8));
}

static void build_half(uint8_t *bitmap, uint32_t first, uint32_t read_offset, uint32_t write_offset)
{
	for (uint32_t i = 0; i < BITMAP_MSRS; i++) {
		const struct msr_rule *rule = msr_rule_of(first + i);

		if (rule->read != MSR_READ_PASS)
			set_bit(bitmap, read_offset, i);
		if (rule->write != MSR_WRITE_PASS)
			set_bit(bitmap, write_offset, i);
	}
}

void msr_bitmap_build(uint8_t *bitmap)
{
	memset(bitmap, 0, MSR_BITMAP_SIZE);
	build_half(bitmap, 0, BITMAP_READ_LOW, BITMAP_WRITE_LOW);
	build_half(bitmap, BITMAP_HIGH_FIRST, BITMAP_READ_HIGH, BITMAP_WRITE_HIGH);
}

uint32_t msr_imm_number(uint64_t qualification)
{
	return (uint32_t)qualification;
}

unsigned int msr_imm_register(uint32_t info)
{
	return info >> MSR_IMM_REGISTER_SHIFT & MSR_IMM_REGISTER;
}

uint64_t feature_control_view(uint64_t real)
{
	return (real & ~(FEATURE_CONTROL_VMX | FEATURE_CONTROL_VMX_IN_SMX | FEATURE_CONTROL_SENTER |
			 FEATURE_CONTROL_SGX)) |
	       FEATURE_CONTROL_LOCK;
}

uint64_t core_capabilities_view(uint64_t real)
{
	return real & ~CORE_CAPABILITIES_RAR;
}

void msr_bitmap_trap(uint8_t *bitmap, uint32_t phase)
{
	for (uint32_t i = 0; i < BITMAP_MSRS; i++) {
		if (register_trap_msr(i, phase))
			set_bit(bitmap, BITMAP_WRITE_LOW, i);
		if (register_trap_msr(BITMAP_HIGH_FIRST + i, phase))
			set_bit(bitmap, BITMAP_WRITE_HIGH, i);
	}
}
