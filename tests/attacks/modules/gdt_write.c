/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Writes a descriptor into the GDT that is in use, where the kernel never has one. */
#include "attack.h"

#include <asm/desc.h>

#define INDEX 7

/* Data, accessed and writable, base 0, limit 0x5ec: byte granular, so that LSL tells it from all others. */
static const struct desc_struct added = GDT_ENTRY_INIT(0x0093, 0, 0x5ec);
static unsigned long limit;

static void look(void)
{
	asm volatile("lsl %k1, %k0" : "+r"(limit) : "r"(INDEX * 8u) : "memory", "cc");
}

static int attempt(void)
{
	struct desc_struct *table, before;
	unsigned long flags;

	local_irq_save(flags);
	table = get_cpu_gdt_rw(smp_processor_id());
	before = table[INDEX];
	table[INDEX] = added;
	look();
	table[INDEX] = before;
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("limit of the added segment 0x%lx", limit);
	return limit == 0x5ec;
}

static const struct attack gdt_write = {"gdt_write", NULL, attempt, effect, NULL};
ATTACK_MODULE(gdt_write);
