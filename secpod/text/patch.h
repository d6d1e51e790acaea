/* SPDX-License-Identifier: MIT */
/*
 * The judge of patches: is what a store would leave at a patch site of the kernel's text one of the forms
 * that Linux gives to it? The forms are rows of a const table. Pure.
 *
 * Linux (arch/x86/kernel/alternative.c, text_poke_bp_batch) changes an instruction that other CPUs may be
 * executing in three steps: its first byte becomes INT3, then the bytes behind get their new values, then the
 * first byte. So a patch is judged in full at the last step; before it, behind the INT3, each store
 * must at least belong to one of the forms.
 */
#ifndef SECPOD_SECPOD_TEXT_PATCH_H
#define SECPOD_SECPOD_TEXT_PATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-support/include/secpod_abi.h"

/* No instruction that Linux patches is longer. */
#define PATCH_BYTES 16u

#define PATCH_INT3 0xccu

/* What a site is. */
enum patch_state {
	PATCH_REFUSED,
	PATCH_OPEN = SECPOD_TEXT_OPEN, /* INT3 at its first byte; behind it anything of a form */
	PATCH_ORIGINAL = SECPOD_TEXT_ORIGINAL, /* as measured */
	PATCH_NOP = SECPOD_TEXT_NOP,
	PATCH_JUMP = SECPOD_TEXT_JUMP,
	PATCH_CALL = SECPOD_TEXT_CALL,
	PATCH_RETURN = SECPOD_TEXT_RETURN,
	PATCH_CLEAR = SECPOD_TEXT_CLEAR, /* XOR EAX, EAX, for a call of a function that returns 0 */
	PATCH_STATES
};

/* The bytes of a site. */
struct patch_site {
	uint64_t va;		       /* of the first byte */
	uint8_t original[PATCH_BYTES]; /* before its first patch */
	uint8_t extent;		       /* bytes from the first that are part of a patch since */
};

/* What targets are asked of. */
struct patch_targets {
	/* Is kernel code at this linear address? */
	bool (*is_code)(void *context, uint64_t va);
	void *context;
};

/*
 * patch_judge - what is the site when its bytes are now[]? *extent: of site, with what the store adds;
 * becomes that of the form, if that is longer. Result: PATCH_REFUSED: none of the forms.
 */
enum patch_state patch_judge(const struct patch_site *site, const uint8_t now[PATCH_BYTES],
			     uint32_t *extent, const struct patch_targets *targets);

/*
 * patch_tail_judge - may bytes [first, first + count) of an open site become bytes[]? first: at least
 * 1, first + count at most PATCH_BYTES. They do if some form has them there, as far as that is known from
 * them alone; of a jump or call that is stored whole the target is asked.
 */
bool patch_tail_judge(const struct patch_site *site, uint32_t first, uint32_t count,
		      const uint8_t *bytes, const struct patch_targets *targets);

/*
 * patch_is_prefix_swap - Linux turns LOCK into a prefix without meaning while one CPU is online, and back,
 * without the detour over INT3 (alternatives_smp_lock).
 */
bool patch_is_prefix_swap(uint8_t before, uint8_t after);

#endif
