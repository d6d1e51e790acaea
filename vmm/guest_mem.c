/* SPDX-License-Identifier: MIT */
#include "vmm/guest_mem.h"

#include <errno.h>
#include <string.h>

#include "vmm/addr.h"
#include "vmm/cpu_ops.h"
#include "vmm/page_table.h"
#include "vmm/percpu.h"
#include "vmm/ram_map.h"

static struct ram_map guest_ram;

int guest_mem_init(const struct secpod_handoff *handoff)
{
	return ram_map_init(&guest_ram, handoff->range, handoff->range_count, RAM_MAP_GUEST,
			    handoff->region_base, handoff->region_size);
}

/*
 * gpa has been checked. The window's entry is not present between uses, so that nothing stays
 * cached.
 */
static void *window_open(uint64_t gpa, uint64_t kind)
{
	const struct percpu *cpu = this_cpu();

	*(volatile uint64_t *)cpu->window_pte = (gpa & PAGE_MASK) | kind | PTE_P | PTE_A | PTE_D;
	return (uint8_t *)hpa_to_virt(cpu->window_va) + (gpa & ~PAGE_MASK);
}

static void window_close(void)
{
	const struct percpu *cpu = this_cpu();

	*(volatile uint64_t *)cpu->window_pte = 0;
	invlpg(cpu->window_va);
}

static uint64_t in_this_page(uint64_t gpa, uint64_t len)
{
	uint64_t rest = PAGE_SIZE - (gpa & ~PAGE_MASK);

	return len < rest ? len : rest;
}

int guest_read(uint64_t gpa, void *to, uint64_t len)
{
	uint8_t *bytes = to;

	if (!ram_map_contains(&guest_ram, gpa, len))
		return -EFAULT;
	while (len) {
		uint64_t step = in_this_page(gpa, len);

		memcpy(bytes, window_open(gpa, PAGE_RODATA), step);
		window_close();
		bytes += step;
		gpa += step;
		len -= step;
	}
	return 0;
}

int guest_write(uint64_t gpa, const void *from, uint64_t len)
{
	const uint8_t *bytes = from;

	if (!ram_map_contains(&guest_ram, gpa, len))
		return -EFAULT;
	while (len) {
		uint64_t step = in_this_page(gpa, len);

		memcpy(window_open(gpa, PAGE_DATA), bytes, step);
		window_close();
		bytes += step;
		gpa += step;
		len -= step;
	}
	return 0;
}

int guest_cmpxchg64(uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	uint64_t *word;
	bool done;

	if (gpa % sizeof(*word))
		return -EINVAL;
	if (!ram_map_contains(&guest_ram, gpa, sizeof(*word)))
		return -EFAULT;
	word = window_open(gpa, PAGE_DATA);
	done = __atomic_compare_exchange_n(word, expected, desired, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
	window_close();
	return done ? 0 : -EAGAIN;
}

bool guest_range_ok(uint64_t gpa, uint64_t len)
{
	return ram_map_contains(&guest_ram, gpa, len);
}
