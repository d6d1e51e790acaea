/* SPDX-License-Identifier: MIT */
/*
 * Which physical memory the monitor touches on somebody's word: the ranges of the firmware's memory
 * map that are of the wanted kinds, without the monitor's own region. Pure.
 */
#ifndef SECPOD_VMM_RAM_MAP_H
#define SECPOD_VMM_RAM_MAP_H

#include <stdbool.h>
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
	struct {
		uint64_t base;
		uint64_t end;	    /* first byte behind it */
	} range[SECPOD_MAX_RANGES]; /* in ascending order, disjoint, not touching */
	uint64_t hole_base;	    /* never part of the map */
	uint64_t hole_end;
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
 * ram_map_contains - is every byte of [base, base + length) in the map? False for a range that
 * wraps; an empty range is in when base is.
 */
bool ram_map_contains(const struct ram_map *map, uint64_t base, uint64_t length);

#endif
