/* SPDX-License-Identifier: MIT */
/*
 * What a command has to say, for people or as JSON (RFC 8259): fields, and tables of rows. One
 * report is one JSON object; a stream of records is one object a line.
 */
#ifndef SECPODCTL_REPORT_H
#define SECPODCTL_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum report_mood { REPORT_PLAIN, REPORT_GOOD, REPORT_BAD, REPORT_WARNING };

struct report {
	FILE *out;
	bool json;
	bool terminal; /* for people who look at it now */
	bool colour;
	bool any;    /* JSON: a comma comes before the next member */
	bool in_row; /* JSON: of a table */
	unsigned int column;
	const unsigned int *widths; /* of the running table, for people */
};

void report_begin(struct report *report);
/* The next report takes the place of the one before. */
void report_again(struct report *report);
void report_end(struct report *report);

/* key: of the JSON member; label: for people. */
void report_text(struct report *report, const char *key, const char *label, const char *value,
		 enum report_mood mood);
void report_number(struct report *report, const char *key, const char *label, uint64_t value);
void report_flag(struct report *report, const char *key, const char *label, bool value);

/* A number that grows; before: what it was when people last saw it, or NULL. */
void report_counter(struct report *report, const char *key, const char *label, uint64_t value,
		    const uint64_t *before);

/* An address, as text: JSON's numbers are exact up to 53 bits only. */
void report_address(struct report *report, const char *key, uint64_t value);

/* report_hex - count bytes, in two digits each, to to, which has room for REPORT_HEX(count). */
#define REPORT_HEX(count) (3 * (count) + 1)
void report_hex(char *to, const uint8_t *bytes, size_t count);

/*
 * A table: titles[count] (for people) with their widths in characters, the last one's is not used.
 * Then for each row report_row(), and for each of its cells report_text(), report_number() or
 * report_flag(), whose label is not shown.
 */
void report_table(struct report *report, const char *key, const char *const *titles,
		  const unsigned int *widths, unsigned int count);
void report_row(struct report *report);
void report_table_end(struct report *report);

#endif
