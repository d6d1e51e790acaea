/* SPDX-License-Identifier: MIT */
#include "vmx/descriptor_insn.h"

#include <errno.h>
#include <string.h>

#include "vmm/x86.h"
#include "vmx/guest_walk.h"

/* The information field. */
#define INFO_SCALE(info) (3u & (info))
#define INFO_REG1(info) ((info) >> 3 & 15u)
#define INFO_ADDRESS_SIZE(info) ((info) >> 7 & 7u)
#define INFO_REGISTER_FORM (1u << 10)
#define INFO_OPERAND_32 (1u << 11) /* LGDT and its like only */
#define INFO_SEGMENT(info) ((info) >> 15 & 7u)
#define INFO_INDEX(info) ((info) >> 18 & 15u)
#define INFO_NO_INDEX (1u << 22)
#define INFO_BASE(info) ((info) >> 23 & 15u)
#define INFO_NO_BASE (1u << 27)
#define INFO_IDENTITY(info) ((info) >> 28 & 3u)

#define REGISTER_RSP 4u

enum code_size code_size_of(uint32_t cs_rights, bool long_mode)
{
	if (long_mode && (cs_rights & SEGMENT_L))
		return CODE_64;
	return cs_rights & SEGMENT_DB ? CODE_32 : CODE_16;
}

int descriptor_insn_decode(bool ldtr_tr, uint32_t info, uint64_t qualification,
			   struct descriptor_insn *insn)
{
	const unsigned int first = ldtr_tr ? INSN_SLDT : INSN_SGDT;

	*insn = (struct descriptor_insn){
		.kind = (enum descriptor_insn_kind)(first + INFO_IDENTITY(info)),
		.memory = !(ldtr_tr && (info & INFO_REGISTER_FORM)),
		.reg = INSN_NO_REGISTER,
		.base = INSN_NO_REGISTER,
		.index = INSN_NO_REGISTER,
		.operand_16 = !ldtr_tr && !(info & INFO_OPERAND_32),
		.displacement = qualification,
	};
	if (!insn->memory) {
		insn->reg = (uint8_t)INFO_REG1(info);
		return 0;
	}
	if (INFO_ADDRESS_SIZE(info) > 2 || INFO_SEGMENT(info) > SEG_GS)
		return -EINVAL;
	insn->address_bytes = (uint8_t)(2u << INFO_ADDRESS_SIZE(info));
	insn->segment = (enum segment)INFO_SEGMENT(info);
	if (!(info & INFO_NO_BASE))
		insn->base = (uint8_t)INFO_BASE(info);
	if (!(info & INFO_NO_INDEX)) {
		insn->index = (uint8_t)INFO_INDEX(info);
		insn->scale = (uint8_t)INFO_SCALE(info);
	}
	return 0;
}

/* ---- prefixes. SDM volume 2: "Instruction Prefixes", "REX Prefixes" */

static bool is_legacy_prefix(uint8_t byte)
{
	static const uint8_t prefixes[] = {
		0xf0, 0xf2, 0xf3,		    /* LOCK, REPNE, REP */
		0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, /* segments */
		0x66, 0x67,			    /* operand and address size */
	};

	return memchr(prefixes, byte, sizeof(prefixes)) != NULL;
}

unsigned int insn_operand_bytes(const uint8_t *bytes, size_t len, enum code_size code)
{
	const uint8_t operand_size = 0x66, rex_mask = 0xf0, rex = 0x40, rex_w = 8;
	bool other_size = false, wide = false;

	for (size_t i = 0; i < len; i++) {
		if (code == CODE_64 && (bytes[i] & rex_mask) == rex) {
			/* Counts only right before the opcode. */
			wide = bytes[i] & rex_w;
			continue;
		}
		if (!is_legacy_prefix(bytes[i])) {
			if (wide)
				return 8;
			return (code == CODE_16) == other_size ? 4 : 2;
		}
		other_size = other_size || bytes[i] == operand_size;
		wide = false;
	}
	return 0;
}

/* ---- addresses. SDM: "Operand Addressing", "Limit Checking", "Type Checking" */

static uint64_t register_value(const uint64_t *gpr, uint64_t rsp, uint8_t number)
{
	if (number == INSN_NO_REGISTER)
		return 0;
	return number == REGISTER_RSP ? rsp : gpr[number];
}

static uint64_t effective_address(const struct descriptor_insn *insn, const uint64_t *gpr,
				  uint64_t rsp)
{
	uint64_t address = register_value(gpr, rsp, insn->base) +
			   (register_value(gpr, rsp, insn->index) << insn->scale) +
			   insn->displacement;

	if (insn->address_bytes == 8)
		return address;
	return insn->address_bytes == 4 ? (uint32_t)address : (uint16_t)address;
}

#define TYPE_CODE 8u
#define TYPE_EXPAND_DOWN 4u /* of data */
#define TYPE_WRITABLE 2u    /* of data; of code: readable */

static bool segment_allows(const struct insn_segment *segment, uint64_t offset, size_t len,
			   bool store)
{
	const uint32_t type = segment->rights & SEGMENT_TYPE;
	const uint64_t last = offset + len - 1;

	if (segment->rights & SEGMENT_UNUSABLE)
		return false;
	if (store ? (type & TYPE_CODE) || !(type & TYPE_WRITABLE)
		  : (type & TYPE_CODE) && !(type & TYPE_WRITABLE))
		return false;
	if (!(type & TYPE_CODE) && (type & TYPE_EXPAND_DOWN))
		return offset > segment->limit &&
		       last <= (segment->rights & SEGMENT_DB ? 0xffffffffu : 0xffffu);
	return last <= segment->limit;
}

