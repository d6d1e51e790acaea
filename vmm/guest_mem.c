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
/*
 * Where the last two addresses were found that were in neither range before: RAM is mostly one range or two,
 * and a walk goes to and fro between them.
 */
static const struct ram_map_range *likely = &guest_ram.range[0];
static const struct ram_map_range *second = &guest_ram.range[0];

int guest_mem_init(const struct secpod_handoff *handoff)
{
	return ram_map_init(&guest_ram, handoff->range, handoff->range_count, RAM_MAP_GUEST,
			    handoff->region_base, handoff->region_size);
}

static __attribute__((noinline)) bool find(uint64_t gpa, uint64_t len)
{
	const struct ram_map_range *range = ram_map_find(&guest_ram, gpa, len);

	if (!range)
		return false;
	__atomic_store_n(&second, __atomic_load_n(&likely, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
	__atomic_store_n(&likely, range, __ATOMIC_RELAXED);
	return true;
}

static inline bool is_elsewhere(uint64_t gpa, uint64_t len)
{
	return ram_map_range_has(__atomic_load_n(&second, __ATOMIC_RELAXED), gpa, len) ||
	       find(gpa, len);
}

static inline bool is_guest(uint64_t gpa, uint64_t len)
{
	const struct ram_map_range *range = __atomic_load_n(&likely, __ATOMIC_RELAXED);

	return __builtin_expect(ram_map_range_has(range, gpa, len), 1) || is_elsewhere(gpa, len);
}

/*
 * gpa has been checked. The window's entry is not present between uses, so that nothing stays
 * cached.
 */
static inline void *window_open(uint64_t gpa, uint64_t kind)
{
	const struct percpu *cpu = this_cpu();

	*(volatile uint64_t *)cpu->window_pte = (gpa & PAGE_MASK) | kind | PTE_P | PTE_A | PTE_D;
	return (uint8_t *)hpa_to_virt(cpu->window_va) + (gpa & ~PAGE_MASK);
}

static inline void window_close(void)
{
	const struct percpu *cpu = this_cpu();

	*(volatile uint64_t *)cpu->window_pte = 0;
	invlpg(cpu->window_va);
}

/* window_open() and window_close() with what they have in common. */
static inline uint64_t word_read(uint64_t gpa)
{
	const struct percpu *cpu = this_cpu();
	volatile uint64_t *const pte = cpu->window_pte;
	const uint64_t va = cpu->window_va;
	uint64_t word;

	*pte = (gpa & PAGE_MASK) | PAGE_RODATA | PTE_P | PTE_A | PTE_D;
	word = *(const volatile uint64_t *)hpa_to_virt(va + (gpa & ~PAGE_MASK));
	*pte = 0;
	invlpg(va);
	return word;
}

static uint64_t in_this_page(uint64_t gpa, uint64_t len)
{
	uint64_t rest = PAGE_SIZE - (gpa & ~PAGE_MASK);

	return len < rest ? len : rest;
}

static __attribute__((noinline)) int read_any(uint64_t gpa, uint8_t *to, uint64_t len)
{
	while (len) {
		uint64_t step = in_this_page(gpa, len);

		memcpy(to, window_open(gpa, PAGE_RODATA), step);
		window_close();
		to += step;
		gpa += step;
		len -= step;
	}
	return 0;
}

int guest_read(uint64_t gpa, void *to, uint64_t len)
{
	uint64_t word;

	if (!is_guest(gpa, len))
		return -EFAULT;
	/* What is read of page tables. */
	if (len == sizeof(word) && gpa % sizeof(word) == 0) {
		word = word_read(gpa);
		memcpy(to, &word, sizeof(word));
		return 0;
	}
	if (len == PAGE_SIZE && gpa % PAGE_SIZE == 0) {
		copy_words(to, window_open(gpa, PAGE_RODATA), PAGE_SIZE / sizeof(word));
		window_close();
		return 0;
	}
	return read_any(gpa, to, len);
}

int guest_write(uint64_t gpa, const void *from, uint64_t len)
{
	const uint8_t *bytes = from;

	if (!is_guest(gpa, len))
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

static __attribute__((noinline)) uint64_t *word_open_any(uint64_t gpa)
{
	return is_elsewhere(gpa, sizeof(uint64_t)) ? window_open(gpa, PAGE_DATA) : NULL;
}

uint64_t *guest_word_open(uint64_t gpa)
{
	if (gpa % sizeof(uint64_t))
		return NULL;
	if (__builtin_expect(ram_map_range_at(__atomic_load_n(&likely, __ATOMIC_RELAXED), gpa), 1))
		return window_open(gpa, PAGE_DATA);
	return word_open_any(gpa);
}

void guest_word_close(void)
{
	window_close();
}

static __attribute__((noinline)) uint64_t word_read_any(uint64_t gpa)
{
	return is_elsewhere(gpa, sizeof(uint64_t)) ? word_read(gpa) : ~0ULL;
}

uint64_t guest_word_read(uint64_t gpa)
{
	if (__builtin_expect(ram_map_range_at(__atomic_load_n(&likely, __ATOMIC_RELAXED), gpa), 1))
		return word_read(gpa);
	return word_read_any(gpa);
}

int guest_cmpxchg64(uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	uint64_t *word;
	bool done;

	if (gpa % sizeof(*word))
		return -EINVAL;
	word = guest_word_open(gpa);
	if (!word)
		return -EFAULT;
	done = __atomic_compare_exchange_n(word, expected, desired, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
	guest_word_close();
	return done ? 0 : -EAGAIN;
}

bool guest_range_ok(uint64_t gpa, uint64_t len)
{
	return ram_map_contains(&guest_ram, gpa, len);
}
