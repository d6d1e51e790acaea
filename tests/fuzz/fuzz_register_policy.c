/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: sequences of register writes through the policy, as a guest would send them.
 * Whatever comes, a pinned bit that holds its locked value keeps it, hidden and reserved bits stay
 * clear, and forbidden ones stay as they were; what is refused has exited in the first place; and
 * what the rules of CR0 and CR4 make of an allowed value is one that VMX can run with.
 */
#include "secpod/register_policy.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/x86.h"
#include "vmx/cr_rules.h"
#include "vmx/msr_policy.h"

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

/* Of a CPU with all that the rules know. */
static struct guest_mode mode_of(const struct machine *machine, bool cs_long)
{
	return (struct guest_mode){
		.cr0 = machine->value[REGISTER_CR0],
		.cr4 = machine->value[REGISTER_CR4],
		.efer = machine->value[REGISTER_EFER],
		.cs_long = cs_long,
		.cr0_fixed0 = CR0_PE | CR0_NE | CR0_PG,
		.cr0_fixed1 = 0xffffffff,
		.cr4_fixed0 = CR4_VMXE,
		.cr4_fixed1 = ~CR4_RESERVED,
	};
}

static void check_cr0(const struct machine *machine, uint64_t value)
{
	const uint64_t guest = CR0_PE | CR0_WP | CR0_PG;
	const struct guest_mode mode = mode_of(machine, value >> 63);
	struct cr_result result;

	if (cr0_write(&mode, value & 0xffffffff, &result))
		return;
	check((result.real & guest) == (value & guest) &&
	      (result.shadow & guest) == (value & guest));
	check((result.real & (CR0_NE | CR0_CD | CR0_NW)) == CR0_NE);
	/* SDM "Checks on Guest Control Registers, Debug Registers, and MSRs". */
	check(!(result.real & CR0_PG) || (result.real & CR0_PE));
}

static void check_cr4(const struct machine *machine, uint64_t value)
{
	const struct guest_mode mode = mode_of(machine, false);
	struct cr_result result;

	if (cr4_write(&mode, value, &result))
		return;
	check(result.real == (value | CR4_VMXE) && result.shadow == value);
}

/* A write that is judged at all is one that has left the guest. */
static bool has_exited(const struct machine *machine, enum register_id id, uint64_t changed)
{
	static uint8_t bitmaps[SECPOD_PHASE_LOCKED + 1][MSR_BITMAP_SIZE];
	static bool built;
	const uint32_t msr = register_rows[id].first;
	const uint8_t *bitmap = bitmaps[machine->phase];

	if (id == REGISTER_XCR0)
		return true;
	if (msr == REGISTER_NOT_MSR)
		return register_trap_bits(id, machine->phase) & changed;
	for (uint32_t phase = 0; !built && phase <= SECPOD_PHASE_LOCKED; phase++) {
		msr_bitmap_build(bitmaps[phase]);
		msr_bitmap_trap(bitmaps[phase], phase);
	}
	built = true;
	return !msr_in_bitmap(msr) ||
	       bitmap[2048 + (msr >= 0xc0000000 ? 1024 : 0) + (msr & 0x1fff) / 8] >> msr % 8 & 1;
}

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
		if (id == REGISTER_CR0)
			check_cr0(machine, value);
		else if (id == REGISTER_CR4)
			check_cr4(machine, value);
	} else {
		check(result.bits && result.reason[0]);
		check(result.rule == REGISTER_NO_RULE || has_exited(machine, id, value ^ before));
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
