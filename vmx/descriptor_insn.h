/* SPDX-License-Identifier: MIT */
/*
 * LGDT, LIDT, SGDT, SIDT, LLDT, LTR, SLDT and STR, carried out for the guest after a
 * descriptor-table exit: what the VMCS says of the instruction, where its operand is, what it
 * loads or stores. Pure. The CPU has checked CPL, CR4.UMIP and protected mode before the exit.
 * SDM: "Format of the VM-Exit Instruction-Information Field as Used for LIDT, LGDT, SIDT, or SGDT"
 * and "... as Used for LLDT, LTR, SLDT, and STR"; the instructions' own pages for their faults.
 */
#ifndef SECPOD_VMX_DESCRIPTOR_INSN_H
#define SECPOD_VMX_DESCRIPTOR_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secpod/descriptor_policy.h"
#include "vmx/vmcs.h"

/* In the order of the fields' encodings, one family after the other. */
enum descriptor_insn_kind {
	INSN_SGDT,
	INSN_SIDT,
	INSN_LGDT,
	INSN_LIDT,
	INSN_SLDT,
	INSN_STR,
	INSN_LLDT,
	INSN_LTR
};

#define INSN_NO_REGISTER 0xffu

struct descriptor_insn {
	enum descriptor_insn_kind kind;
	bool memory;		    /* the operand is in memory */
	uint8_t reg;		    /* else: its register, 0 RAX to 15 R15 */
	uint8_t base, index, scale; /* registers or INSN_NO_REGISTER; index is shifted by scale */
	uint8_t address_bytes;	    /* 2, 4, 8 */
	bool operand_16; /* LGDT, LIDT outside 64-bit mode: a base of 24 bits, if the CPU says so */
	enum segment segment;
	uint64_t displacement;
};

/* What the guest runs, for prefixes and addresses. */
enum code_size { CODE_16, CODE_32, CODE_64 };

/* code_size_of - from CS access rights and EFER.LMA. */
enum code_size code_size_of(uint32_t cs_rights, bool long_mode);

/*
 * descriptor_insn_decode - take the VMCS fields of an exit apart.
 * ldtr_tr: the exit was for LLDT, LTR, SLDT or STR. info: VM-exit instruction information.
 * qualification: exit qualification, the displacement (RIP-relative: with RIP already in it).
 * Result: 0; -EINVAL: an encoding the SDM does not define.
 */
int descriptor_insn_decode(bool ldtr_tr, uint32_t info, uint64_t qualification,
			   struct descriptor_insn *insn);

/*
 * insn_operand_bytes - operand size by the prefixes: 2, 4, 8. The VMCS has none for SLDT and STR,
 * and emulators leave it out for LGDT and LIDT. bytes, len: the instruction. Result: 0 when len
 * ends before the opcode.
 */
unsigned int insn_operand_bytes(const uint8_t *bytes, size_t len, enum code_size code);

/* A segment register as in the VMCS. */
struct insn_segment {
	uint64_t base;
	uint32_t limit;
	uint32_t rights;
};

/*
 * descriptor_insn_address - linear address of the memory operand.
 * gpr: RAX, RCX, RDX, RBX, unused, RBP, RSI, RDI, R8 to R15; rsp in the place of the fifth.
 * segment: the one insn names. len: bytes of the operand. store: the instruction writes to it.
 * Result: 0 and *gva; -EPERM: vector insn_segment_fault(), error code 0.
 */
int descriptor_insn_address(const struct descriptor_insn *insn, const uint64_t *gpr, uint64_t rsp,
			    const struct insn_segment *segment, enum code_size code, size_t len,
			    bool store, uint64_t *gva);

/* insn_segment_fault - the exception of an unusable address: #SS through SS, else #GP. */
static inline uint8_t insn_segment_fault(const struct descriptor_insn *insn)
{
	const uint8_t ss_fault = 12, general_protection = 13;

	return insn->segment == SEG_SS ? ss_fault : general_protection;
}

/* ---- LGDT, LIDT, SGDT, SIDT */

#define TABLE_OPERAND_MAX 10u

/* table_operand_bytes - of the operand: 10 in 64-bit mode, else 6. */
static inline size_t table_operand_bytes(enum code_size code)
{
	return code == CODE_64 ? TABLE_OPERAND_MAX : 6;
}

/*
 * table_operand_load - what LGDT or LIDT loads from its operand's bytes. operand_bytes: 2, 4, 8.
 * Result: 0; -EPERM: the base is not canonical, #GP(0).
 */
int table_operand_load(const uint8_t *bytes, enum code_size code, unsigned int operand_bytes,
		       struct table_register *table);

/* table_operand_store - what SGDT or SIDT stores: table_operand_bytes() bytes. */
void table_operand_store(const struct table_register *table, enum code_size code,
			 uint8_t bytes[TABLE_OPERAND_MAX]);

/* ---- SLDT, STR */

/* selector_to_register - a register after SLDT or STR; old: before. operand_bytes: 2, 4, 8. */
uint64_t selector_to_register(uint64_t old, uint16_t selector, unsigned int operand_bytes);

/* ---- LLDT, LTR */

struct insn_fault {
	uint8_t vector;
	uint16_t error_code;
};

/* For the VMCS. */
struct system_segment {
	struct segment_register value;
	uint32_t rights;
};

/* What LLDT with a null selector loads. */
#define SYSTEM_SEGMENT_NULL(its_selector) \
	((struct system_segment){.value = {(its_selector), 0, 0}, .rights = SEGMENT_UNUSABLE})

#define SYSTEM_DESCRIPTOR_MAX 16u
/* Set in the first 8 bytes of the descriptor by LTR, with a locked write. */
#define TSS_DESCRIPTOR_BUSY (1ULL << 41)

/* system_descriptor_bytes - of an LDT or TSS descriptor: 16 in IA-32e mode, else 8. */
static inline size_t system_descriptor_bytes(bool long_mode)
{
	return long_mode ? SYSTEM_DESCRIPTOR_MAX : 8;
}

/* selector_is_null - LLDT only: the LDTR becomes unusable. */
static inline bool selector_is_null(uint16_t selector)
{
	return (selector & 0xfffcu) == 0;
}

/*
 * system_descriptor_offset - where in the GDT the descriptor is. kind: INSN_LLDT (the selector is
 * not null) or INSN_LTR.
 * Result: 0 and *offset, bytes; -EPERM and *fault.
 */
int system_descriptor_offset(enum descriptor_insn_kind kind, uint16_t selector, uint16_t gdt_limit,
			     bool long_mode, uint32_t *offset, struct insn_fault *fault);

/*
 * system_descriptor_load - what LLDT or LTR makes of the descriptor. words: its 8 or 16 bytes; the
 * second word is not looked at outside IA-32e mode. The rights of a TSS come with the busy bit.
 * Result: 0 and *segment; -EPERM and *fault.
 */
int system_descriptor_load(enum descriptor_insn_kind kind, uint16_t selector,
			   const uint64_t words[2], bool long_mode, struct system_segment *segment,
			   struct insn_fault *fault);

#endif
