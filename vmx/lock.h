/* SPDX-License-Identifier: MIT */
/*
 * From GUEST to LOCKED on an unmodified kernel: when it has finished its boot, and what each CPU does then. With
 * "lock = request" in secpod.conf to ACTIVE only; the guest asks for LOCKED.
 */
#ifndef SECPOD_VMX_LOCK_H
#define SECPOD_VMX_LOCK_H

#include <stdint.h>

#include "vmx/vcpu.h"

/* lock_init - phase GUEST, with the hooks of this file. */
void lock_init(void);

/*
 * lock_watch - the guest is about to load CR3. Is this the moment? Linux starts its first user
 * program (init, or a helper right before it) when its kernel is read-only: at the first load of a
 * process's root while the page of the system-call entry (IA32_LSTAR) is mapped without write
 * permission. Then the phases follow: ACTIVE, LOCKED. Without paging delegation no load is watched any more. Until then the kernel's own roots become
 * CR3-target values of this CPU (vmx/boot_roots.h), so that their next loads do not exit.
 * operand: of MOV to CR3, as the guest gave it, and found valid.
 */
void lock_watch(struct vcpu *vcpu, uint64_t operand);

/*
 * lock_sync - on every CPU, in root mode, before it enters the guest again: note the values that are
 * pinned, and trap their registers from now on, if the machine is being locked.
 */
void lock_sync(struct vcpu *vcpu);

/* lock_phase - the phase that judges this CPU's registers: LOCKED as soon as it has noted its own. */
uint32_t lock_phase(const struct vcpu *vcpu);

#endif
