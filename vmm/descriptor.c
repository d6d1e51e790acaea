/* SPDX-License-Identifier: MIT */
#include "vmm/descriptor.h"

#include <string.h>

#define DESCRIPTOR_PRESENT 0x80u
/*
 * The busy form: VM exits load TR from the VMCS, and demand a busy TSS there as LTR would leave it.
 */
#define TYPE_TSS64_BUSY 0xbu
#define TYPE_INTERRUPT_GATE 0xeu

void gdt_fill(uint64_t *gdt, uint64_t tss)
{
	uint64_t limit = sizeof(struct tss64) - 1;

	gdt[0] = 0;
	gdt[HOST_CS_SELECTOR / 8] = GDT_CODE64;
	gdt[HOST_SS_SELECTOR / 8] = GDT_DATA;
	/* SDM "TSS Descriptor in 64-bit mode": base 23:0 at 16, type at 40, base 31:24 at 56. */
	gdt[HOST_TR_SELECTOR / 8] = limit | (tss & 0xffffff) << 16 |
				    (uint64_t)(DESCRIPTOR_PRESENT | TYPE_TSS64_BUSY) << 40 |
				    (tss >> 24 & 0xff) << 56;
	gdt[HOST_TR_SELECTOR / 8 + 1] = tss >> 32;
}

void tss_fill(struct tss64 *tss, const uint64_t ist_top[IST_COUNT])
{
	memset(tss, 0, sizeof(*tss));
	for (uint32_t i = 0; i < IST_COUNT; i++)
		tss->ist[i] = ist_top[i];
	tss->io_map_base = sizeof(*tss);
}

struct idt_gate idt_gate_of(uint64_t handler, enum ist_slot ist)
{
	return (struct idt_gate){
		.offset_15_0 = (uint16_t)handler,
		.selector = HOST_CS_SELECTOR,
		.ist = (uint8_t)ist,
		.type = DESCRIPTOR_PRESENT | TYPE_INTERRUPT_GATE,
		.offset_31_16 = (uint16_t)(handler >> 16),
		.offset_63_32 = (uint32_t)(handler >> 32),
	};
}
