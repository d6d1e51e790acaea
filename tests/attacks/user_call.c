/* SPDX-License-Identifier: MIT */
/* Makes every hypercall of SecPod's at CPL 3, where none of them exists: #UD, as without VMX. */
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>

#include "tests/attacks/user.h"

#define CALL_PREFIX 0x5ec00000ul
#define CALLS 64ul

static sigjmp_buf back;

static void on_signal(int number)
{
	siglongjmp(back, number);
}

/* Result: the signal it raised, 0 for none. */
static int call(uint64_t number)
{
	uint64_t rax = CALL_PREFIX | number;
	int raised = sigsetjmp(back, 1);

	if (raised)
		return raised;
	__asm__ volatile("vmcall" : "+a"(rax) : "D"(0), "S"(0), "d"(0) : "memory", "cc");
	return 0;
}

static int attempt(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	for (int number = SIGILL; number <= SIGSEGV; number++) {
		if (number != SIGKILL)
			sigaction(number, &action, NULL);
	}
	for (uint64_t number = 0; number < CALLS; number++)
		user_shared->value += call(number) != SIGILL;
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
