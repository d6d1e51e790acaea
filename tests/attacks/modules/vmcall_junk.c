/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* VMCALL with what is no call of SecPod's: #UD, as on a CPU outside VMX operation. */
#include "attack.h"

/* Among them calls of other hypervisors. */
static const u64 calls[] = {
	0,
	1,
	5,
	0x12,
	0x40000000,
	0x4b4d564b,
	0x564d5868,
	0x80000000,
	0xffffffff,
	0x5ebfffff,
	0x5ec10000,
	0x15ec00000,
	0x8000000000000000,
	0xffffffff5ec00000,
	0xffffffffffffffff,
};
static unsigned int answered;
static u64 last;

static int attempt(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		unsigned int fault = 1;
		u64 rax = calls[i];

		asm volatile(ATTACK_TRY("vmcall")
			     : [fault] "+r"(fault), "+a"(rax)
			     : "D"(0ul), "S"(0ul), "d"(0ul), "b"(0ul), "c"(0ul)
			     : "memory", "cc");
		if (!fault) {
			answered++;
			last = calls[i];
		}
	}
	return 0;
}

static bool effect(void)
{
	attack_detail("%u answered, the last 0x%llx", answered, last);
	return answered;
}

/* Outside VMX operation there is no such instruction. */
static bool possible(void)
{
	return false;
}

static const struct attack vmcall_junk = {
	"vmcall_junk", "hypercall,instruction", possible, attempt, effect, NULL};
ATTACK_MODULE(vmcall_junk);
