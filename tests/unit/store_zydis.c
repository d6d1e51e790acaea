/* SPDX-License-Identifier: MIT */
#include "tests/unit/store_zydis.h"

#include <errno.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include "vmx/store_decode.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct decoded {
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static ZyanStatus decode_zydis(const uint8_t *bytes, size_t len, struct decoded *decoded)
{
	static ZydisDecoder decoder;
	static int ready;

	if (!ready) {
		ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
		ready = 1;
	}
	return ZydisDecoderDecodeFull(&decoder, bytes, len, &decoded->insn, decoded->operands);
}

static const struct {
	ZydisMnemonic mnemonic;
	enum store_form form;
	uint8_t size; /* of MOVS, STOS; 0: as the operand says */
} mnemonics[] = {
	{ZYDIS_MNEMONIC_MOV, STORE_MOV, 0},    {ZYDIS_MNEMONIC_MOVNTI, STORE_MOV, 0},
	{ZYDIS_MNEMONIC_XCHG, STORE_XCHG, 0},  {ZYDIS_MNEMONIC_ADD, STORE_ADD, 0},
	{ZYDIS_MNEMONIC_OR, STORE_OR, 0},      {ZYDIS_MNEMONIC_AND, STORE_AND, 0},
	{ZYDIS_MNEMONIC_SUB, STORE_SUB, 0},    {ZYDIS_MNEMONIC_XOR, STORE_XOR, 0},
	{ZYDIS_MNEMONIC_BTS, STORE_BTS, 0},    {ZYDIS_MNEMONIC_BTR, STORE_BTR, 0},
	{ZYDIS_MNEMONIC_BTC, STORE_BTC, 0},    {ZYDIS_MNEMONIC_CMPXCHG, STORE_CMPXCHG, 0},
	{ZYDIS_MNEMONIC_XADD, STORE_XADD, 0},  {ZYDIS_MNEMONIC_MOVSB, STORE_MOVS, 1},
	{ZYDIS_MNEMONIC_MOVSW, STORE_MOVS, 2}, {ZYDIS_MNEMONIC_MOVSD, STORE_MOVS, 4},
	{ZYDIS_MNEMONIC_MOVSQ, STORE_MOVS, 8}, {ZYDIS_MNEMONIC_STOSB, STORE_STOS, 1},
	{ZYDIS_MNEMONIC_STOSW, STORE_STOS, 2}, {ZYDIS_MNEMONIC_STOSD, STORE_STOS, 4},
	{ZYDIS_MNEMONIC_STOSQ, STORE_STOS, 8},
};

/* The row of mnemonics, or -1. MOVSD is the name of an SSE instruction too. */
static int known(const struct decoded *d)
{
	for (size_t i = 0; i < COUNT_OF(mnemonics); i++)
		if (mnemonics[i].mnemonic == d->insn.mnemonic)
			return d->insn.meta.isa_set == ZYDIS_ISA_SET_SSE2 &&
					       d->insn.mnemonic != ZYDIS_MNEMONIC_MOVNTI
				       ? -1
				       : (int)i;
	return -1;
}

/* Register numbers of Zydis in our counting; address registers have 4 or 8 bytes. */
static uint8_t address_register(ZydisRegister reg, uint8_t address_bytes)
{
	if (reg == ZYDIS_REGISTER_NONE)
		return STORE_NO_REGISTER;
	if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
		return STORE_RIP;
	return (uint8_t)(reg - (address_bytes == 8 ? ZYDIS_REGISTER_RAX : ZYDIS_REGISTER_EAX));
}

/*
 * Zydis before the fix of its issue 592 takes R13D for the base where there is none: 67h, REX.B, and in SIB the
 * base 5 with mod 0. test_store_host has the CPU's own opinion.
 */
static bool base_is_mistaken(const struct decoded *d)
{
	return d->insn.address_width == 32 && (d->insn.attributes & ZYDIS_ATTRIB_HAS_SIB) &&
	       d->insn.raw.sib.base == 5 && d->insn.raw.modrm.mod == 0 &&
	       d->operands[0].mem.base == ZYDIS_REGISTER_R13D;
}

static const char *compare_memory(const struct store_insn *insn, const struct decoded *d)
{
	const ZydisDecodedOperand *operand = &d->operands[0];
	ZydisDecodedOperandMem corrected = operand->mem;
	const ZydisDecodedOperandMem *mem = &corrected;
	uint8_t scale = (uint8_t)(insn->index == STORE_NO_REGISTER ? 0 : 1u << insn->scale);

	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY)
		return "the destination is not memory";
	if (base_is_mistaken(d)) {
		corrected.base = ZYDIS_REGISTER_NONE;
		corrected.disp.value = d->insn.raw.disp.value;
	}
	if (address_register(mem->base, insn->address_bytes) != insn->base)
		return "base";
	if (address_register(mem->index, insn->address_bytes) != insn->index)
		return "index";
	if (mem->scale != scale)
		return "scale";
	if ((uint64_t)mem->disp.value != insn->displacement)
		return "displacement";
	return NULL;
}

static const char *compare_segment(const struct store_insn *insn, ZydisRegister segment)
{
	ZydisRegister expected = insn->segment == SEG_FS   ? ZYDIS_REGISTER_FS
				 : insn->segment == SEG_GS ? ZYDIS_REGISTER_GS
							   : ZYDIS_REGISTER_NONE;

	/* All others have the base 0. */
	if (segment != ZYDIS_REGISTER_FS && segment != ZYDIS_REGISTER_GS)
		segment = ZYDIS_REGISTER_NONE;
	return segment == expected ? NULL : "segment";
}

