/* SPDX-License-Identifier: MIT */
/*
 * The kernel's text after ACTIVATE: what each page of the image was when it was measured, and the sites
 * where Linux has patched it since. A site is kept from its first patch until it is again what it
 * was. Pure: code is read and written through struct text_code.
 *
 * text_store() judges and carries out one store at a time; text->lock serialises them, as Linux's
 * text_mutex does. It is held in root mode only, and nobody who holds it waits for a CPU in the guest.
 */
#ifndef SECPOD_SECPOD_TEXT_TEXT_H
#define SECPOD_SECPOD_TEXT_TEXT_H

#include "secpod/text/code_profile.h"
#include "secpod/text/patch.h"
#include "secpod/text/poker.h"
#include "secpod/text/sha256.h"
#include "vmm/addr.h"
#include "vmm/page_pool.h"
#include "vmm/spinlock.h"

#define TEXT_BUCKETS 4096u
#define TEXT_SITE_PAGES_MAX 512u
#define TEXT_SITES_PER_PAGE (PAGE_SIZE / sizeof(struct text_site))

struct text_site {
	struct patch_site patch;
	uint8_t state; /* enum patch_state */
	bool put;      /* by text_redirect() or text_rearm(), which ask no profile */
	uint32_t next; /* in its bucket, or of those free; 0: the last one */
};

struct text_stats {
	uint64_t patches;  /* stores that were admitted */
	uint64_t refused;  /* that were no patch */
	uint64_t measured; /* pages of the image */
};

struct text {
	struct spinlock lock;
	struct page_pool *pool;
	uint32_t *bucket;			     /* TEXT_BUCKETS, by address */
	struct text_site *page[TEXT_SITE_PAGES_MAX]; /* sites by number, from 1 */
	uint32_t pages;
	uint32_t free; /* first one */
	uint32_t sites;

	uint64_t begin; /* of the image, linear */
	uint64_t bytes;
	uint8_t (*digest)[SHA256_BYTES]; /* by page of the image; zero: no code */
	bool profiled; /* set once: in the image only sites of the profile are patched */
	struct code_profile profile;
	struct poker poker; /* who patches */
	struct text_stats stats;
};

/* How code is reached; addresses are the kernel's own, not those it is written through. */
struct text_code {
	/* Read len bytes of kernel code. Result: 0; negative: some of it is none. */
	int (*read)(void *context, uint64_t va, uint8_t *to, size_t len);
	/* Make the store that is judged. Result: 0; negative: it is not made. */
	int (*write)(void *context);
	bool (*is_code)(void *context, uint64_t va);
	void *context;
	bool any_place; /* the profile is not asked */
};

/* text_init - no site, nothing measured. Result: 0, -ENOMEM. */
int text_init(struct text *text, struct page_pool *pool);

/*
 * text_measure_begin - room for the digests of an image of so many bytes at begin (linear). Result: 0, -EINVAL,
 * -ENOMEM.
 * text_measure - note the digest of the page of code (PAGE_SIZE bytes) at va.
 */
int text_measure_begin(struct text *text, uint64_t begin, uint64_t bytes);
void text_measure(struct text *text, uint64_t va, const void *page);

/*
 * text_store - count bytes (1 to 8) of kernel code at va are to become bytes[]: judge it, and make it. INT3 that was
 * there when the page was measured is taken for a site that was opened before.
 * Result: 0; -EACCES: it is no patch that Linux makes; -EPERM: it is one, but not of the profile; -ENOMEM: no
 * room for one more site; and what write() returns.
 */
int text_store(struct text *text, const struct text_code *code, uint64_t va, const uint8_t *bytes,
	       uint32_t count);

/*
 * text_use_profile - from here on the image is patched as *profile has it, and by whom. code: with which each site of the image that is
 * patched by now is held against it; NULL: they stay. refuse: asked about those that the profile does not have as they are:
 * does it stand in the way? context: of code. now[]: the bytes there, as many as can be read.
 * Result: 0; -EPERM: there is a profile; -EAGAIN: a site of the profile is being patched; -EACCES: refuse() has said so.
 */
typedef bool (*text_refuse)(void *context, const struct text_site *site,
			    const uint8_t now[PATCH_BYTES], const struct code_profile *profile);
int text_use_profile(struct text *text, const struct code_profile *profile,
		     const struct text_code *code, text_refuse refuse);

/*
 * text_redirect - the function at function (linear, a multiple of 16) goes to stub from now on (redirect.h).
 * put: count bytes at va, in one aligned word of 8, by one store; result as that of write().
 * Result: 0; -ENOENT: it is none of those known; -EBUSY: it is patched; -EINVAL: too far away, or no multiple of 16;
 * -ENOMEM; and what put() returns: then it goes where it went.
 */
typedef int (*text_put)(void *context, uint64_t va, const uint8_t *bytes, uint32_t count);
int text_redirect(struct text *text, const struct text_code *code, text_put put, uint64_t function,
		  uint64_t stub);

/*
 * text_rearm - calls that Linux has patched away, each of them a NOP of 6 bytes, call their stubs from now on, all of them or
 * none. put: as above. Result: 0; -ENOENT: other bytes are there; -EBUSY: they are patched; -EINVAL: too far away;
 * -ENOMEM; and what put() returns.
 */
int text_rearm(struct text *text, const struct text_code *code, text_put put,
	       const struct secpod_call_site *calls, uint32_t count);

/* text_forget - code of another origin comes to the page at va: what was patched there is of no matter. */
void text_forget(struct text *text, uint64_t va);

/*
 * text_site_after - *site becomes the first site in use whose number is above that; sites are numbered from 1, in no
 * order. Result: its number; 0: there is none. text_site_peek - the same without the lock: for a panic.
 */
uint32_t text_site_peek(struct text *text, uint32_t number, struct text_site *site);
uint32_t text_site_after(struct text *text, uint32_t number, struct text_site *site);

/*
 * text_verify - is the page of code at va (PAGE_SIZE bytes, as it is now) what was measured, but for the
 * sites that are patched? Those are put back in page[]. Result: 0; -EACCES: it is not; -ENOENT: it was not
 * measured.
 */
int text_verify(struct text *text, uint64_t va, uint8_t *page);

#endif
