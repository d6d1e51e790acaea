/* SPDX-License-Identifier: MIT */
/*
 * Who patches code. Linux maps the page that it patches in an address space of its own, at an address of the lower half, and
 * stores there with interrupts off (arch/x86/kernel/alternative.c, __text_poke()): by memcpy(), or by memset() where BPF gives
 * code back. Where these are the profile of the kernel says (code_profile.h), or else memcpy() is learned at the first store to code that
 * was measured, memset() at the first other one to code of BPF that comes after it. The address space is learned at the first
 * store. Pure; any CPU may ask at any time.
 */
#ifndef SECPOD_SECPOD_TEXT_POKER_H
#define SECPOD_SECPOD_TEXT_POKER_H

#include <stdbool.h>
#include <stdint.h>

enum poker_writer { POKER_COPY, POKER_FILL, POKER_WRITERS };

/* Zero: nothing is known. */
struct poker {
	uint64_t root;		       /* physical */
	uint64_t rip[POKER_WRITERS];   /* learned, linear */
	uint64_t begin[POKER_WRITERS]; /* given, linear */
	uint64_t bytes[POKER_WRITERS]; /* from begin on; 0: not given */
};

struct poke {
	uint64_t root;	 /* CR3's address */
	uint64_t va;	 /* that is written to, linear */
	uint64_t rip;	 /* linear */
	bool interrupts; /* RFLAGS.IF */
	bool fluid;	 /* to code that is written again and again (FRAME_FLUID) */
};

/* poker_give - this writer's instructions are the bytes (not 0) from begin (linear) on, whatever was learned. */
void poker_give(struct poker *poker, enum poker_writer writer, uint64_t begin, uint64_t bytes);

/*
 * poker_is_known - is this a store to code by who patches? The first one teaches it. A store to code that is fluid passes
 * from anywhere in the lower half as long as memcpy() is not known, and teaches nothing then.
 */
bool poker_is_known(struct poker *poker, const struct poke *poke);

#endif
