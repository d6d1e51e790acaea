/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Writes a page table through another mapping of it: one the kernel makes, one in the lower half that no
 * user can reach, and one that was there, and used, before it was a page table.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>

#define INDEX 7
#define WAYS 3

static unsigned int done;
static u64 hostile;

static void plant(u64 *alias, const u64 *table)
{
	if (!alias)
		return;
	(void)attack_store(&alias[INDEX], hostile);
	if (READ_ONCE(table[INDEX]) != hostile)
		return;
	done++;
	(void)attack_store(&alias[INDEX], 0);
}

static void through_vmalloc(u64 *table)
{
	if (attack_link(table))
		plant(attack_map(virt_to_phys(table), PAGE_KERNEL), table);
}

static void through_lower_half(u64 *table)
{
	u64 *lower = attack_page(0);

	if (!lower || !attack_link(table))
		return;
	lower[0] = virt_to_phys(table) | ATTACK_DATA;
	if (attack_link_user(lower))
		plant((u64 *)ATTACK_USER_AREA, table);
	attack_link_user(NULL);
}

static void through_old_mapping(u64 *table)
{
	u64 *alias = attack_map(virt_to_phys(table), PAGE_KERNEL);

	if (!alias)
		return;
	/* The CPU has it, writable. */
	WRITE_ONCE(alias[0], 0);
	if (attack_link(table))
		plant(alias, table);
}

static int attempt(void)
{
	static void (*const ways[WAYS])(u64 *) = {through_vmalloc, through_lower_half,
						  through_old_mapping};
	void *code = attack_page(0);

	if (!attack_area() || !code)
		return -ENOMEM;
	hostile = virt_to_phys(code) | ATTACK_CODE | _PAGE_RW;
	for (unsigned int i = 0; i < WAYS; i++) {
		u64 *table = attack_page(0);

		if (!table)
			return -ENOMEM;
		ways[i](table);
		attack_link(NULL);
	}
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u ways", done, WAYS);
	return attack_tries(done, WAYS);
}

static const struct attack pt_alias = {"pt_alias", "table-alias,kernel-exec", NULL, attempt, effect,
				       NULL};
ATTACK_MODULE(pt_alias);
