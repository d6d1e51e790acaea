/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Has instructions store system registers to secure memory: also those a hypervisor carries out itself. */
#include "attack_tables.h"
#include "operand.h"

#include <linux/string.h>

/* A page for what a hypervisor carries out, and one for what the CPU does by itself. */
#define PAGES 2

static u64 physical;
static u8 *page[PAGES];
static u8 before[PAGES][OPERAND_BYTES], after[PAGES][OPERAND_BYTES];
static unsigned int faults;

static int attempt(void)
{
	u64 base, size;
	int result = attack_secure_space(&base, &size);

	if (result)
		return result;
	physical = base + (size / 2 & PAGE_MASK) + PAGE_SIZE;
	for (unsigned int i = 0; i < PAGES; i++) {
		page[i] = attack_map(physical + i * PAGE_SIZE, PAGE_KERNEL);
		/* Under SecPod that is where it may end. */
		if (!page[i])
			return attack_under_secpod() ? 0 : -ENOMEM;
		memcpy(before[i], page[i], OPERAND_BYTES);
	}
	faults = operand_stores(page[0]);
	OPERAND_STORE(faults, "smsw", &page[1][0]);
	OPERAND_STORE(faults, "fnstcw", &page[1][8]);
	for (unsigned int i = 0; i < PAGES; i++)
		memcpy(after[i], page[i], OPERAND_BYTES);
	return 0;
}

static bool effect(void)
{
	if (faults)
		attack_detail("%u faults" ATTACK_RECORD "gpa 0x%llx access 0x2 linear 0x%lx",
			      faults, physical, (unsigned long)page[0]);
	else
		attack_detail("no faults");
	return memcmp(before, after, sizeof(before)) != 0;
}

static const struct attack secure_operand = {
	"secure_operand", "secure-space,page-table-secure", NULL, attempt, effect, NULL};
ATTACK_MODULE(secure_operand);
