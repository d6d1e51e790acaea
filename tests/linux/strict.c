/* SPDX-License-Identifier: MIT */
/*
 * Under a policy that denies new code: what needs none works as ever, who wants some ends, and nobody else notices.
 * Without the policy nobody ends, and this fails. docs/configuration.md has the list.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"
#include "phases.h"

/* Tracers and probes at the beginning of functions go by ftrace, filters have room in pages that BPF has since boot. */
static const char *const works[] = {"static-key", "tracepoint",	 "kprobe",
				    "ftrace",	  "bpf-classic", "bpf-seccomp"};

/* Its init function is the first of its code that is executed. */
static int load(void)
{
	return load_module("dummy", "numdummies=1", false);
}

static int probe_inside(void)
{
	for (const struct phase *phase = phases_tracing; phase->name; phase++) {
		if (!strcmp(phase->name, "kprobe-inside"))
			return phase->run();
	}
	return 1;
}

static const struct {
	const char *what;
	int (*run)(void);
} ends[] = {
	{"module", load},
	/* Last: the probe stays, and ends who comes by. */
	{"kprobe-inside", probe_inside},
};

/* An oops is how the thread ends. */
static bool is_killed(int (*run)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(run() ? 1 : 0);
	return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status);
}

int strict_main(void)
{
	CHECK(access("/dummy.ko", R_OK) == 0);
	for (size_t i = 0; i < COUNT_OF(works); i++)
		CHECK(phase_main(works[i]) == 0);
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		CHECK(is_killed(ends[i].run));
		printf("GUEST: strict: %s ended\n", ends[i].what);
		/* No lock is left behind that others need. */
		CHECK(guest_run_self("nothing") == 0);
		CHECK(phase_main("static-key") == 0);
	}
	CHECK(access("/sys/class/net/dummy0", F_OK) < 0);
	return 0;
}