static const char *compare_source_register(const struct store_insn *insn, ZydisRegister reg)
{
	static const ZydisRegister first[] = {
		[2] = ZYDIS_REGISTER_AX, [4] = ZYDIS_REGISTER_EAX, [8] = ZYDIS_REGISTER_RAX};
	static const ZydisRegister low[] = {
		ZYDIS_REGISTER_AL,   ZYDIS_REGISTER_CL,	  ZYDIS_REGISTER_DL,   ZYDIS_REGISTER_BL,
		ZYDIS_REGISTER_SPL,  ZYDIS_REGISTER_BPL,  ZYDIS_REGISTER_SIL,  ZYDIS_REGISTER_DIL,
		ZYDIS_REGISTER_R8B,  ZYDIS_REGISTER_R9B,  ZYDIS_REGISTER_R10B, ZYDIS_REGISTER_R11B,
		ZYDIS_REGISTER_R12B, ZYDIS_REGISTER_R13B, ZYDIS_REGISTER_R14B, ZYDIS_REGISTER_R15B};
	static const ZydisRegister high[] = {ZYDIS_REGISTER_AH, ZYDIS_REGISTER_CH,
					     ZYDIS_REGISTER_DH, ZYDIS_REGISTER_BH};
	ZydisRegister expected;

	if (insn->source >= COUNT_OF(low))
		return "source";
	if (insn->size > 1)
		expected = first[insn->size] + insn->source;
	else if (insn->source_high)
		expected = insn->source < COUNT_OF(high) ? high[insn->source] : ZYDIS_REGISTER_NONE;
	else
		expected = low[insn->source];
	return reg == expected ? NULL : "source register";
}

static const char *compare_source(const struct store_insn *insn, const ZydisDecodedOperand *operand)
{
	uint64_t mask = UINT64_MAX >> (64 - 8 * insn->size);

	if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER)
		return compare_source_register(insn, operand->reg.value);
	if (operand->type != ZYDIS_OPERAND_TYPE_IMMEDIATE || insn->source != STORE_NO_REGISTER)
		return "kind of source";
	/* As the instruction uses it: what Zydis does above the operand is its own way to show it. */
	if (insn->form >= STORE_BTS && insn->form <= STORE_BTC)
		mask = UINT8_MAX;
	return ((operand->imm.value.u ^ insn->immediate) & mask) == 0 ? NULL : "immediate";
}

static const char *compare_string(const struct store_insn *insn, const struct decoded *d)
{
	const ZydisDecodedOperand *source = &d->operands[1];
	bool rep = d->insn.attributes & ZYDIS_ATTRIB_HAS_REP;

	if (insn->rep != rep)
		return "REP";
	if (insn->form == STORE_STOS)
		return compare_source(insn, source);
	if (source->type != ZYDIS_OPERAND_TYPE_MEMORY || insn->source != STORE_NO_REGISTER)
		return "kind of source";
	return compare_segment(insn, source->mem.segment);
}

static const char *compare_accepted(const struct store_insn *insn, const struct decoded *d)
{
	int row = known(d);
	const char *difference;
	bool lock = d->insn.attributes & ZYDIS_ATTRIB_HAS_LOCK;
	bool string = insn->form == STORE_MOVS || insn->form == STORE_STOS;

	if (row < 0 || mnemonics[row].form != insn->form)
		return "mnemonic";
	if (d->insn.length != insn->length)
		return "length";
	if (d->insn.address_width != 8 * insn->address_bytes)
		return "address size";
	if (d->operands[0].size != 8 * insn->size ||
	    (mnemonics[row].size && mnemonics[row].size != insn->size))
		return "operand size";
	if (lock != insn->lock)
		return "LOCK";
	difference = compare_memory(insn, d);
	if (difference)
		return difference;
	if (string)
		return compare_string(insn, d);
	difference = compare_segment(insn, d->operands[0].mem.segment);
	return difference ? difference : compare_source(insn, &d->operands[1]);
}

/* An instruction to Zydis, and of a known form: the exceptions. */
static const char *compare_refused(const struct decoded *d)
{
	const uint8_t mov_from_segment = 0x8c, mov_al_to_absolute = 0xa2, mov_ax_to_absolute = 0xa3;
	int row = known(d);

	if (row < 0 || d->operands[0].type != ZYDIS_OPERAND_TYPE_MEMORY)
		return NULL;
	if (d->insn.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
	    (d->insn.opcode == mov_from_segment || d->insn.opcode == mov_al_to_absolute ||
	     d->insn.opcode == mov_ax_to_absolute))
		return NULL;
	if (mnemonics[row].size)
		for (unsigned int i = 0; i < d->insn.raw.prefix_count; i++)
			if (d->insn.raw.prefixes[i].value == 0xf2)
				return NULL;
	return "refused, but known";
}

const char *store_zydis_compare(const uint8_t *bytes, size_t len, int *accepted)
{
	struct store_insn insn;
	struct decoded decoded;
	int error = store_decode(bytes, len, CODE_64, &insn);
	ZyanStatus status = decode_zydis(bytes, len, &decoded);

	if (accepted)
		*accepted = !error;
	switch (error) {
	case 0:
		return ZYAN_SUCCESS(status) ? compare_accepted(&insn, &decoded)
					    : "accepted, but no instruction";
	case -EINVAL:
		return ZYAN_SUCCESS(status) ? "refused as undefined, but an instruction" : NULL;
	case -ENODATA:
		if (len >= STORE_INSN_MAX)
			return "more than 15 bytes are wanted";
		return ZYAN_SUCCESS(status) ? "more bytes are wanted, but an instruction" : NULL;
	case -ENOTSUP:
		return ZYAN_SUCCESS(status) ? compare_refused(&decoded) : NULL;
	default:
		return "an undocumented result";
	}
}
