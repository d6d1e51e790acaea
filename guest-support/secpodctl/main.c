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

/* option: what it alone takes, of those that are not for all commands. */
static const struct command {
	const char *name;
	int (*run)(const struct guest *guest, struct report *report, const struct options *options);
	const char *option;
	const char *what;
} commands[] = {
	{"status", command_status, NULL, "is this system protected"},
	{"log", command_log, "follow", "the audit log (-f: go on with what comes)"},
	{"stats", command_stats, "watch", "counters (--watch[=SECONDS]: again and again)"},
	{"policy", command_policy, NULL, "the rules and their answers"},
	{"sites", command_sites, NULL, "where kernel code is patched"},
	{"lock", command_lock, NULL, "lock the protection now"},
	{"check", command_check, NULL, "what SecPod needs, and whether this machine has it"},
	{"selftest", command_selftest, NULL, "harmless attempts at what SecPod refuses"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *out)
{
	fputs("usage: secpodctl [--json] COMMAND\n\n", out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-9s  %s\n", commands[i].name, commands[i].what);
	fputs("\n  --json      for programs: one JSON object, for log, sites and --watch one a line\n"
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

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

/* An option that another command has would be without effect, and is a mistake. */
static bool takes(const struct command *command, const char *option, bool given)
{
	if (!given || (command->option && !strcmp(command->option, option)))
		return true;
	fprintf(stderr, "secpodctl: %s has no --%s\n", command->name, option);
	return false;
}

/* words: the command, and what should not be behind it. */
static int run(char *const *words, struct report *report, const struct options *options)
{
	const struct command *command;

	if (!words[0]) {
		usage(stderr);
		return STATUS_USAGE;
	}
	command = find_command(words[0]);
	if (!command) {
		fprintf(stderr, "secpodctl: no command %s; secpodctl --help lists them\n",
			words[0]);
		return STATUS_USAGE;
	}
	if (words[1]) {
		fprintf(stderr, "secpodctl: %s: one argument too many: %s\n", command->name,
			words[1]);
		return STATUS_USAGE;
	}
	if (!takes(command, "follow", options->follow) ||
	    !takes(command, "watch", options->watch > 0))
		return STATUS_USAGE;
	return command->run(&this_guest, report, options);
}

/* What was not written was not said. */
static int said(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	fputs("secpodctl: what there is to say cannot be written\n", stderr);
	return STATUS_FAILED;
}

enum { OPTION_JSON = 256, OPTION_WATCH, OPTION_VERSION };

static const struct option long_options[] = {
	{"json", no_argument, NULL, OPTION_JSON},
	{"follow", no_argument, NULL, 'f'},
	{"watch", optional_argument, NULL, OPTION_WATCH},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
	struct report report = {.out = stdout};
	struct options options = {0};
	int option;

	while ((option = getopt_long(argc, argv, "fh", long_options, NULL)) != -1) {
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
			return said(STATUS_OK);
		case 'h':
			usage(stdout);
			return said(STATUS_OK);
		default:
			return STATUS_USAGE;
		}
	}
	report.terminal = !report.json && isatty(STDOUT_FILENO);
	report.colour = report.terminal && !getenv("NO_COLOR");
	return said(run(argv + optind, &report, &options));
}
