/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* VMFUNC: a guest with EPTP switching could choose its own view of memory. */
#include "attack.h"

#define FUNCTIONS 64

static unsigned int answered;

static int attempt(void)
{
	for (u32 function = 0; function < FUNCTIONS; function++) {
		unsigned int fault = 1;

		asm volatile(ATTACK_TRY("vmfunc")
			     : [fault] "+r"(fault)
			     : "a"(function), "c"(0ul)
			     : "memory", "cc");
		answered += !fault;
	}
	return 0;
}

static bool effect(void)
{
	attack_detail("%u functions answered", answered);
	return answered;
}

/* Outside VMX operation there is no such instruction; in it, switched off, it is #UD without an exit or a record. */
static bool possible(void)
{
	return false;
}

static const struct attack vmfunc = {"vmfunc", "", possible, attempt, effect, NULL};
ATTACK_MODULE(vmfunc);
