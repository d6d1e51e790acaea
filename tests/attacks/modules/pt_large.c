/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Writes to what is protected through a large page that it is only a part of: to a page table, in the lower
 * half and in the kernel's, and to kernel text.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>
#include <linux/uaccess.h>

#define WAYS 3
#define INDEX 7

static unsigned int done;
static unsigned long area;

/* A leaf of 2 MiB over physical, and where physical is in it. */
static u64 large(u64 physical, u64 rights)
{
	return (physical & PMD_MASK) | rights | _PAGE_PSE;
}

static void planted(u64 *word, u64 *to, u64 before, bool user)
{
	u64 value = before ^ _PAGE_NX;

	if (user)
		(void)put_user(value, (u64 __user *)to);
	else
		(void)attack_store(to, value);
	if (READ_ONCE(*word) == before)
		return;
	done++;
	if (user)
		(void)put_user(before, (u64 __user *)to);
	else
		(void)attack_store(to, before);
}

/* table is linked in the kernel's half; its neighbourhood in the lower one. */
static void over_table_lower(u64 *table, u64 entry)
{
	const u64 physical = virt_to_phys(&table[INDEX]);
	void *other = attack_page(0);

	table[INDEX] = entry;
	if (other && attack_link(table) && attack_link_user(other) &&
	    attack_store(attack_slot(ATTACK_USER_AREA, 2, NULL), 0)) {
		attack_flush();
		if (attack_store(attack_slot(ATTACK_USER_AREA, 2, NULL),
				 large(physical, ATTACK_USER)))
			planted(&table[INDEX], (u64 *)(ATTACK_USER_AREA + (physical & ~PMD_MASK)),
				entry, true);
	}
	attack_link_user(NULL);
	attack_link(NULL);
}

static void over_table_upper(u64 *table, u64 entry)
{
	const u64 physical = virt_to_phys(&table[INDEX]);

	table[INDEX] = entry | _PAGE_USER;
	if (attack_link_user(table) && attack_link(NULL) &&
	    attack_store(attack_slot(area, 2, NULL), large(physical, ATTACK_DATA)))
		planted(&table[INDEX], (u64 *)(area + (physical & ~PMD_MASK)), entry | _PAGE_USER,
			false);
	attack_link(NULL);
	attack_link_user(NULL);
}

static void over_text(void)
{
	u64 *text = (u64 *)attack_symbol("emergency_restart");
	u64 physical = attack_physical(text);

	if (attack_link(NULL) &&
	    attack_store(attack_slot(area, 2, NULL), large(physical, ATTACK_DATA)))
		planted(text, (u64 *)(area + (physical & ~PMD_MASK)), *text, false);
	attack_link(NULL);
}

static int attempt(void)
{
	u64 *table = attack_page(0), *other = attack_page(0);
	void *data = attack_page(0);

	area = attack_area();
	if (!area || !table || !other || !data)
		return -ENOMEM;
	over_table_lower(table, virt_to_phys(data) | ATTACK_READ);
	over_table_upper(other, virt_to_phys(data) | ATTACK_READ);
	over_text();
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u ways", done, WAYS);
	return attack_tries(done, WAYS);
}

static const struct attack pt_large = {
	"pt_large", "user-map,table-alias,kernel-exec,code-store", NULL, attempt, effect, NULL};
ATTACK_MODULE(pt_large);
