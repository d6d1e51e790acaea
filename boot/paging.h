/* SPDX-License-Identifier: MIT */
/*
 * The firmware's page tables, read only. They map memory at its physical address, the tables
 * themselves included. Pure: compiled unchanged on the host.
 */
#ifndef SECPOD_BOOT_PAGING_H
#define SECPOD_BOOT_PAGING_H

#include <stdbool.h>
#include <stdint.h>

/*
 * paging_executable - is all of [base, base + size) mapped and free of execute-disable?
 * cr3: the register's value; five_levels: CR4.LA57; base, size: bytes, a non-empty range that does
 * not wrap. SDM "4-Level Paging and 5-Level Paging".
 */
bool paging_executable(uint64_t cr3, bool five_levels, uint64_t base, uint64_t size);

#endif
