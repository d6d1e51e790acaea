/* SPDX-License-Identifier: MIT */
/*
 * The profile of a kernel: the places where it patches its own code, and what each may become. It is made from the
 * kernel's file by guest-support/profile/secpod-profile, where there is no KASLR yet: all places are offsets from the first
 * byte of the kernel's text. A file has the profiles of one kernel or of several; that of the kernel that
 * runs is known by its build ID. Pure; the file is not trusted to be well-formed.
 */
#ifndef SECPOD_SECPOD_TEXT_CODE_PROFILE_H
#define SECPOD_SECPOD_TEXT_CODE_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "secpod/text/patch.h"
#include "secpod/text/sha256.h"

/* ---- the file: profiles, each of a header, sites, functions, tracers, zeros up to a multiple of 8; little-endian. */

#define CODE_PROFILE_MAGIC 0x5043646f50636553ULL /* "SecPodCP" */
#define CODE_PROFILE_VERSION 2u
#define CODE_PROFILE_SIZE_MAX (16u << 20)
#define CODE_PROFILE_TEXT_MAX (1u << 30)
/* For one from the guest. Those of Debian's 6.1 and 6.12 have 0.9 and 1.1 MB. */
#define CODE_PROFILE_ROOM SECPOD_PROFILE_MAX
#define CODE_PROFILE_ID 20u

/* By which code is patched: memcpy(), memset(). Offsets in the text; no bytes: not known. */
#define CODE_PROFILE_WRITERS 2u
#define CODE_PROFILE_WRITER_MAX 4096u

struct code_profile_range {
	uint32_t offset;
	uint32_t bytes;
};

struct code_profile_header {
	uint64_t magic;
	uint32_t version;
	uint32_t size; /* bytes, of all that is this profile */
	uint32_t text; /* bytes of text, in which all offsets lie */
	uint32_t sites;
	uint32_t functions;
	uint32_t tracers;
	uint32_t id_at; /* where the kernel has its build ID, from its first byte of text */
	uint8_t id[CODE_PROFILE_ID];
	struct code_profile_range writer[CODE_PROFILE_WRITERS];
};

enum code_profile_kind {
	CODE_PROFILE_JUMP = 1, /* jump label: a jump to its target, or NOP */
	CODE_PROFILE_CALL,     /* static call: a call of a function, NOP, or XOR EAX, EAX */
	CODE_PROFILE_TAIL,     /* the same as the last thing of a function: a jump to one, or RET */
	CODE_PROFILE_BRANCH,   /* and a conditional one */
	CODE_PROFILE_TRACE,    /* the beginning of a function: a call of a tracer, or NOP */
	CODE_PROFILE_PREFIX,   /* LOCK */
	CODE_PROFILE_KINDS
};

/* In the order of offset, without overlap. */
struct code_profile_site {
	uint32_t offset;
	uint32_t target; /* of a jump label, an offset; else 0 */
	uint8_t kind;
	uint8_t length;
	uint16_t zero;
};

/* Functions, which static calls may call, and tracers are offsets (uint32_t) in ascending order. */

_Static_assert(sizeof(struct code_profile_header) == 72, "as it lies in the file");
_Static_assert(sizeof(struct code_profile_site) == 12, "as it lies in the file");

/* ---- */

struct code_profiles {
	const uint8_t *file;
	uint64_t size;	/* 0: there is none */
	uint32_t count; /* of profiles */
};

/* That of the kernel that runs. */
struct code_profile {
	const struct code_profile_site *site;
	const uint32_t *function;
	const uint32_t *tracer;
	uint32_t sites; /* 0: no patch is in it */
	uint32_t functions;
	uint32_t tracers;
	struct code_profile_range writer[CODE_PROFILE_WRITERS];
	uint64_t begin; /* of the kernel's image, linear */
	uint64_t bytes;
	uint8_t digest[SHA256_BYTES]; /* of the profile as it is in the file */
};

/*
 * code_profiles_open - the profiles in the size bytes at file, a multiple of 8, which stay as they are from here on.
 * Result: 0; -EINVAL: malformed, and there is none.
 */
int code_profiles_open(struct code_profiles *profiles, const void *file, uint64_t size);

/*
 * code_profiles_choose - the profile of the kernel whose image is the bytes from begin (linear) on. read: copy bytes of
 * it, by offset; result 0 or negative. Result: false: none is, and *profile has no site.
 */
typedef int (*code_profile_read)(void *context, uint64_t offset, void *to, uint64_t len);
bool code_profiles_choose(const struct code_profiles *profiles, code_profile_read read,
			  void *context, uint64_t begin, uint64_t bytes,
			  struct code_profile *profile);

/* code_profile_at - the site that begins at va (linear); NULL: none does. */
const struct code_profile_site *code_profile_at(const struct code_profile *profile, uint64_t va);

/* code_profile_covers - is va (linear) in the image that the profile is about? */
bool code_profile_covers(const struct code_profile *profile, uint64_t va);

/* code_profile_state - may the site be in this state, by so many bytes? */
bool code_profile_state(const struct code_profile_site *site, enum patch_state state,
			uint32_t length);

/* code_profile_target - may the site lead to va (linear), which is code? Outside of the image: but for jump labels. */
bool code_profile_target(const struct code_profile *profile, const struct code_profile_site *site,
			 uint64_t va);

#endif
