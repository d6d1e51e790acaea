/* SPDX-License-Identifier: MIT */
/*
 * /init of the machine under attack: runs every attack in a process of its own on the last CPU, says what
 * came of it, shows that the machine is alive, and ends the machine.
 *
 * secpod.test=NAME,NAME,... on the kernel's command line: these attacks, "all": all of them but for those
 * that take a machine or a configuration of their own;
 * secpod.spare=BASE,SIZE: memory that stands for the secure space where there is none.
 * With /secpod.ko in the initramfs the guest's module is loaded before the first of them.
 */
#include <cpuid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-support/include/secpod_device.h"
#include "tests/attacks/modules/attack_device.h"
#include "tests/attacks/user.h"

#define LINE_SIZE 4096
#define ATTACKS_MAX 128
#define NAME_SIZE ATTACK_NAME_SIZE
#define MODULES "/attacks"
#define SUPPORT "/secpod.ko"
/* How long one attack may take; the emulator's clock counts instructions. */
#define SECONDS_EACH 120
/* And one that is a program: the kernel may stop in the middle of what it does for it. */
#define SECONDS_PROGRAM 5
/* The kernel's own level of alerts, so that the lines are shown and never torn apart. */
#define KMSG_ALERT "<1>"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct user_shared *user_shared;
uint64_t user_secure_base, user_secure_size;

static const struct user_attack *const user_attacks[] = {
	&devmem_read, &devmem_write, &devmem_execute, &devmem_rodata,
	&user_call,   &user_kernel,  &user_table,
};

/* Not of "all". */
static const struct user_attack *const attacks_apart[] = {&user_pair, &module_unlisted};

static char command_line[LINE_SIZE];

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	static int fd = -1;
	char line[LINE_SIZE] = KMSG_ALERT;
	int length = (int)strlen(line);
	va_list list;

	if (fd < 0)
		fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	va_start(list, format);
	length += vsnprintf(line + length, sizeof(line) - (size_t)length, format, list);
	va_end(list);
	/* Without it the kernel would keep the line, as more might follow. */
	if (length < LINE_SIZE - 1)
		line[length++] = '\n';
	if (write(fd, line, (size_t)length) != length)
		_exit(1);
}

bool user_under_secpod(void)
{
	unsigned int eax, text[3];
	const unsigned int hypervisor = 1u << 31;

	__cpuid(1, eax, text[0], text[1], text[2]);
	if (!(text[1] & hypervisor))
		return false;
	__cpuid(SECPOD_CPUID_SIGNATURE, eax, text[0], text[1], text[2]);
	return !memcmp(text, SECPOD_SIGNATURE, sizeof(text));
}

static uint64_t secpod_stat(unsigned int index)
{
	unsigned int eax, ebx, ecx, edx;

	__cpuid_count(SECPOD_CPUID_STATS, index, eax, ebx, ecx, edx);
	(void)ecx;
	return ebx ? (uint64_t)edx << 32 | eax : 0;
}

/* The text behind key on the kernel's command line, up to a blank, as a new string; "" without it. */
static char *option(const char *key)
{
	const char *found = strstr(command_line, key);

	found = found ? found + strlen(key) : "";
	return strndup(found, strcspn(found, " \n"));
}

static void find_secure_space(void)
{
	char *spare = option("secpod.spare="), *end;

	if (user_under_secpod()) {
		user_secure_base = secpod_stat(SECPOD_STAT_REGION_BASE);
		user_secure_size = secpod_stat(SECPOD_STAT_REGION_SIZE);
	} else if (*spare) {
		user_secure_base = strtoull(spare, &end, 0);
		user_secure_size = *end == ',' ? strtoull(end + 1, NULL, 0) : 0;
	}
	free(spare);
}

static int load_file(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || syscall(SYS_finit_module, fd, parameters, 0) ? errno : 0;
}

static int load(const char *name, const char *parameters)
{
	char path[LINE_SIZE];

	snprintf(path, sizeof(path), MODULES "/%s.ko", name);
	return load_file(path, parameters);
}

