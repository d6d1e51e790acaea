/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Calls into secure memory from CPL 0. */
#include "attack.h"
#include "attack_tables.h"

#include <linux/string.h>

#define RESULT 0x5ec4u

/* mov $RESULT, %eax; ret */
static const u8 code[] = {0xb8, 0xc4, 0x5e, 0x00, 0x00, 0xc3};
static unsigned long result;

static int attempt(void)
{
	u64 base, size;
	u8 *page;
	int error = attack_secure_space(&base, &size);

	if (error)
		return error;
	page = attack_map(base, PAGE_KERNEL_EXEC);
	/* Under SecPod that is where it may end. */
	if (!page)
		return attack_under_secpod() ? 0 : -ENOMEM;
	if (!attack_under_secpod())
		memcpy(page, code, sizeof(code));
	asm volatile("call *%1" : "=a"(result) : "r"(page) : "memory", "cc");
	return 0;
}

static bool effect(void)
{
	attack_detail("the code there returned 0x%lx", result);
	/* Under SecPod nobody knows what would run there: that it came back at all is too much. */
	return attack_under_secpod() ? result != 0 : result == RESULT;
}

static const struct attack secure_execute = {
	"secure_execute", "secure-space,page-table-secure", NULL, attempt, effect, NULL};
ATTACK_MODULE(secure_execute);
