/* SPDX-License-Identifier: MIT */
#include "vmx/store_decode.h"

#include <errno.h>

/* "REX Prefixes" */
#define REX_MASK 0xf0u
#define REX 0x40u
#define REX_W 8u
#define REX_R 4u
#define REX_X 2u
#define REX_B 1u

/* "ModR/M and SIB Bytes" */
#define MOD(modrm) ((modrm) >> 6)
#define REG(modrm) ((modrm) >> 3 & 7u)
#define RM(modrm) ((modrm)&7u)
#define MOD_REGISTER 3u
#define RM_SIB 4u
#define RM_RIP 5u /* with mod 0; in a SIB byte's base: none */
#define SIB_NO_INDEX 4u

#define REGISTER_RAX 0u
#define REGISTER_RDI 7u
#define HIGH_BYTES 4u /* without REX, byte registers 4 to 7 are AH, CH, DH, BH */

#define ESCAPE 0x0fu /* to the two-byte opcodes */

/* Prefixes that were there, or that an opcode does not take. */
#define OPERAND_SIZE 1u
#define LOCK 2u
#define REPNE 4u
#define REP 8u

/* What stands behind the opcode-> */
enum encoding {
	ENCODING_NONE = 0, /* not one of ours */
	PREFIX,
	RM_REG,	 /* r/m,r */
	RM_IMM,	 /* r/m,imm of the operand's size, at most 32 bits; reg is part of the opcode */
	RM_IMM8, /* the same with imm8 */
	STRING
};

#define BYTE 1u	      /* operand size 1; otherwise by prefixes */
#define BIT_OFFSET 2u /* the source counts bits */

/* Beside the forms: reg gives the form; it is not known, or not an instruction. */
#define BY_GROUP_1 0x40u
#define BY_GROUP_8 0x41u
#define BY_GROUP_11 0x42u
#define FORM_UNKNOWN 0x80u
#define FORM_UNDEFINED 0x81u

struct opcode {
	uint8_t encoding;
	uint8_t form;
	uint8_t flags;
	uint8_t refused; /* prefixes that make it undefined */
};

/* clang-format off */
/* "One-Byte Opcode Map" */
static const struct opcode one_byte[256] = {
	[0x00] = {RM_REG, STORE_ADD, BYTE, 0},
	[0x01] = {RM_REG, STORE_ADD, 0, 0},
	[0x08] = {RM_REG, STORE_OR, BYTE, 0},
	[0x09] = {RM_REG, STORE_OR, 0, 0},
	[0x20] = {RM_REG, STORE_AND, BYTE, 0},
	[0x21] = {RM_REG, STORE_AND, 0, 0},
	[0x28] = {RM_REG, STORE_SUB, BYTE, 0},
	[0x29] = {RM_REG, STORE_SUB, 0, 0},
	[0x30] = {RM_REG, STORE_XOR, BYTE, 0},
	[0x31] = {RM_REG, STORE_XOR, 0, 0},
	[0x80] = {RM_IMM8, BY_GROUP_1, BYTE, 0},
	[0x81] = {RM_IMM, BY_GROUP_1, 0, 0},
	[0x83] = {RM_IMM8, BY_GROUP_1, 0, 0},
	[0x86] = {RM_REG, STORE_XCHG, BYTE, 0},
	[0x87] = {RM_REG, STORE_XCHG, 0, 0},
	[0x88] = {RM_REG, STORE_MOV, BYTE, LOCK},
	[0x89] = {RM_REG, STORE_MOV, 0, LOCK},
	[0xa4] = {STRING, STORE_MOVS, BYTE, LOCK},
	[0xa5] = {STRING, STORE_MOVS, 0, LOCK},
	[0xaa] = {STRING, STORE_STOS, BYTE, LOCK},
	[0xab] = {STRING, STORE_STOS, 0, LOCK},
	[0xc6] = {RM_IMM8, BY_GROUP_11, BYTE, LOCK},
	[0xc7] = {RM_IMM, BY_GROUP_11, 0, LOCK},
	/* segments; operand and address size; LOCK, REPNE, REP */
	[0x26] = {PREFIX, 0, 0, 0}, [0x2e] = {PREFIX, 0, 0, 0}, [0x36] = {PREFIX, 0, 0, 0},
	[0x3e] = {PREFIX, 0, 0, 0}, [0x64] = {PREFIX, 0, 0, 0}, [0x65] = {PREFIX, 0, 0, 0},
	[0x66] = {PREFIX, 0, 0, 0}, [0x67] = {PREFIX, 0, 0, 0},
	[0xf0] = {PREFIX, 0, 0, 0}, [0xf2] = {PREFIX, 0, 0, 0}, [0xf3] = {PREFIX, 0, 0, 0},
};

