/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Clears CR4.SMEP and calls code in a user page from CPL 0. */
#include "attack.h"

#include <linux/mman.h>
#include <asm/cpufeature.h>
#include <asm/nospec-branch.h>

#define RESULT 0x5ecul

/* mov %cs, %eax; shl $16, %eax; mov $RESULT, %ax; ret */
static const u8 code[] = {0x8c, 0xc8, 0xc1, 0xe0, 0x10, 0x66, 0xb8, 0xec, 0x05, 0xc3};
static unsigned long result;

static int attempt(void)
{
	unsigned long flags, cr4, page;
	int error = attack_user_page(PROT_EXEC, code, sizeof(code), &page);

	if (error)
		return error;
	local_irq_save(flags);
	cr4 = attack_read_cr4();
	attack_write_cr4(cr4 & ~X86_CR4_SMEP);
	asm volatile(ANNOTATE_RETPOLINE_SAFE "call *%1" : "=a"(result) : "r"(page) : "memory");
	attack_write_cr4(cr4);
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("user code returned 0x%lx", result);
	return result == ((unsigned long)__KERNEL_CS << 16 | RESULT);
}

static bool possible(void)
{
	return boot_cpu_has(X86_FEATURE_SMEP);
}

static const struct attack cr4_smep = {"cr4_smep", "cr4", possible, attempt, effect, NULL};
ATTACK_MODULE(cr4_smep);
