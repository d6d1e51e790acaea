/* SPDX-License-Identifier: MIT */
#include "secpod/text/text_lines.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const states[PATCH_STATES] = {
	[PATCH_REFUSED] = "refused", [PATCH_OPEN] = "open",   [PATCH_ORIGINAL] = "original",
	[PATCH_NOP] = "nop",	     [PATCH_JUMP] = "jump",   [PATCH_CALL] = "call",
	[PATCH_RETURN] = "return",   [PATCH_CLEAR] = "clear",
};

/* In a panic a site may be half written. */
static void tell_site(const struct text_site *site, void (*print)(const char *line))
{
	const uint32_t extent = site->patch.extent < PATCH_BYTES ? site->patch.extent : PATCH_BYTES;
	char line[TEXT_LINE_SIZE], original[2 * PATCH_BYTES + 1] = "";

	for (uint32_t i = 0; i < extent; i++)
		(void)snprintf(original + 2 * i, 3, "%02x", site->patch.original[i]);
	(void)snprintf(line, sizeof(line), "text: %#" PRIx64 " is %s, was %s", site->patch.va,
		       site->state < PATCH_STATES ? states[site->state] : "unknown", original);
	print(line);
}

void text_tell(struct text *text, text_next next, void (*print)(const char *line))
{
	const uint32_t sites = __atomic_load_n(&text->sites, __ATOMIC_RELAXED);
	char line[TEXT_LINE_SIZE];
	struct text_site site;
	uint32_t number = 0, told = 0;

	if (!sites)
		return;
	(void)snprintf(line, sizeof(line), "text: %" PRIu32 " sites are patched", sites);
	print(line);
	while (told < TEXT_LINES && (number = next(text, number, &site)) != 0) {
		tell_site(&site, print);
		told++;
	}
	if (told == TEXT_LINES && sites > told) {
		(void)snprintf(line, sizeof(line), "text: %" PRIu32 " more are not shown",
			       sites - told);
		print(line);
	}
}
