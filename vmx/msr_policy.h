/* SPDX-License-Identifier: MIT */
/*
 * Which MSR accesses of the guest exit, and how those are carried out. One const table for what the
 * register policy (secpod/register_policy.h), which judges every write first, does not know: reads, and
 * writes with consequences for the monitor. Everything in the bitmap's two ranges that is in neither belongs
 * to the guest and does not exit. Pure.
 * SDM: "MSR-Bitmap Address", "Reasons for VM exits: RDMSR, WRMSR".
 */
#ifndef SECPOD_VMX_MSR_POLICY_H
#define SECPOD_VMX_MSR_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum msr_read {
	MSR_READ_PASS, /* no exit; outside the bitmap's ranges: done for the guest, #GP reflected */
	MSR_READ_REFUSE, /* #GP(0): on the machine the guest sees, the register does not exist */
	MSR_READ_FEATURE_CONTROL,   /* the value with VMX shown as off */
	MSR_READ_CORE_CAPABILITIES, /* the value without remote action requests */
};

enum msr_write {
	MSR_WRITE_PASS, /* no exit but for the register policy; done for the guest, #GP reflected */
	MSR_WRITE_MTRR, /* made, and the EPT follows */
};

struct msr_rule {
	uint32_t first;
	uint32_t last;
	enum msr_read read;
	enum msr_write write;
	const char *reason;
};

/* msr_rule_of - the rule for msr; never NULL (the last rule matches everything). */
const struct msr_rule *msr_rule_of(uint32_t msr);

/* The 4 KiB MSR bitmap: reads low, reads high, writes low, writes high. */
#define MSR_BITMAP_SIZE 4096u

/*
 * msr_bitmap_build - set the bit of each access that the table does not pass, clear all others; the
 * register policy's come on top (msr_bitmap_trap()). bitmap: 4 KiB.
 */
void msr_bitmap_build(uint8_t *bitmap);

/*
 * msr_bitmap_trap - set the write bit of each register the register policy guards in phase. Bits are only
 * added, one at a time: CPUs in the guest may be using the bitmap.
 */
void msr_bitmap_trap(uint8_t *bitmap, uint32_t phase);

/* msr_in_bitmap - does the bitmap have a bit for msr? (Others always exit.) */
bool msr_in_bitmap(uint32_t msr);

/*
 * msr_imm_number, msr_imm_register - the MSR and the general-purpose register (0 RAX to 15 R15) of RDMSR and WRMSRNS
 * with an immediate. qualification, info: exit qualification, VM-exit instruction information.
 */
uint32_t msr_imm_number(uint64_t qualification);
unsigned int msr_imm_register(uint32_t info);

/* feature_control_view - what the guest reads from IA32_FEATURE_CONTROL: locked, VMX and SMX off. */
uint64_t feature_control_view(uint64_t real);

/* core_capabilities_view - what the guest reads from IA32_CORE_CAPABILITIES: no remote action requests. */
uint64_t core_capabilities_view(uint64_t real);

#endif
