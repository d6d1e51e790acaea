/* SPDX-License-Identifier: MIT */
/*
 * Addresses. gpa: guest-physical, hpa: host-physical, gva: guest-linear; all uint64_t, the suffix of the
 * name tells which. Monitor memory is mapped at its physical address (va == pa), so that a pointer
 * to it is its hpa. The host unit tests keep the same convention with ordinary pointers.
 */
#ifndef SECPOD_VMM_ADDR_H
#define SECPOD_VMM_ADDR_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_SHIFT 12u
#define PAGE_SIZE 0x1000ULL
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define SIZE_4K 0x1000ULL
#define SIZE_2M 0x200000ULL
#define SIZE_1G 0x40000000ULL
#define SIZE_512G 0x8000000000ULL

static inline uint64_t virt_to_hpa(const volatile void *va)
{
	return (uint64_t)(uintptr_t)va;
}

static inline void *hpa_to_virt(uint64_t hpa)
{
	return (void *)(uintptr_t)hpa;
}

/* True when [base, base + size) is not empty, does not wrap and ends at or below limit. */
static inline bool range_ok(uint64_t base, uint64_t size, uint64_t limit)
{
	return size != 0 && base < limit && size <= limit - base;
}

/* True when the two non-wrapping ranges share a byte. */
static inline bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

#endif
