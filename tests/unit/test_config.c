/* SPDX-License-Identifier: MIT */
#include "boot/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/handoff.h"

#define MAX_REPORTS 64

struct reports {
	unsigned int count;
	unsigned int line[MAX_REPORTS];
	char text[MAX_REPORTS][CONFIG_PROBLEM_LENGTH];
};

static void record(void *context, unsigned int line, const char *problem)
{
	struct reports *reports = context;

	assert_true(strlen(problem) < CONFIG_PROBLEM_LENGTH);
	for (const char *c = problem; *c != '\0'; c++)
		assert_in_range(*c, ' ', '~');
	if (reports->count < MAX_REPORTS) {
		reports->line[reports->count] = line;
		strcpy(reports->text[reports->count], problem);
	}
	reports->count++;
}

/* From a buffer of exactly this size: the sanitizer sees a read beyond it. */
static unsigned int parse_bytes(const char *bytes, size_t size, struct config *config,
				struct reports *reports)
{
	char *copy = malloc(size != 0 ? size : 1);
	unsigned int problems;

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	memset(reports, 0, sizeof(*reports));
	memset(config, 0xa5, sizeof(*config));
	problems = config_parse(copy, size, config, record, reports);
	assert_int_equal(problems, reports->count);
	free(copy);
	return problems;
}

static unsigned int parse(const char *text, struct config *config, struct reports *reports)
{
	return parse_bytes(text, strlen(text), config, reports);
}

static void assert_defaults(const struct config *config)
{
	struct config expected;

	config_defaults(&expected);
	assert_true(config->enabled == expected.enabled);
	assert_string_equal(config->next, expected.next);
	assert_true(config->next_volume.set == expected.next_volume.set);
	assert_string_equal(config->options, expected.options);
	assert_int_equal(config->log_level, expected.log_level);
	assert_int_equal(config->serial_port, expected.serial_port);
	assert_int_equal(config->serial_baud, expected.serial_baud);
	assert_int_equal(config->on_failure, expected.on_failure);
	assert_int_equal(config->on_panic, expected.on_panic);
	assert_int_equal(config->boot_attempts, expected.boot_attempts);
	assert_int_equal(config->skip_key, expected.skip_key);
	assert_int_equal(config->skip_timeout, expected.skip_timeout);
	assert_int_equal(config->descriptor_scan, expected.descriptor_scan);
	assert_true(config->debug_stats == expected.debug_stats);
	assert_true(config->paging_delegation == expected.paging_delegation);
	assert_int_equal(config->lock, expected.lock);
	assert_int_equal(config->code_profile, expected.code_profile);
	assert_memory_equal(config->policy, expected.policy, sizeof(config->policy));
}

static void defaults_are_the_safe_ones(void **state)
{
	struct config config;

	(void)state;
	config_defaults(&config);
	assert_true(config.enabled);
	assert_string_equal(config.next, "");
	assert_false(config.next_volume.set);
	assert_string_equal(config.options, "");
	assert_int_equal(config.log_level, 2);
	assert_int_equal(config.serial_port, 0);
	assert_int_equal(config.serial_baud, 115200);
	assert_int_equal(config.on_failure, CONFIG_ON_FAILURE_BOOT);
	assert_int_equal(config.on_panic, SECPOD_FAIL_HALT);
	assert_int_equal(config.boot_attempts, 0);
	assert_int_equal(config.skip_key, CONFIG_KEY(0, 's'));
	assert_int_equal(config.skip_timeout, 0);
	assert_int_equal(config.descriptor_scan, 0);
	assert_false(config.debug_stats);
	assert_true(config.paging_delegation);
	assert_int_equal(config.lock, CONFIG_LOCK_BOOT);
	assert_int_equal(config.code_profile, CONFIG_PROFILE_NONE);
	for (uint32_t rule = 0; rule < SECPOD_POLICY_MAX; rule++)
		assert_int_equal(config.policy[rule], rule < SECPOD_RULE_COUNT
							      ? SECPOD_RULE_DEFAULT(rule)
							      : SECPOD_ANSWER_DENY);
}

