/* SPDX-License-Identifier: MIT */
#include "secpod/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Numbers and names are part of the ABI and of the configuration: they never change. */
static const struct {
	uint32_t rule;
	const char *name;
	bool mandatory;
} published[] = {
	{0, "cr0", false},
	{1, "cr4", false},
	{2, "efer", false},
	{3, "xcr0", false},
	{4, "syscall-msr", false},
	{5, "pat", false},
	{6, "debug-msr", false},
	{7, "memory-msr", true},
	{8, "apic-base", true},
	{9, "mtrr", true},
	{10, "feature-control", true},
	{11, "misc-enable", false},
	{12, "vmx-msr", true},
	{13, "descriptor-table", false},
	{14, "secure-space", true},
	{15, "instruction", true},
	{16, "hypercall", true},
	{17, "cpu-start", false},
	{18, "task-switch", true},
	{19, "page-table-entry", true},
	{20, "page-table-type", true},
	{21, "page-table-secure", true},
	{22, "root", true},
	{23, "kernel-exec", false},
	{24, "kernel-user", false},
	{25, "user-map", false},
	{26, "table-alias", false},
	{27, "kernel-template", false},
	{28, "kernel-remap", false},
	{29, "locked-range", false},
	{30, "direct-map", false},
	{31, "special-root", false},
	{32, "page-table-store", true},
	{33, "code-new", false},
	{34, "code-store", false},
	{35, "kernel-fetch", false},
	{36, "code-bpf", false},
	{37, "code-probe", false},
	{38, "page-table-pair", false},
	{39, "code-profile", false},
	{40, "code-ftrace", false},
};

static void numbers_and_names_are_the_published_ones(void **state)
{
	(void)state;
	assert_int_equal(SECPOD_RULE_COUNT, sizeof(published) / sizeof(published[0]));
	for (uint32_t i = 0; i < SECPOD_RULE_COUNT; i++) {
		assert_int_equal(published[i].rule, i);
		assert_string_equal(rule_of(i)->name, published[i].name);
	}
}

static void rules_that_guard_the_monitor_are_mandatory_and_say_why(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SECPOD_RULE_COUNT; i++) {
		const char *why = rule_of(i)->mandatory;

		if ((why != NULL) != published[i].mandatory)
			fail_msg("%s", published[i].name);
		assert_true(why == NULL || strlen(why) > 0);
	}
}

static void every_rule_says_what_it_refuses_and_names_its_words(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SECPOD_RULE_COUNT; i++) {
		const struct rule *rule = rule_of(i);
		bool ended = false;

		assert_true(strlen(rule->refuses) > 0);
		assert_true(strlen(rule->detail[0]) > 0);
		for (uint32_t k = 0; k < SECPOD_RECORD_DETAILS; k++) {
			/* No unnamed word before a named one. */
			assert_false(ended && rule->detail[k][0] != '\0');
			ended = rule->detail[k][0] == '\0';
			assert_null(strchr(rule->detail[k], ' '));
		}
		for (uint32_t k = 0; k < i; k++)
			assert_string_not_equal(rule->name, rule_of(k)->name);
	}
}

static void numbers_beyond_the_table_have_no_row(void **state)
{
	(void)state;
	assert_null(rule_of(SECPOD_RULE_COUNT));
	assert_null(rule_of(SECPOD_POLICY_MAX));
	assert_null(rule_of(UINT32_MAX));
	assert_null(rule_answer_name(SECPOD_ANSWER_COUNT));
	assert_null(rule_answer_name(UINT32_MAX));
}

static void answers_have_the_words_of_the_configuration(void **state)
{
	(void)state;
	assert_string_equal(rule_answer_name(SECPOD_ANSWER_OFF), "off");
	assert_string_equal(rule_answer_name(SECPOD_ANSWER_LOG), "log");
	assert_string_equal(rule_answer_name(SECPOD_ANSWER_DENY), "deny");
	assert_string_equal(rule_answer_name(SECPOD_ANSWER_PANIC), "panic");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_and_names_are_the_published_ones),
		cmocka_unit_test(rules_that_guard_the_monitor_are_mandatory_and_say_why),
		cmocka_unit_test(every_rule_says_what_it_refuses_and_names_its_words),
		cmocka_unit_test(numbers_beyond_the_table_have_no_row),
		cmocka_unit_test(answers_have_the_words_of_the_configuration),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
