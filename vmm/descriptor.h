/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables of the monitor: GDT, TSS, IDT. SDM: "Protected-Mode Memory Management", "Task
 * Management" (64-bit TSS), "64-Bit Mode IDT". Layout and encoding only, nothing privileged.
 */
#ifndef SECPOD_VMM_DESCRIPTOR_H
#define SECPOD_VMM_DESCRIPTOR_H

/* Selectors in the monitor's GDT, for the host-state area of the VMCS too. */
#define HOST_CS_SELECTOR 0x08
#define HOST_SS_SELECTOR 0x10
#define HOST_TR_SELECTOR 0x18

#ifndef __ASSEMBLER__
#include <stdint.h>

#include "vmm/percpu.h"

/* Null, code, data, and the TSS in two slots. */
#define GDT_ENTRIES 5u
#define IDT_ENTRIES 256u

/* Present, ring 0, accessed already set: the CPU has no reason to write to the table. */
#define GDT_CODE64 0x00af9b000000ffffULL
#define GDT_DATA 0x00cf93000000ffffULL

struct __attribute__((packed)) tss64 {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t io_map_base;
};
_Static_assert(sizeof(struct tss64) == 104, "SDM 64-Bit TSS Format");

struct idt_gate {
	uint16_t offset_15_0;
	uint16_t selector;
	uint8_t ist;
	uint8_t type;
	uint16_t offset_31_16;
	uint32_t offset_63_32;
	uint32_t zero;
};
_Static_assert(sizeof(struct idt_gate) == 16, "SDM 64-Bit IDT Gate Descriptors");

/* gdt_fill - the monitor's descriptors into gdt[GDT_ENTRIES], the TSS at address tss. */
void gdt_fill(uint64_t *gdt, uint64_t tss);

/*
 * tss_fill - the IST stacks' tops into tss; no I/O bitmap, no ring-0 stack (nothing runs outside
 * ring 0).
 */
void tss_fill(struct tss64 *tss, const uint64_t ist_top[IST_COUNT]);

/* idt_gate_of - an interrupt gate to handler on the given IST stack (IST_NONE: the current one). */
struct idt_gate idt_gate_of(uint64_t handler, enum ist_slot ist);

#endif
#endif
