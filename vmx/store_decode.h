/* SPDX-License-Identifier: MIT */
/*
 * Instructions that store, taken apart: what the guest wanted to do to a frame that it may only
 * read. Pure. The forms are those Linux is known to write page tables and kernel text with, and
 * their nearest relatives; whatever else the bytes say is refused. SDM volume 2: "Instruction
 * Format", "REX Prefixes", "Addressing-Mode Encoding of ModR/M and SIB Bytes", "Opcode Map".
 *
 * Known, with a memory operand as destination:
 *
 *   MOV r/m,r and r/m,imm; MOVNTI; MOVS, STOS with and without REP (F3)
 *   with or without LOCK:	ADD, OR, AND, SUB, XOR r/m,r and r/m,imm; XCHG (always locked);
 *				BTS, BTR, BTC r/m,r and r/m,imm8; CMPXCHG; XADD
 *
 * Prefixes in any order and number, as the CPU takes them in 64-bit mode: 26, 2E, 36 and 3E do
 * nothing (3E is what Linux writes over F0 with a single CPU); of 64 and 65 the last one holds; F2
 * and F3 do nothing but before MOVS and STOS; REX counts right before the opcode only.
 */
#ifndef SECPOD_VMX_STORE_DECODE_H
#define SECPOD_VMX_STORE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmx/descriptor_insn.h"

/* SDM "Limits on Instruction Length" */
#define STORE_INSN_MAX 15u

enum store_form {
	STORE_MOV, /* MOVNTI too */
	STORE_XCHG,
	STORE_ADD,
	STORE_OR,
	STORE_AND,
	STORE_SUB,
	STORE_XOR,
	STORE_BTS,
	STORE_BTR,
	STORE_BTC,
	STORE_CMPXCHG,
	STORE_XADD,
	STORE_MOVS,
	STORE_STOS,
	STORE_FORMS
};

/* In the place of a register, which is 0 RAX to 15 R15. */
#define STORE_NO_REGISTER 0xffu
#define STORE_RIP 0x10u /* base: the address of the next instruction */

struct store_insn {
	uint8_t form;	       /* enum store_form */
	uint8_t length;	       /* bytes */
	uint8_t size;	       /* of the operand: 1, 2, 4, 8 bytes; of one element of MOVS, STOS */
	uint8_t address_bytes; /* 8; with 67h 4 */
	uint8_t base, index, scale; /* index is shifted by scale; MOVS, STOS: RDI, none */
	uint8_t source;		    /* register; none: immediate, or memory at RSI (MOVS) */
	/* enum segment: SEG_FS, SEG_GS; SEG_DS: one whose base is 0. MOVS: of the source. */
	uint8_t segment;
	bool source_high;      /* the source is AH, CH, DH, BH: source is 0 to 3 then */
	bool lock;	       /* F0 */
	bool rep;	       /* F3 before MOVS, STOS */
	bool plain;	       /* base + displacement, and no more to it, is the linear address */
	uint64_t displacement; /* sign-extended to 64 bits, as is the immediate */
	uint64_t immediate;    /* imm8 of BTS, BTR, BTC: as it stands there, zero-extended */
};

/*
 * store_decode - take one instruction apart.
 * bytes: at RIP; len: how many could be fetched, of which the first STORE_INSN_MAX are looked at.
 * code: what the guest runs; of which CODE_64 alone is known.
 * Result:
 *   0        *insn has all of it;
 *   -ENOTSUP none of the forms above: another instruction, a register as destination, REPNE MOVS
 *	      or STOS, CMPXCHG8B and CMPXCHG16B, code other than 64-bit;
 *   -EINVAL  an opcode of these forms that the CPU answers with #UD or #GP: LOCK where it is not
 *	      allowed, C6 and C7 with reg other than 0, MOVNTI with 66, F2 or F3, more than 15 bytes;
 *   -ENODATA len is less than 15 and the instruction longer than that.
 * *insn is undefined after an error.
 */
int store_decode(const uint8_t *bytes, size_t len, enum code_size code, struct store_insn *insn);

#endif