static void every_key_is_read(void **state)
{
	static const uint8_t guid[16] = {0x67, 0x45, 0x23, 0x01, 0xab, 0x89, 0xef, 0xcd,
					 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
	struct reports reports;
	struct config config;

	(void)state;
	assert_int_equal(parse("secpod = off\n"
			       "next = /EFI/debian\\shimx64.efi\n"
			       "next-volume = 01234567-89ab-CDEF-0123-456789abcdef\n"
			       "options = root=/dev/vda1 quiet # not a comment\n"
			       "log-level = debug\n"
			       "serial = com2\n"
			       "serial-baud = 9600\n"
			       "on-failure = halt\n"
			       "on-panic = reset\n"
			       "boot-attempts = 3\n"
			       "skip-key = f12\n"
			       "skip-timeout = 1500\n"
			       "debug-stats = yes\n"
			       "paging-delegation = no\n"
			       "code-profile = request\n"
			       "lock = request\n"
			       "descriptor-scan = 250\n",
			       &config, &reports),
			 0);
	assert_false(config.enabled);
	assert_string_equal(config.next, "\\EFI\\debian\\shimx64.efi");
	assert_true(config.next_volume.set);
	assert_memory_equal(config.next_volume.bytes, guid, sizeof(guid));
	assert_string_equal(config.options, "root=/dev/vda1 quiet # not a comment");
	assert_int_equal(config.log_level, 3);
	assert_int_equal(config.serial_port, 0x2f8);
	assert_int_equal(config.serial_baud, 9600);
	assert_int_equal(config.on_failure, CONFIG_ON_FAILURE_HALT);
	assert_int_equal(config.on_panic, SECPOD_FAIL_RESET);
	assert_int_equal(config.boot_attempts, 3);
	assert_int_equal(config.skip_key, CONFIG_KEY(0x16, 0));
	assert_int_equal(config.skip_timeout, 1500);
	assert_int_equal(config.descriptor_scan, 250);
	assert_true(config.debug_stats);
	assert_false(config.paging_delegation);
	assert_int_equal(config.lock, CONFIG_LOCK_REQUEST);
	assert_int_equal(config.code_profile, CONFIG_PROFILE_REQUEST);
}

#define RULE_NAME(id, name, refuses) name,
static const char *const rule_names[] = {SECPOD_RULES(RULE_NAME)};

/* Each rule with each answer changes its own place and no other. */
static void every_rule_has_its_key(void **state)
{
	static const char *const answers[] = {"off", "log", "deny", "panic"};
	struct reports reports;
	struct config config;
	char line[64];

	(void)state;
	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++) {
		for (uint32_t answer = 0; answer < SECPOD_ANSWER_COUNT; answer++) {
			uint8_t expected[SECPOD_POLICY_MAX];

			memset(expected, SECPOD_ANSWER_DENY, sizeof(expected));
			for (size_t other = 0; other < SECPOD_RULE_COUNT; other++)
				expected[other] = SECPOD_RULE_DEFAULT(other);
			expected[rule] = (uint8_t)answer;
			snprintf(line, sizeof(line), "policy.%s = %s", rule_names[rule],
				 answers[answer]);
			if (parse(line, &config, &reports) != 0)
				fail_msg("%s: %s", line, reports.text[0]);
			assert_memory_equal(config.policy, expected, sizeof(expected));
		}
	}
}

/* It is deny for the rules about new code, and for the others no answer. */
static void code_can_be_listed(void **state)
{
#define NEW_CODE(id, name, refuses) SECPOD_RULE_NEW_CODE(SECPOD_RULE_##id),
	static const bool new_code[] = {SECPOD_RULES(NEW_CODE)};
	uint32_t with_list = 0;

	(void)state;
	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++) {
		struct reports reports;
		struct config config;
		char line[64];

		snprintf(line, sizeof(line), "policy.%s = list", rule_names[rule]);
		assert_int_equal(parse(line, &config, &reports), new_code[rule] ? 0 : 1);
		assert_int_equal(config.listed, new_code[rule] ? 1ULL << rule : 0);
		assert_int_equal(config.policy[rule], SECPOD_ANSWER_DENY);
		with_list += new_code[rule];
	}
	assert_true(with_list > 1 && with_list < SECPOD_RULE_COUNT);
}

