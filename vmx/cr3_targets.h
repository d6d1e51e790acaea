/* SPDX-License-Identifier: MIT */
/*
 * The CR3-target values of one CPU: operands that MOV to CR3 may take without a VM exit. Pure; who
 * changes a set writes it to the VMCS (vmcs_write_cr3_targets()) before the CPU enters the guest.
 * SDM: "CR3-Target Controls".
 *
 * The CPU compares the whole source operand: the root together with its PCID, LAM bits and bit 63
 * (keep the PCID's translations). One address space therefore needs a value for each way in which
 * it is loaded: with page-table isolation kernel and user root, each with and without bit 63.
 *
 * A value in a set is a standing permission. Whoever takes a root out of use purges it on its own
 * CPU, and has to keep the root valid until every other CPU that may list it was in root mode and
 * has done the same.
 */
#ifndef SECPOD_VMX_CR3_TARGETS_H
#define SECPOD_VMX_CR3_TARGETS_H

#include <stdbool.h>
#include <stdint.h>

/* Values the VMCS has fields for; IA32_VMX_MISC tells how many of them the CPU looks at. */
#define CR3_TARGETS_MAX 4u

struct cr3_targets {
	uint64_t value[CR3_TARGETS_MAX]; /* the first count of them are valid */
	uint32_t count;
	uint32_t limit; /* of count, on this CPU; 0: every load exits */
	uint32_t next;	/* which one gives way when the set is full */
};

/* cr3_targets_init - an empty set; vmx_misc: IA32_VMX_MISC of the CPU. */
void cr3_targets_init(struct cr3_targets *targets, uint64_t vmx_misc);

/*
 * cr3_targets_add - let the operand pass from now on; in a full set the oldest value gives way.
 * Result: true when the set has changed.
 */
bool cr3_targets_add(struct cr3_targets *targets, uint64_t operand);

/*
 * cr3_targets_purge - remove every value that loads this root. root: gpa of the topmost table.
 * Result: true when the set has changed.
 */
bool cr3_targets_purge(struct cr3_targets *targets, uint64_t root);

/* cr3_targets_clear - remove all values. Result: true when the set has changed. */
bool cr3_targets_clear(struct cr3_targets *targets);

#endif
