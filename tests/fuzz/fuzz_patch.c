/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: stores to a page of kernel text, as one who has got at Linux's way of patching would send
 * them. Whatever comes, the page is what was measured but for its sites; no two of them overlap; and each
 * that is not open is its original or a form of the table whose target is code.
 */
#include "tests/fuzz/fuzz_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_code(void *context, uint64_t va)
{
	(void)context;
	return va >= BEGIN && va < BEGIN + sizeof(page);
}

static const struct text_code code = {read_code, write_code, is_code, NULL, false};
static const struct patch_targets targets = {is_code, NULL};

static void check_site(const struct text_site *site, uint8_t *covered)
{
	const uint64_t at = site->patch.va - BEGIN;
	uint8_t now[PATCH_BYTES] = {0};
	uint32_t extent = site->patch.extent;

	memcpy(now, page + at, at + sizeof(now) <= PAGE_SIZE ? sizeof(now) : PAGE_SIZE - at);
	check(patch_judge(&site->patch, now, &extent, &targets) == (enum patch_state)site->state);
	check(extent == site->patch.extent && at + extent <= PAGE_SIZE);
	for (uint32_t i = 0; i < extent; i++)
		check(covered[at + i]++ == 0);
}

static void check_all(struct text *text)
{
	uint8_t covered[PAGE_SIZE] = {0};
	struct text_site site;
	uint32_t number = 0, count = 0;

	while ((number = text_site_after(text, number, &site)) != 0) {
		check_site(&site, covered);
		count++;
	}
	check(count == text->sites);
	check_page(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct text text;
	void *memory;

	/* Code of several kinds at either end of the page, so that all is within a few bytes. */
	memset(page, 0x48, sizeof(page));
	memcpy(page + 8, "\x0f\x1f\x44\x00\x00\xf0\x0f\xb1\x0f\x66\x90\xc3\xcc\xcc\xcc\xcc", 16);
	memcpy(page + PAGE_SIZE - 5, "\xe8\x00\xf0\xff\xff", 5);
	memory = open_text(&text);
	for (; size >= STORE_BYTES; data += STORE_BYTES, size -= STORE_BYTES) {
		const uint32_t count = 1 + data[1] % 8;
		const uint64_t at =
			data[0] & 0x80 ? PAGE_SIZE - count - (data[0] & 0x1fu) : data[0] & 0x1fu;

		store(&text, &code, data, at, count);
	}
	check_all(&text);
	free(memory);
	return 0;
}
