/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Runs a page of data with the rights of the kernel: where it has a mapping of its own, in the direct map, as
 * a kernel page of the lower half, and as a user page below a table that makes it the kernel's.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>

#define WAYS 6

static unsigned int done;
static void *code;

static void run(unsigned long address)
{
	attack_flush();
	done += attack_call(address) == ATTACK_CALLED;
}

static void in_area(unsigned long area)
{
	u64 *table = attack_page(0);

	if (table && attack_link(table) &&
	    attack_store(&table[0], virt_to_phys(code) | ATTACK_CODE | _PAGE_RW))
		run(area);
	attack_link(NULL);
}

static void in_direct_map(void)
{
	unsigned int level = 1;
	u64 *slot = attack_slot((unsigned long)code, 1, &level);
	u64 before;

	if (!slot)
		slot = attack_slot((unsigned long)code, level, NULL);
	before = *slot;
	if (attack_store(slot, before & ~_PAGE_NX)) {
		run((unsigned long)code);
		(void)attack_store(slot, before);
	}
}

/* Changes the slot for ATTACK_USER_AREA of a table of this level. */
static void in_lower_half(u64 leaf, unsigned int level, u64 drop)
{
	u64 *table = attack_page(0), *slot;

	if (!table)
		return;
	table[0] = leaf & _PAGE_USER ? leaf : 0;
	if (attack_link_user(table)) {
		slot = level == 1 ? table : attack_slot(ATTACK_USER_AREA, level, NULL);
		if (attack_store(slot, level == 1 ? leaf : *slot & ~drop))
			run(ATTACK_USER_AREA);
	}
	attack_link_user(NULL);
}

static int attempt(void)
{
	unsigned long area = attack_area();

	code = attack_page(0);
	if (!area || !code)
		return -ENOMEM;
	attack_write_code(code);
	in_area(area);
	in_direct_map();
	in_lower_half(virt_to_phys(code) | ATTACK_CODE, 1, 0);
	for (unsigned int level = 2; level <= ATTACK_LEVELS; level++)
		in_lower_half(virt_to_phys(code) | ATTACK_CODE | _PAGE_USER, level, _PAGE_USER);
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u ways", done, WAYS);
	return attack_tries(done, WAYS);
}

static const struct attack pt_exec = {
	"pt_exec", "kernel-exec,kernel-user,direct-map", NULL, attempt, effect, NULL};
ATTACK_MODULE(pt_exec);
