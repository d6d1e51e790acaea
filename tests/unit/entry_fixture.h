/* SPDX-License-Identifier: MIT */
/* What the tests of the VM-entry rules share: guests that pass, and a table of changes that make
 * them fail. */
#ifndef SECPOD_TESTS_UNIT_ENTRY_FIXTURE_H
#define SECPOD_TESTS_UNIT_ENTRY_FIXTURE_H

#include "vmx/entry_check.h"

/* cmocka wants these before its own header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "vmm/x86.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The kinds of guest a row starts from; each passes all rules as it is. */
enum guest {
	LONG_MODE, /* 64-bit, as right after launch */
	REAL_MODE, /* a CPU that has got its SIPI */
	PAE,	   /* 32-bit code under PAE paging */
	V86,
	RESTRICTED, /* PAE, on a CPU without the unrestricted-guest control */
};

struct entry_state guest_make(enum guest guest);

/* One field changed: bits of clear go, bits of set come. */
struct change {
	size_t offset;
	uint64_t clear, set;
};

#define AT(member) offsetof(struct entry_state, member)
/* clang-format off */
#define SET(member, bits) {AT(member), 0, (bits)}
#define CLEAR(member, bits) {AT(member), (bits), 0}
#define PUT(member, value) {AT(member), ~0ULL, (value)}
/* clang-format on */
#define SEG_AT(number, member) AT(segment[number].member)

/* clang-format off */
#define SEG_SET(number, member, bits) {SEG_AT(number, member), 0, (bits)}
#define SEG_CLEAR(number, member, bits) {SEG_AT(number, member), (bits), 0}
#define SEG_PUT(number, member, value) {SEG_AT(number, member), ~0ULL, (value)}
/* clang-format on */

#define EVENT(type, vector) (EVENT_VALID | (type) | (vector))
#define HARDWARE(vector) EVENT(EVENT_TYPE_HARDWARE, vector)

struct row {
	enum guest guest;
	struct change change[3];
	const char *rule; /* what the answer says, or NULL when the entry is good */
};

/* run_rows - each row's entry is judged as the row says, by a rule of section. */
void run_rows(const struct row *rows, size_t count, const char *section);

#endif
