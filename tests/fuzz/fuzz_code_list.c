/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: any file as the list of code. It is refused, or can be asked without reading beyond it; and what it
 * answers of a page of zeros and ones is what its tables say.
 */
#include <stdlib.h>
#include <string.h>

#include "secpod/text/code_list.h"
#include "vmm/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool may_be(const struct code_list *list, const struct code_list_site *site,
		   const uint8_t *bytes)
{
	bool found = site->forms == 0;

	for (uint32_t form = 0; form < site->forms; form++) {
		const uint8_t *at = list->form + site->first + 2u * site->length * form;
		bool same = true;

		for (uint32_t i = 0; i < site->length; i++)
			same = same &&
			       (bytes[i] & at[site->length + i]) == (at[i] & at[site->length + i]);
		found = found || same;
	}
	return found;
}

/* The page with zeros in the sites of row; its digest becomes row's. Result: has each site one of its forms? */
static bool make_listed(const struct code_list *list, struct code_list_page *row,
			const uint8_t *page)
{
	uint8_t copy[PAGE_SIZE];
	bool good = true;

	memcpy(copy, page, PAGE_SIZE);
	for (uint32_t i = 0; i < row->sites; i++) {
		const struct code_list_site *site = &list->site[row->first + i];

		good = may_be(list, site, page + site->offset) && good;
		memset(copy + site->offset, 0, site->length);
	}
	sha256(copy, PAGE_SIZE, row->digest);
	return good && !memcmp(page + row->probe_at, row->probe, CODE_LIST_PROBE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t page[PAGE_SIZE], room[PAGE_SIZE];
	/* Of its own size, so that what is read behind it is seen. */
	uint8_t *file = malloc(size ? size : 1);
	struct code_list list;

	if (!file)
		return 0;
	memcpy(file, data, size);
	for (size_t i = 0; i < PAGE_SIZE; i++)
		page[i] = i % 64 == 5;
	if (code_list_open(&list, file, size)) {
		check(list.pages == 0 && !code_list_has(&list, page, room));
	} else {
		struct code_list_page *rows =
			(struct code_list_page *)(file + sizeof(struct code_list_header));

		/* One row can be right at a time: no page has this digest. */
		for (uint32_t i = 0; i < list.pages; i++)
			memset(rows[i].digest, 0, sizeof(rows[i].digest));
		for (uint32_t i = 0; i < list.pages && i < 4; i++) {
			const bool listed = make_listed(&list, &rows[i], page);

			check(code_list_has(&list, page, room) == listed);
			memset(rows[i].digest, 0, sizeof(rows[i].digest));
		}
	}
	free(file);
	return 0;
}
