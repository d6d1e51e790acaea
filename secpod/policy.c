/* SPDX-License-Identifier: MIT */
#include "secpod/policy.h"

#include <errno.h>

#include "secpod/rules.h"

#define ANSWER_BITS 2u
#define ANSWERS_IN_WORD (64u / ANSWER_BITS)
_Static_assert(SECPOD_ANSWER_COUNT <= 1u << ANSWER_BITS, "an answer fits");
_Static_assert(SECPOD_POLICY_MAX == 2 * ANSWERS_IN_WORD, "struct secpod_info has two words");

int policy_init(struct policy *policy, const uint8_t configured[SECPOD_POLICY_MAX])
{
	int result = 0;

	for (uint32_t rule = 0; rule < SECPOD_POLICY_MAX; rule++) {
		uint8_t answer = configured[rule];

		if (answer >= SECPOD_ANSWER_COUNT) {
			answer = SECPOD_ANSWER_DENY;
			result = -EINVAL;
		}
		policy->answer[rule] = answer;
	}
	return result;
}

uint8_t policy_outcome(const struct policy *policy, uint32_t rule)
{
	const uint8_t answer = policy_answer(policy, rule);

	if (answer >= SECPOD_ANSWER_DENY)
		return answer;
	return rule_of(rule)->mandatory ? SECPOD_ANSWER_DENY : SECPOD_ANSWER_LOG;
}

uint64_t policy_bits(const struct policy *policy, uint32_t word)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < ANSWERS_IN_WORD; i++) {
		uint32_t rule = word * ANSWERS_IN_WORD + i;

		if (rule < SECPOD_RULE_COUNT)
			bits |= (uint64_t)policy->answer[rule] << i * ANSWER_BITS;
	}
	return bits;
}

uint64_t policy_mandatory_bits(void)
{
	uint64_t bits = 0;

	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++)
		if (rule_of(rule)->mandatory)
			bits |= 1ULL << rule;
	return bits;
}
