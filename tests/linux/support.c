/* SPDX-License-Identifier: MIT */
/* guest-support/ on a real kernel: the module, its device and counters, and secpodctl over them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"
#include "phases.h"
#include "protection.h"
#include "guest-support/include/secpod_device.h"

#define MODULE "secpod"
#define PARAMETERS "log_interval=50"
#define WITHOUT_REDIRECTION PARAMETERS " redirect=0"
#define FUNCTIONS 5
#define BRACKETS 2
#define LAZY "/sys/module/secpod/parameters/lazy"
#define COUNTERS "/sys/kernel/secpod/"
#define EVENT TRACING "events/sched/sched_switch/enable"
#define MSR_CSTAR 0xc0000083u
#define TEXT_SIZE 16384u
#define WAIT_MS 5000

/* What secpodctl says and exits with; -1: it did not end by itself. */
static int secpodctl(char *const *arguments, char *text, size_t size)
{
	int ends[2], status;
	size_t length = 0;
	ssize_t n = 1;
	pid_t child;

	if (pipe(ends))
		return -1;
	child = fork();
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		execv("/bin/secpodctl-static", arguments);
		_exit(127);
	}
	close(ends[1]);
	while (n > 0 && length < size - 1) {
		n = read(ends[0], text + length, size - 1 - length);
		length += n > 0 ? (size_t)n : 0;
	}
	text[length] = '\0';
	close(ends[0]);
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

#define RUN(text, ...) \
	secpodctl((char *[]){(char *)"secpodctl", __VA_ARGS__, NULL}, text, sizeof(text))

/* What SecPod refuses to a root user: another system-call entry. */
static int provoke(void)
{
	int msr = open("/dev/cpu/0/msr", O_RDWR | O_CLOEXEC);
	uint64_t value;

	CHECK(msr >= 0);
	CHECK(pread(msr, &value, sizeof(value), MSR_CSTAR) == sizeof(value));
	value ^= 0x10;
	errno = 0;
	CHECK(pwrite(msr, &value, sizeof(value), MSR_CSTAR) < 0 && errno == EIO);
	return close(msr);
}

/* A record of that rule that comes in time; others may come before. */
static int wait_for(int device, uint8_t rule, struct secpod_record *record)
{
	struct pollfd ready = {.fd = device, .events = POLLIN};

	do {
		CHECK(poll(&ready, 1, WAIT_MS) == 1 && (ready.revents & POLLIN));
		CHECK(read(device, record, sizeof(*record)) == sizeof(*record));
	} while (record->rule != rule);
	return 0;
}

