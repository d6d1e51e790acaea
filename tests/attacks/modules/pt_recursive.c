/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Page tables at two levels: a root that references itself, tables of level 2 that do, a program's and the
 * kernel's, and one of level 1 in the place of one of level 2. Each makes a table, or what it maps, writable as memory.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>
#include <linux/uaccess.h>

#define WAYS 4
#define MARK 0x5ec90d0000000000ull /* not present */
/* Of the entries of a table that nothing else uses. */
#define INDEX 300

static unsigned int done;

/* The user's word at to is word, seen from elsewhere. */
static void mark(unsigned long to, u64 *word)
{
	const u64 before = READ_ONCE(*word);

	(void)put_user(before ^ MARK, (u64 __user *)to);
	if (READ_ONCE(*word) == before)
		return;
	done++;
	(void)put_user(before, (u64 __user *)to);
}

static void root_in_root(void)
{
	const unsigned int at = attack_index(ATTACK_USER_AREA, ATTACK_LEVELS);
	u64 *slot = attack_slot(ATTACK_USER_AREA, ATTACK_LEVELS, NULL), *root = slot - at;
	unsigned long self = 0;

	for (unsigned int level = 1; level <= ATTACK_LEVELS; level++)
		self |= (unsigned long)at << attack_shift(level);
	/* An entry of the lower half, which no program has. */
	if (attack_store(slot, virt_to_phys(root) | ATTACK_TABLE))
		mark(self + (at - 1) * sizeof(u64), &root[at - 1]);
	(void)attack_store(slot, 0);
	attack_flush();
}

static void level_2_in_itself(void)
{
	const unsigned long distance = 3;
	void *table = attack_page(0);
	u64 *slot;

	if (table && attack_link_user(table)) {
		slot = attack_slot(ATTACK_USER_AREA, 2, NULL) + distance;
		/* As its own level 1 it maps itself in the same entry. */
		if (attack_store(slot, virt_to_phys(slot - distance) | ATTACK_TABLE))
			mark(ATTACK_USER_AREA + (distance << attack_shift(2)) +
				     (distance << attack_shift(1)) + INDEX * sizeof(u64),
			     slot - distance + INDEX);
		(void)attack_store(slot, 0);
	}
	attack_link_user(NULL);
}

static void level_2_of_kernel(void)
{
	const unsigned long area = attack_area();
	u64 *slot = attack_slot(area, 2, NULL);
	const unsigned long at = attack_index(area, 2);
	u64 *table = slot - at, *alias = (u64 *)(area + (at << PAGE_SHIFT));

	/* In the table that it maps as a page it is the present one of level 2. */
	if (attack_store(slot, virt_to_phys(table) | (ATTACK_TABLE & ~(u64)_PAGE_USER))) {
		attack_flush();
		if (READ_ONCE(alias[at]) == READ_ONCE(*slot) && attack_store(&alias[at], 0))
			done += !READ_ONCE(*slot);
	}
	attack_link(NULL);
}

static void level_1_for_2(void)
{
	u64 *table = attack_page(0), *data = attack_page(0), *target = attack_page(0), *slot;

	if (!table || !data || !target)
		return;
	table[0] = virt_to_phys(data) | ATTACK_USER;
	data[0] = virt_to_phys(target) | ATTACK_USER;
	if (attack_link_user(table)) {
		slot = attack_slot(ATTACK_USER_AREA, 3, NULL) + 1;
		if (attack_store(slot, virt_to_phys(table) | ATTACK_TABLE))
			mark(ATTACK_USER_AREA + PUD_SIZE, target);
		(void)attack_store(slot, 0);
	}
	attack_link_user(NULL);
}

static int attempt(void)
{
	if (!attack_area())
		return -ENOMEM;
	root_in_root();
	level_2_in_itself();
	level_2_of_kernel();
	level_1_for_2();
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u ways", done, WAYS);
	return attack_tries(done, WAYS);
}

static const struct attack pt_recursive = {
	"pt_recursive", "page-table-type", NULL, attempt, effect, NULL};
ATTACK_MODULE(pt_recursive);
