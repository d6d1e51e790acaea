/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Code in a data page: its entry is made executable, then it is called. Where policy lets the entry pass
 * (policy.kernel-exec = log), EPT is what is left.
 */
#include "attack.h"

#include <linux/pgtable.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#define RESULT 0xda7au

/* mov $RESULT, %eax; ret */
static const u8 code[] = {0xb8, 0x7a, 0xda, 0x00, 0x00, 0xc3};
static unsigned long result;

static int attempt(void)
{
	u8 *page = vmalloc(PAGE_SIZE);
	unsigned int level;
	pte_t *entry;

	if (!page)
		return -ENOMEM;
	memcpy(page, code, sizeof(code));
	entry = lookup_address((unsigned long)page, &level);
	if (!entry || level != PG_LEVEL_4K)
		return -EINVAL;
	WRITE_ONCE(*entry, pte_wrprotect(pte_mkexec(*entry)));
	asm volatile("invlpg (%0)" : : "r"(page) : "memory");
	asm volatile("call *%1" : "=a"(result) : "r"(page) : "memory", "cc");
	return 0;
}

static bool effect(void)
{
	attack_detail("the code there returned 0x%lx", result);
	return result == RESULT;
}

static const struct attack data_execute = {
	"data_execute", "kernel-exec,kernel-fetch", NULL, attempt, effect, NULL};
ATTACK_MODULE(data_execute);
