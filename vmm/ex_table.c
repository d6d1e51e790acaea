/* SPDX-License-Identifier: MIT */
#include "vmm/ex_table.h"

#include "vmm/addr.h"

static uint64_t target(const int32_t *distance)
{
	return virt_to_hpa(distance) + (uint64_t)(int64_t)*distance;
}

uint64_t ex_table_find(const struct ex_entry *begin, const struct ex_entry *end, uint64_t rip)
{
	for (const struct ex_entry *entry = begin; entry < end; entry++) {
		if (target(&entry->fault) == rip)
			return target(&entry->fixup);
	}
	return 0;
}
