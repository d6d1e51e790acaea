/* SPDX-License-Identifier: MIT */
/*
 * The list of pages that may become code (policy.code-* = list). It is made from the files of modules by
 * guest-support/install/secpod-code, where there are no addresses yet: so a page is known by the SHA-256 of its bytes
 * with zeros in place of what Linux changes before it makes code of them. Each of those places is a site. What a
 * relocation fills in may be anything; an instruction that Linux replaces has to have one of its known forms.
 * Pure; the list is not trusted to be well-formed.
 */
#ifndef SECPOD_SECPOD_TEXT_CODE_LIST_H
#define SECPOD_SECPOD_TEXT_CODE_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "secpod/text/sha256.h"

/* ---- the file: header, pages, sites, forms, one behind the other; little-endian. */

#define CODE_LIST_MAGIC 0x4c43646f50636553ULL /* "SecPodCL" */
#define CODE_LIST_VERSION 1u
#define CODE_LIST_SIZE_MAX (16u << 20)

struct code_list_header {
	uint64_t magic;
	uint32_t version;
	uint32_t pages;
	uint32_t sites;
	uint32_t forms; /* bytes */
	uint64_t zero;
};

#define CODE_LIST_PROBE 8u

struct code_list_page {
	uint8_t digest[SHA256_BYTES];	/* with zeros in its sites */
	uint8_t probe[CODE_LIST_PROBE]; /* bytes of it that are in no site, to find it by */
	uint16_t probe_at;
	uint16_t sites;
	uint32_t first; /* of them */
};

/* In the order of offset, without overlap. */
struct code_list_site {
	uint16_t offset;
	uint8_t length;
	uint8_t forms; /* 0: any bytes */
	uint32_t
		first; /* byte of the first form; each: length bytes, and as many that say which of their bits count */
};

_Static_assert(sizeof(struct code_list_header) == 32, "as it lies in the file");
_Static_assert(sizeof(struct code_list_page) == 48, "as it lies in the file");
_Static_assert(sizeof(struct code_list_site) == 8, "as it lies in the file");

/* ---- */

struct code_list {
	const struct code_list_page *page;
	const struct code_list_site *site;
	const uint8_t *form;
	uint32_t pages; /* 0: nothing is listed */
};

/*
 * code_list_open - the list in the size bytes at file, a multiple of 8, which stay as they are from here on.
 * Result: 0; -EINVAL: it is malformed, and nothing is listed.
 */
int code_list_open(struct code_list *list, const void *file, uint64_t size);

/* code_list_has - is the page listed? page, and room to work in: PAGE_SIZE bytes each. */
bool code_list_has(const struct code_list *list, const uint8_t *page, uint8_t *room);

#endif
