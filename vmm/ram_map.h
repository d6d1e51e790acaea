/* SPDX-License-Identifier: MIT */
/*
 * Which physical memory the monitor touches on somebody's word: the ranges of the firmware's memory
 * map that are of the wanted kinds, without the monitor's own region. Pure.
 */
#ifndef SECPOD_VMM_RAM_MAP_H
#define SECPOD_VMM_RAM_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/handoff.h"

#define RAM_MAP_KIND(kind) (1u << (kind))
/* The guest's memory. */
#define RAM_MAP_GUEST                                                              \
	(RAM_MAP_KIND(SECPOD_RANGE_RAM) | RAM_MAP_KIND(SECPOD_RANGE_EFI_RT_CODE) | \
	 RAM_MAP_KIND(SECPOD_RANGE_EFI_RT_DATA))
/* Where the firmware may have put tables. */
#define RAM_MAP_FIRMWARE (RAM_MAP_GUEST | RAM_MAP_KIND(SECPOD_RANGE_RESERVED))

struct ram_map {
	uint32_t count;
	struct ram_map_range {
		uint64_t base;
		uint64_t end; /* first byte behind it */
	} range[SECPOD_MAX_RANGES +
		1]; /* in ascending order, disjoint; the hole may cut one in two */
};

/*
 * ram_map_init - take those of ranges[count] whose kind is in kinds (RAM_MAP_KIND bits).
 * hole_base, hole_size: bytes, taken out whatever the ranges say; hole_size may be 0.
 * Result: 0; -EINVAL (count above SECPOD_MAX_RANGES, or the hole wraps, or a taken range is
 * unaligned, empty or wraps); then the map is empty.
 */
int ram_map_init(struct ram_map *map, const struct secpod_range *ranges, uint32_t count,
		 uint32_t kinds, uint64_t hole_base, uint64_t hole_size);

/*
 * ram_map_find - the range of the map that every byte of [base, base + length) is in. NULL: there
 * is none, as for a range that wraps; an empty range is in when base is.
 * ram_map_contains - is there one?
 */
const struct ram_map_range *ram_map_find(const struct ram_map *map, uint64_t base, uint64_t length);

static inline bool ram_map_contains(const struct ram_map *map, uint64_t base, uint64_t length)
{
	return ram_map_find(map, base, length) != NULL;
}

/* ram_map_range_at - is base in this range? So is the rest of its page. */
static inline bool ram_map_range_at(const struct ram_map_range *range, uint64_t base)
{
	return base - range->base < range->end - range->base;
}

/* ram_map_range_has - is every byte of [base, base + length), length not 0, in this range? */
static inline bool ram_map_range_has(const struct ram_map_range *range, uint64_t base,
				     uint64_t length)
{
	return ram_map_range_at(range, base) && length <= range->end - base;
}

#endif