static void unknown_rules_are_reported_with_their_line(void **state)
{
	struct reports reports;
	struct config config;

	(void)state;
	assert_int_equal(parse("policy.cr1 = off\n"
			       "policy. = off\n"
			       "policy.CR0 = off\n"
			       "policy.cr0x = off\n"
			       "policy = off\n"
			       "policy.cr4 = panic\n",
			       &config, &reports),
			 5);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(reports.line[i], i + 1);
	assert_string_equal(reports.text[0], "unknown rule cr1; the policy does not change");
	assert_string_equal(reports.text[4], "unknown key policy");
	assert_int_equal(config.policy[SECPOD_RULE_CR0], SECPOD_ANSWER_DENY);
	assert_int_equal(config.policy[SECPOD_RULE_CR4], SECPOD_ANSWER_PANIC);
}

static void values_are_read_exactly(void **state)
{
	static const struct {
		const char *line;
		size_t field;
		uint32_t value;
	} cases[] = {
		{"serial = off", offsetof(struct config, serial_port), 0},
		{"serial = com1", offsetof(struct config, serial_port), 0x3f8},
		{"serial = com3", offsetof(struct config, serial_port), 0x3e8},
		{"serial = com4", offsetof(struct config, serial_port), 0x2e8},
		{"serial = 0x100", offsetof(struct config, serial_port), 0x100},
		{"serial = 0xfff8", offsetof(struct config, serial_port), 0xfff8},
		{"serial = 1016", offsetof(struct config, serial_port), 0x3f8},
		{"serial-baud = 0", offsetof(struct config, serial_baud), 0},
		{"serial-baud = 57600", offsetof(struct config, serial_baud), 57600},
		{"boot-attempts = 255", offsetof(struct config, boot_attempts), 255},
		{"boot-attempts = 0xff", offsetof(struct config, boot_attempts), 255},
		{"skip-timeout = 60000", offsetof(struct config, skip_timeout), 60000},
		{"descriptor-scan = 10000", offsetof(struct config, descriptor_scan), 10000},
		{"code-profile = yes", offsetof(struct config, code_profile), CONFIG_PROFILE_FILE},
		{"code-profile = on", offsetof(struct config, code_profile), CONFIG_PROFILE_FILE},
		{"code-profile = off", offsetof(struct config, code_profile), CONFIG_PROFILE_NONE},
		{"lock = boot", offsetof(struct config, lock), CONFIG_LOCK_BOOT},
		{"lock = request", offsetof(struct config, lock), CONFIG_LOCK_REQUEST},
		{"skip-key = none", offsetof(struct config, skip_key), 0},
		{"skip-key = esc", offsetof(struct config, skip_key), CONFIG_KEY(0x17, 0)},
		{"skip-key = enter", offsetof(struct config, skip_key), CONFIG_KEY(0, '\r')},
		{"skip-key = space", offsetof(struct config, skip_key), CONFIG_KEY(0, ' ')},
		{"skip-key = f", offsetof(struct config, skip_key), CONFIG_KEY(0, 'f')},
		{"skip-key = 0", offsetof(struct config, skip_key), CONFIG_KEY(0, '0')},
		{"skip-key = f1", offsetof(struct config, skip_key), CONFIG_KEY(0x0b, 0)},
		{"skip-key = f10", offsetof(struct config, skip_key), CONFIG_KEY(0x14, 0)},
		{"skip-key = f11", offsetof(struct config, skip_key), CONFIG_KEY(0x15, 0)},
		{"\tlog-level\t=\terror \t", offsetof(struct config, log_level), 0},
		{"log-level=warning", offsetof(struct config, log_level), 1},
		{"log-level = info\r\n", offsetof(struct config, log_level), 2},
	};
	struct reports reports;
	struct config config;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t value;

		if (parse(cases[i].line, &config, &reports) != 0)
			fail_msg("%s: %s", cases[i].line, reports.text[0]);
		memcpy(&value, (char *)&config + cases[i].field, sizeof(value));
		if (value != cases[i].value)
			fail_msg("%s: got %#x", cases[i].line, value);
	}
}

