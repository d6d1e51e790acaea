/* SPDX-License-Identifier: MIT */
/* The kernel's text is changed while it runs: probes, function tracing, tracepoints, static keys. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "phases.h"

#define CALLS 10u
#define TRACE TRACING "trace"
#define EVENT_PID TRACING "set_event_pid"
#define LINE_SIZE 256

/* A function of the kernel that nobody here calls but this. */
#define PROBED "__x64_sys_getpgid"

static void call_probed(void)
{
	for (unsigned int i = 0; i < CALLS; i++)
		syscall(SYS_getpgid, 0);
}

/* Empties the trace: that is what opening it for writing does. */
static int start_trace(void)
{
	int fd = open(TRACE, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Lines of the trace with this text in them. */
static unsigned int traced(const char *text)
{
	char line[LINE_SIZE];
	unsigned int count = 0;
	FILE *file = fopen(TRACE, "re");

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		count += line[0] != '#' && strstr(line, text) != NULL;
	fclose(file);
	return count;
}

static int enable(const char *event, bool on)
{
	char path[LINE_SIZE];

	snprintf(path, sizeof(path), TRACING "events/%s/enable", event);
	return put_text(path, on ? "1" : "0");
}

static int append(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	ssize_t done;
	int error;

	if (fd < 0)
		return -errno;
	done = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	return done < 0 ? -error : 0;
}

/* For this process alone. */
static int begin(void)
{
	CHECK(mount_tracing() == 0);
	CHECK(put_number(EVENT_PID, (uint64_t)getpid()) == 0);
	CHECK(start_trace() == 0);
	return 0;
}

/* ---- probes of the kernel */

#define KPROBES TRACING "kprobe_events"

static int kprobe(void)
{
	char result[LINE_SIZE];

	if (begin())
		return 1;
	CHECK(setpgid(0, 0) == 0);
	CHECK(append(KPROBES, "p:secpod_probe " PROBED) == 0);
	CHECK(append(KPROBES, "r:secpod_return " PROBED " result=$retval:u32") == 0);
	CHECK(enable("kprobes/secpod_probe", true) == 0);
	CHECK(enable("kprobes/secpod_return", true) == 0);
	call_probed();
	/* Each change makes the kernel wait until no CPU can be in the old text: seconds, so there is one. */
	CHECK(enable("kprobes/secpod_probe", false) == 0);
	CHECK(enable("kprobes/secpod_return", false) == 0);
	call_probed();
	CHECK(traced("secpod_probe: ") == CALLS);
	snprintf(result, sizeof(result), "result=%d", getpgid(0));
	CHECK(traced("secpod_return: ") == CALLS);
	CHECK(traced(result) == CALLS);
	CHECK(append(KPROBES, "-:secpod_probe") == 0 && append(KPROBES, "-:secpod_return") == 0);
	return 0;
}

/*
 * What follows ENDBR (6.12) and the call that every function begins with, where a probe would go by ftrace: INT3, some time
 * later a jump in its place.
 */
#define OFFSET_FIRST 9u
#define OFFSET_LAST 24u
/* Longer than the kernel waits before it makes jumps. */
#define OPTIMIZED_MICROSECONDS 200000u

static int kprobe_inside(void)
{
	char line[LINE_SIZE];
	int error = -EILSEQ;

	if (get_text("/proc/cmdline", line, sizeof(line)) == 0 && strstr(line, "secpod.profile"))
		return phase_skip("no profile has such a place");
	if (begin())
		return 1;
	for (unsigned int at = OFFSET_FIRST; error && at <= OFFSET_LAST; at++) {
		snprintf(line, sizeof(line), "p:secpod_inside " PROBED "+%u", at);
		if (append(KPROBES, line))
			continue;
		/* Only now the kernel looks where its instructions begin. */
		error = enable("kprobes/secpod_inside", true);
		if (error)
			CHECK(append(KPROBES, "-:secpod_inside") == 0);
	}
	CHECK(error == 0);
	call_probed();
	usleep(OPTIMIZED_MICROSECONDS);
	call_probed();
	CHECK(traced("secpod_inside: ") == 2 * CALLS);
	CHECK(enable("kprobes/secpod_inside", false) == 0);
	CHECK(append(KPROBES, "-:secpod_inside") == 0);
	call_probed();
	return 0;
}

/* ---- probes of a program */

#define UPROBES TRACING "uprobe_events"

static __attribute__((noinline)) unsigned int probed(unsigned int x)
{
	__asm__ volatile("" : "+r"(x));
	return x + 1;
}

/* Where in the program's file an address of its text comes from; 0 when it is not found. */
static unsigned long file_offset(uintptr_t address)
{
	char line[LINE_SIZE];
	unsigned long start, end, offset, found = 0;
	FILE *file = fopen("/proc/self/maps", "re");

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 &&
		    address >= start && address < end)
			found = address - start + offset;
	}
	fclose(file);
	return found;
}

