/* SPDX-License-Identifier: MIT */
/*
 * Memory for the store emulator, which notes what no caller could live with: a word outside the
 * memory, a change that is not to neighbouring bytes, a value outside them.
 */
#ifndef SECPOD_TESTS_STORE_WORLD_H
#define SECPOD_TESTS_STORE_WORLD_H

#include <stdint.h>

#include "vmx/store_emulate.h"

#define WORLD_PAGE 4096u
#define WORLD_PAGES 4u
#define WORLD_SIZE (WORLD_PAGES * WORLD_PAGE)
/* Where the memory is guest-physically; a multiple of the page size, and no linear address. */
#define WORLD_GPA 0x123456000ULL

struct store_world {
	uint8_t bytes[WORLD_SIZE];
	uint64_t gva; /* of bytes[0], page-aligned */
	struct store_memory memory;
	unsigned int reads, updates, locates;
	unsigned int stored; /* bytes, by the masks of the updates */
	/* Callbacks fail with the error once so many have succeeded; 0: they never fail. */
	int read_error, update_error, locate_error;
	unsigned int fail_after;
	const char *violation; /* NULL: none */
};

/* store_world_open - all bytes 0; context of the callbacks is the world. */
void store_world_open(struct store_world *world, uint64_t gva);

/* store_world_target - the write access to gva that is trapped. */
struct store_target store_world_target(const struct store_world *world, uint64_t gva);

/* The generator xorshift64*: the same numbers everywhere. */
static inline uint64_t store_random(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 0x2545f4914f6cdd1dULL;
}

#endif
