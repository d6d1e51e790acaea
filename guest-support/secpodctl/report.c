/* SPDX-License-Identifier: MIT */
#include "guest-support/secpodctl/report.h"

#include <inttypes.h>
#include <string.h>

#define LABEL_WIDTH 22

static void put_json_string(FILE *out, const char *text)
{
	putc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20)
			fprintf(out, "\\u%04x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

static void put_key(struct report *report, const char *key)
{
	fputs(report->any ? ", " : "", report->out);
	put_json_string(report->out, key);
	fputs(": ", report->out);
	report->any = true;
}

static const char *const colours[] = {
	[REPORT_PLAIN] = "",
	[REPORT_GOOD] = "\033[32m",
	[REPORT_BAD] = "\033[31m",
	[REPORT_WARNING] = "\033[33m",
};

/* A cell of a table, or "Label: value". */
static void put_for_people(struct report *report, const char *label, const char *value,
			   enum report_mood mood)
{
	const bool colour = report->colour && mood != REPORT_PLAIN;
	size_t length = strlen(value);

	if (!report->widths)
		fprintf(report->out, "%-*s ", LABEL_WIDTH, label);
	else if (report->column)
		fputs("  ", report->out);
	fprintf(report->out, "%s%s%s", colour ? colours[mood] : "", value, colour ? "\033[0m" : "");
	if (!report->widths) {
		putc('\n', report->out);
		return;
	}
	for (; length < report->widths[report->column]; length++)
		putc(' ', report->out);
	report->column++;
}

void report_begin(struct report *report)
{
	report->any = false;
	if (report->json)
		putc('{', report->out);
}

void report_end(struct report *report)
{
	if (report->json)
		fputs("}\n", report->out);
	fflush(report->out);
}

void report_again(struct report *report)
{
	/* ECMA-48, "Control functions": CUP to the upper left corner, ED of all. */
	if (report->terminal)
		fputs("\033[H\033[2J", report->out);
	else if (!report->json)
		putc('\n', report->out);
}

void report_text(struct report *report, const char *key, const char *label, const char *value,
		 enum report_mood mood)
{
	if (report->json) {
		put_key(report, key);
		put_json_string(report->out, value);
	} else {
		put_for_people(report, label, value, mood);
	}
}

void report_address(struct report *report, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%#" PRIx64, value);
	report_text(report, key, "", text, REPORT_PLAIN);
}

void report_hex(char *to, const uint8_t *bytes, size_t count)
{
	*to = 0;
	for (size_t i = 0; i < count; i++)
		to += sprintf(to, "%s%02x", i ? " " : "", bytes[i]);
}

void report_number(struct report *report, const char *key, const char *label, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	if (report->json) {
		put_key(report, key);
		fputs(text, report->out);
	} else {
		put_for_people(report, label, text, REPORT_PLAIN);
	}
}

void report_counter(struct report *report, const char *key, const char *label, uint64_t value,
		    const uint64_t *before)
{
	char text[48];

	if (report->json || !before) {
		report_number(report, key, label, value);
		return;
	}
	snprintf(text, sizeof(text), "%-20" PRIu64 " +%" PRIu64, value, value - *before);
	report_text(report, key, label, text, REPORT_PLAIN);
}

void report_flag(struct report *report, const char *key, const char *label, bool value)
{
	if (report->json) {
		put_key(report, key);
		fputs(value ? "true" : "false", report->out);
	} else {
		put_for_people(report, label, value ? "yes" : "no", REPORT_PLAIN);
	}
}

void report_table(struct report *report, const char *key, const char *const *titles,
		  const unsigned int *widths, unsigned int count)
{
	if (report->json) {
		put_key(report, key);
		putc('[', report->out);
		report->any = false;
		return;
	}
	report->widths = widths;
	report->column = 0;
	for (unsigned int i = 0; i < count; i++)
		put_for_people(report, "", titles[i], REPORT_PLAIN);
	putc('\n', report->out);
	report->column = 0;
}

static void end_row(struct report *report)
{
	if (!report->in_row)
		return;
	fputs(report->json ? "}" : "\n", report->out);
	report->in_row = false;
	report->column = 0;
}

void report_row(struct report *report)
{
	const bool first = !report->in_row;

	end_row(report);
	report->in_row = true;
	if (report->json)
		fputs(first ? "{" : ", {", report->out);
	report->any = false;
}

void report_table_end(struct report *report)
{
	end_row(report);
	if (report->json)
		putc(']', report->out);
	report->widths = NULL;
	report->any = true;
}
