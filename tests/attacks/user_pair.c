/* SPDX-License-Identifier: MIT */
/*
 * With page-table isolation: a program that runs on other memory than the kernel sees at the same address, or the other
 * way round, and roots that undo the isolation.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "tests/attacks/modules/attack_device.h"
#include "tests/attacks/user.h"

#define PAGE_SIZE 4096ul
/* An entry of level 4 of its own. */
#define ADDRESS 0x4ec000000000ul
#define ORIGINAL 0x0123456789abcdeful

struct look {
	const volatile unsigned long *page;
	unsigned long seen;
};

static void look_at(void *argument)
{
	struct look *look = argument;

	look->seen = *look->page;
}

/* Result: 0, or a negative errno; user_shared->value counts the ways that worked. */
static int try_way(unsigned long *page, enum attack_pair_way way)
{
	struct attack_request request = {(unsigned long)page, way};
	struct look look = {page, 0};
	int error = user_control(ATTACK_PAIR, &request);

	if (error)
		return error;
	if (way == ATTACK_PAIR_PLACE) {
		user_shared->value += request.value;
		return 0;
	}
	if (way == ATTACK_PAIR_EXECUTE)
		user_shared->value += request.value;
	else if (!user_try(look_at, &look))
		user_shared->value += look.seen != request.value;
	return user_control(ATTACK_PAIR_END, NULL);
}

static int attempt(void)
{
	unsigned long *page = mmap((void *)ADDRESS, PAGE_SIZE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	int error = 0;

	if (page == MAP_FAILED)
		return -errno;
	*page = ORIGINAL;
	for (enum attack_pair_way way = 0; !error && way < ATTACK_PAIR_WAYS; way++)
		error = try_way(page, way);
	return error;
}

/* All of the ways without SecPod; under it one is too many. */
static bool effect(void)
{
	snprintf(user_shared->detail, USER_DETAIL_SIZE, "%lu of %d ways",
		 (unsigned long)user_shared->value, ATTACK_PAIR_WAYS);
	return user_under_secpod() ? user_shared->value : user_shared->value == ATTACK_PAIR_WAYS;
}

const struct user_attack user_pair = {"user_pair", "page-table-pair", NULL, attempt, effect};
