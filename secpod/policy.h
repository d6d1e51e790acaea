/* SPDX-License-Identifier: MIT */
/*
 * What is done when a rule is broken: the configured answers, fixed at boot. Pure.
 *
 * Use: on a broken rule ask policy_records(), and if so record it with policy_outcome() as the
 * answer; then do what policy_outcome() says.
 */
#ifndef SECPOD_SECPOD_POLICY_H
#define SECPOD_SECPOD_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "guest-support/include/secpod_abi.h"

struct policy {
	uint8_t answer[SECPOD_POLICY_MAX]; /* SECPOD_ANSWER_*, by rule */
};

/*
 * policy_init - take the hand-off's answers (struct secpod_config). What is no answer becomes DENY.
 * Result: 0; -EINVAL when a value was no answer (the policy is complete all the same).
 */
int policy_init(struct policy *policy, const uint8_t configured[SECPOD_POLICY_MAX]);

/* policy_answer - the configured answer to a rule; DENY for a rule that does not exist. */
static inline uint8_t policy_answer(const struct policy *policy, uint32_t rule)
{
	return rule < SECPOD_RULE_COUNT ? policy->answer[rule] : SECPOD_ANSWER_DENY;
}

/* policy_records - is it recorded when the rule is broken? */
static inline bool policy_records(const struct policy *policy, uint32_t rule)
{
	return policy_answer(policy, rule) != SECPOD_ANSWER_OFF;
}

/*
 * policy_outcome - what happens when the rule is broken: SECPOD_ANSWER_LOG (it passes), DENY, or
 * PANIC. Never OFF. Differs from the answer where that is off, and for rules that are mandatory.
 */
uint8_t policy_outcome(const struct policy *policy, uint32_t rule);

/* policy_bits - the answers of rules [32 * word, 32 * word + 32) as in struct secpod_info. */
uint64_t policy_bits(const struct policy *policy, uint32_t word);

/* policy_mandatory_bits - the mandatory rules, a bit each. */
uint64_t policy_mandatory_bits(void);

#endif