/* The first attack finds the machine LOCKED, by whom ever. */
static const char *lock(void)
{
	const int fd = open(SECPOD_DEVICE, O_RDWR | O_CLOEXEC);
	struct secpod_info info;
	const char *how = "not LOCKED";

	if (fd < 0 || ioctl(fd, SECPOD_IOC_INFO, &info))
		say("ATTACKS: no device: %s", strerror(errno));
	else if (info.phase == SECPOD_PHASE_LOCKED)
		how = "LOCKED before";
	else if (!ioctl(fd, SECPOD_IOC_LOCK, 0))
		how = "LOCKED by request";
	if (fd >= 0)
		close(fd);
	return how;
}

/* With all its parts; but it leaves the records of the log to secpod_attack.ko, which judges by them. */
static void load_support(void)
{
	FILE *file;
	unsigned int count = 0;
	int error;

	if (access(SUPPORT, F_OK))
		return;
	error = load_file(SUPPORT, "log_interval=3600000");
	file = fopen("/sys/kernel/secpod/redirected", "r");
	if (file && fscanf(file, "%u", &count) == 1)
		say("ATTACKS: secpod.ko loaded, %u functions redirected, %s", count, lock());
	else
		say("ATTACKS: secpod.ko not loaded: %s", strerror(error));
	if (file)
		fclose(file);
}

struct end {
	bool hangs;
	int status;
};

/* Runs function(argument) in a process of its own; what it returns is the exit status. */
static struct end in_child(int (*function)(const void *argument), const void *argument, int seconds)
{
	pid_t child = fork();
	struct end end = {false, 0};

	if (child == 0)
		_exit(function(argument));
	for (int tenths = 0; tenths < 10 * seconds; tenths++) {
		if (waitpid(child, &end.status, WNOHANG) == child)
			return end;
		usleep(100000);
	}
	kill(child, SIGKILL);
	end.hangs = true;
	return end;
}

int user_control(unsigned long command, const void *argument)
{
	int fd = open("/dev/" ATTACK_DEVICE, O_RDONLY | O_CLOEXEC);
	int result = fd < 0 || ioctl(fd, command, argument) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return result;
}

static int module_attempt(const void *argument)
{
	(void)argument;
	return -user_control(ATTACK_ATTEMPT, NULL);
}

static void run_module(const char *name)
{
	int error = load(name, "");
	struct end end;

	if (error) {
		say("ATTACK: %s broken not loaded: %s", name, strerror(error));
		return;
	}
	end = in_child(module_attempt, NULL, SECONDS_EACH);
	if (end.hangs)
		say("ATTACK: %s broken hangs", name);
	else if (WIFEXITED(end.status) && WEXITSTATUS(end.status))
		say("ATTACK: %s broken not made: %s", name, strerror(WEXITSTATUS(end.status)));
	else if (user_control(ATTACK_JUDGE, NULL))
		say("ATTACK: %s broken not judged", name);
	if (!end.hangs && syscall(SYS_delete_module, name, O_NONBLOCK))
		say("ATTACK: %s broken not unloaded: %s", name, strerror(errno));
}

static int attempt_child(const void *attack)
{
	return -((const struct user_attack *)attack)->attempt();
}

static int effect_child(const void *attack)
{
	return ((const struct user_attack *)attack)->effect();
}

static void run_user(const struct user_attack *attack)
{
	const char *verdict = "refused";
	struct end end, effect;
	char how[NAME_SIZE] = "";

	say("ATTACK: %s begins %s", attack->name, attack->rules);
	memset(user_shared, 0, sizeof(*user_shared));
	end = in_child(attempt_child, attack, SECONDS_PROGRAM);
	if (!end.hangs && WIFEXITED(end.status) && WEXITSTATUS(end.status)) {
		say("ATTACK: %s broken not prepared: %s", attack->name,
		    strerror(WEXITSTATUS(end.status)));
		return;
	}
	if (end.hangs)
		snprintf(how, sizeof(how), "stopped in the kernel; ");
	else if (WIFSIGNALED(end.status))
		snprintf(how, sizeof(how), "killed by signal %d; ", WTERMSIG(end.status));
	effect = in_child(effect_child, attack, SECONDS_PROGRAM);
	if (!effect.hangs && WIFEXITED(effect.status) && WEXITSTATUS(effect.status))
		verdict = "succeeded";
	else if (attack->possible && !attack->possible() && !user_under_secpod())
		verdict = "impossible";
	say("ATTACK: %s %s %s%s", attack->name, verdict, how, user_shared->detail);
	if (user_control(ATTACK_RECORDS, attack->name))
		say("ATTACK: %s broken no records", attack->name);
}