/* "Two-Byte Opcode Map" */
static const struct opcode two_byte[256] = {
	[0xab] = {RM_REG, STORE_BTS, BIT_OFFSET, 0},
	[0xb0] = {RM_REG, STORE_CMPXCHG, BYTE, 0},
	[0xb1] = {RM_REG, STORE_CMPXCHG, 0, 0},
	[0xb3] = {RM_REG, STORE_BTR, BIT_OFFSET, 0},
	[0xba] = {RM_IMM8, BY_GROUP_8, BIT_OFFSET, 0},
	[0xbb] = {RM_REG, STORE_BTC, BIT_OFFSET, 0},
	[0xc0] = {RM_REG, STORE_XADD, BYTE, 0},
	[0xc1] = {RM_REG, STORE_XADD, 0, 0},
	[0xc3] = {RM_REG, STORE_MOV, 0, OPERAND_SIZE | LOCK | REPNE | REP}, /* MOVNTI, "NP" */
};

/* "Opcode Extensions For One- And Two-byte Opcodes" */
static const uint8_t group_1[8] = {
	STORE_ADD, STORE_OR, FORM_UNKNOWN /* ADC */, FORM_UNKNOWN /* SBB */,
	STORE_AND, STORE_SUB, STORE_XOR, FORM_UNKNOWN /* CMP */,
};
static const uint8_t group_8[8] = {
	FORM_UNKNOWN, FORM_UNKNOWN, FORM_UNKNOWN, FORM_UNKNOWN,
	FORM_UNKNOWN /* BT */, STORE_BTS, STORE_BTR, STORE_BTC,
};
static const uint8_t group_11[8] = {
	STORE_MOV, FORM_UNDEFINED, FORM_UNDEFINED, FORM_UNDEFINED,
	FORM_UNDEFINED, FORM_UNDEFINED, FORM_UNDEFINED, FORM_UNDEFINED,
};
/* clang-format on */

/* Bytes of displacement by mod, where there is no exception to it. */
static const uint8_t displacement_of[4] = {0, 1, 4, 0};

/* What is left of the bytes, and what the prefixes said. */
struct cursor {
	const uint8_t *at, *end;
	bool whole; /* an instruction that goes on behind end is too long */
	uint8_t prefixes;
	uint8_t rex;
};

static const struct store_insn undecoded = {
	.address_bytes = 8,
	.base = STORE_NO_REGISTER,
	.index = STORE_NO_REGISTER,
	.source = STORE_NO_REGISTER,
	.segment = SEG_DS,
};

static inline int out_of_bytes(const struct cursor *c)
{
	return c->whole ? -EINVAL : -ENODATA;
}

static inline unsigned int register_of(unsigned int low, uint8_t rex, uint8_t bit)
{
	return low | (rex & bit ? 8u : 0);
}

