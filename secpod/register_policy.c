/* SPDX-License-Identifier: MIT */
#include "secpod/register_policy.h"

#include "vmm/x86.h"

#define WHOLE (~0ULL)

/* Of registers that are no MSRs each has a number that no MSR has. */
#define MSR_NUMBER(id, msr) ((msr) + ((msr) == REGISTER_NOT_MSR) * (1ULL << 32 | REGISTER_##id))

/* The compiler makes the list a search, and finds ranges that overlap. */
enum register_id register_of_msr(uint32_t msr)
{
#define FOUND(id, first, last, table)                       \
	case MSR_NUMBER(id, first)... MSR_NUMBER(id, last): \
		return REGISTER_##id;

	switch ((uint64_t)msr) {
		REGISTERS(FOUND)
	default:
		return REGISTER_COUNT;
	}
#undef FOUND
}

uint64_t register_class_bits(enum register_id id, enum register_class class)
{
	const struct register_row *row = &register_rows[id];
	uint64_t bits = 0;

	for (size_t i = 0; i < row->count; i++) {
		if (row->bits[i].class == class)
			bits |= row->bits[i].bits;
	}
	return bits;
}

uint64_t register_trap_bits(enum register_id id, uint32_t phase)
{
	uint64_t bits = register_class_bits(id, CLASS_SHADOWED) |
			register_class_bits(id, CLASS_HIDDEN) |
			register_class_bits(id, CLASS_FORBIDDEN);

	if (phase >= SECPOD_PHASE_LOCKED)
		bits |= register_class_bits(id, CLASS_PINNED);
	return bits;
}

bool register_trap_msr(uint32_t msr, uint32_t phase)
{
	enum register_id id = register_of_msr(msr);

	return id != REGISTER_COUNT && register_trap_bits(id, phase);
}

bool register_lockable(enum register_id id, uint64_t value)
{
	uint64_t must = register_rows[id].must;

	return (value & must) == must;
}

static bool known(const struct register_pins *pins, enum register_id id)
{
	return pins->known >> id & 1;
}

void register_pins_lock(struct register_pins *pins, enum register_id id, uint64_t value)
{
	pins->value[id] = value;
	pins->known |= 1ULL << id;
}

void register_pins_fresh(struct register_pins *pins, const struct register_pins *other)
{
	*pins = *other;
	for (unsigned int id = 0; id < REGISTER_COUNT; id++) {
		if (register_rows[id].per_cpu)
			pins->known &= ~(1ULL << id);
	}
}

void register_pins_settle(struct register_pins *pins, enum register_id id, uint64_t value)
{
	if (register_pinned(id) && !known(pins, id))
		register_pins_lock(pins, id, value);
}

/*
 * What breaks a PINNED row. A changed bit may only become what it was at LOCK; a register pinned as a
 * whole changes as a whole, so that no mixture of two addresses gets through.
 */
static uint64_t pin_broken(const struct register_context *context, enum register_id id, bool whole,
			   uint64_t value)
{
	const uint64_t changed = value ^ context->present;
	uint64_t wrong;

	if (context->phase < SECPOD_PHASE_LOCKED || !known(context->pins, id))
		return 0;
	wrong = value ^ context->pins->value[id];
	if (whole)
		return changed ? wrong : 0;
	return changed & wrong;
}

enum verdict register_write(const struct register_context *context, enum register_id id,
			    uint64_t value, struct register_result *result)
{
	const struct register_row *row = &register_rows[id];
	const struct register_bits *const end = row->bits + row->count;
	/* Then there is no other row. */
	const bool whole = row->bits->bits == WHOLE;
	/* What breaks a row of the class, among its bits; one for a whole register is broken by any write. */
	const uint64_t broken[CLASS_COUNT] = {
		[CLASS_SHADOWED] = WHOLE, /* noted, and no breach */
		[CLASS_HIDDEN] = whole ? WHOLE : value,
		[CLASS_PINNED] = pin_broken(context, id, whole, value),
		[CLASS_FORBIDDEN] = whole ? WHOLE : value ^ context->present,
		[CLASS_RESERVED] = value,
	};
	enum verdict verdict = VERDICT_ALLOW;
	uint64_t shadowed = 0;

	result->rule = REGISTER_NO_RULE;
	result->mandatory = false;
	result->bits = 0;
	result->reason = "";
	for (const struct register_bits *part = row->bits; part < end; part++) {
		const uint64_t bits = part->bits & broken[part->class];

		if (!bits)
			continue;
		if (part->class == CLASS_SHADOWED) {
			shadowed |= bits;
			continue;
		}
		if (verdict == VERDICT_REFUSE && (result->mandatory || !part->mandatory))
			continue;
		verdict = VERDICT_REFUSE;
		result->rule = part->rule;
		result->mandatory = part->mandatory;
		result->bits = bits;
		result->reason = part->reason;
	}
	result->load = (value & ~shadowed) | (context->present & shadowed);
	result->shadow = value;
	result->write = shadowed != WHOLE;
	return verdict;
}
