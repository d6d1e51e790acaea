/* SPDX-License-Identifier: MIT */
#include "boot/memory.h"

#include <errno.h>
#include <string.h>

#define PAGE 0x1000ul
#define MIB 0x100000ul

/*
 * Taking memory for the map changes the map: leave room for that, and try again if it did not
 * suffice.
 */
#define MAP_SLACK 0x1000u
#define MAP_TRIES 4
/* An event may take the place that was just found. */
#define RESERVE_TRIES 4

/*
 * EFI_MEMORY_ATTRIBUTE_PROTOCOL, UEFI specification 2.10 "Memory Attribute Protocol"; older headers
 * do not have it.
 */
struct memory_attribute_protocol {
	void *get_attributes;
	void *set_attributes;
	EFI_STATUS(EFIAPI *clear_attributes)
	(struct memory_attribute_protocol *self, EFI_PHYSICAL_ADDRESS base, UINT64 length,
	 UINT64 attributes);
};

static const EFI_GUID memory_attribute_guid = {
	0xf4560cf6, 0x40ec, 0x4b4a, {0xa1, 0x92, 0xbf, 0x1d, 0x57, 0xd0, 0xb1, 0x89}};

#define ATTRIBUTE_READ_PROTECT (1ul << 13)
#define ATTRIBUTE_EXECUTE_PROTECT (1ul << 14)
#define ATTRIBUTE_READ_ONLY (1ul << 17)

EFI_STATUS memory_map_read(struct memory_map *map)
{
	EFI_STATUS status = EFI_BUFFER_TOO_SMALL;
	UINTN size = MAP_SLACK;

	for (int i = 0; i < MAP_TRIES && status == EFI_BUFFER_TOO_SMALL; i++) {
		void *descriptors = memory_get(size);
		UINTN key, stride;
		UINT32 version;

		if (descriptors == NULL)
			return EFI_OUT_OF_RESOURCES;
		status = boot_services->GetMemoryMap(&size, descriptors, &key, &stride, &version);
		if (!EFI_ERROR(status)) {
			*map = (struct memory_map){descriptors, size, stride};
			return status;
		}
		memory_put(descriptors);
		size += MAP_SLACK;
	}
	return status;
}

static const char *map_problem(int error)
{
	switch (error) {
	case -EINVAL:
		return "the firmware's memory map contradicts itself";
	case -ENOSPC:
		return "the firmware's memory map has too many ranges";
	default:
		return "there is not enough free memory";
	}
}

bool memory_fill_ranges(struct secpod_handoff *handoff)
{
	struct memory_map map;
	size_t count;
	int error;
	EFI_STATUS status = memory_map_read(&map);

	if (EFI_ERROR(status)) {
		say("not started: no memory map (%s)", status_text(status));
		return false;
	}
	error = ranges_from_map(&map, handoff->range, SECPOD_MAX_RANGES, &count);
	memory_put((void *)(uintptr_t)map.descriptors);
	if (error) {
		say("not started: %s", map_problem(error));
		return false;
	}
	handoff->range_count = (uint32_t)count;
	handoff->ram_top = ranges_ram_top(handoff->range, count);
	if (handoff->ram_top < handoff->region_base + handoff->region_size)
		handoff->ram_top = handoff->region_base + handoff->region_size;
	return true;
}

/* How much, and where it would fit. Result: 0 or a negative errno. */
static int region_choose(const struct memory_map *map, uint64_t more, uint64_t *base,
			 uint64_t *size)
{
	/* Far larger than a stack frame of the firmware's may be. */
	struct secpod_range *ranges = memory_get(SECPOD_MAX_RANGES * sizeof(*ranges));
	size_t count;
	int error;

	if (ranges == NULL)
		return -ENOMEM;
	error = ranges_from_map(map, ranges, SECPOD_MAX_RANGES, &count);
	if (error == 0) {
		*size = region_size(ranges_ram_size(ranges, count), more);
		error = region_find(map, *size, base);
	}
	memory_put(ranges);
	return error;
}

bool region_reserve(uint64_t more, uint64_t *base, uint64_t *size)
{
	EFI_STATUS status = EFI_NOT_FOUND;

	for (int i = 0; i < RESERVE_TRIES && status == EFI_NOT_FOUND; i++) {
		struct memory_map map;
		int error;

		status = memory_map_read(&map);
		if (EFI_ERROR(status))
			break;
		*size = 0;
		error = region_choose(&map, more, base, size);
		memory_put((void *)(uintptr_t)map.descriptors);
		if (error) {
			say("not started: %s (%lu MiB wanted)", map_problem(error), *size / MIB);
			return false;
		}
		status = boot_services->AllocatePages(AllocateAddress, EfiReservedMemoryType,
						      *size / PAGE, base);
	}
	if (EFI_ERROR(status)) {
		say("not started: %lu MiB of memory cannot be reserved (%s)", *size / MIB,
		    status_text(status));
		return false;
	}
	memset((void *)*base, 0, *size);
	return true;
}

void region_release(uint64_t base, uint64_t size)
{
	boot_services->FreePages(base, size / PAGE);
}

void region_make_executable(uint64_t base, uint64_t size)
{
	struct memory_attribute_protocol *attributes = protocol_anywhere(&memory_attribute_guid);
	EFI_STATUS status;

	if (attributes == NULL)
		return;
	status = attributes->clear_attributes(attributes, base, size,
					      ATTRIBUTE_READ_PROTECT | ATTRIBUTE_EXECUTE_PROTECT |
						      ATTRIBUTE_READ_ONLY);
	if (EFI_ERROR(status))
		say("the firmware does not make memory executable (%s)", status_text(status));
}
