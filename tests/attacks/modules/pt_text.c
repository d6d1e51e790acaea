/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Writes kernel text: where it runs, where the direct map has it, and through a mapping of its own. */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>

/* It runs when the machine is about to be reset, and so at no time here. */
#define TARGET "emergency_restart"
#define WAYS 3

static u64 original;
static unsigned int done;

/* The first 8 bytes at to are the same as at text; afterwards they are what they were. */
static void overwrite(u64 *to, const u64 *text)
{
	(void)attack_store(to, ~original);
	if (READ_ONCE(*text) == original)
		return;
	done++;
	(void)attack_store(to, original);
}

static void make_writable(u64 *to, const u64 *text)
{
	unsigned int level = 1;
	u64 *slot = attack_slot((unsigned long)to, 1, &level);
	u64 before;

	if (!slot)
		slot = attack_slot((unsigned long)to, level, NULL);
	before = *slot;
	(void)attack_store(slot, before | _PAGE_RW | _PAGE_DIRTY);
	attack_flush();
	overwrite(to, text);
	(void)attack_store(slot, before);
	attack_flush();
}

static int attempt(void)
{
	u64 *text = (u64 *)attack_symbol(TARGET), *alias;
	u64 physical;

	if (!text)
		return -ENOENT;
	original = *text;
	physical = attack_physical(text);
	make_writable(text, text);
	make_writable(phys_to_virt(physical), text);
	alias = attack_map(physical & PAGE_MASK, PAGE_KERNEL);
	if (alias)
		overwrite((u64 *)((u8 *)alias + offset_in_page(physical)), text);
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u ways", done, WAYS);
	return attack_tries(done, WAYS);
}

static const struct attack pt_text = {
	"pt_text", "locked-range,code-store,kernel-exec", NULL, attempt, effect, NULL};
ATTACK_MODULE(pt_text);
