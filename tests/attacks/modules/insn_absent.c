/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Instructions that the guest's CPU does not have: each must be #UD, with CR4.VMXE and SMXE clear as well. */
#include "attack.h"

#include <asm/trapnr.h>

static unsigned int others;
static const char *last = "none";

/* EX_TYPE_FAULT: the kernel leaves the vector in RAX. All registers 0: an operand is never looked at. */
#define TRY(name, instruction)                                                         \
	do {                                                                           \
		unsigned long vector = 0;                                              \
		unsigned int fault = 1;                                                \
                                                                                       \
		asm volatile("1: " instruction "\n\t"                                  \
			     "movl $0, %[fault]\n"                                     \
			     "2:\n\t" _ASM_EXTABLE_TYPE(1b, 2b, EX_TYPE_FAULT)         \
			     : [fault] "+r"(fault), "+a"(vector)                       \
			     : "b"(0ul), "c"(0ul), "d"(0ul), [operand] "m"(operand[0]) \
			     : "memory", "cc");                                        \
		if (!fault || vector != X86_TRAP_UD) {                                 \
			others++;                                                      \
			last = name;                                                   \
		}                                                                      \
	} while (0)

static u64 operand[2];

static int attempt(void)
{
	TRY("vmclear", "vmclear %[operand]");
	TRY("vmlaunch", "vmlaunch");
	TRY("vmresume", "vmresume");
	TRY("vmptrld", "vmptrld %[operand]");
	TRY("vmptrst", "vmptrst %[operand]");
	TRY("vmread", "vmread %%rdx, %%rdx");
	TRY("vmwrite", "vmwrite %%rdx, %%rdx");
	TRY("vmxoff", "vmxoff");
	TRY("invept", "invept %[operand], %%rdx");
	TRY("invvpid", "invvpid %[operand], %%rdx");
	TRY("rsm", "rsm");
	/* ENCLS, ENCLV, ENCLU: in bytes for older assemblers */
	TRY("encls", ".byte 0x0f, 0x01, 0xcf");
	TRY("enclv", ".byte 0x0f, 0x01, 0xc0");
	/* of the other vendor */
	TRY("vmrun", "vmrun %%rax");
	TRY("vmmcall", "vmmcall");
	TRY("vmload", "vmload %%rax");
	TRY("vmsave", "vmsave %%rax");
	TRY("stgi", "stgi");
	TRY("clgi", "clgi");
	TRY("skinit", "skinit %%eax");
	TRY("invlpga", "invlpga %%rax, %%ecx");
	return 0;
}

static bool effect(void)
{
	attack_detail("%u without #UD, the last %s", others, last);
	return others;
}

/* What the CPU has is made out by other attacks. */
static bool possible(void)
{
	return false;
}

static const struct attack insn_absent = {"insn_absent", "instruction", possible,
					  attempt,	 effect,	NULL};
ATTACK_MODULE(insn_absent);