static const struct user_attack *find(const struct user_attack *const *list, size_t count,
				      const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(name, list[i]->name))
			return list[i];
	}
	return NULL;
}

static void run(const char *name)
{
	const struct user_attack *attack = find(user_attacks, COUNT_OF(user_attacks), name);

	if (!attack)
		attack = find(attacks_apart, COUNT_OF(attacks_apart), name);
	if (attack)
		run_user(attack);
	else
		run_module(name);
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The names of all attacks, in the order of the alphabet. Result: how many. */
static size_t list_all(char names[ATTACKS_MAX][NAME_SIZE])
{
	DIR *directory = opendir(MODULES);
	size_t count = 0;

	for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
		const char *suffix = strstr(entry->d_name, ".ko");

		if (!suffix || !strcmp(entry->d_name, "secpod_attack.ko") || count == ATTACKS_MAX)
			continue;
		snprintf(names[count++], NAME_SIZE, "%.*s", (int)(suffix - entry->d_name),
			 entry->d_name);
	}
	if (directory)
		closedir(directory);
	for (size_t i = 0; i < COUNT_OF(user_attacks) && count < ATTACKS_MAX; i++)
		snprintf(names[count++], NAME_SIZE, "%s", user_attacks[i]->name);
	qsort(names, count, NAME_SIZE, compare);
	return count;
}

static size_t list_chosen(char names[ATTACKS_MAX][NAME_SIZE])
{
	char *words = option("secpod.test=");
	size_t count = 0;

	if (!strcmp(words, "all"))
		count = list_all(names);
	else
		for (char *word = strtok(words, ","); word && count < ATTACKS_MAX;
		     word = strtok(NULL, ","))
			snprintf(names[count++], NAME_SIZE, "%s", word);
	free(words);
	return count;
}

static bool stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

static bool set_up(void)
{
	char parameters[LINE_SIZE];
	int fd;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	fd = open("/proc/cmdline", O_RDONLY);
	if (fd < 0 || read(fd, command_line, sizeof(command_line) - 1) < 0)
		return false;
	close(fd);
	find_secure_space();
	user_shared = mmap(NULL, sizeof(*user_shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (user_shared == MAP_FAILED)
		return false;
	snprintf(parameters, sizeof(parameters), "spare=0x%llx spare_size=0x%llx",
		 (unsigned long long)user_secure_base, (unsigned long long)user_secure_size);
	errno = load("secpod_attack", parameters);
	return !errno;
}

static int nothing(const void *argument)
{
	(void)argument;
	return 0;
}

/* On every CPU: processes start and end, pages are had and given back. */
static bool alive(void)
{
	bool good = true;

	for (int cpu = 0; cpu < get_nprocs(); cpu++) {
		struct end end;
		char *page;

		if (!stay_on(cpu))
			return false;
		page = mmap(NULL, LINE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
		end = in_child(nothing, NULL, SECONDS_PROGRAM);
		good = good && page != MAP_FAILED && !*page && !end.hangs && !end.status &&
		       !munmap(page, LINE_SIZE);
	}
	return good;
}

int main(void)
{
	static char names[ATTACKS_MAX][NAME_SIZE];
	struct utsname name;
	size_t count = 0;

	if (!set_up()) {
		say("ATTACKS: cannot start: %s", strerror(errno));
	} else {
		uname(&name);
		say("ATTACKS: kernel %s, %d CPUs, %s", name.release, get_nprocs(),
		    user_under_secpod() ? SECPOD_SIGNATURE : "no hypervisor");
		load_support();
		count = list_chosen(names);
		for (size_t i = 0; i < count; i++) {
			/* Anew each time: an attack may have taken the CPU offline meanwhile. */
			if (!stay_on(get_nprocs() - 1))
				say("ATTACKS: cannot stay on one CPU: %s", strerror(errno));
			run(names[i]);
		}
		say("ATTACKS: %zu made, machine %s", count, alive() ? "alive" : "broken");
	}
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
