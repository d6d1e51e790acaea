/* SPDX-License-Identifier: MIT */
/* status, lock, policy, stats: what SecPod says of itself. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest-support/secpodctl/commands.h"

#define ANSWER_BITS 2u
#define RULES_A_WORD 32u

static const struct {
	uint32_t bit;
	const char *key;
	const char *label;
} features[] = {
	{SECPOD_FEATURE_HYPERCALL, "hypercalls", "Hypercalls:"},
	{SECPOD_FEATURE_AUDIT, "audit_log", "Audit log:"},
	{SECPOD_FEATURE_STATS, "debug_statistics", "Debug statistics:"},
};

static const char *module_state(int error)
{
	switch (error) {
	case 0:
		return "usable";
	case -ENOENT:
	case -ENODEV:
		return "not loaded";
	case -EACCES:
	case -EPERM:
		return "usable by root";
	default:
		return "not usable";
	}
}

static uint32_t answer_of(const struct secpod_info *info, uint32_t rule)
{
	return (uint32_t)(info->policy[rule / RULES_A_WORD] >>
			  ANSWER_BITS * (rule % RULES_A_WORD)) &
	       (SECPOD_ANSWER_COUNT - 1);
}

/* By what a patch of the kernel's image is judged, besides its form. */
static void report_patches(struct report *report, const struct secpod_seen *seen,
			   const struct secpod_info *info)
{
	const uint32_t answer = answer_of(info, SECPOD_RULE_CODE_PROFILE);
	const char *by = "any place";
	enum report_mood mood = REPORT_WARNING;

	if (!(info->features & SECPOD_FEATURE_PAGING)) {
		by = "the kernel, as it likes";
	} else if (info->features & SECPOD_FEATURE_PROFILE) {
		by = "any place, until there is a profile";
	} else if (!(info->features & SECPOD_FEATURE_PROFILED)) {
		mood = REPORT_PLAIN;
	} else if (answer == SECPOD_ANSWER_LOG) {
		by = "any place, recorded if not of the profile";
	} else if (answer >= SECPOD_ANSWER_DENY) {
		by = seen->places ? "profile of the kernel"
				  : "no place: no profile is this kernel's";
		mood = seen->places ? REPORT_GOOD : REPORT_BAD;
	}
	report_text(report, "patches_by", "Patches of code by:", by, mood);
	if (info->features & SECPOD_FEATURE_PROFILED)
		report_number(report, "profile_places", "Places of profile:", seen->places);
}

int command_status(const struct guest *guest, struct report *report, const struct options *options)
{
	const struct secpod_seen seen = guest_look(guest);
	struct secpod_stats stats;
	struct secpod_info info;
	char version[24];
	int error;

	(void)options;
	report_begin(report);
	if (!seen.present) {
		report_text(report, "secpod", "SecPod:", "absent", REPORT_BAD);
		report_end(report);
		return STATUS_ABSENT;
	}
	snprintf(version, sizeof(version), "%u.%u", seen.major, seen.minor);
	report_text(report, "secpod", "SecPod:", "present", REPORT_GOOD);
	report_text(report, "phase", "Phase:", phase_name(seen.phase),
		    seen.phase == SECPOD_PHASE_LOCKED ? REPORT_GOOD : REPORT_BAD);
	report_text(report, "abi", "ABI:", version, REPORT_PLAIN);
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		report_flag(report, features[i].key, features[i].label,
			    seen.features & features[i].bit);
	error = guest->stats(&stats);
	if (!error)
		error = guest->info(&info);
	report_text(report, "device", "Module:", module_state(error),
		    error ? REPORT_WARNING : REPORT_PLAIN);
	if (!error) {
		report_text(report, "page_tables", "Page tables:",
			    info.features & SECPOD_FEATURE_PAGING ? "read-only" : "the kernel's",
			    info.features & SECPOD_FEATURE_PAGING ? REPORT_GOOD : REPORT_WARNING);
		report_patches(report, &seen, &info);
		report_number(report, "cpus", "CPUs:", stats.cpus);
		report_number(report, "log_written", "Records written:", stats.log_written);
		report_number(report, "log_lost", "Records lost:", stats.log_lost);
	}
	report_end(report);
	return seen.phase == SECPOD_PHASE_LOCKED ? STATUS_OK : STATUS_UNLOCKED;
}

/* Why SecPod did not lock: the rules that have records since then; not that the call, too, is one. */
static void tell_rules(const struct secpod_stats *before, const struct secpod_stats *after)
{
	bool any = false;

	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++) {
		if (rule == SECPOD_RULE_HYPERCALL || after->rule[rule] == before->rule[rule])
			continue;
		fprintf(stderr, "%s%s", any ? ", " : " (on record since then: ", rule_name(rule));
		any = true;
	}
	fputs(any ? "; secpodctl log)\n" : "\n", stderr);
}

/* The steps that are left. Result: 0, or the negative errno of the one that failed. */
static int take_steps(const struct guest *guest)
{
	const uint32_t tries = 100;
	int error = -EBUSY;

	/* -EBUSY: another CPU takes a step at this moment. */
	for (uint32_t i = 0; i < tries && error == -EBUSY; i++) {
		if (i)
			usleep(10000);
		error = guest->activate();
		if (!error)
			error = guest->lock();
	}
	return error;
}

