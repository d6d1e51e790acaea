/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest-support/secpodctl/commands.h"

#ifndef SECPOD_VERSION
#define SECPOD_VERSION "unknown"
#endif

static const struct {
	const char *name;
	int (*run)(const struct guest *guest, struct report *report, const struct options *options);
	const char *what;
} commands[] = {
	{"status", command_status, "is this system protected"},
	{"log", command_log, "the audit log (-f: go on with what comes)"},
	{"stats", command_stats, "counters (--watch[=SECONDS]: again and again)"},
	{"policy", command_policy, "the rules and their answers"},
	{"sites", command_sites, "where kernel code is patched"},
	{"lock", command_lock, "lock the protection now"},
	{"check", command_check, "what SecPod needs, and whether this machine has it"},
	{"selftest", command_selftest, "harmless attempts at what SecPod refuses"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *out)
{
	fputs("usage: secpodctl [--json] COMMAND\n\n", out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-9s  %s\n", commands[i].name, commands[i].what);
	fputs("\n  --json      for programs: one JSON object, for the log one a line\n"
	      "  --version, --help\n\nsecpodctl(8) lists the exit statuses.\n",
	      out);
}

/* A number of seconds, 1 to a day. */
static int read_seconds(const char *text, uint32_t *seconds)
{
	const unsigned long most = 86400;
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || value == 0 || value > most || strchr(text, '-'))
		return -EINVAL;
	*seconds = (uint32_t)value;
	return 0;
}

enum { OPTION_JSON = 256, OPTION_WATCH, OPTION_VERSION, OPTION_HELP };

static const struct option long_options[] = {
	{"json", no_argument, NULL, OPTION_JSON},
	{"follow", no_argument, NULL, 'f'},
	{"watch", optional_argument, NULL, OPTION_WATCH},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, OPTION_HELP},
	{NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
	struct report report = {.out = stdout};
	struct options options = {0};
	int option;

	while ((option = getopt_long(argc, argv, "f", long_options, NULL)) != -1) {
		switch (option) {
		case OPTION_JSON:
			report.json = true;
			break;
		case 'f':
			options.follow = true;
			break;
		case OPTION_WATCH:
			options.watch = 1;
			if (optarg && read_seconds(optarg, &options.watch)) {
				fprintf(stderr, "secpodctl: --watch=%s: seconds, 1 to 86400\n",
					optarg);
				return STATUS_USAGE;
			}
			break;
		case OPTION_VERSION:
			puts("secpodctl " SECPOD_VERSION);
			return STATUS_OK;
		case OPTION_HELP:
			usage(stdout);
			return STATUS_OK;
		default:
			return STATUS_USAGE;
		}
	}
	if (argc - optind != 1) {
		usage(stderr);
		return STATUS_USAGE;
	}
	report.colour = !report.json && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	for (size_t i = 0; i < COMMANDS; i++) {
		if (!strcmp(commands[i].name, argv[optind]))
			return commands[i].run(&this_guest, &report, &options);
	}
	fprintf(stderr, "secpodctl: no command %s\n", argv[optind]);
	return STATUS_USAGE;
}
