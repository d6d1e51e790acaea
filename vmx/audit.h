/* SPDX-License-Identifier: MIT */
/*
 * Broken rules, as the exits see them: put on record, then answered as the policy says.
 */
#ifndef SECPOD_VMX_AUDIT_H
#define SECPOD_VMX_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "vmx/vcpu.h"

/* audit_init - policy from the hand-off, the log from the pool. Result: 0, -ENOMEM, -EINVAL. */
int audit_init(void);

/* audit_from - who is asking: time, CPU, CPL, RIP, CR3 of the running exit; the rest is 0. */
struct secpod_record audit_from(const struct vcpu *vcpu);

/*
 * audit_refuse - the guest has broken rule; detail: SECPOD_DETAILS of the rule. mandatory: it is
 * refused whatever the answer is.
 * Result: true when it is to be refused. Does not return when the answer is panic.
 */
bool audit_refuse(const struct vcpu *vcpu, uint8_t rule, uint64_t detail0, uint64_t detail1,
		  uint64_t detail2, bool mandatory);

#endif
