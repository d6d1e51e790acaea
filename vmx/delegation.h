/* SPDX-License-Identifier: MIT */
/*
 * Paging delegation on the machine: the auditor of secpod/paging/ with VM exits on one side and EPT,
 * invalidation and the audit log on the other.
 */
#ifndef SECPOD_VMX_DELEGATION_H
#define SECPOD_VMX_DELEGATION_H

#include <stdbool.h>
#include <stdint.h>

#include "vmx/vcpu.h"

/* delegation_init - metadata of all RAM, and what each CPU needs. Result: 0, -EINVAL, -ENOMEM. */
int delegation_init(void);

/*
 * delegation_note_root - CR3 is loaded with root (gpa) before ACTIVE: should it be that of firmware
 * calls or of CPU start-up, it will have to be known.
 */
void delegation_note_root(uint64_t root);

/* delegation_activate, delegation_lock - hooks of the phases (secpod/phase.h). */
int delegation_activate(void *context);
int delegation_lock(void *context);

/* delegation_sync - in root mode before every entry with a new EPT generation. */
void delegation_sync(struct vcpu *vcpu);

/* delegation_trim - the CPU may load what it has in CR3, and no other root, without an exit. */
void delegation_trim(struct vcpu *vcpu);

/*
 * delegation_load - MOV to CR3 with this operand, from ACTIVE on. Result: 0; -EPERM: #GP(0);
 * -EAGAIN: the guest executes it again.
 */
int delegation_load(struct vcpu *vcpu, uint64_t operand);

/*
 * delegation_write - guest_write() that the guest asked for: not to page tables, code, constants
 * or the locked IDT. Result: as guest_write(); -EFAULT, too, for those: the pages before stay
 * written.
 */
int delegation_write(uint64_t gpa, const void *from, uint64_t len);

/*
 * delegation_violation - an EPT violation at gpa: a store to a page table or to code, or the CPU's
 * own page walk. Result: true when it is dealt with.
 */
bool delegation_violation(struct vcpu *vcpu, uint64_t gpa, uint64_t qualification);

#endif
