/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Writes a descriptor into the GDT that is in use, where the kernel never has one. The GDT cannot be made
 * read-only, so what counts is whether the descriptor is still there after a second of a machine in use.
 */
#include "attack.h"

#include <asm/desc.h>

#define INDEX 7

/* Data, accessed and writable, base 0, limit 0x5ec: byte granular, so that LSL tells it from all others. */
static const struct desc_struct added = GDT_ENTRY_INIT(0x0093, 0, 0x5ec);
static const struct desc_struct none;

static struct desc_struct *slot(void)
{
	return get_cpu_gdt_rw(raw_smp_processor_id()) + INDEX;
}

static int attempt(void)
{
	*slot() = added;
	attack_wait();
	return 0;
}

static bool effect(void)
{
	unsigned long limit = 0;

	asm volatile("lsl %k1, %k0" : "+r"(limit) : "r"(INDEX * 8u) : "memory", "cc");
	attack_detail("limit of the added segment 0x%lx", limit);
	return limit == 0x5ec;
}

static void undo(void)
{
	*slot() = none;
}

static const struct attack gdt_write = {"gdt_write", "descriptor-table", NULL, attempt, effect,
					undo};
ATTACK_MODULE(gdt_write);
