/* SPDX-License-Identifier: MIT */
#include "vmm/host_layout.h"

#include <errno.h>
#include <stdbool.h>

#include "vmm/addr.h"

struct span {
	uint64_t base;
	uint64_t size;
};

static struct span handoff_pages(const struct secpod_handoff *handoff)
{
	uint64_t begin = virt_to_hpa(handoff) & PAGE_MASK;
	uint64_t end = (virt_to_hpa(handoff) + sizeof(*handoff) + PAGE_SIZE - 1) & PAGE_MASK;

	return (struct span){begin, end - begin};
}

static struct span file_pages(const struct secpod_handoff *handoff, uint32_t file)
{
	const struct secpod_file_place *place = &handoff->file[file];

	return (struct span){place->base, (place->size + PAGE_SIZE - 1) & PAGE_MASK};
}

static bool span_inside(struct span inner, struct span outer)
{
	return inner.base >= outer.base &&
	       range_ok(inner.base - outer.base, inner.size, outer.size);
}

static bool spans_overlap(struct span a, struct span b)
{
	return ranges_overlap(a.base, a.size, b.base, b.size);
}

/* A file: none, or in memory of its own. */
static bool file_fits(const struct secpod_handoff *handoff, uint32_t file, struct span region,
		      struct span image, struct span pool)
{
	const struct span pages = file_pages(handoff, file);

	if (!handoff->file[file].size)
		return true;
	for (uint32_t other = 0; other < file; other++) {
		if (handoff->file[other].size && spans_overlap(pages, file_pages(handoff, other)))
			return false;
	}
	return !(pages.base & ~PAGE_MASK) && pages.size && span_inside(pages, region) &&
	       !spans_overlap(pages, image) && !spans_overlap(pages, pool) &&
	       !spans_overlap(pages, handoff_pages(handoff));
}

static bool aligned(struct span span, uint64_t alignment)
{
	return !((span.base | span.size) & (alignment - 1));
}

int host_layout_check(const struct secpod_handoff *handoff, const struct host_section *sections,
		      uint32_t section_count, uint64_t apic_base, const char **rule)
{
	struct span region = {handoff->region_base, handoff->region_size};
	struct span image = {handoff->image_base, handoff->image_size};
	struct span pool = {handoff->pool_base, handoff->pool_size};
	struct span self = handoff_pages(handoff);
	bool sections_inside = true;
	bool files_fit = true;

	for (uint32_t i = 0; i < section_count; i++) {
		struct span section = {sections[i].begin, sections[i].end - sections[i].begin};

		if (sections[i].begin == sections[i].end)
			continue;
		sections_inside &= sections[i].begin < sections[i].end &&
				   aligned(section, PAGE_SIZE) && span_inside(section, image);
	}
	for (uint32_t file = 0; file < SECPOD_FILES; file++)
		files_fit = file_fits(handoff, file, region, image, pool) && files_fit;
	const struct {
		bool holds;
		const char *rule;
	} checks[] = {
		{range_ok(region.base, region.size, PTE_ADDR), "the region is empty or wraps"},
		{aligned(region, SIZE_2M), "the region is not made of 2 MiB pages"},
		{aligned(image, PAGE_SIZE) && span_inside(image, region),
		 "the image is not in the region"},
		{aligned(pool, PAGE_SIZE) && span_inside(pool, region),
		 "the pool is not in the region"},
		{span_inside(self, region), "the hand-off is not in the region"},
		{!spans_overlap(image, pool), "image and pool overlap"},
		{!spans_overlap(self, image), "hand-off and image overlap"},
		{!spans_overlap(self, pool), "hand-off and pool overlap"},
		{files_fit, "a file is not in the region, or not in memory of its own"},
		{sections_inside, "a section is unaligned or not in the image"},
		{!(apic_base & ~PAGE_MASK) && range_ok(apic_base, PAGE_SIZE, PTE_ADDR),
		 "the local APIC's address is unaligned"},
		{!spans_overlap((struct span){apic_base, PAGE_SIZE}, region),
		 "the local APIC's page is in the region"},
	};

	for (uint32_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (!checks[i].holds) {
			*rule = checks[i].rule;
			return -EINVAL;
		}
	}
	return 0;
}

static int map_identity(struct page_table *table, struct span span, uint64_t kind)
{
	return page_table_map(table, span.base, span.base, span.size, kind);
}

int host_layout_map(struct page_table *table, const struct secpod_handoff *handoff,
		    const struct host_section *sections, uint32_t section_count, uint64_t apic_base)
{
	struct span pool = {handoff->pool_base, handoff->pool_size};
	int error = 0;

	for (uint32_t i = 0; !error && i < section_count; i++) {
		struct span section = {sections[i].begin, sections[i].end - sections[i].begin};

		if (section.size)
			error = map_identity(table, section, sections[i].kind);
	}
	if (!error)
		error = map_identity(table, handoff_pages(handoff), PAGE_DATA);
	if (!error)
		error = map_identity(table, pool, PAGE_DATA);
	for (uint32_t file = 0; !error && file < SECPOD_FILES; file++) {
		if (handoff->file[file].size)
			error = map_identity(table, file_pages(handoff, file), PAGE_RODATA);
	}
	if (!error)
		error = map_identity(table, (struct span){apic_base, PAGE_SIZE}, PAGE_DEVICE);
	return error;
}
