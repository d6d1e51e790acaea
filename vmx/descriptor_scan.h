/* SPDX-License-Identifier: MIT */
/*
 * What GDT, IDT and TSS hold after LOCK: compared with what they held then, at VM exits that happen
 * anyway, and with "descriptor-scan" in secpod.conf at intervals as well. What may not differ is
 * answered by the rule DESCRIPTOR_TABLE: denied, the bytes of LOCK are put back; let pass, the new
 * ones count from then on, so that each change is recorded once.
 *
 * Each CPU looks at its own tables, through the page tables that are loaded at that moment, as the
 * CPU itself would. Between two looks a change stands. A table whose address leads to no RAM is not
 * seen. The decisions are those of secpod/descriptor_policy.h.
 */
#ifndef SECPOD_VMX_DESCRIPTOR_SCAN_H
#define SECPOD_VMX_DESCRIPTOR_SCAN_H

#include "vmx/vcpu.h"

/*
 * Exits that come often (CPUID, VMCALL, loads of CR3, stores to page tables) between two looks: one start of a program
 * with the C library has some eighty of CPUID alone.
 */
#define DESCRIPTOR_SCAN_OFTEN 64u

/* descriptor_scan_note - at LOCK on this CPU: note what its tables hold, and start its timer. */
void descriptor_scan_note(struct vcpu *vcpu);

/* descriptor_scan - at a VM exit: look, if it is time to. */
void descriptor_scan(struct vcpu *vcpu);

/* descriptor_scan_often - the same at an exit of those when vcpu->often_left has come below 0. */
void descriptor_scan_often(struct vcpu *vcpu);

/* exit_preemption_timer - the interval is over: the next descriptor_scan() looks. */
void exit_preemption_timer(struct vcpu *vcpu);

#endif
