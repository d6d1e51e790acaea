/* SPDX-License-Identifier: MIT */
/* The audit log on the console: a line for each record, as many as the rate allows. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "secpod/audit_log.h"
#include "secpod/phase.h"
#include "secpod/rules.h"

/*
 * A token bucket in one word: the time at which it will be full again. A token takes one interval
 * to come back, so burst tokens are out when that time is burst intervals ahead. (The generic cell
 * rate algorithm.)
 *
 * The guest can set the time stamp. One that went back, so that the word is further ahead than
 * it can ever get, finds a full bucket: rather too many lines than none from then on. The TSCs of
 * CPUs that differ by less than an interval are no matter.
 */
static bool take_token(const struct audit_console *console, uint64_t *full_at, uint64_t now)
{
	uint64_t limit = console->interval * console->burst;
	uint64_t old = __atomic_load_n(full_at, __ATOMIC_RELAXED);
	uint64_t ahead;

	do {
		ahead = old > now ? old - now : 0;
		if (ahead > limit + console->interval)
			ahead = 0;
		if (ahead + console->interval > limit)
			return false;
	} while (!__atomic_compare_exchange_n(full_at, &old, now + ahead + console->interval, false,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

static void suppress(struct audit_rule *rule, uint64_t lines)
{
	__atomic_fetch_add(&rule->suppressed, lines, __ATOMIC_RELAXED);
}

static void print(struct audit_log *log, struct audit_rule *rule,
		  const struct secpod_record *record, uint64_t seq)
{
	const struct audit_console *console = &log->console;
	struct secpod_record numbered;
	char line[AUDIT_LINE_SIZE];
	uint64_t suppressed;
	size_t length;

	if (take_token(console, &rule->full_at, record->tsc)) {
		suppressed = __atomic_exchange_n(&rule->suppressed, 0, __ATOMIC_RELAXED);
		numbered = *record;
		numbered.seq = seq;
		length = audit_log_format(&numbered, suppressed, line, sizeof(line));
		if (console->print(console->context, line, length))
			return;
		suppress(rule, suppressed);
	}
	suppress(rule, 1);
	__atomic_fetch_add(&log->suppressed, 1, __ATOMIC_RELAXED);
}

void audit_log_record(struct audit_log *log, const struct secpod_record *record)
{
	const uint64_t seq = audit_log_append(log, record);

	if (log->console.print && record->rule < SECPOD_RULE_COUNT)
		print(log, &log->rule[record->rule], record, seq);
}

struct line {
	char *to;
	size_t size;
	size_t length;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
{
	size_t room = line->size - line->length;
	va_list arguments;
	int wanted;

	va_start(arguments, format);
	wanted = vsnprintf(line->to + line->length, room, format, arguments);
	va_end(arguments);
	if (wanted > 0)
		line->length += (size_t)wanted < room ? (size_t)wanted : room - 1;
}

static void add_insn(struct line *line, const struct secpod_record *record)
{
	if (record->insn_len)
		add(line, " insn ");
	for (uint32_t i = 0; i < record->insn_len && i < SECPOD_RECORD_INSN; i++)
		add(line, "%02x", record->insn[i]);
}

size_t audit_log_format(const struct secpod_record *record, uint64_t suppressed, char *to,
			size_t size)
{
	const struct rule *rule = rule_of(record->rule);
	const char *answer = rule_answer_name(record->answer);
	struct line line = {.to = to, .size = size};

	if (size == 0)
		return 0;
	to[0] = '\0';
	add(&line, "secpod: audit #%" PRIu64 " cpu %" PRIu32 " %s ", record->seq, record->cpu,
	    phase_name(record->phase));
	if (rule)
		add(&line, "%s ", rule->name);
	else
		add(&line, "rule-%u ", record->rule);
	add(&line, "%s rip 0x%" PRIx64 " cr3 0x%" PRIx64 " cpl %u", answer ? answer : "?",
	    record->rip, record->cr3, record->cpl);
	for (uint32_t i = 0; rule && i < SECPOD_RECORD_DETAILS; i++)
		if (rule->detail[i][0] != '\0')
			add(&line, " %s 0x%" PRIx64, rule->detail[i], record->detail[i]);
	add_insn(&line, record);
	if (record->code[0])
		add(&line, " code %.*s%s", (int)sizeof(record->code), record->code,
		    record->gone ? " (gone)" : "");
	if (suppressed)
		add(&line, " (%" PRIu64 " before it not shown)", suppressed);
	return line.length;
}
