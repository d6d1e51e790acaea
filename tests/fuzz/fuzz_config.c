/* SPDX-License-Identifier: MIT */
/* secpod.conf with any bytes: what comes out is always a configuration that can be used. */
#include <stdlib.h>
#include <string.h>

#include "boot/config.h"
#include "vmm/handoff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool condition)
{
	if (!condition)
		abort();
}

static void report(void *context, unsigned int line, const char *problem)
{
	unsigned int *reports = context;
	size_t length = strlen(problem);

	hold(length < CONFIG_PROBLEM_LENGTH && line <= CONFIG_MAX_SIZE);
	for (size_t i = 0; i < length; i++)
		hold(problem[i] >= ' ' && problem[i] <= '~');
	++*reports;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config;
	unsigned int reports = 0;

	hold(config_parse((const char *)data, size, &config, report, &reports) == reports);
	hold(memchr(config.next, '\0', sizeof(config.next)) != NULL);
	hold(memchr(config.options, '\0', sizeof(config.options)) != NULL);
	hold(config.next[0] == '\0' || config.next[0] == '\\');
	hold(config.log_level <= 3 && config.boot_attempts <= 255 && config.skip_timeout <= 60000 &&
	     config.descriptor_scan <= 10000);
	hold(config.serial_port == 0 ||
	     (config.serial_port >= 0x100 && config.serial_port <= 0xfff8));
	hold(config.on_failure <= CONFIG_ON_FAILURE_HALT && config.on_panic <= SECPOD_FAIL_RESET);
	hold(config.lock <= CONFIG_LOCK_REQUEST && config.code_profile <= CONFIG_PROFILE_REQUEST);
	for (uint32_t rule = 0; rule < SECPOD_POLICY_MAX; rule++)
		hold(config.policy[rule] < SECPOD_ANSWER_COUNT);
	for (uint32_t rule = SECPOD_RULE_COUNT; rule < SECPOD_POLICY_MAX; rule++)
		hold(config.policy[rule] == SECPOD_ANSWER_DENY);
	return 0;
}