/* Locked, by whomever, is what was asked for. */
int command_lock(const struct guest *guest, struct report *report, const struct options *options)
{
	struct secpod_seen seen = guest_look(guest);
	struct secpod_stats before, after;
	int error;

	(void)options;
	if (!seen.present)
		return absent();
	if (seen.phase != SECPOD_PHASE_LOCKED) {
		/* Whether the device answers at all: from here on what fails is SecPod's refusal. */
		error = guest->stats(&before);
		if (error)
			return device_trouble(error);
		error = take_steps(guest);
		seen = guest_look(guest);
		if (error && seen.phase != SECPOD_PHASE_LOCKED) {
			fprintf(stderr, "secpodctl: SecPod has not locked, the phase is %s: %s",
				phase_name(seen.phase),
				error == -EPERM ? "it refuses" : strerror(-error));
			if (guest->stats(&after))
				after = before;
			tell_rules(&before, &after);
			return STATUS_FAILED;
		}
	}
	report_begin(report);
	report_text(report, "phase", "Phase:", phase_name(seen.phase), REPORT_PLAIN);
	report_end(report);
	return seen.phase == SECPOD_PHASE_LOCKED ? STATUS_OK : STATUS_FAILED;
}

static enum report_mood mood_of(uint32_t answer)
{
	return answer < SECPOD_ANSWER_DENY ? REPORT_WARNING : REPORT_PLAIN;
}

int command_policy(const struct guest *guest, struct report *report, const struct options *options)
{
	static const char *const titles[] = {"rule", "answer", "mandatory", "refuses"};
	static const unsigned int widths[] = {18, 6, 9, 0};
	static const char *const refuses[SECPOD_RULE_COUNT] = {
#define RULE_REFUSES(id, name, what) what,
		SECPOD_RULES(RULE_REFUSES)
#undef RULE_REFUSES
	};
	struct secpod_info info;
	uint32_t rules;
	int status;

	(void)options;
	status = guest_info(guest, &info);
	if (status != STATUS_OK)
		return status;
	/* Those that this program and SecPod both know. */
	rules = info.rule_count < SECPOD_RULE_COUNT ? info.rule_count : SECPOD_RULE_COUNT;
	report_begin(report);
	report_table(report, "rules", titles, widths, 4);
	for (uint32_t rule = 0; rule < rules; rule++) {
		const uint32_t answer = answer_of(&info, rule);

		report_row(report);
		report_text(report, "rule", "", rule_name(rule), REPORT_PLAIN);
		report_text(report, "answer", "", answer_name(answer), mood_of(answer));
		report_flag(report, "mandatory", "", info.mandatory >> rule & 1);
		report_text(report, "refuses", "", refuses[rule], REPORT_PLAIN);
	}
	report_table_end(report);
	report_end(report);
	return STATUS_OK;
}

static const struct {
	const char *key;
	const char *label;
	size_t offset;
} counters[] = {
	{"exits", "VM exits:", offsetof(struct secpod_stats, exits)},
	{"hypercalls", "Hypercalls:", offsetof(struct secpod_stats, hypercalls)},
	{"log_written", "Records written:", offsetof(struct secpod_stats, log_written)},
	{"log_lost", "Records lost:", offsetof(struct secpod_stats, log_lost)},
	{"log_read", "Records read:", offsetof(struct secpod_stats, log_read)},
	{"console_suppressed",
	 "Lines not shown:", offsetof(struct secpod_stats, console_suppressed)},
};

static const uint64_t *counter_in(const struct secpod_stats *stats, size_t counter)
{
	return (const uint64_t *)((const char *)stats + counters[counter].offset);
}

/* before: those of the report before, or NULL. */
static void report_stats(struct report *report, const struct secpod_stats *stats,
			 const struct secpod_stats *before)
{
	static const char *const titles[] = {"rule", "records"};
	static const unsigned int widths[] = {18, 0};

	report_begin(report);
	report_number(report, "cpus", "CPUs:", stats->cpus);
	report_number(report, "pool_free", "Free pages:", stats->pool_free);
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		report_counter(report, counters[i].key, counters[i].label, *counter_in(stats, i),
			       before ? counter_in(before, i) : NULL);
	report_table(report, "rules", titles, widths, 2);
	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++) {
		if (!stats->rule[rule])
			continue;
		report_row(report);
		report_text(report, "rule", "", rule_name(rule), REPORT_PLAIN);
		report_counter(report, "records", "", stats->rule[rule],
			       before ? &before->rule[rule] : NULL);
	}
	report_table_end(report);
	report_end(report);
}

int command_stats(const struct guest *guest, struct report *report, const struct options *options)
{
	/* In turns, this one's and the one's before. */
	struct secpod_stats stats[2];
	int error;

	if (!guest_look(guest).present)
		return absent();
	for (uint32_t turn = 0;; turn++) {
		error = guest->stats(&stats[turn % 2]);
		if (error)
			return device_trouble(error);
		if (turn || (options->watch && report->terminal))
			report_again(report);
		report_stats(report, &stats[turn % 2], turn ? &stats[(turn + 1) % 2] : NULL);
		if (!options->watch || ferror(report->out) ||
		    (options->watch_turns && turn + 1 >= options->watch_turns))
			return STATUS_OK;
		sleep(options->watch);
	}
}
