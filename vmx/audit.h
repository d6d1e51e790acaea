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

/* A rule that the guest has broken. */
struct breach {
	uint8_t rule;	/* SECPOD_RULE_* */
	bool mandatory; /* refused whatever the answer is */
	bool found;	/* the exit only showed it: no instruction goes on record */
	uint64_t detail[SECPOD_RECORD_DETAILS]; /* SECPOD_DETAILS of the rule */
};

/*
 * audit_breach - record it and answer it; before anything is done of the instruction the exit is
 * about.
 * Result: true when it is to be refused. Does not return when the answer is panic.
 */
bool audit_breach(const struct vcpu *vcpu, const struct breach *breach);

/* audit_refuse - audit_breach() for what most breaches are: by an instruction, in three words. */
static inline bool audit_refuse(const struct vcpu *vcpu, uint8_t rule, uint64_t detail0,
				uint64_t detail1, uint64_t detail2, bool mandatory)
{
	return audit_breach(vcpu, &(const struct breach){.rule = rule,
							 .mandatory = mandatory,
							 .detail = {detail0, detail1, detail2}});
}

#endif