int descriptor_insn_address(const struct descriptor_insn *insn, const uint64_t *gpr, uint64_t rsp,
			    const struct insn_segment *segment, enum code_size code, size_t len,
			    bool store, uint64_t *gva)
{
	uint64_t offset = effective_address(insn, gpr, rsp);

	if (code == CODE_64) {
		/* Limits and rights do not count, and only FS and GS have a base. */
		offset += insn->segment >= SEG_FS ? segment->base : 0;
		if (!gva_canonical(offset) || !gva_canonical(offset + len - 1))
			return -EPERM;
		*gva = offset;
		return 0;
	}
	if (!segment_allows(segment, offset, len, store))
		return -EPERM;
	*gva = (uint32_t)(segment->base + offset);
	return 0;
}

/* ---- LGDT, LIDT, SGDT, SIDT */

int table_operand_load(const uint8_t *bytes, enum code_size code, unsigned int operand_bytes,
		       struct table_register *table)
{
	const uint64_t base_24bit = 0xffffff;

	*table = (struct table_register){0};
	memcpy(&table->limit, bytes, sizeof(table->limit));
	memcpy(&table->base, bytes + sizeof(table->limit),
	       table_operand_bytes(code) - sizeof(table->limit));
	if (code == CODE_64)
		return gva_canonical(table->base) ? 0 : -EPERM;
	if (operand_bytes == 2)
		table->base &= base_24bit;
	return 0;
}

void table_operand_store(const struct table_register *table, enum code_size code,
			 uint8_t bytes[TABLE_OPERAND_MAX])
{
	memset(bytes, 0, TABLE_OPERAND_MAX);
	memcpy(bytes, &table->limit, sizeof(table->limit));
	memcpy(bytes + sizeof(table->limit), &table->base,
	       table_operand_bytes(code) - sizeof(table->limit));
}

/* ---- SLDT, STR */

uint64_t selector_to_register(uint64_t old, uint16_t selector, unsigned int operand_bytes)
{
	return operand_bytes == 2 ? (old & ~0xffffULL) | selector : selector;
}

/* ---- LLDT, LTR. SDM: "Segment Descriptors", "System Descriptor Types" */

#define SELECTOR_TI 4u
#define SELECTOR_INDEX 0xfff8u
#define SELECTOR_ERROR 0xfffcu /* what of it goes into the error code */
#define DESCRIPTOR_TYPE(d) ((unsigned int)((d) >> 40) & 15u)
#define DESCRIPTOR_S (1ULL << 44)
#define DESCRIPTOR_P (1ULL << 47)
#define DESCRIPTOR_G (1ULL << 55)
#define UPPER_TYPE (0x1fULL << 8) /* of the upper 8 bytes: must be 0 */
#define RIGHTS_SHIFT 40u
#define RIGHTS_MASK 0xf0ffu
#define TYPE_TSS16 1u
#define TYPE_LDT 2u
#define TYPE_TSS 9u /* 64-bit in IA-32e mode, else 32-bit */
#define TYPE_BUSY 2u

static int fault_at(struct insn_fault *fault, uint8_t vector, uint16_t selector)
{
	*fault = (struct insn_fault){vector, (uint16_t)(selector & SELECTOR_ERROR)};
	return -EPERM;
}

int system_descriptor_offset(enum descriptor_insn_kind kind, uint16_t selector, uint16_t gdt_limit,
			     bool long_mode, uint32_t *offset, struct insn_fault *fault)
{
	if (kind == INSN_LTR && selector_is_null(selector))
		return fault_at(fault, VECTOR_GP, 0);
	*offset = selector & SELECTOR_INDEX;
	if ((selector & SELECTOR_TI) ||
	    *offset + system_descriptor_bytes(long_mode) - 1 > gdt_limit)
		return fault_at(fault, VECTOR_GP, selector);
	return 0;
}

static bool type_fits(enum descriptor_insn_kind kind, uint64_t descriptor, bool long_mode)
{
	const unsigned int type = DESCRIPTOR_TYPE(descriptor);

	if (descriptor & DESCRIPTOR_S)
		return false;
	if (kind == INSN_LLDT)
		return type == TYPE_LDT;
	return type == TYPE_TSS || (type == TYPE_TSS16 && !long_mode);
}

int system_descriptor_load(enum descriptor_insn_kind kind, uint16_t selector,
			   const uint64_t words[2], bool long_mode, struct system_segment *segment,
			   struct insn_fault *fault)
{
	const uint64_t low = words[0];
	uint64_t base = (low >> 16 & 0xffffff) | (low >> 56 & 0xff) << 24;
	uint32_t limit = (uint32_t)(low & 0xffff) | (uint32_t)(low >> 32 & 0xf0000);
	uint32_t rights = (uint32_t)(low >> RIGHTS_SHIFT) & RIGHTS_MASK;

	if (!type_fits(kind, low, long_mode))
		return fault_at(fault, VECTOR_GP, selector);
	if (!(low & DESCRIPTOR_P))
		return fault_at(fault, VECTOR_NP, selector);
	if (long_mode) {
		base |= words[1] << 32;
		if ((words[1] >> 32 & UPPER_TYPE) || !gva_canonical(base))
			return fault_at(fault, VECTOR_GP, selector);
	}
	if (low & DESCRIPTOR_G)
		limit = limit << 12 | 0xfff;
	if (kind == INSN_LTR)
		rights |= TYPE_BUSY;
	*segment = (struct system_segment){.value = {selector, base, limit}, .rights = rights};
	return 0;
}
