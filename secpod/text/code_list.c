/* SPDX-License-Identifier: MIT */
#include "secpod/text/code_list.h"

#include <errno.h>
#include <string.h>

#include "vmm/addr.h"

/* ---- the file */

static bool is_site_good(const struct code_list_site *site, uint32_t from, uint32_t forms)
{
	const uint64_t end = site->first + 2ULL * site->length * site->forms;

	return site->length && site->offset >= from && site->offset + site->length <= PAGE_SIZE &&
	       end <= forms;
}

static bool is_page_good(const struct code_list *list, const struct code_list_page *page,
			 const struct code_list_header *header)
{
	uint32_t from = 0;

	if (page->probe_at > PAGE_SIZE - CODE_LIST_PROBE ||
	    (uint64_t)page->first + page->sites > header->sites)
		return false;
	for (uint32_t i = 0; i < page->sites; i++) {
		const struct code_list_site *site = &list->site[page->first + i];

		if (!is_site_good(site, from, header->forms))
			return false;
		from = (uint32_t)site->offset + site->length;
	}
	return true;
}

int code_list_open(struct code_list *list, const void *file, uint64_t size)
{
	const struct code_list_header *header = file;
	struct code_list found;

	*list = (struct code_list){0};
	if (size < sizeof(*header) || size > CODE_LIST_SIZE_MAX ||
	    header->magic != CODE_LIST_MAGIC || header->version != CODE_LIST_VERSION ||
	    header->zero ||
	    size != sizeof(*header) + (uint64_t)header->pages * sizeof(*found.page) +
			    (uint64_t)header->sites * sizeof(*found.site) + header->forms)
		return -EINVAL;
	found.page = (const struct code_list_page *)(header + 1);
	found.site = (const struct code_list_site *)(found.page + header->pages);
	found.form = (const uint8_t *)(found.site + header->sites);
	found.pages = header->pages;
	for (uint32_t i = 0; i < found.pages; i++) {
		if (!is_page_good(&found, &found.page[i], header))
			return -EINVAL;
	}
	*list = found;
	return 0;
}

/* ---- a page */

static bool has_form(const uint8_t *bytes, const uint8_t *form, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++) {
		if ((bytes[i] ^ form[i]) & form[length + i])
			return false;
	}
	return true;
}

static bool is_known(const struct code_list *list, const struct code_list_site *site,
		     const uint8_t *bytes)
{
	const uint8_t *form = list->form + site->first;

	for (uint32_t i = 0; i < site->forms; i++, form += 2u * site->length) {
		if (has_form(bytes, form, site->length))
			return true;
	}
	return site->forms == 0;
}

static bool is_page(const struct code_list *list, const struct code_list_page *page,
		    const uint8_t *bytes, uint8_t *room)
{
	const struct code_list_site *site = &list->site[page->first];
	uint8_t digest[SHA256_BYTES];

	if (memcmp(bytes + page->probe_at, page->probe, CODE_LIST_PROBE))
		return false;
	memcpy(room, bytes, PAGE_SIZE);
	for (uint32_t i = 0; i < page->sites; i++) {
		if (!is_known(list, &site[i], bytes + site[i].offset))
			return false;
		memset(room + site[i].offset, 0, site[i].length);
	}
	sha256(room, PAGE_SIZE, digest);
	return !memcmp(digest, page->digest, sizeof(digest));
}

bool code_list_has(const struct code_list *list, const uint8_t *page, uint8_t *room)
{
	for (uint32_t i = 0; i < list->pages; i++) {
		if (is_page(list, &list->page[i], page, room))
			return true;
	}
	return false;
}
