/* SPDX-License-Identifier: MIT */
/*
 * A payload: a UEFI application that runs named cases and reports on the first serial port.
 *
 *   PAYLOAD: <payload>/<case> pass|fail|skip <detail>
 *   PAYLOAD: done <n> passed, <n> failed
 */
#ifndef SECPOD_TESTS_GUEST_PAYLOAD_H
#define SECPOD_TESTS_GUEST_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct payload_case {
	const char *name;
	void (*run)(void);
};

/* A payload is a list of lists of cases, each ended by an empty one. */
struct payload {
	const char *name;
	const struct payload_case *const *cases; /* ended by NULL */
	/* Called with the firmware still in charge, or NULL; false: the payload cannot run. */
	bool (*prepare)(void);
};

/* Defined by each payload. */
extern const struct payload payload;

/* True when CPUID shows SecPod's signature. */
bool payload_under_secpod(void);

/* payload_statistic - SECPOD_STAT_* index through CPUID; false: not there. */
bool payload_statistic(uint32_t index, uint64_t *value);

/*
 * check - the case fails unless ok; format (of %s %d %u %x %lu %lx) tells the first failure.
 * Result: ok.
 */
bool check(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* skip - the case does not apply here. */
void skip(const char *reason);

/* payload_die - report and stop the machine. */
_Noreturn void payload_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* payload_note - a line for the reader. */
void payload_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
