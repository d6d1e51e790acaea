/* SPDX-License-Identifier: MIT */
#include "boot/ranges.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define PAGE 0x1000ull
#define MIB 0x100000ull
#define REGION_UNIT (2 * MIB)
#define REGION_FIXED (10 * MIB)
/* 0.45 % of RAM: EPT tables, the monitor's own tables and what it keeps for each guest frame. */
#define REGION_SHARE 45u
#define REGION_SHARE_OF 10000u
/* Below 16 MiB lie what old devices can reach by DMA and what real-mode code needs. */
#define REGION_LOWEST (16 * MIB)
/* No x86 CPU has more than 52 bits of physical address. */
#define PHYSICAL_LIMIT (1ull << 52)

static uint32_t kind_of(uint32_t type)
{
	switch (type) {
	case MEMORY_LOADER_CODE:
	case MEMORY_LOADER_DATA:
	case MEMORY_BOOT_SERVICES_CODE:
	case MEMORY_BOOT_SERVICES_DATA:
	case MEMORY_CONVENTIONAL:
	case MEMORY_ACPI_RECLAIM:
		return SECPOD_RANGE_RAM;
	case MEMORY_RUNTIME_SERVICES_CODE:
		return SECPOD_RANGE_EFI_RT_CODE;
	case MEMORY_RUNTIME_SERVICES_DATA:
		return SECPOD_RANGE_EFI_RT_DATA;
	case MEMORY_MAPPED_IO:
	case MEMORY_MAPPED_IO_PORT_SPACE:
		return SECPOD_RANGE_MMIO;
	default:
		return SECPOD_RANGE_RESERVED;
	}
}

static bool map_valid(const struct memory_map *map)
{
	return map->descriptor_size >= sizeof(struct memory_descriptor) &&
	       map->size % map->descriptor_size == 0;
}

/* The descriptor at offset; false when its range is no range of physical memory. */
static bool read_descriptor(const struct memory_map *map, size_t offset,
			    struct memory_descriptor *out)
{
	memcpy(out, (const uint8_t *)map->descriptors + offset, sizeof(*out));
	return out->physical_start % PAGE == 0 && out->physical_start <= PHYSICAL_LIMIT &&
	       out->page_count <= (PHYSICAL_LIMIT - out->physical_start) / PAGE;
}

static bool adjacent(const struct secpod_range *low, const struct secpod_range *high)
{
	return low->kind == high->kind && low->base + low->size == high->base;
}

static void remove_at(struct secpod_range *ranges, size_t *count, size_t at)
{
	memmove(&ranges[at], &ranges[at + 1], (*count - at - 1) * sizeof(*ranges));
	--*count;
}

/* Put range in its place among the ascending, disjoint ranges. */
static int insert(struct secpod_range *ranges, size_t max, size_t *count,
		  const struct secpod_range *range)
{
	size_t at = *count;

	/* Maps come sorted as a rule: look from the end. */
	while (at != 0 && ranges[at - 1].base > range->base)
		at--;
	if (at != 0 && ranges[at - 1].base + ranges[at - 1].size > range->base)
		return -EINVAL;
	if (at != *count && range->base + range->size > ranges[at].base)
		return -EINVAL;
	if (at != 0 && adjacent(&ranges[at - 1], range)) {
		ranges[at - 1].size += range->size;
		if (at != *count && adjacent(&ranges[at - 1], &ranges[at])) {
			ranges[at - 1].size += ranges[at].size;
			remove_at(ranges, count, at);
		}
		return 0;
	}
	if (at != *count && adjacent(range, &ranges[at])) {
		ranges[at].base = range->base;
		ranges[at].size += range->size;
		return 0;
	}
	if (*count == max)
		return -ENOSPC;
	memmove(&ranges[at + 1], &ranges[at], (*count - at) * sizeof(*ranges));
	ranges[at] = *range;
	++*count;
	return 0;
}

int ranges_from_map(const struct memory_map *map, struct secpod_range *out, size_t max,
		    size_t *count)
{
	*count = 0;
	if (!map_valid(map))
		return -EINVAL;
	for (size_t offset = 0; offset < map->size; offset += map->descriptor_size) {
		struct memory_descriptor descriptor;
		struct secpod_range range;
		int error;

		if (!read_descriptor(map, offset, &descriptor))
			return -EINVAL;
		if (descriptor.page_count == 0)
			continue;
		range = (struct secpod_range){
			.base = descriptor.physical_start,
			.size = descriptor.page_count * PAGE,
			.kind = kind_of(descriptor.type),
		};
		error = insert(out, max, count, &range);
		if (error)
			return error;
	}
	return 0;
}

uint64_t ranges_ram_size(const struct secpod_range *ranges, size_t count)
{
	uint64_t size = 0;

	for (size_t i = 0; i < count; i++)
		if (ranges[i].kind == SECPOD_RANGE_RAM)
			size += ranges[i].size;
	return size;
}

uint64_t ranges_ram_top(const struct secpod_range *ranges, size_t count)
{
	uint64_t top = 0;

	for (size_t i = 0; i < count; i++)
		if (ranges[i].kind == SECPOD_RANGE_RAM ||
		    ranges[i].kind == SECPOD_RANGE_EFI_RT_CODE ||
		    ranges[i].kind == SECPOD_RANGE_EFI_RT_DATA)
			top = ranges[i].base + ranges[i].size;
	return top;
}

uint64_t region_size(uint64_t ram, uint64_t more)
{
	uint64_t size = REGION_FIXED + ram / REGION_SHARE_OF * REGION_SHARE + more;

	return (size + REGION_UNIT - 1) & ~(REGION_UNIT - 1);
}

/* Memory that is there now, stays there, and is cached as memory is. */
static bool usable(const struct memory_descriptor *descriptor)
{
	return descriptor->type == MEMORY_CONVENTIONAL &&
	       (descriptor->attribute & MEMORY_ATTRIBUTE_WB) &&
	       !(descriptor->attribute &
		 (MEMORY_ATTRIBUTE_SPECIFIC_PURPOSE | MEMORY_ATTRIBUTE_HOT_PLUGGABLE));
}

int region_find(const struct memory_map *map, uint64_t size, uint64_t *address)
{
	uint64_t best = 0;

	if (!map_valid(map))
		return -EINVAL;
	for (size_t offset = 0; offset < map->size; offset += map->descriptor_size) {
		struct memory_descriptor descriptor;
		uint64_t start, end;

		if (!read_descriptor(map, offset, &descriptor))
			return -EINVAL;
		if (!usable(&descriptor))
			continue;
		start = descriptor.physical_start;
		end = (start + descriptor.page_count * PAGE) & ~(REGION_UNIT - 1);
		if (start < REGION_LOWEST)
			start = REGION_LOWEST;
		if (end > start && end - start >= size && end - size > best)
			best = end - size;
	}
	*address = best;
	return best != 0 ? 0 : -ENOMEM;
}
