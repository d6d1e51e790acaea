/* SPDX-License-Identifier: MIT */
/*
 * The sites of a text: what is known of the code where it has been patched. They do not overlap, and original[] of each is what
 * was measured. For the files that make up text.h; who calls holds text->lock, but for text_init().
 */
#ifndef SECPOD_SECPOD_TEXT_SITES_H
#define SECPOD_SECPOD_TEXT_SITES_H

#include "secpod/text/text.h"

/* text_site_find - the site at va (linear); NULL: there is none. */
struct text_site *text_site_find(struct text *text, uint64_t va);

/* text_site_last_in - the last site that begins in [begin, end); NULL: none does. */
struct text_site *text_site_last_in(struct text *text, uint64_t begin, uint64_t end);

/* text_is_patched - is any of count bytes at va in a site? */
bool text_is_patched(struct text *text, uint64_t va, uint32_t count);

/*
 * text_site_new - a site at va, where there was none, of no byte yet: original[] is what is there, with what was measured where
 * other sites are. The pointer holds until the site is dropped. Result: NULL: no memory.
 */
struct text_site *text_site_new(struct text *text, const struct text_code *code, uint64_t va);

/* text_site_drop - forget the site at va. text_sites_drop - those that begin in [begin, end). */
void text_site_drop(struct text *text, uint64_t va);
void text_sites_drop(struct text *text, uint64_t begin, uint64_t end);

/* text_site_restore - in the len bytes of code from va on, put back what of the site lies there. */
void text_site_restore(const struct patch_site *patch, uint64_t va, uint8_t *bytes, uint64_t len);

/* text_read_around - PATCH_BYTES of code at va, or as many as there are in its page; the others are 0. Result: how many. */
uint32_t text_read_around(const struct text_code *code, uint64_t va, uint8_t to[PATCH_BYTES]);

#endif
