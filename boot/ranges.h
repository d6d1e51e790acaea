/* SPDX-License-Identifier: MIT */
/*
 * The firmware's memory map: its translation into the ranges of the hand-off, and the choice of the
 * place for SecPod's own memory. Pure: compiled unchanged on the host.
 */
#ifndef SECPOD_BOOT_RANGES_H
#define SECPOD_BOOT_RANGES_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/handoff.h"

/* EFI_MEMORY_TYPE, UEFI specification "EFI_BOOT_SERVICES.AllocatePages()". */
enum memory_type {
	MEMORY_RESERVED = 0,
	MEMORY_LOADER_CODE = 1,
	MEMORY_LOADER_DATA = 2,
	MEMORY_BOOT_SERVICES_CODE = 3,
	MEMORY_BOOT_SERVICES_DATA = 4,
	MEMORY_RUNTIME_SERVICES_CODE = 5,
	MEMORY_RUNTIME_SERVICES_DATA = 6,
	MEMORY_CONVENTIONAL = 7,
	MEMORY_UNUSABLE = 8,
	MEMORY_ACPI_RECLAIM = 9,
	MEMORY_ACPI_NVS = 10,
	MEMORY_MAPPED_IO = 11,
	MEMORY_MAPPED_IO_PORT_SPACE = 12,
};

/* Attribute bits of a descriptor, UEFI specification "EFI_BOOT_SERVICES.GetMemoryMap()". */
#define MEMORY_ATTRIBUTE_WB (1ull << 3)
#define MEMORY_ATTRIBUTE_SPECIFIC_PURPOSE (1ull << 18)
#define MEMORY_ATTRIBUTE_HOT_PLUGGABLE (1ull << 20)

/* EFI_MEMORY_DESCRIPTOR; the map's stride may be larger. */
struct memory_descriptor {
	uint32_t type;
	uint32_t padding;
	uint64_t physical_start;
	uint64_t virtual_start;
	uint64_t page_count; /* of 4 KiB, whatever the CPU's page size */
	uint64_t attribute;
};
_Static_assert(sizeof(struct memory_descriptor) == 40, "EFI_MEMORY_DESCRIPTOR");

struct memory_map {
	const void *descriptors;
	size_t size;		/* bytes */
	size_t descriptor_size; /* bytes from one descriptor to the next */
};

/*
 * ranges_from_map - ascending ranges, adjacent ones of one kind merged.
 * out, max: destination and its size in entries; count: entries written.
 * Result: 0; -EINVAL when the map contradicts itself (unaligned, wrapping or overlapping
 * descriptors, a stride below the descriptor's size); -ENOSPC when more than max ranges remain.
 */
int ranges_from_map(const struct memory_map *map, struct secpod_range *out, size_t max,
		    size_t *count);

/* ranges_ram_size - bytes of SECPOD_RANGE_RAM. */
uint64_t ranges_ram_size(const struct secpod_range *ranges, size_t count);

/*
 * ranges_ram_top - first byte above the highest RAM, that of the firmware's run-time services
 * included. Other reserved ranges do not count: firmware reports device windows among them.
 */
uint64_t ranges_ram_top(const struct secpod_range *ranges, size_t count);

/*
 * region_size - bytes to reserve on a machine with ram bytes of memory: 10 MiB, 0.45 % of it and more bytes,
 * in whole units of 2 MiB. Without more that keeps within the promised 16 MiB and 0.5 %.
 */
uint64_t region_size(uint64_t ram, uint64_t more);

/*
 * region_find - the highest free place for size bytes (a multiple of 2 MiB), aligned to 2 MiB, at
 * or above 16 MiB. High, because the low memory is what devices and boot loaders compete for.
 * Result: 0; -ENOMEM when there is none; -EINVAL as above.
 */
int region_find(const struct memory_map *map, uint64_t size, uint64_t *address);

#endif
