/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: sequences of register writes through the policy, as a guest would send them.
 * Whatever comes, a pinned bit that holds its locked value keeps it, hidden and reserved bits stay
 * clear, and forbidden ones stay as they were.
 */
#include "secpod/register_policy.h"

#include <stdlib.h>
#include <string.h>

/* The input: two words that give every register its locked and its first value, then writes. */
struct input_write {
	uint8_t id;
	uint8_t phase;
	uint8_t value[8];
};

static uint64_t take(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint64_t rotate(uint64_t value, unsigned int by)
{
	return by ? value << by | value >> (64 - by) : value;
}

static void check(bool holds)
{
	if (!holds)
		abort();
}

struct machine {
	struct register_pins pins;
	uint64_t value[REGISTER_COUNT];
	uint32_t phase;
};

static void write_register(struct machine *machine, enum register_id id, uint64_t value)
{
	const uint64_t pinned = register_class_bits(id, CLASS_PINNED);
	const uint64_t clear =
		register_class_bits(id, CLASS_HIDDEN) | register_class_bits(id, CLASS_RESERVED);
	const uint64_t still =
		register_class_bits(id, CLASS_FORBIDDEN) | register_class_bits(id, CLASS_SHADOWED);
	const uint64_t before = machine->value[id];
	const uint64_t locked = machine->pins.value[id];
	struct register_context context = {machine->phase, &machine->pins, before};
	struct register_result result;

	if (register_write(&context, id, value, &result) == VERDICT_ALLOW) {
		check(result.rule == REGISTER_NO_RULE && !result.bits);
		if (result.write)
			machine->value[id] = result.load;
	} else {
		check(result.bits && result.reason[0]);
	}
	check(!(machine->value[id] & clear));
	check(!((machine->value[id] ^ before) & still));
	if (machine->phase == SECPOD_PHASE_LOCKED)
		check(!((machine->value[id] ^ locked) & ~(before ^ locked) & pinned));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine machine = {.phase = SECPOD_PHASE_GUEST};
	struct input_write input;

	if (size < 2 * sizeof(uint64_t))
		return 0;
	for (unsigned int id = 0; id < REGISTER_COUNT; id++) {
		const uint64_t clear = register_class_bits((enum register_id)id, CLASS_HIDDEN) |
				       register_class_bits((enum register_id)id, CLASS_RESERVED);

		register_pins_lock(&machine.pins, (enum register_id)id,
				   rotate(take(data), id) & ~clear);
		machine.value[id] = rotate(take(data + sizeof(uint64_t)), id) & ~clear;
	}
	data += 2 * sizeof(uint64_t);
	size -= 2 * sizeof(uint64_t);
	for (; size >= sizeof(input); data += sizeof(input), size -= sizeof(input)) {
		memcpy(&input, data, sizeof(input));
		machine.phase = input.phase & 3;
		write_register(&machine, (enum register_id)(input.id % REGISTER_COUNT),
			       take(input.value));
	}
	return 0;
}
