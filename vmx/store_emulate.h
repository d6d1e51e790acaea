/* SPDX-License-Identifier: MIT */
/*
 * A decoded store (vmx/store_decode.h), carried out for the guest: one aligned 8-byte word of memory
 * at a time, each by a callback that judges the new word and exchanges it for the old one. Pure; the
 * caller reads and writes the guest's registers. SDM volume 2: the instructions' pages for operation
 * and flags.
 */
#ifndef SECPOD_VMX_STORE_EMULATE_H
#define SECPOD_VMX_STORE_EMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmx/store_decode.h"

/* What becomes of a word. Bits outside mask stay, whatever value has there. */
enum store_operation {
	STORE_WORD_REPLACE, /* value */
	STORE_WORD_AND,	    /* old op value */
	STORE_WORD_OR,
	STORE_WORD_XOR,
	STORE_WORD_ADD,
	STORE_WORD_SUB,
	STORE_WORD_COMPARE /* value if old equals expected under mask, else old */
};

/* The store as a function of the old word. */
struct store_change {
	enum store_operation operation;
	uint64_t mask;	   /* the bytes stored to: 1 to 8 neighbouring ones, as bits of the word */
	uint64_t value;	   /* in its place in the word */
	uint64_t expected; /* COMPARE only, in its place */
};

/* store_change_apply - the new word. It differs from old under change->mask only. */
static inline uint64_t store_change_apply(const struct store_change *change, uint64_t old)
{
	uint64_t result = change->value;

	switch (change->operation) {
	case STORE_WORD_REPLACE:
		break;
	case STORE_WORD_AND:
		result &= old;
		break;
	case STORE_WORD_OR:
		result |= old;
		break;
	case STORE_WORD_XOR:
		result ^= old;
		break;
	case STORE_WORD_ADD:
		result = old + result;
		break;
	case STORE_WORD_SUB:
		result = old - result;
		break;
	case STORE_WORD_COMPARE:
		if ((old ^ change->expected) & change->mask)
			result = old;
		break;
	}
	return (old & ~change->mask) | (result & change->mask);
}

/* The registers an instruction can name. */
struct store_registers {
	uint64_t *gpr; /* RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15 */
	uint64_t rip, rflags;
	uint64_t fs_base, gs_base; /* read only for an instruction with such a segment */
};

/* The access that was trapped. */
struct store_target {
	uint64_t gva; /* guest-linear address, as the exit reports it */
	uint64_t gpa; /* guest-physical address of the same byte */
	/*
	 * MOV, MOVNTI, MOVS and STOS may cross an 8-byte boundary, which becomes two updates, in the
	 * order of their addresses. For kernel text, which Linux patches with unaligned stores on
	 * CPUs without fast short REP MOVSB; page tables are never written so.
	 */
	bool may_split;
};

struct store_memory {
	/*
	 * Read len bytes (1 to 8) at gva as a data read of the guest: MOVS only. They may cross into
	 * a second page. Result: 0, or negative: nothing happens to the element that needed them.
	 */
	int (*read)(void *context, uint64_t gva, void *to, size_t len);
	/*
	 * Change the word at gpa (bytes, multiple of 8): for some value old of the word, atomically,
	 * old -> store_change_apply(change, old), if that may be. *old: gets that value; undefined on
	 * failure. Result: 0; negative: memory is unchanged.
	 */
	int (*update)(void *context, uint64_t gpa, const struct store_change *change,
		      uint64_t *old);
	/*
	 * *gpa: where a write of the guest to gva goes; for the part of a split store that is in
	 * another page than the target. NULL: a store that crosses a page is refused. Result: 0,
	 * negative.
	 */
	int (*locate)(void *context, uint64_t gva, uint64_t *gpa);
	void *context;
};

/* Done as far as one exit goes: the guest is to execute the instruction again for the rest. */
#define STORE_PARTIAL 1

/*
 * store_emulate - carry out insn, at registers->rip.
 * registers: in and out. With a result of 0 they are what the instruction leaves: general-purpose
 * registers, RIP behind it, status flags, RF clear. With STORE_PARTIAL, and with an error of a
 * string instruction behind its first element, they are what an interrupted REP leaves: RCX, RSI
 * and RDI count what was stored, RIP and RFLAGS are untouched. With any other error nothing has
 * changed, in registers or memory; but when the second half of a split store is refused, the first
 * half stays in memory.
 *
 * For the caller, after 0 and STORE_PARTIAL: blocking by STI and MOV SS ends; with RFLAGS.TF (not
 * changed) a single-step trap is due, and no more than one element was stored then. Rights of the
 * access, CPL and alignment checks (AC) are what the CPU has checked before the exit.
 *
 * A string instruction goes no further than the page of the target; bytes of one word are stored
 * together. Flags that the SDM leaves undefined are as CPUs leave them: AF is cleared by AND, OR and
 * XOR; BTS, BTR and BTC change CF only.
 *
 * Result:
 *   0, STORE_PARTIAL
 *   -EAGAIN  the instruction does not store to the page of target->gva: code or registers are not
 *	      those that were trapped any more; let the guest execute again;
 *   -EPERM   the store crosses an 8-byte boundary or a page, and may not (may_split, locate);
 *   and what the callbacks return.
 */
int store_emulate(const struct store_insn *insn, struct store_registers *registers,
		  const struct store_target *target, const struct store_memory *memory);

#endif
