/* SPDX-License-Identifier: MIT */
/*
 * /init: says what it runs on, runs the parts named on the kernel command line, ends the machine.
 * secpod.test=WORD,WORD,... with the words of the table below; phase:NAME is one phase of "phases" or "features".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "guest.h"
#include "phases.h"
#include "guest-support/include/secpod_abi.h"

#define COMMAND_LINE_MAX 4096

struct cpuid_answer guest_cpuid(uint32_t leaf, uint32_t index)
{
	struct cpuid_answer a;

	__asm__ volatile("cpuid"
			 : "=a"(a.eax), "=b"(a.ebx), "=c"(a.ecx), "=d"(a.edx)
			 : "a"(leaf), "c"(index));
	return a;
}

uint64_t guest_rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

const char *guest_signature(void)
{
	static char text[13];
	const uint32_t hypervisor = 1u << 31;
	struct cpuid_answer a;

	if (!(guest_cpuid(1, 0).ecx & hypervisor))
		return "none";
	a = guest_cpuid(SECPOD_CPUID_SIGNATURE, 0);
	memcpy(text, &a.ebx, 4);
	memcpy(text + 4, &a.ecx, 4);
	memcpy(text + 8, &a.edx, 4);
	return text;
}

bool guest_stat(uint32_t index, uint64_t *value)
{
	struct cpuid_answer a;

	if (strcmp(guest_signature(), SECPOD_SIGNATURE) ||
	    !(guest_cpuid(SECPOD_CPUID_VERSION, 0).ebx & SECPOD_FEATURE_STATS))
		return false;
	a = guest_cpuid(SECPOD_CPUID_STATS, index);
	*value = (uint64_t)a.edx << 32 | a.eax;
	return a.ebx;
}

int guest_run_self(const char *argument)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		execl("/init", "init", argument, (char *)NULL);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int run_shell(void)
{
	pid_t child;
	int status;

	printf("GUEST: a shell; \"exit\" powers the machine off\n");
	fflush(stdout);
	child = fork();
	if (child == 0) {
		/* Its own session on the serial line, so that it has job control. */
		execl("/bin/busybox", "busybox", "setsid", "-c", "/bin/busybox", "sh", "-l",
		      (char *)NULL);
		_exit(127);
	}
	return child < 0 || waitpid(child, &status, 0) != child;
}

/* Tells SecPod that this boot is good, as docs/configuration.md has it: the counter is deleted. */
static int confirm(void)
{
	const char *counter = EFIVARS "/SecPodBootAttempts-5ec9d0d1-7b1c-4d0e-9a5f-536563506f64";
	int error = mount_efivars();
	uint32_t value[2];
	int flags = 0;
	int fd;

	if (error) {
		printf("GUEST: confirm: no efivarfs: %s\n", strerror(-error));
		return 1;
	}
	fd = open(counter, O_RDONLY);
	/* efivarfs shows the variable's attributes before its value. */
	if (fd < 0 || read(fd, value, sizeof(value)) != sizeof(value)) {
		printf("GUEST: confirm: %s: %s\n", counter, strerror(errno));
		return 1;
	}
	printf("GUEST: confirm: boots counted %u\n", value[1]);
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) || close(fd) || unlink(counter)) {
		printf("GUEST: confirm: deleting the counter: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}

static int power_off(void)
{
	sync();
	tcdrain(STDOUT_FILENO);
	return reboot(RB_POWER_OFF);
}

static int restart(void)
{
	sync();
	tcdrain(STDOUT_FILENO);
	return reboot(RB_AUTOBOOT);
}

static int nothing(void)
{
	return 0;
}

/* tests/install/boot-entry, which wants to be told nothing. */
static int boot_entry(void)
{
	execl("/bin/bash", "bash", "/bin/boot-entry", (char *)NULL);
	return 1;
}

struct part {
	const char *word;
	int (*run)(void);
	bool in_child; /* run as a process of its own, so that its crash is a failure and no panic */
};

static const struct part parts[] = {
	{"hello", nothing, false},
	{"workload", workload_main, true},
	{"hotplug", hotplug_main, true},
	{"bench", bench_main, true},
	{"bench-text", bench_text_main, true},
	{"idle", idle_main, true},
	{"bench-paging", bench_paging_main, true},
	{"cpuid", cpuid_main, true},
	{"summary", summary_main, true},
	{"features", features_main, true},
	{"phases", phases_main, true},
	/* What comes after it has the module loaded. */
	{"support", support_main, true},
	{"tier-a1", tier_a1_main, true},
	{"tier-a2", tier_a2_main, true},
	{"requests", requests_main, true},
	{"strict", strict_main, true},
	{"shell", run_shell, false},
	{"confirm", confirm, false},
	{"boot-entry", boot_entry, true},
	/* What the exec bench executes: a program that only starts and ends. */
	{"nothing", nothing, true},
};

static const struct part *part_of(const char *word)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!strcmp(parts[i].word, word))
			return &parts[i];
	}
	return NULL;
}

