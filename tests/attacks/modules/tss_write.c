/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Writes a stack pointer of its own into the TSS that is in use, through a mapping of its own. The TSS cannot
 * be made read-only, so what counts is whether it is still there after a second of a machine in use.
 */
#include "attack.h"
#include "attack_tables.h"

#include <asm/desc.h>
#include <asm/processor.h>

/* The kernel uses the first ones only. */
#define IST_INDEX 6
#define PLANTED 0xffff5ec90d000000ul

/* By the descriptor of TR, as the CPU finds it. */
static struct x86_hw_tss *tss_in_use(void)
{
	const struct ldttss_desc *descriptor;
	struct desc_ptr gdt;

	native_store_gdt(&gdt);
	descriptor = (const struct ldttss_desc *)(gdt.address + GDT_ENTRY_TSS * 8);
	return (struct x86_hw_tss *)((u64)descriptor->base3 << 32 | (u64)descriptor->base2 << 24 |
				     (u64)descriptor->base1 << 16 | descriptor->base0);
}

static u64 *written;
static u64 before;

static int attempt(void)
{
	struct x86_hw_tss *tss = tss_in_use();
	u8 *alias = attack_map(attack_physical(tss), PAGE_KERNEL);

	if (!alias)
		return -ENOMEM;
	written = &((struct x86_hw_tss *)(alias + offset_in_page(tss)))->ist[IST_INDEX];
	before = READ_ONCE(*written);
	WRITE_ONCE(*written, PLANTED);
	attack_wait();
	return 0;
}

static bool effect(void)
{
	u64 seen = READ_ONCE(tss_in_use()->ist[IST_INDEX]);

	attack_detail("IST entry 0x%llx", seen);
	return seen == PLANTED;
}

static void undo(void)
{
	WRITE_ONCE(*written, before);
}

static const struct attack tss_write = {"tss_write", "descriptor-table", NULL, attempt, effect,
					undo};
ATTACK_MODULE(tss_write);
