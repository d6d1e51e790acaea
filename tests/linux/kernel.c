/* SPDX-License-Identifier: MIT */
/* What the phases need of the kernel: its files, its modules, processes. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "phases.h"

#define TEXT_MAX 65536u
#define NUMBER_SIZE 24
#define PATH_SIZE 128

int put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t done;
	int error;

	if (fd < 0)
		return -errno;
	done = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	if (done < 0)
		return -error;
	return (size_t)done == strlen(text) ? 0 : -EIO;
}

int put_number(const char *path, uint64_t number)
{
	char text[NUMBER_SIZE];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	return put_text(path, text);
}

int get_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, text + length, size - 1 - length);
		if (n > 0)
			length += (size_t)n;
	} while (n > 0 && length < size - 1);
	text[length] = '\0';
	close(fd);
	return n < 0 ? -EIO : 0;
}

uint64_t get_number(const char *path)
{
	char text[NUMBER_SIZE];

	return get_text(path, text, sizeof(text)) ? 0 : strtoull(text, NULL, 10);
}

uint64_t get_keyed(const char *path, const char *key)
{
	static char text[TEXT_MAX];
	uint64_t sum = 0;
	size_t length = strlen(key);

	if (get_text(path, text, sizeof(text)))
		return 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strncmp(line, key, length) && strchr(" :\t", line[length]))
			sum += strtoull(line + length + strspn(line + length, " :\t"), NULL, 10);
	}
	return sum;
}

int load_module(const char *name, const char *parameters, bool optional)
{
	char path[PATH_SIZE];
	int fd, error = 0;

	snprintf(path, sizeof(path), "/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return optional && errno == ENOENT ? 0 : -errno;
	if (syscall(SYS_finit_module, fd, parameters, 0))
		error = -errno;
	close(fd);
	return error;
}

int unload_module(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

bool ended_well(pid_t child)
{
	int status;

	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

bool child_finds(bool (*function)(void *argument), void *argument)
{
	pid_t child = fork();

	if (child == 0)
		_exit(function(argument) ? 0 : 1);
	return ended_well(child);
}

int run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static int mount_once(const char *type, const char *path)
{
	return mount(type, path, type, 0, NULL) && errno != EBUSY ? -errno : 0;
}

int mount_tracing(void)
{
	return mount_once("tracefs", "/sys/kernel/tracing");
}

int mount_efivars(void)
{
	int error = load_module("efivarfs", "", false);

	if (error && error != -EEXIST)
		return error;
	return mount_once("efivarfs", EFIVARS);
}

uint64_t pagemap_of(const void *address)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)address / PAGE * sizeof(entry))) !=
	    sizeof(entry))
		entry = 0;
	close(fd);
	return entry;
}
