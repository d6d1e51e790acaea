/* SPDX-License-Identifier: MIT */
/*
 * Which memory the monitor sees in its own page tables, and with which rights: its image by section
 * (no page writable and executable), the hand-off, its pools, the local APIC's page. Nothing else:
 * not the guest's memory, not the firmware's. Pure.
 */
#ifndef SECPOD_VMM_HOST_LAYOUT_H
#define SECPOD_VMM_HOST_LAYOUT_H

#include <stdint.h>

#include "vmm/handoff.h"
#include "vmm/page_table.h"

/* A part of the monitor's image with its own rights; empty parts are allowed. */
struct host_section {
	uint64_t begin; /* bytes, page aligned */
	uint64_t end;
	uint64_t kind; /* PAGE_* */
};

/*
 * host_layout_check - does the hand-off's geometry hold together? Image, hand-off, list of
 * code and pool inside the region, apart from each other, aligned; the APIC's page outside the region; sections inside
 * the image. rule (set on error): what is wrong, in words.
 * Result: 0, -EINVAL.
 */
int host_layout_check(const struct secpod_handoff *handoff, const struct host_section *sections,
		      uint32_t section_count, uint64_t apic_base, const char **rule);

/*
 * host_layout_map - map all of the above into table.
 * apic_base: physical address of the local APIC's registers.
 * Result: 0, or what page_table_map() returned.
 */
int host_layout_map(struct page_table *table, const struct secpod_handoff *handoff,
		    const struct host_section *sections, uint32_t section_count,
		    uint64_t apic_base);

#endif
