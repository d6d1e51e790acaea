/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

#include "tests/attacks/user.h"

#define STACK_SIZE 65536u

static sigjmp_buf back;
/* Of its own, as what is tried may have lost the other. */
static char stack[STACK_SIZE];

static void on_signal(int number)
{
	siglongjmp(back, number);
}

int user_try(void (*function)(void *argument), void *argument)
{
	const stack_t own = {.ss_sp = stack, .ss_size = sizeof(stack)};
	const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	int raised;

	sigaltstack(&own, NULL);
	for (int number = SIGILL; number <= SIGSEGV; number++) {
		if (number != SIGKILL)
			sigaction(number, &action, NULL);
	}
	raised = sigsetjmp(back, 1);
	if (raised)
		return raised;
	function(argument);
	return 0;
}
