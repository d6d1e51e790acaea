/* SPDX-License-Identifier: MIT */
#include "secpod/register_policy.h"

#define WHOLE (~0ULL)

static bool in_range(const struct register_row *row, uint32_t msr)
{
	return row->first != REGISTER_NOT_MSR && msr >= row->first && msr <= row->last;
}

enum register_id register_of_msr(uint32_t msr)
{
	unsigned int id = 0;

	while (id < REGISTER_COUNT && !in_range(&register_rows[id], msr))
		id++;
	return (enum register_id)id;
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
 * The bits of value that break a PINNED row. A changed bit may only become what it was at LOCK; a
 * register pinned as a whole changes as a whole, so that no mixture of two addresses gets through.
 */
static uint64_t pin_broken(const struct register_context *context, enum register_id id,
			   uint64_t bits, uint64_t value)
{
	uint64_t changed = (value ^ context->present) & bits;
	uint64_t wrong;

	if (context->phase < SECPOD_PHASE_LOCKED || !known(context->pins, id))
		return 0;
	wrong = (value ^ context->pins->value[id]) & bits;
	if (bits == WHOLE)
		return changed ? wrong : 0;
	return changed & wrong;
}

/* The bits of value that break this row; one for a whole register is broken by any write. */
static uint64_t broken(const struct register_context *context, enum register_id id,
		       const struct register_bits *row, uint64_t value)
{
	switch (row->class) {
	case CLASS_HIDDEN:
		return row->bits == WHOLE ? WHOLE : value & row->bits;
	case CLASS_FORBIDDEN:
		return row->bits == WHOLE ? WHOLE : (value ^ context->present) & row->bits;
	case CLASS_PINNED:
		return pin_broken(context, id, row->bits, value);
	case CLASS_RESERVED:
		return value & row->bits;
	default:
		return 0;
	}
}

enum verdict register_write(const struct register_context *context, enum register_id id,
			    uint64_t value, struct register_result *result)
{
	const struct register_row *row = &register_rows[id];
	uint64_t shadowed = register_class_bits(id, CLASS_SHADOWED);
	enum verdict verdict = VERDICT_ALLOW;

	*result = (struct register_result){
		.load = (value & ~shadowed) | (context->present & shadowed),
		.shadow = value,
		.write = shadowed != WHOLE,
		.rule = REGISTER_NO_RULE,
		.reason = "",
	};
	for (size_t i = 0; i < row->count; i++) {
		const struct register_bits *part = &row->bits[i];
		uint64_t bits = broken(context, id, part, value);

		if (!bits || (verdict == VERDICT_REFUSE && (result->mandatory || !part->mandatory)))
			continue;
		verdict = VERDICT_REFUSE;
		result->rule = part->rule;
		result->mandatory = part->mandatory;
		result->bits = bits;
		result->reason = part->reason;
	}
	return verdict;
}
