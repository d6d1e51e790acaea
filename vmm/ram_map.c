/* SPDX-License-Identifier: MIT */
#include "vmm/ram_map.h"

#include <errno.h>

#include "vmm/addr.h"

/* Insertion keeps the order; the firmware's map is nearly sorted, so that this is short. */
static void insert(struct ram_map *map, uint64_t base, uint64_t end)
{
	uint32_t at = map->count++;

	for (; at > 0 && map->range[at - 1].base > base; at--)
		map->range[at] = map->range[at - 1];
	map->range[at].base = base;
	map->range[at].end = end;
}

/* Ranges that touch or overlap become one, so that a check needs to look at one range only. */
static void merge(struct ram_map *map)
{
	uint32_t kept = 0;

	for (uint32_t i = 1; i < map->count; i++) {
		if (map->range[i].base > map->range[kept].end)
			map->range[++kept] = map->range[i];
		else if (map->range[i].end > map->range[kept].end)
			map->range[kept].end = map->range[i].end;
	}
	if (map->count)
		map->count = kept + 1;
}

static bool range_usable(const struct secpod_range *range)
{
	return !((range->base | range->size) & ~PAGE_MASK) &&
	       range_ok(range->base, range->size, UINT64_MAX);
}

int ram_map_init(struct ram_map *map, const struct secpod_range *ranges, uint32_t count,
		 uint32_t kinds, uint64_t hole_base, uint64_t hole_size)
{
	map->count = 0;
	map->hole_base = hole_base;
	map->hole_end = hole_base + hole_size;
	if (count > SECPOD_MAX_RANGES || map->hole_end < hole_base)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		if (ranges[i].kind > SECPOD_RANGE_MMIO || !(kinds & RAM_MAP_KIND(ranges[i].kind)))
			continue;
		if (!range_usable(&ranges[i])) {
			map->count = 0;
			return -EINVAL;
		}
		insert(map, ranges[i].base, ranges[i].base + ranges[i].size);
	}
	merge(map);
	return 0;
}

bool ram_map_contains(const struct ram_map *map, uint64_t base, uint64_t length)
{
	uint32_t low = 0;
	uint32_t high = map->count;
	uint64_t end = base + (length ? length : 1);

	if (end < base || (base < map->hole_end && map->hole_base < end))
		return false;
	/* The last range that begins at or below base. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (map->range[middle].base <= base)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && end <= map->range[low - 1].end;
}
