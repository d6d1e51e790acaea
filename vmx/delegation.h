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

/*
 * delegation_activate, delegation_lock - hooks of the phases (secpod/phase.h). delegation_end_text - of LOCKED, the last, which
 * does not fail: no profile comes any more, and what is patched by now goes to the log.
 */
int delegation_activate(void *context);
int delegation_lock(void *context);
int delegation_end_text(void *context);

/* delegation_tell_profile - in the log and on record: which profile holds. */
void delegation_tell_profile(void);

/*
 * delegation_reset - the CPU is in the state after INIT: paging is off.
 * delegation_paging_on - it is to be turned on, with efer and what is in CR3 then. Result: as
 * delegation_load().
 */
void delegation_reset(struct vcpu *vcpu);
int delegation_paging_on(struct vcpu *vcpu, uint64_t efer);

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
 * delegation_operand - delegation_write() was asked for by an instruction at linear and refused at gpa: put on
 * record if that is a page table, code or constants.
 */
void delegation_operand(const struct vcpu *vcpu, uint64_t gpa, uint64_t linear);

/*
 * delegation_protect - the page at gpa (page aligned) is read-only from here on, with paging delegation
 * or without; to be followed by an invalidation. Result: 0; negative errno: it is not.
 * delegation_unprotect - and is the guest's again.
 */
int delegation_protect(uint64_t gpa);
void delegation_unprotect(uint64_t gpa);

/*
 * delegation_settle - an EPT violation at gpa that nothing explains: the page has been left read-only when
 * it became ordinary memory, or has just become something else. Result: 0: the guest may try again;
 * -ENOENT (no paging delegation), -EFAULT (no memory of the guest's), -ENOMEM.
 */
int delegation_settle(struct vcpu *vcpu, uint64_t gpa);

/*
 * delegation_violation - an EPT violation at gpa: a store to a page table or to code, or the CPU's
 * own page walk. Result: true when it is dealt with.
 */
bool delegation_violation(struct vcpu *vcpu, uint64_t gpa, uint64_t qualification);

/*
 * delegation_fetch - a fetch at gpa that EPT refused, from memory that is not the monitor's. Result:
 * true when it is dealt with; false: nothing is mapped there.
 */
bool delegation_fetch(struct vcpu *vcpu, uint64_t gpa, uint64_t qualification);

#endif