static int device(void)
{
	int first = open(SECPOD_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int second = open(SECPOD_DEVICE, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct secpod_record record, again;
	struct secpod_stats before, after;
	struct secpod_info info;
	struct pollfd ready = {.fd = second, .events = POLLIN};
	char *volatile nowhere = (char *)8;
	uint8_t byte;

	CHECK(first >= 0 && second >= 0);
	CHECK(ioctl(first, SECPOD_IOC_INFO, &info) == 0);
	CHECK(info.phase == SECPOD_PHASE_LOCKED && info.rule_count == SECPOD_RULE_COUNT);
	CHECK(ioctl(first, SECPOD_IOC_INFO, NULL) < 0 && errno == EFAULT);
	CHECK(ioctl(first, _IO('S', 0x7f), 0) < 0 && errno == ENOTTY);
	CHECK(ioctl(first, SECPOD_IOC_LOCK, 0) == 0);
	CHECK(read(first, &byte, sizeof(byte)) < 0 && errno == EINVAL);

	CHECK(ioctl(first, SECPOD_IOC_STATS, &before) == 0);
	CHECK(provoke() == 0);
	CHECK(ioctl(first, SECPOD_IOC_STATS, &after) == 0);
	CHECK(after.rule[SECPOD_RULE_SYSCALL_MSR] == before.rule[SECPOD_RULE_SYSCALL_MSR] + 1);
	/* Each open file gets each record. */
	CHECK(wait_for(first, SECPOD_RULE_SYSCALL_MSR, &record) == 0);
	CHECK(wait_for(second, SECPOD_RULE_SYSCALL_MSR, &again) == 0);
	CHECK(memcmp(&record, &again, sizeof(record)) == 0);
	CHECK(record.answer == SECPOD_ANSWER_DENY && record.detail[2] == MSR_CSTAR);
	while (read(first, &record, sizeof(record)) == sizeof(record))
		continue;
	CHECK(errno == EAGAIN);
	/* A record that did not arrive is not lost. */
	CHECK(provoke() == 0);
	CHECK(poll(&ready, 1, WAIT_MS) == 1);
	CHECK(read(second, nowhere, sizeof(record)) < 0 && errno == EFAULT);
	CHECK(wait_for(second, SECPOD_RULE_SYSCALL_MSR, &record) == 0);
	return close(first) | close(second);
}

static int counters(void)
{
	char text[32];

	CHECK(get_text(COUNTERS "phase", text, sizeof(text)) == 0 && !strcmp(text, "LOCKED\n"));
	CHECK(get_number(COUNTERS "cpus") >= 1);
	CHECK(get_number(COUNTERS "rules/syscall-msr") >= 1);
	CHECK(get_number(COUNTERS "log_lost") == 0);
	CHECK(get_number(COUNTERS "log_written") >= get_number(COUNTERS "log_read"));
	return 0;
}

static int program(void)
{
	static char text[TEXT_SIZE];

	CHECK(RUN(text, (char *)"status") == 0 && strstr(text, "LOCKED"));
	CHECK(RUN(text, (char *)"--json", (char *)"status") == 0);
	CHECK(strstr(text, "\"phase\": \"LOCKED\"") && strstr(text, "\"device\": \"usable\""));
	CHECK(RUN(text, (char *)"selftest") == 0 && !strstr(text, "not tried"));
	CHECK(RUN(text, (char *)"check") == 0);
	CHECK(RUN(text, (char *)"policy") == 0 && strstr(text, "syscall-msr"));
	CHECK(RUN(text, (char *)"stats") == 0 && strstr(text, "syscall-msr"));
	CHECK(RUN(text, (char *)"log") == 0 && strstr(text, "syscall-msr deny"));
	CHECK(RUN(text, (char *)"lock") == 0);
	CHECK(RUN(text, (char *)"nonsense") == 2);
	return 0;
}

/* Without the module secpodctl has what CPUID says. */
static int program_alone(void)
{
	static char text[TEXT_SIZE];

	CHECK(RUN(text, (char *)"status") == 0 && strstr(text, "not loaded"));
	CHECK(RUN(text, (char *)"stats") == 5);
	return 0;
}

/* Before anything of it is done: the kernel log says who refused. */
static int hibernation(void)
{
	int state = open("/sys/power/state", O_WRONLY | O_CLOEXEC);

	CHECK(state >= 0);
	errno = 0;
	CHECK(write(state, "disk", 4) < 0 && errno == EPERM);
	return close(state);
}

/* Neither is another kernel loaded, nor would one that was loaded before be started. */
static int kexec(void)
{
	CHECK(syscall(SYS_kexec_load, 0, 0, NULL, 0) < 0 && errno == EPERM);
	CHECK(syscall(SYS_kexec_file_load, -1, -1, 1, "", 0) < 0 && errno == EPERM);
	CHECK(reboot(RB_KEXEC) < 0 && errno == EPERM);
	return 0;
}

/* The kernel's own answers: nothing to forget, no file, nothing to start. */
static int kexec_alone(void)
{
	CHECK(syscall(SYS_kexec_load, 0, 0, NULL, 0) == 0);
	CHECK(syscall(SYS_kexec_file_load, -1, -1, 1, "", 0) < 0 && errno == EBADF);
	CHECK(reboot(RB_KEXEC) < 0 && errno == EINVAL);
	return 0;
}

/* A module has its name from when it comes, before any of it runs; the second one is that of its start. */
static int names(void)
{
	int device = open(SECPOD_DEVICE, O_RDONLY | O_CLOEXEC);
	struct secpod_record record;

	CHECK(device >= 0);
	CHECK(load_module("dummy", "numdummies=0", false) == 0);
	for (unsigned int i = 0; i < 2; i++) {
		do
			CHECK(wait_for(device, SECPOD_RULE_CODE_NEW, &record) == 0);
		while (strcmp(record.code, "dummy") != 0);
		CHECK(record.answer == SECPOD_ANSWER_LOG && !record.gone);
		CHECK(record.detail[1] % PAGE == 0 && record.detail[3] >= PAGE);
	}
	CHECK(unload_module("dummy") == 0);
	return close(device);
}

static int parts(void)
{
	CHECK(names() == 0);
	CHECK(hibernation() == 0);
	CHECK(kexec() == 0);
	CHECK(device() == 0);
	CHECK(counters() == 0);
	CHECK(program() == 0);
	return 0;
}

/* A call for each entry, and for each list of them; the rest is what a process does meanwhile. */
#define FEW 16u

/* Each function that is redirected is patched in two places. */
static int sites(void)
{
	static char text[16 * TEXT_SIZE];
	unsigned int jumps = 0;

	CHECK(RUN(text, (char *)"sites") == 0);
	for (const char *at = text; (at = strstr(at, "  jump ")) != NULL; at++)
		jumps++;
	CHECK(jumps >= 2 * FUNCTIONS);
	CHECK(RUN(text, (char *)"--json", (char *)"sites") == 0);
	CHECK(strstr(text, "\"state\": \"jump\""));
	return 0;
}

static int redirected(void)
{
	uint64_t exits;

	CHECK(get_number(COUNTERS "redirected") == FUNCTIONS);
	CHECK(sites() == 0);
	/* The kernel's functions lead into it. */
	CHECK(unload_module(MODULE) == -EWOULDBLOCK);
	CHECK(get_number(COUNTERS "rearmed") == BRACKETS);
	CHECK(put_number(LAZY, 0) == 0);
	exits = exits_of_mprotect();
	CHECK(exits >= PROTECTED && exits < PROTECTED + PROTECTED / 10);
	CHECK(protection_holds() == 0);
	CHECK(put_number(LAZY, 1) == 0);
	exits = exits_of_mprotect();
	CHECK(exits > 0 && exits < FEW);
	CHECK(protection_holds() == 0);
	printf("GUEST: support: mprotect of %u pages, exits %llu\n", PROTECTED,
	       (unsigned long long)exits);
	return 0;
}

/* With "lock = request" the machine is ACTIVE until the module is asked, and its functions lead into it before. */
static int locking(void)
{
	static char text[TEXT_SIZE];

	CHECK(RUN(text, (char *)"status") == 4 && strstr(text, "ACTIVE"));
	CHECK(RUN(text, (char *)"lock") == 5);
	/* The profile has what is patched by then. */
	CHECK(mount_tracing() == 0 && put_text(EVENT, "1") == 0);
	CHECK(load_module(MODULE, PARAMETERS, false) == 0);
	CHECK(get_text(COUNTERS "phase", text, sizeof(text)) == 0 && !strcmp(text, "ACTIVE\n"));
	CHECK(RUN(text, (char *)"sites") == 0 && strstr(text, "  jump "));
	CHECK(RUN(text, (char *)"lock") == 0 && strstr(text, "LOCKED"));
	CHECK(put_text(EVENT, "0") == 0);
	CHECK(guest_cpuid(SECPOD_CPUID_VERSION, 0).ecx == SECPOD_PHASE_LOCKED);
	printf("GUEST: support: LOCKED by request\n");
	CHECK(parts() == 0);
	return redirected();
}

static int under_secpod(void)
{
	CHECK(load_module("msr", "", true) == 0);
	if (guest_cpuid(SECPOD_CPUID_VERSION, 0).ecx != SECPOD_PHASE_LOCKED)
		return locking();
	CHECK(program_alone() == 0);
	CHECK(kexec_alone() == 0);
	CHECK(load_module(MODULE, WITHOUT_REDIRECTION, false) == 0);
	CHECK(parts() == 0);
	CHECK(get_number(COUNTERS "redirected") == 0);
	CHECK(get_number(COUNTERS "rearmed") == 0);
	CHECK(exits_of_mprotect() > PROTECTED + PROTECTED / 2);
	/* It can go, and come again. */
	CHECK(unload_module(MODULE) == 0);
	CHECK(access(SECPOD_DEVICE, F_OK) < 0 && access(COUNTERS, F_OK) < 0);
	CHECK(kexec_alone() == 0);
	CHECK(load_module(MODULE, PARAMETERS, false) == 0);
	CHECK(parts() == 0);
	return redirected();
}

/* The module has nothing to do, and says so; nothing is left of it. */
static int without(void)
{
	static char text[TEXT_SIZE];

	CHECK(load_module(MODULE, "", false) == -ENODEV);
	CHECK(access(SECPOD_DEVICE, F_OK) < 0 && access(COUNTERS, F_OK) < 0);
	CHECK(RUN(text, (char *)"status") == 3 && RUN(text, (char *)"selftest") == 3);
	return 0;
}

/* The module alone, for what comes after it: whole ranges by request, and single entries too. */
int tier_a1_main(void)
{
	return load_module(MODULE, WITHOUT_REDIRECTION, false);
}

int tier_a2_main(void)
{
	CHECK(load_module(MODULE, PARAMETERS, false) == 0);
	CHECK(get_number(COUNTERS "redirected") == FUNCTIONS);
	CHECK(get_number(COUNTERS "rearmed") == BRACKETS);
	return 0;
}

int support_main(void)
{
	return strcmp(guest_signature(), SECPOD_SIGNATURE) == 0 ? under_secpod() : without();
}
