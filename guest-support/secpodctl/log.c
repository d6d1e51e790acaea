/* SPDX-License-Identifier: MIT */
/* The audit log, a line for each record. */
#include <inttypes.h>
#include <stdio.h>

#include "guest-support/secpodctl/commands.h"

#define BATCH 16u

static const char *const detail_names[SECPOD_RULE_COUNT][SECPOD_RECORD_DETAILS] = {
#define DETAIL_NAMES(id, a, b, c, d) [SECPOD_RULE_##id] = {a, b, c, d},
	SECPOD_DETAILS(DETAIL_NAMES)
#undef DETAIL_NAMES
};

static const char *detail_name(const struct secpod_record *record, uint32_t detail)
{
	const char *name =
		record->rule < SECPOD_RULE_COUNT ? detail_names[record->rule][detail] : NULL;

	return name ? name : "";
}

static uint32_t insn_length(const struct secpod_record *record)
{
	return record->insn_len < SECPOD_RECORD_INSN ? record->insn_len : SECPOD_RECORD_INSN;
}

static void show_for_people(FILE *out, const struct secpod_record *record)
{
	char insn[REPORT_HEX(SECPOD_RECORD_INSN)];

	fprintf(out,
		"#%" PRIu64 " tsc %" PRIu64 " cpu %u %s %s %s rip %#" PRIx64 " cr3 %#" PRIx64
		" cpl %u",
		record->seq, record->tsc, record->cpu, phase_name(record->phase),
		rule_name(record->rule), answer_name(record->answer), record->rip, record->cr3,
		record->cpl);
	for (uint32_t i = 0; i < SECPOD_RECORD_DETAILS; i++) {
		if (*detail_name(record, i))
			fprintf(out, " %s %#" PRIx64, detail_name(record, i), record->detail[i]);
	}
	report_hex(insn, record->insn, insn_length(record));
	if (*insn)
		fprintf(out, " insn %s", insn);
	if (record->code[0])
		fprintf(out, " code %.*s%s", (int)sizeof(record->code), record->code,
			record->gone ? " (gone)" : "");
	fputc('\n', out);
}

static void show_json(struct report *report, const struct secpod_record *record)
{
	char insn[REPORT_HEX(SECPOD_RECORD_INSN)], code[SECPOD_CODE_NAME + 1];

	report_begin(report);
	report_number(report, "number", "", record->seq);
	report_number(report, "tsc", "", record->tsc);
	report_number(report, "cpu", "", record->cpu);
	report_text(report, "phase", "", phase_name(record->phase), REPORT_PLAIN);
	report_text(report, "rule", "", rule_name(record->rule), REPORT_PLAIN);
	report_text(report, "answer", "", answer_name(record->answer), REPORT_PLAIN);
	report_address(report, "rip", record->rip);
	report_address(report, "cr3", record->cr3);
	report_number(report, "cpl", "", record->cpl);
	for (uint32_t i = 0; i < SECPOD_RECORD_DETAILS; i++) {
		if (*detail_name(record, i))
			report_address(report, detail_name(record, i), record->detail[i]);
	}
	report_hex(insn, record->insn, insn_length(record));
	report_text(report, "insn", "", insn, REPORT_PLAIN);
	snprintf(code, sizeof(code), "%.*s", (int)sizeof(record->code), record->code);
	report_text(report, "code", "", code, REPORT_PLAIN);
	report_flag(report, "gone", "", record->gone);
	report_end(report);
}

int command_log(const struct guest *guest, struct report *report, const struct options *options)
{
	struct secpod_record batch[BATCH];
	int got = 0;

	if (!guest_look(guest).present)
		return absent();
	while (!ferror(report->out) && ((got = guest->log(batch, BATCH, options->follow)) > 0 ||
					(got == 0 && options->follow))) {
		for (int i = 0; i < got; i++) {
			if (report->json)
				show_json(report, &batch[i]);
			else
				show_for_people(report->out, &batch[i]);
		}
		fflush(report->out);
	}
	return got < 0 ? device_trouble(got) : STATUS_OK;
}
