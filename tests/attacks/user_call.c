/* SPDX-License-Identifier: MIT */
/* Makes every hypercall of SecPod's at CPL 3, where none of them exists: #UD, as without VMX. */
#include <signal.h>
#include <stdio.h>

#include "tests/attacks/user.h"

#define CALL_PREFIX 0x5ec00000ul
#define CALLS 64ul

static void call(void *number)
{
	uint64_t rax = CALL_PREFIX | *(const uint64_t *)number;

	__asm__ volatile("vmcall" : "+a"(rax) : "D"(0), "S"(0), "d"(0) : "memory", "cc");
}

static int attempt(void)
{
	for (uint64_t number = 0; number < CALLS; number++)
		user_shared->value += user_try(call, &number) != SIGILL;
	return 0;
}

static bool effect(void)
{
	snprintf(user_shared->detail, USER_DETAIL_SIZE, "%llu of %lu calls without SIGILL",
		 (unsigned long long)user_shared->value, CALLS);
	return user_shared->value;
}

/* Outside VMX operation there is no such instruction. */
static bool possible(void)
{
	return false;
}

const struct user_attack user_call = {"user_call", "", possible, attempt, effect};
