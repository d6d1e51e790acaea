/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Loads a copy of the IDT with a gate of its own and takes it. */
#include "attack.h"

#include <asm/desc.h>

/* Reserved by the architecture and not used by the kernel. */
#define VECTOR 0x1e
#define HOOKED 0x5ec3u

void secpod_idt_copy_hook(void);
asm(".pushsection .text\n"
    "secpod_idt_copy_hook:\n\t"
    "endbr64\n\t"
    "mov $0x5ec3, %eax\n\t"
    "iretq\n"
    ".popsection");

static unsigned long answer;
static struct desc_ptr original, copied;

static void hook(gate_desc *gate)
{
	pack_gate(gate, GATE_INTERRUPT, (unsigned long)secpod_idt_copy_hook, 0, 0, __KERNEL_CS);
}

static void take(void)
{
	unsigned int fault = 1;

	asm volatile(ATTACK_TRY("int $0x1e")
		     : [fault] "+r"(fault), "+a"(answer)
		     :
		     : "memory", "cc");
}

static int attempt(void)
{
	gate_desc *table = (gate_desc *)get_zeroed_page(GFP_KERNEL);
	unsigned long flags;
	unsigned int fault = 1;

	if (!table)
		return -ENOMEM;
	local_irq_save(flags);
	store_idt(&original);
	memcpy(table, (void *)original.address, original.size + 1);
	copied.size = original.size;
	copied.address = (unsigned long)table;
	hook(&table[VECTOR]);
	asm volatile(ATTACK_TRY("lidt %[table]")
		     : [fault] "+r"(fault)
		     : [table] "m"(copied)
		     : "memory", "cc");
	if (!fault) {
		take();
		load_idt(&original);
	}
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("the interrupt answered 0x%lx" ATTACK_RECORD
		      "base 0x%lx value 0x%x table 0x1 pinned 0x%lx",
		      answer, copied.address, copied.size, original.address);
	return answer == HOOKED;
}

static const struct attack idt_copy = {"idt_copy", "descriptor-table", NULL, attempt, effect, NULL};
ATTACK_MODULE(idt_copy);
