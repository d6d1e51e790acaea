/* SPDX-License-Identifier: MIT */
/* Changes of protection: what they cost, and that they hold when mprotect() has returned. */
#ifndef SECPOD_TESTS_LINUX_PROTECTION_H
#define SECPOD_TESTS_LINUX_PROTECTION_H

#include <stdint.h>

/* exits_of_mprotect - of taking write access from PROTECTED pages, each mapped by an entry of its own. 0: not counted. */
#define PROTECTED 1024u
uint64_t exits_of_mprotect(void);

/*
 * protection_holds - a thread goes on writing while this one takes write access and gives it back: nothing is written in
 * between, and nothing that was written is lost. Result: as that of the parts (guest.h).
 */
int protection_holds(void);

#endif