static void bad_values_are_reported_and_the_default_holds(void **state)
{
	static const char *const lines[] = {
		"secpod = maybe",
		"secpod =",
		"secpod = offf",
		"secpod = of",
		"secpod = OFF",
		"next = EFI\\x.efi",
		"next-volume = 01234567-89ab-cdef-0123-456789abcde",
		"next-volume = 01234567-89ab-cdef-0123-456789abcdef0",
		"next-volume = 01234567089ab-cdef-0123-456789abcdef",
		"next-volume = g1234567-89ab-cdef-0123-456789abcdef",
		"next-volume = 0",
		"next-volume = -",
		"options = \xff\xfe",
		"options = \xf0\x9f\x98\x80",
		"options = \xc0\x80",
		"options = a\xe2\x82",
		"log-level = 2",
		"log-level =",
		"serial = com5",
		"serial = 0x3f9",
		"serial = 0xf8",
		"serial = 0x10000",
		"serial = -8",
		"serial-baud = 115201",
		"serial-baud = 50000",
		"serial-baud = 0x",
		"serial-baud = 96 00",
		"on-failure = reset",
		"on-panic = boot",
		"boot-attempts = 256",
		"boot-attempts = -1",
		"boot-attempts = 1a",
		"boot-attempts = 4294967296",
		"boot-attempts = 18446744073709551616",
		"boot-attempts = 340282366920938463463374607431768211457",
		"skip-key = f0",
		"skip-key = f13",
		"skip-key = f01",
		"skip-key = S",
		"skip-key = ab",
		"skip-key = fx",
		"skip-timeout = 60001",
		"descriptor-scan = 10001",
		"skip-timeout = 1 s",
		"debug-stats = 1",
		"code-profile = file",
		"lock = yes",
		"lock =",
		"policy.cr0 =",
		"policy.cr0 = denied",
		"policy.cr0 = OFF",
		"policy.secure-space = allow",
		"policy.task-switch = 0",
	};
	struct reports reports;
	struct config config;
	char text[CONFIG_MAX_LINE];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(text, sizeof(text), "# comment\n\n%s\n", lines[i]);
		if (parse(text, &config, &reports) != 1)
			fail_msg("%s: %u reports", lines[i], reports.count);
		assert_int_equal(reports.line[0], 3);
		assert_defaults(&config);
	}
}

static void unknown_keys_and_malformed_lines_are_reported_with_their_line(void **state)
{
	struct reports reports;
	struct config config;

	(void)state;
	assert_int_equal(parse("serial = com1\n"
			       "colour = red\n"
			       "policy.text = deny\n"
			       "Serial = com2\n"
			       "just words\n"
			       "= off\n"
			       "secpodx = off\n"
			       "secpo = off\n",
			       &config, &reports),
			 7);
	for (unsigned int i = 0; i < 7; i++)
		assert_int_equal(reports.line[i], i + 2);
	assert_string_equal(reports.text[0], "unknown key colour");
	assert_int_equal(config.serial_port, 0x3f8);
	assert_true(config.enabled);
}

/* It stays what was asked for, and is as a profile that is missing: which is said. */
static void a_profile_by_request_without_lock_by_request_is_reported(void **state)
{
	struct reports reports;
	struct config config;

	(void)state;
	assert_int_equal(parse("code-profile = request\n\n", &config, &reports), 1);
	assert_int_equal(reports.line[0], 0);
	assert_non_null(strstr(reports.text[0], "code-profile = request without lock = request"));
	assert_int_equal(config.code_profile, CONFIG_PROFILE_REQUEST);
	assert_int_equal(parse("lock = request\ncode-profile = request", &config, &reports), 0);
	assert_int_equal(parse("lock = request\ncode-profile = yes", &config, &reports), 0);
}

static void repeated_key_keeps_its_first_value(void **state)
{
	struct reports reports;
	struct config config;

	(void)state;
	assert_int_equal(parse("serial = com1\nserial = com2\n", &config, &reports), 1);
	assert_int_equal(reports.line[0], 2);
	assert_int_equal(config.serial_port, 0x3f8);
	/* A refused value sets nothing. */
	assert_int_equal(parse("serial = com9\nserial = com2\n", &config, &reports), 1);
	assert_int_equal(reports.line[0], 1);
	assert_int_equal(config.serial_port, 0x2f8);
}