static void mount_all(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mkdir("/tmp", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
}

static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR);

	if (fd < 0)
		return;
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

/* In words, "none" without SecPod. */
static const char *protection(void)
{
	static const char *const names[] = {
		[SECPOD_PHASE_OFF] = "OFF",
		[SECPOD_PHASE_GUEST] = "GUEST",
		[SECPOD_PHASE_ACTIVE] = "ACTIVE",
		[SECPOD_PHASE_LOCKED] = "LOCKED",
	};
	uint32_t phase;

	if (strcmp(guest_signature(), SECPOD_SIGNATURE) != 0)
		return "none";
	phase = guest_cpuid(SECPOD_CPUID_VERSION, 0).ecx;
	return phase < sizeof(names) / sizeof(names[0]) ? names[phase] : "unknown";
}

static void say_hello(uint64_t tsc)
{
	struct utsname name;

	uname(&name);
	printf("GUEST: kernel %s\n", name.release);
	printf("GUEST: hypervisor %s\n", guest_signature());
	printf("GUEST: cpus %d\n", get_nprocs());
	printf("GUEST: tsc %llu\n", (unsigned long long)tsc);
	printf("GUEST: protection %s\n", protection());
}

static char *test_words(void)
{
	static char line[COMMAND_LINE_MAX];
	const char *key = "secpod.test=";
	int fd = open("/proc/cmdline", O_RDONLY);
	ssize_t length = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	char *words;

	if (fd >= 0)
		close(fd);
	if (length < 0)
		return NULL;
	line[length] = '\0';
	words = strstr(line, key);
	if (!words)
		return NULL;
	words += strlen(key);
	words[strcspn(words, " \n")] = '\0';
	return words;
}

static int run_part(const char *word)
{
	static const char phase_prefix[] = "phase:";
	const struct part *part = part_of(word);
	int status;

	if (!part && !strncmp(word, phase_prefix, strlen(phase_prefix)))
		return phase_main(word + strlen(phase_prefix));
	if (!part) {
		printf("GUEST: unknown test %s\n", word);
		return 1;
	}
	status = part->in_child ? guest_run_self(word) : part->run();
	printf("GUEST: %s %s\n", word, status ? "FAILED" : "passed");
	return status;
}

int main(int argc, char **argv)
{
	uint64_t tsc = guest_rdtsc();
	bool reboot_at_end = false;
	int failures = 0;
	char *words, *rest = NULL;

	if (argc > 1 && part_of(argv[1]))
		return part_of(argv[1])->run();
	if (getpid() != 1) {
		fprintf(stderr, "usage: /init PART\n");
		return 2;
	}
	mount_all();
	open_console();
	setenv("PATH", "/bin:/sbin", 1);
	say_hello(tsc);
	words = test_words();
	/* Not strtok(): phases split lines of their own. */
	for (char *word = words ? strtok_r(words, ",", &rest) : NULL; word;
	     word = strtok_r(NULL, ",", &rest)) {
		if (!strcmp(word, "reboot"))
			reboot_at_end = true;
		else if (run_part(word))
			failures++;
	}
	printf("GUEST: done, %d failed\n", failures);
	fflush(stdout);
	if (reboot_at_end ? restart() : power_off())
		printf("GUEST: the machine does not end: %s\n", strerror(errno));
	for (;;)
		pause();
}