static int uprobe(void)
{
	unsigned long offset = file_offset((uintptr_t)probed);
	char line[LINE_SIZE];

	if (begin())
		return 1;
	CHECK(offset);
	snprintf(line, sizeof(line), "p:secpod_user /init:0x%lx", offset);
	CHECK(append(UPROBES, line) == 0);
	for (unsigned int round = 1; round <= 3; round++) {
		CHECK(enable("uprobes/secpod_user", true) == 0);
		for (unsigned int i = 0; i < CALLS; i++)
			CHECK(probed(i) == i + 1);
		CHECK(enable("uprobes/secpod_user", false) == 0);
		CHECK(probed(7) == 8);
		CHECK(traced("secpod_user: ") == round * CALLS);
	}
	CHECK(append(UPROBES, "-:secpod_user") == 0);
	return 0;
}

/* ---- functions */

#define FILTER TRACING "set_ftrace_filter"
#define FTRACE_PID TRACING "set_ftrace_pid"
#define TRACER TRACING "current_tracer"

static int function_trace(void)
{
	unsigned int count;

	if (begin())
		return 1;
	CHECK(put_text(FILTER, "__x64_sys_get*") == 0);
	CHECK(put_number(FTRACE_PID, (uint64_t)getpid()) == 0);
	CHECK(put_text(TRACER, "function") == 0);
	call_probed();
	/* Another tracer empties the trace. */
	count = traced(": " PROBED " <-");
	CHECK(put_text(TRACER, "function_graph") == 0);
	CHECK(count == CALLS);
	call_probed();
	count = traced(PROBED "()");
	CHECK(put_text(TRACER, "nop") == 0);
	CHECK(count == CALLS);
	CHECK(start_trace() == 0);
	call_probed();
	CHECK(traced(PROBED) == 0);
	return 0;
}

/* ---- tracepoints and other places that are jumps or nothing */

static int tracepoint(void)
{
	if (begin())
		return 1;
	for (unsigned int round = 1; round <= 3; round++) {
		CHECK(enable("syscalls/sys_enter_getpgid", true) == 0);
		call_probed();
		CHECK(enable("syscalls/sys_enter_getpgid", false) == 0);
		syscall(SYS_getpgid, 0);
		CHECK(traced("sys_getpgid(") == round * CALLS);
	}
	CHECK(enable("sched/sched_switch", true) == 0);
	usleep(1000);
	CHECK(enable("sched/sched_switch", false) == 0);
	CHECK(traced("sched_switch: ") > 0);
	return 0;
}

#define STATIC_KEY "/proc/sys/kernel/sched_schedstats"

static int static_key(void)
{
	for (uint64_t i = 1; i <= 2 * CALLS; i++) {
		CHECK(put_number(STATIC_KEY, i % 2) == 0);
		sched_yield();
		CHECK(get_number(STATIC_KEY) == i % 2);
	}
	return 0;
}

const struct phase phases_tracing[] = {
	{"kprobe", kprobe},
	{"kprobe-inside", kprobe_inside},
	{"uprobe", uprobe},
	{"ftrace", function_trace},
	{"tracepoint", tracepoint},
	{"static-key", static_key},
	{NULL, NULL},
};