static inline uint64_t signed_16(const uint8_t *bytes)
{
	return (uint64_t)(int16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint64_t signed_32(const uint8_t *bytes)
{
	return (uint64_t)(int32_t)(bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
				   (uint32_t)bytes[3] << 24);
}

/* A signed number of size 1, 2 or 4. */
static inline int take_signed(struct cursor *c, unsigned int size, uint64_t *value)
{
	if ((size_t)(c->end - c->at) < size)
		return out_of_bytes(c);
	if (size == 1)
		*value = (uint64_t)(int8_t)c->at[0];
	else
		*value = size == 2 ? signed_16(c->at) : signed_32(c->at);
	c->at += size;
	return 0;
}

static inline void take_prefix(struct cursor *c, uint8_t byte, struct store_insn *insn)
{
	switch (byte) {
	case 0x64:
		insn->segment = SEG_FS;
		break;
	case 0x65:
		insn->segment = SEG_GS;
		break;
	case 0x66:
		c->prefixes |= OPERAND_SIZE;
		break;
	case 0x67:
		insn->address_bytes = 4;
		break;
	case 0xf0:
		c->prefixes |= LOCK;
		break;
	case 0xf2:
		c->prefixes |= REPNE;
		break;
	case 0xf3:
		c->prefixes |= REP;
		break;
	default: /* a segment that has no base in 64-bit mode */
		break;
	}
}

/* Prefixes and opcode. */
static inline int take_opcode(struct cursor *c, struct store_insn *insn,
			      const struct opcode **opcode)
{
	for (;;) {
		uint8_t byte;

		if (c->at == c->end)
			return out_of_bytes(c);
		byte = *c->at++;
		if ((byte & REX_MASK) == REX) {
			c->rex = byte;
			continue;
		}
		*opcode = &one_byte[byte];
		if ((*opcode)->encoding == PREFIX) {
			c->rex = 0;
			take_prefix(c, byte, insn);
			continue;
		}
		if (byte != ESCAPE)
			return 0;
		if (c->at == c->end)
			return out_of_bytes(c);
		*opcode = &two_byte[*c->at++];
		return 0;
	}
}

/* The memory operand. */
static inline int take_address(struct cursor *c, unsigned int modrm, struct store_insn *insn)
{
	unsigned int base = RM(modrm), displacement = displacement_of[MOD(modrm)];

	if (base == RM_SIB) {
		unsigned int sib, index;

		if (c->at == c->end)
			return out_of_bytes(c);
		sib = *c->at++;
		base = RM(sib);
		index = register_of(REG(sib), c->rex, REX_X);
		if (index != SIB_NO_INDEX) {
			insn->index = (uint8_t)index;
			insn->scale = (uint8_t)MOD(sib);
		}
		if (base != RM_RIP || displacement)
			insn->base = (uint8_t)register_of(base, c->rex, REX_B);
		else
			displacement = 4;
	} else if (base == RM_RIP && !displacement) {
		insn->base = STORE_RIP;
		displacement = 4;
	} else {
		insn->base = (uint8_t)register_of(base, c->rex, REX_B);
	}
	insn->plain = insn->base < STORE_RIP && insn->index == STORE_NO_REGISTER &&
		      insn->segment == SEG_DS && insn->address_bytes == 8;
	return displacement ? take_signed(c, displacement, &insn->displacement) : 0;
}

static inline int decode_string(const struct cursor *c, const struct opcode *opcode,
				struct store_insn *insn)
{
	if (c->prefixes & opcode->refused)
		return -EINVAL;
	/* Reserved with these; and nothing says whether F2 or F3 holds. */
	if (c->prefixes & REPNE)
		return -ENOTSUP;
	insn->form = opcode->form;
	insn->base = REGISTER_RDI;
	insn->rep = c->prefixes & REP;
	if (opcode->form == STORE_STOS)
		insn->source = REGISTER_RAX;
	return 0;
}

static inline uint8_t form_of(const struct opcode *opcode, unsigned int modrm)
{
	switch (opcode->form) {
	case BY_GROUP_1:
		return group_1[REG(modrm)];
	case BY_GROUP_8:
		return group_8[REG(modrm)];
	case BY_GROUP_11:
		return group_11[REG(modrm)];
	default:
		return opcode->form;
	}
}

static inline int take_immediate(struct cursor *c, const struct opcode *opcode,
				 struct store_insn *insn)
{
	unsigned int size = insn->size < 4 ? insn->size : 4;
	int error = take_signed(c, opcode->encoding == RM_IMM8 ? 1 : size, &insn->immediate);

	if (opcode->flags & BIT_OFFSET)
		insn->immediate = (uint8_t)insn->immediate;
	return error;
}

static inline int decode_rm(struct cursor *c, const struct opcode *opcode, struct store_insn *insn)
{
	unsigned int modrm, source;
	uint8_t form;
	int error;

	if (c->at == c->end)
		return out_of_bytes(c);
	modrm = *c->at++;
	form = form_of(opcode, modrm);
	if (form == FORM_UNKNOWN || MOD(modrm) == MOD_REGISTER)
		return -ENOTSUP;
	error = take_address(c, modrm, insn);
	if (error)
		return error;
	if (form == FORM_UNDEFINED || (c->prefixes & opcode->refused))
		return -EINVAL;
	insn->form = form;
	insn->lock = c->prefixes & LOCK;
	if (opcode->encoding != RM_REG)
		return take_immediate(c, opcode, insn);
	source = register_of(REG(modrm), c->rex, REX_R);
	insn->source_high = insn->size == 1 && !c->rex && source >= HIGH_BYTES;
	insn->source = (uint8_t)(insn->source_high ? source - HIGH_BYTES : source);
	if (opcode->flags & BIT_OFFSET)
		insn->plain = false;
	return 0;
}

static __attribute__((noinline)) int decode_any(const uint8_t *bytes, size_t len,
						struct store_insn *insn)
{
	struct cursor c = {.at = bytes, .end = bytes + len};
	const struct opcode *opcode;
	int error;

	if (len >= STORE_INSN_MAX) {
		c.end = bytes + STORE_INSN_MAX;
		c.whole = true;
	}
	*insn = undecoded;
	error = take_opcode(&c, insn, &opcode);
	if (error)
		return error;
	if (opcode->encoding == ENCODING_NONE)
		return -ENOTSUP;
	if (opcode->flags & BYTE)
		insn->size = 1;
	else if (c.rex & REX_W)
		insn->size = 8;
	else
		insn->size = c.prefixes & OPERAND_SIZE ? 2 : 4;
	error = opcode->encoding == STRING ? decode_string(&c, opcode, insn)
					   : decode_rm(&c, opcode, insn);
	insn->length = (uint8_t)(c.at - bytes);
	return error;
}

/*
 * The shortest way for what nearly every store to a page table is: one of 64 bits, MOV or XCHG, without other
 * prefixes and without SIB. bytes: STORE_INSN_MAX. Result: is it one?
 */
static inline bool decode_common(const uint8_t *bytes, struct store_insn *insn)
{
	const unsigned int mov = 0x89, xchg = 0x87, mov_imm = 0xc7;
	const unsigned int rex = bytes[0], opcode = bytes[1], modrm = bytes[2];
	unsigned int length = 3 + displacement_of[MOD(modrm)];

	if ((rex & (REX_MASK | REX_W)) != (REX | REX_W))
		return false;
	if (opcode != mov && opcode != xchg && (opcode != mov_imm || REG(modrm) != 0))
		return false;
	if (MOD(modrm) == MOD_REGISTER || RM(modrm) == RM_SIB ||
	    (MOD(modrm) == 0 && RM(modrm) == RM_RIP))
		return false;
	*insn = undecoded;
	insn->form = opcode == xchg ? STORE_XCHG : STORE_MOV;
	insn->size = 8;
	insn->base = (uint8_t)(RM(modrm) | (rex & REX_B) << 3);
	insn->plain = true;
	if (length == 4)
		insn->displacement = (uint64_t)(int8_t)bytes[3];
	else if (length == 7)
		insn->displacement = signed_32(bytes + 3);
	if (opcode == mov_imm) {
		insn->immediate = signed_32(bytes + length);
		length += 4;
	} else {
		insn->source = (uint8_t)(REG(modrm) | (rex & REX_R) << 1);
	}
	insn->length = (uint8_t)length;
	return true;
}

int store_decode(const uint8_t *bytes, size_t len, enum code_size code, struct store_insn *insn)
{
	if (code != CODE_64)
		return -ENOTSUP;
	if (len >= STORE_INSN_MAX && decode_common(bytes, insn))
		return 0;
	return decode_any(bytes, len, insn);
}
