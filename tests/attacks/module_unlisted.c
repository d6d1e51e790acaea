/* SPDX-License-Identifier: MIT */
/*
 * Loads a module that is not on the list of code, where all others are. Its init function shows what it ran: it makes a
 * parameter of the module 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/attacks/user.h"

#define FILE_NAME "/unlisted.ko"
#define PARAMETER "/sys/module/unlisted/parameters/ran"

static int attempt(void)
{
	int fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	user_shared->value = syscall(SYS_finit_module, fd, "", 0) ? (uint64_t)errno : 0;
	return 0;
}

static bool effect(void)
{
	char ran = '?';
	int fd = open(PARAMETER, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, &ran, 1) != 1)
		ran = '?';
	snprintf(user_shared->detail, USER_DETAIL_SIZE, "error %llu, ran %c",
		 (unsigned long long)user_shared->value, ran);
	return ran == '1';
}

const struct user_attack module_unlisted = {"module_unlisted", "code-new", NULL, attempt, effect};
