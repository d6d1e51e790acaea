/* SPDX-License-Identifier: MIT */
#include "ept/mtrr.h"

#include <stddef.h>

#include "ept/mtrr_regs.h"
#include "vmm/addr.h"

/* clang-format off */
/* SDM "Fixed Range MTRRs": each register covers eight pieces of this size from this address. */
static const struct fixed_register {
	uint32_t msr;
	uint32_t base;
	uint32_t piece;
} fixed_registers[MTRR_FIXED_COUNT] = {
	{MSR_MTRR_FIX64K_00000, 0x00000, 0x10000},
	{MSR_MTRR_FIX16K_80000, 0x80000, 0x4000},
	{MSR_MTRR_FIX16K_A0000, 0xa0000, 0x4000},
	{MSR_MTRR_FIX4K_C0000, 0xc0000, 0x1000},
	{MSR_MTRR_FIX4K_C0000 + 1, 0xc8000, 0x1000},
	{MSR_MTRR_FIX4K_C0000 + 2, 0xd0000, 0x1000},
	{MSR_MTRR_FIX4K_C0000 + 3, 0xd8000, 0x1000},
	{MSR_MTRR_FIX4K_C0000 + 4, 0xe0000, 0x1000},
	{MSR_MTRR_FIX4K_C0000 + 5, 0xe8000, 0x1000},
	{MSR_MTRR_FIX4K_C0000 + 6, 0xf0000, 0x1000},
	{MSR_MTRR_FIX4K_F8000, 0xf8000, 0x1000},
};
/* clang-format on */
_Static_assert(MSR_MTRR_FIX4K_C0000 + 7 == MSR_MTRR_FIX4K_F8000, "eight 4K registers in a row");

/* MAXPHYADDR of any x86-64 CPU lies between these. */
#define PHYSICAL_BITS_MIN 32u
#define PHYSICAL_BITS_MAX 52u

/*
 * mtrr_uniform_end() looks over at most this many register boundaries that turn out not to change
 * the type. More than a machine with contiguous masks can have (two for each variable range and one
 * for each fixed piece); masks with holes can have any number.
 */
#define UNIFORM_STEPS_MAX (2 * MTRR_MAX_VARIABLE + MTRR_FIXED_COUNT * MTRR_FIXED_PIECES + 2)

static bool type_legal(uint64_t type)
{
	return type == MEMORY_UC || type == MEMORY_WC || type == MEMORY_WT || type == MEMORY_WP ||
	       type == MEMORY_WB;
}

static enum memory_type type_or_uc(uint64_t type)
{
	return type_legal(type) ? (enum memory_type)type : MEMORY_UC;
}

static bool enabled(const struct mtrr_state *mtrr)
{
	return (mtrr->def_type & MTRR_DEF_TYPE_E) != 0;
}

static bool fixed_enabled(const struct mtrr_state *mtrr)
{
	return enabled(mtrr) && (mtrr->cap & MTRRCAP_FIX) != 0 &&
	       (mtrr->def_type & MTRR_DEF_TYPE_FE) != 0;
}

static uint32_t variable_count(const struct mtrr_state *mtrr)
{
	uint64_t count = mtrr->cap & MTRRCAP_VCNT;

	return count < MTRR_MAX_VARIABLE ? (uint32_t)count : MTRR_MAX_VARIABLE;
}

/* The bits of an address that the variable ranges compare. */
static uint64_t address_bits(const struct mtrr_state *mtrr)
{
	uint32_t bits = mtrr->physical_bits;

	if (bits < PHYSICAL_BITS_MIN)
		bits = PHYSICAL_BITS_MIN;
	if (bits > PHYSICAL_BITS_MAX)
		bits = PHYSICAL_BITS_MAX;
	return (X86_BIT(bits) - 1) & PAGE_MASK;
}

static const struct fixed_register *fixed_find(uint64_t gpa, uint32_t *index)
{
	uint32_t i = MTRR_FIXED_COUNT - 1;

	while (fixed_registers[i].base > gpa)
		i--;
	*index = i;
	return &fixed_registers[i];
}

/* The type of the fixed piece that holds gpa, and where the piece ends. */
static enum memory_type fixed_type(const struct mtrr_state *mtrr, uint64_t gpa, uint64_t *piece_end)
{
	uint32_t index;
	const struct fixed_register *reg = fixed_find(gpa, &index);
	uint64_t piece = (gpa - reg->base) / reg->piece;

