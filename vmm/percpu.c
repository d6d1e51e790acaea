/* SPDX-License-Identifier: MIT */
#include "vmm/percpu.h"

#include <errno.h>

#include "vmm/addr.h"
#include "vmm/descriptor.h"
#include "vmm/guest_window.h"
#include "vmm/page_pool.h"
#include "vmm/page_table.h"

/* One CPU's memory. Stacks grow down, into the guard page in front of them. */
struct cpu_block {
	uint8_t guard[PAGE_SIZE];
	uint8_t stack[CPU_STACK_SIZE];
	struct {
		uint8_t guard[PAGE_SIZE];
		uint8_t stack[IST_STACK_SIZE];
	} ist[IST_COUNT];
	union {
		struct percpu percpu;
		uint8_t page[PAGE_SIZE];
	};
	/* A page of their own: VM exits set the GDT's limit to 64 KiB, whatever it is. */
	union {
		struct {
			uint64_t gdt[GDT_ENTRIES];
			uint64_t zero[3];
			struct tss64 tss;
		};
		uint8_t tables_page[PAGE_SIZE];
	};
};
_Static_assert(sizeof(struct cpu_block) % PAGE_SIZE == 0, "allocated in pages");
_Static_assert(offsetof(struct cpu_block, percpu) % PAGE_SIZE == 0, "behind whole stacks");

static struct cpu_block *blocks[SECPOD_MAX_CPUS];
static uint32_t cpu_count;

static void block_fill(struct cpu_block *block, uint32_t index, const struct secpod_cpu *cpu)
{
	struct percpu *percpu = &block->percpu;

	percpu->self = percpu;
	percpu->index = index;
	percpu->apic_id = cpu->apic_id;
	percpu->stack_top = virt_to_hpa(block->stack) + CPU_STACK_SIZE;
	for (uint32_t i = 0; i < IST_COUNT; i++)
		percpu->ist_top[i] = virt_to_hpa(block->ist[i].stack) + IST_STACK_SIZE;
	percpu->gdt = block->gdt;
	percpu->tss = &block->tss;
	gdt_fill(block->gdt, virt_to_hpa(&block->tss));
	tss_fill(&block->tss, percpu->ist_top);
}

int percpu_init(const struct secpod_handoff *handoff, struct page_pool *pool)
{
	if (handoff->cpu_count == 0 || handoff->cpu_count > SECPOD_MAX_CPUS)
		return -EINVAL;
	for (uint32_t i = 0; i < handoff->cpu_count; i++) {
		struct cpu_block *block =
			page_pool_alloc_contiguous(pool, sizeof(*block) / PAGE_SIZE, 1);

		if (!block)
			return -ENOMEM;
		block_fill(block, i, &handoff->cpu[i]);
		blocks[i] = block;
	}
	cpu_count = handoff->cpu_count;
	return 0;
}

static int unmap_guards(struct page_table *table, struct cpu_block *block)
{
	int error = page_table_unmap(table, virt_to_hpa(block->guard));

	for (uint32_t i = 0; !error && i < IST_COUNT; i++)
		error = page_table_unmap(table, virt_to_hpa(block->ist[i].guard));
	return error;
}

int percpu_map(struct page_table *table)
{
	for (uint32_t i = 0; i < cpu_count; i++) {
		struct percpu *percpu = &blocks[i]->percpu;
		int error = unmap_guards(table, blocks[i]);

		if (error)
			return error;
		percpu->window_va = guest_window_va(i);
		percpu->window_pte = page_table_slot(table, percpu->window_va);
		if (!percpu->window_pte)
			return -ENOMEM;
	}
	return 0;
}

struct percpu *percpu_of(uint32_t index)
{
	return index < cpu_count ? &blocks[index]->percpu : NULL;
}

uint32_t percpu_count(void)
{
	return cpu_count;
}
