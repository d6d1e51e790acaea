/* SPDX-License-Identifier: MIT */
/*
 * The firmware's memory: its map, and the one region that SecPod takes out of it.
 */
#ifndef SECPOD_BOOT_MEMORY_H
#define SECPOD_BOOT_MEMORY_H

#include "boot/firmware.h"
#include "boot/ranges.h"

/*
 * memory_map_read - the current memory map; give map->descriptors back with memory_put().
 * Result: a UEFI status.
 */
EFI_STATUS memory_map_read(struct memory_map *map);

/*
 * memory_fill_ranges - the hand-off's ranges and ram_top, from the memory map as it is now.
 * Result: false after having said what is wrong.
 */
bool memory_fill_ranges(struct secpod_handoff *handoff);

/*
 * region_reserve - take SecPod's memory, EfiReservedMemoryType, 2 MiB aligned and cleared.
 * base, size: where and how much, in bytes; more: bytes beyond what every machine needs.
 * Result: false after having said what is wrong.
 */
bool region_reserve(uint64_t more, uint64_t *base, uint64_t *size);

void region_release(uint64_t base, uint64_t size);

/*
 * region_make_executable - let code run at [base, base + size), where the firmware forbids that for
 * reserved memory and offers a way to allow it.
 */
void region_make_executable(uint64_t base, uint64_t size);

#endif
