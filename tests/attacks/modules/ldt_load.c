/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Loads an LDT of its own, described in a slot of the GDT that the kernel itself writes all the time. */
#include "attack.h"

#include <asm/desc.h>

#define SLOT GDT_ENTRY_TLS_MIN
/* The first segment of the LDT. */
#define SELECTOR SEGMENT_TI_MASK

/* Data, accessed and writable, base 0, limit 0x5ec: byte granular, so that LSL tells it from all others. */
static struct desc_struct own[1] = {GDT_ENTRY_INIT(0x0093, 0, 0x5ec)};
static unsigned long limit;

static int attempt(void)
{
	struct desc_struct *gdt, before[2];
	unsigned int fault = 1;
	unsigned long flags;
	ldt_desc ldt;

	set_tssldt_descriptor(&ldt, (unsigned long)own, DESC_LDT, sizeof(own) - 1);
	local_irq_save(flags);
	gdt = get_cpu_gdt_rw(smp_processor_id());
	memcpy(before, &gdt[SLOT], sizeof(before));
	memcpy(&gdt[SLOT], &ldt, sizeof(ldt));
	asm volatile(ATTACK_TRY("lldt %w[selector]")
		     : [fault] "+r"(fault)
		     : [selector] "r"(SLOT * 8)
		     : "memory", "cc");
	if (!fault) {
		asm volatile("lsl %k1, %k0" : "+r"(limit) : "r"(SELECTOR) : "memory", "cc");
		asm volatile("lldt %w0" : : "r"(0) : "memory");
	}
	memcpy(&gdt[SLOT], before, sizeof(before));
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("limit of the segment in the LDT 0x%lx", limit);
	return limit == 0x5ec;
}

static const struct attack ldt_load = {"ldt_load", "descriptor-table", NULL, attempt, effect, NULL};
ATTACK_MODULE(ldt_load);
