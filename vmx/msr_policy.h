/* SPDX-License-Identifier: MIT */
/*
 * Which MSR accesses of the guest exit, and what is done about them. One const table; everything in the
 * bitmap's two ranges that is not in it belongs to the guest and does not exit. Pure.
 * SDM: "MSR-Bitmap Address", "Reasons for VM exits: RDMSR, WRMSR".
 */
#ifndef SECPOD_VMX_MSR_POLICY_H
#define SECPOD_VMX_MSR_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum msr_action {
	MSR_PASS,   /* no exit; outside the bitmap's ranges: done for the guest, #GP reflected */
	MSR_REFUSE, /* #GP(0): on the machine the guest sees, the register does not exist */
	MSR_LOCKED, /* write: #GP(0), the register is locked; read: the value with VMX shown as off */
	MSR_IGNORE,	     /* write: dropped */
	MSR_MTRR,	     /* write: made, and the EPT follows */
	MSR_APIC_BASE_WRITE, /* write: checked, then made */
};

struct msr_rule {
	uint32_t first;
	uint32_t last;
	enum msr_action read;
	enum msr_action write;
	const char *reason;
};

/* msr_rule_of - the rule for msr; never NULL (the last rule matches everything). */
const struct msr_rule *msr_rule_of(uint32_t msr);

/* The 4 KiB MSR bitmap: reads low, reads high, writes low, writes high. */
#define MSR_BITMAP_SIZE 4096u

/* msr_bitmap_build - set the bit of each access whose action is not MSR_PASS. bitmap: 4 KiB. */
void msr_bitmap_build(uint8_t *bitmap);

/*
 * msr_bitmap_trap - set the write bit of each register the register policy guards in phase. Bits are only
 * added, one at a time: CPUs in the guest may be using the bitmap.
 */
void msr_bitmap_trap(uint8_t *bitmap, uint32_t phase);

/* msr_in_bitmap - does the bitmap have a bit for msr? (Others always exit.) */
bool msr_in_bitmap(uint32_t msr);

/* feature_control_view - what the guest reads from IA32_FEATURE_CONTROL: locked, VMX and SMX off. */
uint64_t feature_control_view(uint64_t real);

/*
 * apic_base_write_ok - may the guest replace old by new in IA32_APIC_BASE? The page must not move: its
 * registers would shadow other memory for this CPU, past EPT. False: #GP(0).
 */
bool apic_base_write_ok(uint64_t old, uint64_t new_value, uint32_t physical_bits);

#endif
