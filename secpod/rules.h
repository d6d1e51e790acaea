/* SPDX-License-Identifier: MIT */
/* The rules of SECPOD_RULES with what the monitor knows of each. Pure. */
#ifndef SECPOD_SECPOD_RULES_H
#define SECPOD_SECPOD_RULES_H

#include <stdint.h>

#include "guest-support/include/secpod_abi.h"

struct rule {
	const char *name;			   /* as in "policy.<name>" */
	const char *refuses;			   /* what */
	const char *detail[SECPOD_RECORD_DETAILS]; /* names of the record's words, "" for none */
	/*
	 * Why it is refused even with the answers off and log, which only change what is recorded;
	 * NULL: with them it passes.
	 */
	const char *mandatory;
};

/* rule_of - the row of a rule (SECPOD_RULE_*); NULL when there is none. */
const struct rule *rule_of(uint32_t rule);

/* rule_answer_name - "off", "log", "deny", "panic"; NULL for other numbers. */
const char *rule_answer_name(uint32_t answer);

#endif