static void line_endings_and_the_end_of_the_file_do_not_matter(void **state)
{
	static const char *const texts[] = {
		"secpod = off",		 "secpod = off\n",	     "secpod = off\r\n",
		"secpod = off\r",	 "\xef\xbb\xbfsecpod = off", "\r\n\r\nsecpod = off\r\n# x",
		"#\n#\n \t\nsecpod=off",
	};
	struct reports reports;
	struct config config;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(parse(texts[i], &config, &reports), 0);
		assert_false(config.enabled);
	}
}

static void empty_files_give_the_defaults(void **state)
{
	static const char *const texts[] = {"", "\n", "\r\n", "\xef\xbb\xbf", "#", "# x", "   "};
	struct reports reports;
	struct config config;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(parse(texts[i], &config, &reports), 0);
		assert_defaults(&config);
	}
}

static void utf16_files_are_refused_as_a_whole(void **state)
{
	static const char little[] = "\xff\xfes\0e\0c\0p\0o\0d\0=\0o\0f\0f\0\n";
	static const char big[] = "\xfe\xff\0s\0e\0c\0p\0o\0d\0=\0o\0f\0f\0\n";
	struct reports reports;
	struct config config;

	(void)state;
	assert_int_equal(parse_bytes(little, sizeof(little), &config, &reports), 1);
	assert_int_equal(reports.line[0], 0);
	assert_defaults(&config);
	assert_int_equal(parse_bytes(big, sizeof(big) - 1, &config, &reports), 1);
	assert_defaults(&config);
}

static void lines_with_nul_bytes_are_refused(void **state)
{
	static const char text[] = "secpod\0 = off\nserial = com1\0\nlog-level = debug\n\0";
	struct reports reports;
	struct config config;

	(void)state;
	assert_int_equal(parse_bytes(text, sizeof(text) - 1, &config, &reports), 3);
	assert_int_equal(reports.line[2], 4);
	assert_true(config.enabled);
	assert_int_equal(config.serial_port, 0);
	assert_int_equal(config.log_level, 3);
}

static void long_lines_and_values_have_their_limits(void **state)
{
	static char text[2 * CONFIG_MAX_LINE];
	struct reports reports;
	struct config config;

	(void)state;
	/* The longest line that is read, and the longest value that fits in it. */
	memset(text, 'x', sizeof(text));
	memcpy(text, "options=", 8);
	assert_int_equal(parse_bytes(text, CONFIG_MAX_LINE, &config, &reports), 0);
	assert_int_equal(strlen(config.options), CONFIG_MAX_LINE - 8);
	assert_int_equal(parse_bytes(text, CONFIG_MAX_LINE + 1, &config, &reports), 1);
	assert_string_equal(config.options, "");

	memcpy(text, "next=\\", 6);
	assert_int_equal(parse_bytes(text, 5 + CONFIG_PATH_LENGTH - 1, &config, &reports), 0);
	assert_int_equal(strlen(config.next), CONFIG_PATH_LENGTH - 1);
	assert_int_equal(parse_bytes(text, 5 + CONFIG_PATH_LENGTH, &config, &reports), 1);
	assert_string_equal(config.next, "");
}

static void huge_files_are_refused_as_a_whole(void **state)
{
	char *text = malloc(CONFIG_MAX_SIZE + 1);
	struct reports reports;
	struct config config;

	(void)state;
	assert_non_null(text);
	memset(text, '\n', CONFIG_MAX_SIZE + 1);
	memcpy(text, "secpod=off", 10);
	assert_int_equal(parse_bytes(text, CONFIG_MAX_SIZE, &config, &reports), 0);
	assert_false(config.enabled);
	assert_int_equal(parse_bytes(text, CONFIG_MAX_SIZE + 1, &config, &reports), 1);
	assert_defaults(&config);
	free(text);
}

