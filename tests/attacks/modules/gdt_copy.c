/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Loads a copy of the GDT with one more descriptor. */
#include "attack.h"

#include <asm/desc.h>

#define INDEX GDT_ENTRIES

/* Data, accessed and writable, base 0, limit 0x5ec: byte granular, so that LSL tells it from all others. */
static const struct desc_struct added = GDT_ENTRY_INIT(0x0093, 0, 0x5ec);
static unsigned long limit;
static struct desc_ptr original, copied;

static void look(void)
{
	asm volatile("lsl %k1, %k0" : "+r"(limit) : "r"(INDEX * 8u) : "memory", "cc");
}

static int attempt(void)
{
	struct desc_struct *table = (struct desc_struct *)get_zeroed_page(GFP_KERNEL);
	unsigned long flags;
	unsigned int fault = 1;

	if (!table)
		return -ENOMEM;
	local_irq_save(flags);
	native_store_gdt(&original);
	memcpy(table, (void *)original.address, original.size + 1);
	table[INDEX] = added;
	copied.size = (INDEX + 1) * sizeof(*table) - 1;
	copied.address = (unsigned long)table;
	asm volatile(ATTACK_TRY("lgdt %[table]")
		     : [fault] "+r"(fault)
		     : [table] "m"(copied)
		     : "memory", "cc");
	if (!fault) {
		look();
		native_load_gdt(&original);
	}
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("limit of the added segment 0x%lx" ATTACK_RECORD
		      "base 0x%lx value 0x%x table 0x0 pinned 0x%lx",
		      limit, copied.address, copied.size, original.address);
	return limit == 0x5ec;
}

static const struct attack gdt_copy = {"gdt_copy", "descriptor-table", NULL, attempt, effect, NULL};
ATTACK_MODULE(gdt_copy);
