/* SPDX-License-Identifier: MIT */
/*
 * Runs phases one after another, says what came of each, and how many VM exits of which reason it caused.
 */
#include "phases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"
#include "tables.h"
#include "guest-support/include/secpod_abi.h"

/* A phase that takes longer hangs. Seconds of the machine's own clock, which counts instructions. */
#define SECONDS_EACH 120u
#define SKIPPED 77
#define REASON_CPUID 10u

static const struct phase *const workload_lists[] = {
	phases_processes, phases_memory,  phases_advice, phases_files,
	phases_reclaim,	  phases_tracing, phases_bpf,	 phases_modules,
};

static const struct phase *const feature_lists[] = {
	features_cpu,
	features_perf,
	features_machine,
};

static const char *running;

struct exits {
	uint64_t of[SECPOD_STAT_EXIT_REASONS];
	uint64_t milliseconds;
};

static void take_exits(struct exits *exits)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	exits->milliseconds = (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
	for (uint32_t i = 0; i < SECPOD_STAT_EXIT_REASONS; i++) {
		exits->of[i] = 0;
		guest_stat(SECPOD_STAT_EXIT_REASON + i, &exits->of[i]);
	}
}

/* CPUID apart: it is how they are counted. */
static void say_exits(const struct exits *before, const struct exits *after)
{
	struct tables tables;
	uint64_t value;
	bool any = false;

	if (!guest_stat(SECPOD_STAT_CPUS, &value))
		return;
	printf("GUEST: exits of %s in %llu ms:", running,
	       (unsigned long long)(after->milliseconds - before->milliseconds));
	for (uint32_t i = 0; i < SECPOD_STAT_EXIT_REASONS; i++) {
		if (i == REASON_CPUID || after->of[i] == before->of[i])
			continue;
		printf("%s %s %llu", any ? "," : "", guest_exit_name(i),
		       (unsigned long long)(after->of[i] - before->of[i]));
		any = true;
	}
	printf("%s", any ? "" : " none");
	if (tables_take(&tables))
		printf("; page tables %llu, pending %llu", (unsigned long long)tables_all(&tables),
		       (unsigned long long)tables.pending);
	printf("\n");
}

int phase_skip(const char *reason)
{
	printf("GUEST: phase %s skipped: %s\n", running, reason);
	return SKIPPED;
}

/* As a child, so that what it leaves behind goes with it. Result: its exit status, 1 when it was killed. */
static int run_phase(const struct phase *phase)
{
	struct exits before, after;
	int status;
	pid_t child;

	running = phase->name;
	take_exits(&before);
	child = fork();
	if (child == 0) {
		alarm(SECONDS_EACH);
		exit(phase->run());
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 1;
	take_exits(&after);
	if (!WIFEXITED(status)) {
		printf("GUEST: phase %s: killed by signal %d\n", running, WTERMSIG(status));
		status = 1;
	} else {
		status = WEXITSTATUS(status);
	}
	if (status != SKIPPED)
		printf("GUEST: phase %s %s\n", running, status ? "FAILED" : "passed");
	say_exits(&before, &after);
	/* What the kernel prints goes in between otherwise. */
	tcdrain(STDOUT_FILENO);
	return status;
}

/* What is to be shown is how things are after LOCKED. */
static bool is_locked(void)
{
	return strcmp(guest_signature(), SECPOD_SIGNATURE) != 0 ||
	       guest_cpuid(SECPOD_CPUID_VERSION, 0).ecx == SECPOD_PHASE_LOCKED;
}

static int run_lists(const struct phase *const *lists, size_t count)
{
	int passed = 0, skipped = 0, failed = 0;
	struct tables tables;
	bool delegated;

	if (!is_locked()) {
		printf("GUEST: SecPod is not LOCKED\n");
		return 1;
	}
	tables_settle();
	delegated = tables_take(&tables);
	for (size_t i = 0; i < count; i++) {
		for (const struct phase *phase = lists[i]; phase->name; phase++) {
			int status = run_phase(phase);

			passed += status == 0;
			skipped += status == SKIPPED;
			failed += status != 0 && status != SKIPPED;
		}
	}
	printf("GUEST: %d phases passed, %d skipped, %d failed\n", passed, skipped, failed);
	if (delegated) {
		tables_settle();
		failed += tables_leak(&tables);
	}
	return failed != 0;
}

int phases_main(void)
{
	return run_lists(workload_lists, COUNT_OF(workload_lists));
}

int features_main(void)
{
	return run_lists(feature_lists, COUNT_OF(feature_lists));
}

static const struct phase *find(const struct phase *const *lists, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		for (const struct phase *phase = lists[i]; phase->name; phase++) {
			if (!strcmp(phase->name, name))
				return phase;
		}
	}
	return NULL;
}

int phase_main(const char *name)
{
	const struct phase *phase = find(workload_lists, COUNT_OF(workload_lists), name);

	if (!phase)
		phase = find(feature_lists, COUNT_OF(feature_lists), name);
	if (!phase) {
		printf("GUEST: no phase %s\n", name);
		return 1;
	}
	return run_phase(phase) == 0 ? 0 : 1;
}
