/* SPDX-License-Identifier: MIT */
/*
 * secpod.conf: the keys, their defaults and the parser. Pure: compiled unchanged on the host. The
 * user's description of each key is docs/configuration.md.
 */
#ifndef SECPOD_BOOT_CONFIG_H
#define SECPOD_BOOT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-support/include/secpod_abi.h"

#define CONFIG_MAX_SIZE 0x10000u /* bytes of file */
#define CONFIG_MAX_LINE 1024u	 /* bytes of one line */
#define CONFIG_PATH_LENGTH 256u
#define CONFIG_OPTIONS_LENGTH 1024u
#define CONFIG_PROBLEM_LENGTH 120u

/* When LOCKED follows ACTIVE: at once, or when the guest asks for it. */
enum config_lock { CONFIG_LOCK_BOOT, CONFIG_LOCK_REQUEST };

/* Where the profile of the kernel comes from. */
enum config_profile { CONFIG_PROFILE_NONE, CONFIG_PROFILE_FILE, CONFIG_PROFILE_REQUEST };

enum config_failure { CONFIG_ON_FAILURE_BOOT, CONFIG_ON_FAILURE_HALT };

/* skip_key: scan code << 16 | Unicode character, as EFI_INPUT_KEY has them; 0 for no key. */
#define CONFIG_KEY(scan_code, character) ((uint32_t)(scan_code) << 16 | (uint32_t)(character))

struct config_guid {
	uint8_t bytes[16]; /* as EFI_GUID lies in memory */
	bool set;
};

struct config {
	bool enabled;
	char next[CONFIG_PATH_LENGTH]; /* UTF-8, separated by backslashes; empty: not set */
	struct config_guid next_volume;
	char options[CONFIG_OPTIONS_LENGTH]; /* UTF-8 */
	uint32_t log_level;
	uint32_t serial_port;
	uint32_t serial_baud;
	uint32_t on_failure; /* enum config_failure */
	uint32_t on_panic;   /* enum secpod_failure */
	uint32_t boot_attempts;
	uint32_t skip_key;
	uint32_t skip_timeout;	  /* milliseconds */
	uint32_t descriptor_scan; /* milliseconds, 0: at VM exits only */
	bool debug_stats;
	bool paging_delegation;
	uint32_t code_profile;		   /* enum config_profile */
	uint32_t lock;			   /* enum config_lock */
	uint8_t policy[SECPOD_POLICY_MAX]; /* SECPOD_ANSWER_*, by rule */
	uint64_t listed; /* bit by rule: "list", which is deny but for what is listed */
};

/*
 * Called for each problem in the file. line: its number, from 1, or 0 when the whole file is meant.
 * problem: one line of printable ASCII, valid during the call.
 */
typedef void (*config_report)(void *context, unsigned int line, const char *problem);

/* config_defaults - what holds without a file. */
void config_defaults(struct config *config);

/*
 * config_parse - read the file's bytes over the defaults. Whatever is wrong is reported and has no
 * effect otherwise: the default (or, for a repeated key, the first value) holds.
 * text, size: the file; it need not end with a newline or a NUL.
 * Result: the number of problems reported.
 */
unsigned int config_parse(const char *text, size_t size, struct config *config,
			  config_report report, void *context);

/* config_key_name, config_key_default - the table of keys, for the tests; NULL behind the last. */
const char *config_key_name(size_t index);
const char *config_key_default(size_t index);

#endif
