/* SPDX-License-Identifier: MIT */
/*
 * Functions of the kernel that may be redirected: those that store one entry of a page table and do nothing
 * else, as the compiler has made them. They are rows of a const table, compared byte by byte. Pure.
 *
 * The first instruction, of two or three bytes, gives way to a short jump to padding, which no CPU executes, and
 * the padding to a jump to the stub. So every other instruction stays whole: a CPU that was interrupted in the function
 * goes on as before.
 */
#ifndef SECPOD_SECPOD_TEXT_REDIRECT_H
#define SECPOD_SECPOD_TEXT_REDIRECT_H

#include <stdint.h>

/* What is compared: the padding before the function, and the function. */
#define REDIRECT_BEFORE 16u
#define REDIRECT_BYTES 48u

#define REDIRECT_ENTRY_LENGTH 2u
#define REDIRECT_ROOM_LENGTH 5u

/* Where the two jumps go, from the first byte of the padding before the function. */
struct redirect_place {
	uint8_t entry;
	uint8_t room;
};

/* redirect_match - the places in bytes[], the first of them REDIRECT_BEFORE before the function. NULL: unknown. */
const struct redirect_place *redirect_match(const uint8_t bytes[REDIRECT_BYTES]);

#endif