	*piece_end = reg->base + (piece + 1) * reg->piece;
	return type_or_uc(mtrr->fixed[index] >> (piece * 8) & 0xff);
}

/*
 * The smallest x >= gpa + 1 page with (x & mask) == match, given that gpa itself does not match;
 * UINT64_MAX when there is none within the address bits. match has no bits outside mask. Right for
 * any mask: the bits outside it are a counter whose digits need not be adjacent.
 */
static uint64_t next_match(uint64_t gpa, uint64_t mask, uint64_t match, uint64_t bits)
{
	uint64_t counter = bits & ~mask;
	uint64_t differ = (gpa & mask) ^ match;
	uint64_t top = X86_BIT(63 - __builtin_clzll(differ));
	uint64_t carry;

	if (match & top) /* raising bit top is enough: everything free below it starts at zero */
		return (gpa & counter & ~(top - 1)) | match;
	/* gpa is past the match under its upper free bits: those have to be counted up by one. */
	carry = counter & ~gpa & ~(top - 1);
	if (carry == 0)
		return UINT64_MAX;
	carry &= ~carry + 1; /* its lowest bit */
	return (gpa & counter & ~(carry - 1)) | carry | match;
}

/*
 * SDM "MTRR Precedences" for a page in several variable ranges: UC wins; write-through and
 * write-back give write-through; equal types give that type; anything else is undefined.
 */
static enum memory_type combine(uint32_t types)
{
	switch (types) {
	case 1u << MEMORY_WC:
		return MEMORY_WC;
	case 1u << MEMORY_WT:
	case 1u << MEMORY_WT | 1u << MEMORY_WB:
		return MEMORY_WT;
	case 1u << MEMORY_WP:
		return MEMORY_WP;
	case 1u << MEMORY_WB:
		return MEMORY_WB;
	default:
		return MEMORY_UC;
	}
}

/*
 * The type of the page at gpa; *end becomes an address up to which no register makes a difference.
 */
static enum memory_type type_until(const struct mtrr_state *mtrr, uint64_t gpa, uint64_t *end)
{
	uint64_t bits = address_bits(mtrr);
	uint64_t address_end = bits + PAGE_SIZE;
	uint32_t count = variable_count(mtrr);
	uint32_t types = 0;
	uint32_t i;

	*end = UINT64_MAX;
	if (!enabled(mtrr))
		return MEMORY_UC;
	if (gpa < MTRR_FIXED_END && fixed_enabled(mtrr))
		return fixed_type(mtrr, gpa, end);
	if (gpa >= address_end) /* no such address on this machine: no range can name it */
		return type_or_uc(mtrr->def_type & MTRR_DEF_TYPE_TYPE);

	*end = address_end;
	for (i = 0; i < count; i++) {
		const struct mtrr_variable *range = &mtrr->variable[i];
		uint64_t mask = range->mask & bits;
		uint64_t match = range->base & mask;
		uint64_t edge = UINT64_MAX;

		if (!(range->mask & MTRR_PHYSMASK_VALID))
			continue;
		if ((gpa & mask) == match) {
			types |= 1u << type_or_uc(range->base & MTRR_PHYSBASE_TYPE);
			if (mask != 0) /* up to the next change of the lowest bit compared */
				edge = (gpa | ((mask & (~mask + 1)) - 1)) + 1;
		} else {
			edge = next_match(gpa, mask, match, bits);
		}
		if (edge < *end)
			*end = edge;
	}
	if (types == 0)
		return type_or_uc(mtrr->def_type & MTRR_DEF_TYPE_TYPE);
	return combine(types);
}

enum memory_type mtrr_type(const struct mtrr_state *mtrr, uint64_t gpa)
{
	uint64_t end;

	return type_until(mtrr, gpa, &end);
}

uint64_t mtrr_uniform_end(const struct mtrr_state *mtrr, uint64_t gpa, uint64_t limit,
			  enum memory_type *type)
{
	uint64_t end;
	uint32_t steps;

	*type = type_until(mtrr, gpa, &end);
	for (steps = 0; end < limit && steps < UNIFORM_STEPS_MAX; steps++) {
		uint64_t next;

		if (type_until(mtrr, end, &next) != *type)
			return end;
		end = next;
	}
	return end < limit ? end : limit;
}

