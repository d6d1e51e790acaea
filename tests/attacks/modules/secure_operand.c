/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Has instructions store system registers to secure memory: also those a hypervisor carries out itself. */
#include "attack.h"
#include "attack_tables.h"

#include <linux/string.h>

#define BYTES 64

static u64 physical;
static u8 before[BYTES], after[BYTES];
static unsigned int faults;

#define STORE(instruction, offset)                                        \
	do {                                                              \
		unsigned int fault = 1;                                   \
                                                                          \
		asm volatile(ATTACK_TRY(instruction " %[to]")             \
			     : [fault] "+r"(fault), [to] "+m"(to[offset]) \
			     :                                            \
			     : "memory", "cc");                           \
		faults += fault;                                          \
	} while (0)

static int attempt(void)
{
	u64 base, size;
	u8 *to;
	int result = attack_secure_space(&base, &size);

	if (result)
		return result;
	physical = base + (size / 2 & PAGE_MASK) + PAGE_SIZE;
	to = attack_map(physical, PAGE_KERNEL);
	/* Under SecPod that is where it may end. */
	if (!to)
		return attack_under_secpod() ? 0 : -ENOMEM;
	memcpy(before, to, BYTES);
	STORE("sgdt", 0);
	STORE("sidt", 16);
	STORE("sldt", 32);
	STORE("str", 40);
	STORE("smsw", 48);
	STORE("fnstcw", 56);
	memcpy(after, to, BYTES);
	return 0;
}

static bool effect(void)
{
	attack_detail("%u faults", faults);
	return memcmp(before, after, BYTES) != 0;
}

static const struct attack secure_operand = {
	"secure_operand", "secure-space,page-table-secure", NULL, attempt, effect, NULL};
ATTACK_MODULE(secure_operand);
