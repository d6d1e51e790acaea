/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guest-support/include/secpod_device.h"
#include "guest-support/secpodctl/commands.h"

static const char *name_in(const char *const *names, uint32_t count, uint32_t number)
{
	return number < count ? names[number] : "unknown";
}

const char *phase_name(uint32_t phase)
{
	static const char *const names[] = {"OFF", "GUEST", "ACTIVE", "LOCKED"};

	return name_in(names, sizeof(names) / sizeof(names[0]), phase);
}

const char *answer_name(uint32_t answer)
{
	static const char *const names[SECPOD_ANSWER_COUNT] = {"off", "log", "deny", "panic"};

	return name_in(names, SECPOD_ANSWER_COUNT, answer);
}

const char *rule_name(uint32_t rule)
{
	static const char *const names[SECPOD_RULE_COUNT] = {
#define RULE_NAME(id, name, refuses) name,
		SECPOD_RULES(RULE_NAME)
#undef RULE_NAME
	};

	return name_in(names, SECPOD_RULE_COUNT, rule);
}

int absent(void)
{
	fputs("secpodctl: this system does not run under SecPod\n", stderr);
	return STATUS_ABSENT;
}

int device_trouble(int error)
{
	if (error != -ENOENT && error != -EACCES && error != -EPERM && error != -ENODEV) {
		fprintf(stderr, "secpodctl: %s: %s\n", SECPOD_DEVICE, strerror(-error));
		return STATUS_FAILED;
	}
	fprintf(stderr, "secpodctl: %s: %s (%s)\n", SECPOD_DEVICE, strerror(-error),
		error == -EACCES || error == -EPERM ? "root?" : "modprobe secpod?");
	return STATUS_NO_DEVICE;
}

int guest_info(const struct guest *guest, struct secpod_info *info)
{
	int error;

	if (!guest_look(guest).present)
		return absent();
	error = guest->info(info);
	return error ? device_trouble(error) : STATUS_OK;
}
