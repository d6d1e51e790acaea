/* SPDX-License-Identifier: MIT */
/*
 * The monitor's own 4-level page tables: build, split, look up. SDM: "4-Level Paging and 5-Level
 * Paging". Pure: tables come from a page pool, and loading CR3 is somebody else's.
 * Not locked: all changes are made by one CPU before the tables are in use.
 */
#ifndef SECPOD_VMM_PAGE_TABLE_H
#define SECPOD_VMM_PAGE_TABLE_H

#include <stdint.h>

#include "vmm/page_pool.h"
#include "vmm/x86.h"

/* What a page may be used for. There is no writable and executable kind. */
#define PAGE_CODE 0ULL
#define PAGE_RODATA PTE_NX
#define PAGE_DATA (PTE_RW | PTE_NX)
#define PAGE_DEVICE (PTE_RW | PTE_NX | PTE_PCD | PTE_PWT) /* PAT entry 3: UC at power-on */

struct page_table {
	uint64_t *root; /* CR3 */
	struct page_pool *pool;
};

/* page_table_init - an empty table. Result: 0, -ENOMEM. */
int page_table_init(struct page_table *table, struct page_pool *pool);

/*
 * page_table_map - map [va, va + size) to hpa, with 2 MiB pages where both are aligned.
 * va, hpa, size: bytes, multiples of 4 KiB; kind: one of PAGE_*.
 * Result: 0; -EINVAL (unaligned, empty, wraps, not canonical, or writable and executable), -EEXIST
 * (part of it is mapped), -ENOMEM. After an error part of the range may be mapped.
 */
int page_table_map(struct page_table *table, uint64_t va, uint64_t hpa, uint64_t size,
		   uint64_t kind);

/*
 * page_table_unmap - take out the 4 KiB page at va, splitting a larger page around it.
 * Result: 0; -EINVAL (unaligned or not canonical), -ENOENT (not mapped), -ENOMEM.
 */
int page_table_unmap(struct page_table *table, uint64_t va);

/*
 * page_table_slot - the last-level entry for va, its tables made where they are missing; NULL when
 * a large page is there, when memory is short, or when va is not canonical.
 */
uint64_t *page_table_slot(struct page_table *table, uint64_t va);

/*
 * page_table_lookup - the leaf entry that maps va, 0 for none. size (may be NULL): bytes it covers.
 */
uint64_t page_table_lookup(const struct page_table *table, uint64_t va, uint64_t *size);

#endif