static void reports_carry_no_control_characters(void **state)
{
	struct reports reports;
	struct config config;

	(void)state;
	/* record() looks at every character. */
	assert_int_equal(parse("\x1b[2Jkey = 1\nserial = \x1b]0;x\x07\n", &config, &reports), 2);
	assert_non_null(strstr(reports.text[0], "?[2Jkey"));
}

static void any_bytes_are_parsed_without_harm(void **state)
{
	static const char alphabet[] =
		"=# \t\r\n\0\xef\xbb\xbf\xff\xfe\\/-0x19afsecpodnextoptionsserial";
	uint32_t random = 1;
	struct reports reports;
	struct config config;
	char text[256];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t size;

		random = random * 1664525u + 1013904223u;
		size = random >> 24;
		for (size_t i = 0; i < size; i++) {
			random = random * 1664525u + 1013904223u;
			text[i] = alphabet[(random >> 16) % sizeof(alphabet)];
		}
		parse_bytes(text, size, &config, &reports);
		assert_non_null(memchr(config.next, '\0', sizeof(config.next)));
		assert_non_null(memchr(config.options, '\0', sizeof(config.options)));
		assert_true(config.serial_port == 0 ||
			    (config.serial_port >= 0x100 && config.serial_port <= 0xfff8));
	}
}

static char *read_file(const char *name)
{
	static char text[CONFIG_MAX_SIZE];
	FILE *file = fopen(name, "r");
	size_t size;

	if (file == NULL)
		fail_msg("%s is missing", name);
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[size] = '\0';
	return text;
}

/* The example shows every key with its default, commented out where there is none to show. */
static void example_file_shows_every_key_and_its_default(void **state)
{
	char *text = read_file("boot/secpod.conf");
	struct reports reports;
	struct config config;
	char line[CONFIG_MAX_LINE];

	(void)state;
	assert_int_equal(parse(text, &config, &reports), 0);
	assert_defaults(&config);
	for (size_t i = 0; config_key_name(i) != NULL; i++) {
		const char *value = config_key_default(i);

		snprintf(line, sizeof(line), value[0] != '\0' ? "\n%s = %s\n" : "\n#%s = %s",
			 config_key_name(i), value);
		if (strstr(text, line) == NULL)
			fail_msg("boot/secpod.conf lacks:%s", line);
	}
}

static void documentation_names_every_key_and_its_default(void **state)
{
	char *text = read_file("docs/configuration.md");
	char cell[CONFIG_MAX_LINE];

	(void)state;
	for (size_t i = 0; config_key_name(i) != NULL; i++) {
		const char *value = config_key_default(i);

		if (value[0] != '\0')
			snprintf(cell, sizeof(cell), "\n| `%s` | `%s` |", config_key_name(i),
				 value);
		else
			snprintf(cell, sizeof(cell), "\n| `%s` | not set |", config_key_name(i));
		if (strstr(text, cell) == NULL)
			fail_msg("docs/configuration.md lacks: %s", cell);
	}
	assert_null(config_key_default(1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_the_safe_ones),
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(every_rule_has_its_key),
		cmocka_unit_test(code_can_be_listed),
		cmocka_unit_test(unknown_rules_are_reported_with_their_line),
		cmocka_unit_test(values_are_read_exactly),
		cmocka_unit_test(bad_values_are_reported_and_the_default_holds),
		cmocka_unit_test(unknown_keys_and_malformed_lines_are_reported_with_their_line),
		cmocka_unit_test(a_profile_by_request_without_lock_by_request_is_reported),
		cmocka_unit_test(repeated_key_keeps_its_first_value),
		cmocka_unit_test(line_endings_and_the_end_of_the_file_do_not_matter),
		cmocka_unit_test(empty_files_give_the_defaults),
		cmocka_unit_test(utf16_files_are_refused_as_a_whole),
		cmocka_unit_test(lines_with_nul_bytes_are_refused),
		cmocka_unit_test(long_lines_and_values_have_their_limits),
		cmocka_unit_test(huge_files_are_refused_as_a_whole),
		cmocka_unit_test(reports_carry_no_control_characters),
		cmocka_unit_test(any_bytes_are_parsed_without_harm),
		cmocka_unit_test(example_file_shows_every_key_and_its_default),
		cmocka_unit_test(documentation_names_every_key_and_its_default),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
