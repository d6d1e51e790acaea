/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Writes a stack pointer of its own into the TSS that is in use, through a mapping of its own. */
#include "attack.h"

#include <asm/desc.h>
#include <asm/processor.h>

/* The kernel uses the first ones only. */
#define IST_INDEX 6
#define PLANTED 0xffff5ec90d000000ul

static unsigned long seen;

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

static int attempt(void)
{
	struct x86_hw_tss *tss = tss_in_use();
	unsigned long flags, before, offset = (unsigned long)tss & ~PAGE_MASK;
	u8 *alias = attack_map(attack_physical(tss), PAGE_KERNEL);
	u64 *written, *read;

	if (!alias)
		return -ENOMEM;
	written = &((struct x86_hw_tss *)(alias + offset))->ist[IST_INDEX];
	read = &tss->ist[IST_INDEX];
	local_irq_save(flags);
	before = READ_ONCE(*read);
	WRITE_ONCE(*written, PLANTED);
	seen = READ_ONCE(*read);
	WRITE_ONCE(*written, before);
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("IST entry 0x%lx", seen);
	return seen == PLANTED;
}

static const struct attack tss_write = {"tss_write", NULL, attempt, effect, NULL};
ATTACK_MODULE(tss_write);
