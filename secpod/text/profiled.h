/* SPDX-License-Identifier: MIT */
/* What a profile has of a patch that is one (code_profile.h, patch.h). For text.c. */
#ifndef SECPOD_SECPOD_TEXT_PROFILED_H
#define SECPOD_SECPOD_TEXT_PROFILED_H

#include "secpod/text/text.h"

/* text_profiled_length - of its site at va, in bytes; 0: there is none. */
uint32_t text_profiled_length(const struct code_profile *profile, uint64_t va);

/* text_profiled_opens - is one at va that is patched with INT3? */
bool text_profiled_opens(const struct code_profile *profile, uint64_t va);

/*
 * text_profiled_has - the patch has now[] where it was original[]; patch_judge() has admitted that, as state, by so many
 * bytes. Does the profile have it?
 */
bool text_profiled_has(const struct code_profile *profile, const struct text_code *code,
		       const struct patch_site *patch, const uint8_t now[PATCH_BYTES],
		       enum patch_state state, uint32_t length);

/* text_profiled_fills - the same of count bytes of an open site, from its byte first (1 or more) on. */
bool text_profiled_fills(const struct code_profile *profile, const struct text_code *code,
			 const struct patch_site *patch, uint32_t first, const uint8_t *bytes,
			 uint32_t count);

#endif
