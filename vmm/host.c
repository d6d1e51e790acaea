/* SPDX-License-Identifier: MIT */
#include "vmm/host.h"

#include <errno.h>
#include <inttypes.h>

#include "vmm/addr.h"
#include "vmm/cpu_ops.h"
#include "vmm/exceptions.h"
#include "vmm/host_layout.h"
#include "vmm/log.h"
#include "vmm/page_table.h"
#include "vmm/percpu.h"
#include "vmm/sections.h"
#include "vmm/x86.h"

static struct page_table table;
static uint64_t apic_base;

/*
 * Read-only in the monitor's page tables: host_init() fills it on the firmware's, where image
 * memory is writable. The one IDT serves all CPUs.
 */
static struct idt_gate idt[IDT_ENTRIES]
	__attribute__((section(".ro_after_init"), aligned(PAGE_SIZE)));

static enum ist_slot ist_of(uint32_t vector)
{
	switch (vector) {
	case VECTOR_NMI:
		return IST_NMI;
	case VECTOR_DF:
		return IST_DOUBLE_FAULT;
	case VECTOR_MC:
		return IST_MACHINE_CHECK;
	default:
		return IST_NONE;
	}
}

static void idt_fill(void)
{
	for (uint32_t vector = 0; vector < IDT_ENTRIES; vector++) {
		uint64_t handler = virt_to_hpa(exception_stubs) + vector * EXCEPTION_STUB_SIZE;

		if (vector == VECTOR_NMI)
			handler = virt_to_hpa(nmi_entry);
		idt[vector] = idt_gate_of(handler, ist_of(vector));
	}
}

static int map_everything(const struct secpod_handoff *handoff, struct page_pool *pool)
{
	const struct host_section sections[] = {
		{virt_to_hpa(__text_start), virt_to_hpa(__text_end), PAGE_CODE},
		{virt_to_hpa(__rodata_start), virt_to_hpa(__rodata_end), PAGE_RODATA},
		{virt_to_hpa(__ro_after_init_start), virt_to_hpa(__ro_after_init_end), PAGE_RODATA},
		{virt_to_hpa(__data_start), virt_to_hpa(__data_end), PAGE_DATA},
	};
	const uint32_t count = sizeof(sections) / sizeof(sections[0]);
	const char *rule = "";
	int error = host_layout_check(handoff, sections, count, apic_base, &rule);

	if (error) {
		log_error("hand-off refused: %s", rule);
		return error;
	}
	error = page_table_init(&table, pool);
	if (!error)
		error = host_layout_map(&table, handoff, sections, count, apic_base);
	return error;
}

int host_init(const struct secpod_handoff *handoff, struct page_pool *pool)
{
	int error;

	apic_base = rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDR;
	error = map_everything(handoff, pool);
	if (!error)
		error = percpu_init(handoff, pool);
	if (!error)
		error = percpu_map(&table);
	if (error) {
		log_error("the monitor's page tables cannot be built: error %d", error);
		return error;
	}
	idt_fill();
	return 0;
}

uint64_t host_cr3(void)
{
	return virt_to_hpa(table.root);
}

uint64_t host_idt_base(void)
{
	return virt_to_hpa(idt);
}

uint64_t host_image_base(void)
{
	return virt_to_hpa(__image_start);
}

uint64_t host_apic_base(void)
{
	return apic_base;
}

bool host_active(void)
{
	return table.root && read_cr3() == host_cr3();
}
