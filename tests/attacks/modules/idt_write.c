/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Writes a gate into the IDT that is in use, through a mapping of its own, and takes it. */
#include "attack.h"
#include "attack_tables.h"

#include <asm/desc.h>

/* Reserved by the architecture and not used by the kernel. */
#define VECTOR 0x1e
#define HOOKED 0x5ec3u

void secpod_idt_write_hook(void);
asm(".pushsection .text\n"
    "secpod_idt_write_hook:\n\t"
    "endbr64\n\t"
    "mov $0x5ec3, %eax\n\t"
    "iretq\n"
    ".popsection");

static unsigned long answer;

static void hook(gate_desc *gate)
{
	pack_gate(gate, GATE_INTERRUPT, (unsigned long)secpod_idt_write_hook, 0, 0, __KERNEL_CS);
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
	struct desc_ptr table;
	gate_desc *alias, before;
	unsigned long flags;

	store_idt(&table);
	alias = attack_map(attack_physical((void *)table.address), PAGE_KERNEL);
	if (!alias)
		return -ENOMEM;
	local_irq_save(flags);
	before = alias[VECTOR];
	hook(&alias[VECTOR]);
	take();
	alias[VECTOR] = before;
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("the interrupt answered 0x%lx", answer);
	return answer == HOOKED;
}

static const struct attack idt_write = {"idt_write", "descriptor-table", NULL, attempt, effect,
					NULL};
ATTACK_MODULE(idt_write);
