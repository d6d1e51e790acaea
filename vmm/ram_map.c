/* SPDX-License-Identifier: MIT */
#include "vmm/ram_map.h"

#include <errno.h>
#include <string.h>

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

/* Take [base, end) out. One range at most reaches over both its ends, and becomes two. */
static void cut(struct ram_map *map, uint64_t base, uint64_t end)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < map->count; i++) {
		const struct ram_map_range range = map->range[i];

		if (range.end <= base || range.base >= end) {
			map->range[kept++] = range;
			continue;
		}
		if (range.base < base && range.end > end) {
			memmove(&map->range[i + 1], &map->range[i],
				(map->count - i) * sizeof(range));
			map->range[i] = (struct ram_map_range){range.base, base};
			map->range[i + 1].base = end;
			map->count++;
			return;
		}
		if (range.base < base)
			map->range[kept++] = (struct ram_map_range){range.base, base};
		else if (range.end > end)
			map->range[kept++] = (struct ram_map_range){end, range.end};
	}
	map->count = kept;
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
	if (count > SECPOD_MAX_RANGES || hole_base + hole_size < hole_base)
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
	if (hole_size)
		cut(map, hole_base, hole_base + hole_size);
	return 0;
}

const struct ram_map_range *ram_map_find(const struct ram_map *map, uint64_t base, uint64_t length)
{
	uint32_t low = 0;
	uint32_t high = map->count;

	/* The last range that begins at or below base. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (map->range[middle].base <= base)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || !ram_map_range_has(&map->range[low - 1], base, length ? length : 1))
		return NULL;
	return &map->range[low - 1];
}
