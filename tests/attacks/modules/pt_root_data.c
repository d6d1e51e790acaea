/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Loads CR3 with a page of data whose lower half is no tables at all, and with one of secure memory. */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>
#include <linux/string.h>

#define WAYS 2

static unsigned int done;

static void load(u64 root)
{
	const unsigned long cr3 = attack_read_cr3();
	unsigned long flags;
	unsigned int fault = 1;

	local_irq_save(flags);
	asm volatile(ATTACK_TRY("mov %[value], %%cr3")
		     : [fault] "+r"(fault)
		     : [value] "r"(root)
		     : "memory");
	if (!fault) {
		done++;
		attack_write_cr3(cr3);
	}
	local_irq_restore(flags);
}

static int attempt(void)
{
	const void *present = __va(attack_read_cr3() & PTE_PFN_MASK);
	u64 *root = attack_page(0), *spare, base, size, value = 0x5ec90d1234567867ull;
	int result = attack_secure_space(&base, &size);

	if (result || !root)
		return result ? result : -ENOMEM;
	memcpy(root, present, PAGE_SIZE);
	for (unsigned int i = 0; i < ATTACK_ENTRIES / 2; i++) {
		root[i] = value | _PAGE_PRESENT;
		value = value * 0x5851f42d4c957f2dull + 1;
	}
	load(virt_to_phys(root));
	attack_forget_root(root);
	/* Where it is memory like any other, it can hold a root. */
	if (!attack_under_secpod()) {
		spare = attack_map(base, PAGE_KERNEL);
		if (!spare)
			return -ENOMEM;
		memcpy(spare, present, PAGE_SIZE);
	}
	load(base);
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u loads", done, WAYS);
	return attack_tries(done, WAYS);
}

static const struct attack pt_root_data = {
	"pt_root_data", "root,page-table-entry,page-table-type,page-table-secure,kernel-user",
	NULL,		attempt,
	effect,		NULL};
ATTACK_MODULE(pt_root_data);
