/* SPDX-License-Identifier: MIT */
#include "secpod/policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "secpod/rules.h"

/* One rule of each sort. */
#define OPTIONAL SECPOD_RULE_CR0
#define MANDATORY SECPOD_RULE_SECURE_SPACE

static void set(struct policy *policy, uint32_t rule, uint8_t answer)
{
	uint8_t configured[SECPOD_POLICY_MAX];

	memset(configured, SECPOD_ANSWER_DENY, sizeof(configured));
	configured[rule] = answer;
	assert_int_equal(policy_init(policy, configured), 0);
}

static void each_answer_has_its_outcome_and_record(void **state)
{
	static const struct {
		uint32_t rule;
		uint8_t answer, outcome;
		bool records;
	} rows[] = {
		{OPTIONAL, SECPOD_ANSWER_OFF, SECPOD_ANSWER_LOG, false},
		{OPTIONAL, SECPOD_ANSWER_LOG, SECPOD_ANSWER_LOG, true},
		{OPTIONAL, SECPOD_ANSWER_DENY, SECPOD_ANSWER_DENY, true},
		{OPTIONAL, SECPOD_ANSWER_PANIC, SECPOD_ANSWER_PANIC, true},
		{MANDATORY, SECPOD_ANSWER_OFF, SECPOD_ANSWER_DENY, false},
		{MANDATORY, SECPOD_ANSWER_LOG, SECPOD_ANSWER_DENY, true},
		{MANDATORY, SECPOD_ANSWER_DENY, SECPOD_ANSWER_DENY, true},
		{MANDATORY, SECPOD_ANSWER_PANIC, SECPOD_ANSWER_PANIC, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy policy;

		set(&policy, rows[i].rule, rows[i].answer);
		if (policy_answer(&policy, rows[i].rule) != rows[i].answer ||
		    policy_outcome(&policy, rows[i].rule) != rows[i].outcome ||
		    policy_records(&policy, rows[i].rule) != rows[i].records)
			fail_msg("row %zu", i);
	}
}

static void an_answer_is_of_its_rule_alone(void **state)
{
	struct policy policy;

	(void)state;
	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++) {
		set(&policy, rule, SECPOD_ANSWER_PANIC);
		for (uint32_t other = 0; other < SECPOD_RULE_COUNT; other++)
			assert_int_equal(policy_answer(&policy, other),
					 other == rule ? SECPOD_ANSWER_PANIC : SECPOD_ANSWER_DENY);
	}
}

static void what_is_no_answer_becomes_deny(void **state)
{
	uint8_t configured[SECPOD_POLICY_MAX] = {0};
	struct policy policy;

	(void)state;
	configured[0] = SECPOD_ANSWER_COUNT;
	configured[1] = UINT8_MAX;
	assert_int_equal(policy_init(&policy, configured), -EINVAL);
	assert_int_equal(policy_answer(&policy, 0), SECPOD_ANSWER_DENY);
	assert_int_equal(policy_answer(&policy, 1), SECPOD_ANSWER_DENY);
	/* The others are kept. */
	assert_int_equal(policy_answer(&policy, 2), SECPOD_ANSWER_OFF);
}

static void a_rule_that_does_not_exist_is_refused(void **state)
{
	static const uint32_t rules[] = {SECPOD_RULE_COUNT, SECPOD_POLICY_MAX, UINT32_MAX};
	struct policy policy;
	uint8_t off[SECPOD_POLICY_MAX] = {0};

	(void)state;
	assert_int_equal(policy_init(&policy, off), 0);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		assert_int_equal(policy_answer(&policy, rules[i]), SECPOD_ANSWER_DENY);
		assert_int_equal(policy_outcome(&policy, rules[i]), SECPOD_ANSWER_DENY);
		assert_true(policy_records(&policy, rules[i]));
	}
}

static void bits_show_the_answers_of_all_rules(void **state)
{
	struct policy policy;

	(void)state;
	set(&policy, SECPOD_RULE_CR4, SECPOD_ANSWER_PANIC);
	for (uint32_t rule = 0; rule < SECPOD_POLICY_MAX; rule++) {
		uint64_t bits = policy_bits(&policy, rule / 32) >> 2 * (rule % 32) & 3;

		assert_int_equal(bits, rule == SECPOD_RULE_CR4	  ? SECPOD_ANSWER_PANIC
				       : rule < SECPOD_RULE_COUNT ? SECPOD_ANSWER_DENY
								  : 0);
	}
}

static void mandatory_bits_are_those_of_the_table(void **state)
{
	(void)state;
	for (uint32_t rule = 0; rule < SECPOD_POLICY_MAX; rule++) {
		bool expected = rule < SECPOD_RULE_COUNT && rule_of(rule)->mandatory != NULL;

		assert_int_equal(policy_mandatory_bits() >> rule & 1, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_answer_has_its_outcome_and_record),
		cmocka_unit_test(an_answer_is_of_its_rule_alone),
		cmocka_unit_test(what_is_no_answer_becomes_deny),
		cmocka_unit_test(a_rule_that_does_not_exist_is_refused),
		cmocka_unit_test(bits_show_the_answers_of_all_rules),
		cmocka_unit_test(mandatory_bits_are_those_of_the_table),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