uint64_t *mtrr_msr_slot(struct mtrr_state *mtrr, uint32_t msr)
{
	uint32_t i;

	if (msr == MSR_MTRR_DEF_TYPE)
		return &mtrr->def_type;
	if (msr >= MSR_MTRR_PHYSBASE0 && msr - MSR_MTRR_PHYSBASE0 < 2 * variable_count(mtrr)) {
		struct mtrr_variable *range = &mtrr->variable[(msr - MSR_MTRR_PHYSBASE0) / 2];

		return (msr - MSR_MTRR_PHYSBASE0) % 2 == 0 ? &range->base : &range->mask;
	}
	if (!(mtrr->cap & MTRRCAP_FIX))
		return NULL;
	for (i = 0; i < MTRR_FIXED_COUNT; i++)
		if (fixed_registers[i].msr == msr)
			return &mtrr->fixed[i];
	return NULL;
}

/*
 * Would the CPU take this type? Write combining is reserved where IA32_MTRRCAP does not announce
 * it.
 */
static bool type_writable(const struct mtrr_state *mtrr, uint64_t type)
{
	if (type == MEMORY_WC)
		return (mtrr->cap & MTRRCAP_WC) != 0;
	return type_legal(type);
}

static bool fixed_write_ok(const struct mtrr_state *mtrr, uint64_t value)
{
	uint32_t piece;

	for (piece = 0; piece < MTRR_FIXED_PIECES; piece++)
		if (!type_writable(mtrr, value >> (piece * 8) & 0xff))
			return false;
	return true;
}

bool mtrr_write_ok(const struct mtrr_state *mtrr, uint32_t msr, uint64_t value)
{
	uint64_t bits = address_bits(mtrr);

	if (msr == MSR_MTRR_DEF_TYPE) {
		uint64_t allowed = MTRR_DEF_TYPE_TYPE | MTRR_DEF_TYPE_FE | MTRR_DEF_TYPE_E;

		return (value & ~allowed) == 0 && type_writable(mtrr, value & MTRR_DEF_TYPE_TYPE);
	}
	if (msr >= MSR_MTRR_PHYSBASE0 && msr - MSR_MTRR_PHYSBASE0 < 2 * variable_count(mtrr)) {
		if ((msr - MSR_MTRR_PHYSBASE0) % 2 != 0)
			return (value & ~(bits | MTRR_PHYSMASK_VALID)) == 0;
		return (value & ~(bits | MTRR_PHYSBASE_TYPE)) == 0 &&
		       type_writable(mtrr, value & MTRR_PHYSBASE_TYPE);
	}
	if (mtrr->cap & MTRRCAP_FIX) {
		uint32_t i;

		for (i = 0; i < MTRR_FIXED_COUNT; i++)
			if (fixed_registers[i].msr == msr)
				return fixed_write_ok(mtrr, value);
	}
	return false;
}

/* Variable range i as far as it has an effect: zero when it is not valid. */
static struct mtrr_variable effective_variable(const struct mtrr_state *mtrr, uint32_t i)
{
	struct mtrr_variable none = {0, 0};

	if (i >= variable_count(mtrr) || !(mtrr->variable[i].mask & MTRR_PHYSMASK_VALID))
		return none;
	return mtrr->variable[i];
}

bool mtrr_same_map(const struct mtrr_state *a, const struct mtrr_state *b)
{
	uint32_t i;

	if (enabled(a) != enabled(b) || address_bits(a) != address_bits(b))
		return false;
	if (!enabled(a))
		return true;
	if (type_or_uc(a->def_type & MTRR_DEF_TYPE_TYPE) !=
	    type_or_uc(b->def_type & MTRR_DEF_TYPE_TYPE))
		return false;
	if (fixed_enabled(a) != fixed_enabled(b))
		return false;
	for (i = 0; fixed_enabled(a) && i < MTRR_FIXED_COUNT; i++)
		if (a->fixed[i] != b->fixed[i])
			return false;
	for (i = 0; i < MTRR_MAX_VARIABLE; i++) {
		struct mtrr_variable x = effective_variable(a, i);
		struct mtrr_variable y = effective_variable(b, i);

		if (x.base != y.base || x.mask != y.mask)
			return false;
	}
	return true;
}
