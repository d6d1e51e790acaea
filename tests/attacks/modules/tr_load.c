/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Loads TR with a TSS of its own: interrupts then run on stacks of the attacker's choice. */
#include "attack.h"
#include "attack_tables.h"

#include <linux/string.h>
#include <asm/desc.h>
#include <asm/processor.h>
#include <asm/tlbflush.h>

#define SLOT GDT_ENTRY_TLS_MIN

static unsigned long seen;

/* LTR writes to the GDT, by its linear address, which the kernel maps read-only. */
static bool make_writable(unsigned long address)
{
	u64 *entry = attack_slot(address, 1, NULL);

	if (!entry)
		return false;
	/* Refused, it is the next instruction that faults. */
	(void)attack_store(entry, *entry | _PAGE_RW | _PAGE_DIRTY);
	asm volatile("invlpg (%0)" : : "r"(address) : "memory");
	return true;
}

static int attempt(void)
{
	struct desc_struct *gdt, before[2];
	unsigned int fault = 1;
	unsigned long flags;
	struct desc_ptr gdtr;
	tss_desc tss, *original;
	void *own = (void *)get_zeroed_page(GFP_KERNEL);

	if (!own)
		return -ENOMEM;
	local_irq_save(flags);
	native_store_gdt(&gdtr);
	gdt = get_cpu_gdt_rw(smp_processor_id());
	original = (tss_desc *)&gdt[GDT_ENTRY_TSS];
	if (!make_writable(gdtr.address)) {
		local_irq_restore(flags);
		return -EINVAL;
	}
	memcpy(own,
	       (void *)((u64)original->base3 << 32 | (u64)original->base2 << 24 |
			(u64)original->base1 << 16 | original->base0),
	       sizeof(struct x86_hw_tss));
	set_tssldt_descriptor(&tss, (unsigned long)own, DESC_TSS, sizeof(struct x86_hw_tss) - 1);
	memcpy(before, &gdt[SLOT], sizeof(before));
	memcpy(&gdt[SLOT], &tss, sizeof(tss));
	asm volatile(ATTACK_TRY("ltr %w[selector]")
		     : [fault] "+r"(fault)
		     : [selector] "r"(SLOT * 8)
		     : "memory", "cc");
	if (!fault) {
		asm volatile("str %0" : "=r"(seen));
		original->type = DESC_TSS;
		asm volatile("ltr %w0" : : "r"(GDT_ENTRY_TSS * 8) : "memory");
	}
	memcpy(&gdt[SLOT], before, sizeof(before));
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("TR read 0x%lx", seen);
	return seen == SLOT * 8;
}

static const struct attack tr_load = {
	"tr_load", "descriptor-table,locked-range", NULL, attempt, effect, NULL};
ATTACK_MODULE(tr_load);
