/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as an instruction that was trapped at a store, with any registers. The decoder agrees with
 * Zydis; the emulator touches nothing but the words it shows to the callback, and leaves what its
 * contract says.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_world.h"
#include "tests/unit/store_zydis.h"
#include "vmm/x86.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAX, RCX, RSI = 6, RDI = 7, REGISTERS = 16 };

#define GVA 0xffff888012340000ULL
#define LOW_GVA 0x40000ULL /* for 32-bit addresses */
/* What the callbacks fail with; nothing else here says so. */
#define UPDATE_REFUSED (-EACCES)
#define READ_FAULT (-EFAULT)
#define LOCATE_FAULT (-EIO)

struct input {
	uint8_t bytes[STORE_INSN_MAX];
	uint8_t len;
	uint16_t place; /* of the store, bytes behind the begin of the memory */
	uint8_t options;
	uint8_t fail_after;
	uint64_t rflags, rip, fs_base, gs_base;
	uint64_t gpr[REGISTERS];
} __attribute__((packed));

#define MAY_SPLIT 1u
#define NO_LOCATE 2u
#define FAIL_UPDATE 4u
#define FAIL_READ 8u
#define FAIL_LOCATE 16u
#define ANYWHERE 32u	 /* registers stay as they are: the store goes anywhere */
#define SMALL_COUNT 64u	 /* RCX is cut to what ends within two pages */
#define NEAR_SOURCE 128u /* RSI is put next to RDI */

static void hold_that(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_store: %s\n", what);
	abort();
}

#define HOLD(condition) hold_that(condition, #condition)

static bool is_string(const struct store_insn *insn)
{
	return insn->form == STORE_MOVS || insn->form == STORE_STOS;
}

/* Lead the store to gva, as far as one register can do that. */
static void aim(const struct store_insn *insn, struct input *input, uint64_t gva)
{
	uint64_t segment = insn->segment == SEG_FS   ? input->fs_base
			   : insn->segment == SEG_GS ? input->gs_base
						     : 0;
	uint64_t rest = insn->displacement;

	if (is_string(insn)) {
		input->gpr[RDI] = gva;
		if (input->options & NEAR_SOURCE)
			input->gpr[RSI] = gva - segment + input->gpr[RSI] % 64 - 32;
		return;
	}
	if (insn->index != STORE_NO_REGISTER && insn->index != insn->base)
		rest += input->gpr[insn->index] << insn->scale;
	if (insn->base == STORE_RIP)
		input->rip = gva - segment - rest - insn->length;
	else if (insn->base != STORE_NO_REGISTER && insn->index != insn->base)
		input->gpr[insn->base] = gva - segment - rest;
}

/* Registers that may have changed; bit n: number n. */
static uint32_t may_change(const struct store_insn *insn)
{
	switch (insn->form) {
	case STORE_XCHG:
	case STORE_XADD:
		return 1u << insn->source;
	case STORE_CMPXCHG:
		return 1u << RAX;
	case STORE_MOVS:
		return 1u << RDI | 1u << RSI | (insn->rep ? 1u << RCX : 0);
	case STORE_STOS:
		return 1u << RDI | (insn->rep ? 1u << RCX : 0);
	default:
		return 0;
	}
}

static uint64_t flags_that_may_change(const struct store_insn *insn)
{
	switch (insn->form) {
	case STORE_MOV:
	case STORE_XCHG:
	case STORE_MOVS:
	case STORE_STOS:
		return 0;
	case STORE_BTS:
	case STORE_BTR:
	case STORE_BTC:
		return RFLAGS_CF;
	default:
		return RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF;
	}
}

static void check_registers(const struct store_insn *insn, const struct input *before,
			    const struct store_registers *after, int result)
{
	uint32_t changeable = result >= 0 || is_string(insn) ? may_change(insn) : 0;
	bool changed = false;

	for (unsigned int i = 0; i < REGISTERS; i++) {
		changed = changed || after->gpr[i] != before->gpr[i];
		HOLD((changeable & 1u << i) || after->gpr[i] == before->gpr[i]);
	}
	HOLD(after->fs_base == before->fs_base && after->gs_base == before->gs_base);
	if (result == 0) {
		uint64_t kept = ~(flags_that_may_change(insn) | RFLAGS_RF);

		HOLD(after->rip == before->rip + insn->length);
		HOLD((after->rflags & kept) == (before->rflags & kept));
		HOLD(!(after->rflags & RFLAGS_RF));
	} else {
		HOLD(after->rip == before->rip && after->rflags == before->rflags);
	}
	HOLD(!(is_string(insn) && result >= 0) || changed);
	HOLD(result != STORE_PARTIAL || insn->rep);
}

/* Words that differ: in the page of the target, or where locate() led to. */
static void check_memory(const struct store_world *world, const uint8_t *before, int result)
{
	unsigned int differing = 0;

	for (unsigned int page = 0; page < WORLD_PAGES; page++) {
		unsigned int begin = page * WORLD_PAGE;

		if (memcmp(&world->bytes[begin], before + begin, WORLD_PAGE) == 0)
			continue;
		HOLD(page == 1 || world->locates > 0);
		for (unsigned int i = begin; i < begin + WORLD_PAGE; i += 8)
			differing += memcmp(&world->bytes[i], before + i, 8) != 0;
	}
	HOLD(differing <= world->updates);
	HOLD(result != -EAGAIN || world->updates == 0);
}

/* Every element that was counted was stored, and no byte besides. */
static void check_stored(const struct store_insn *insn, const struct input *before,
			 const struct store_registers *after, const struct store_world *world,
			 int result)
{
	uint64_t mask = insn->address_bytes == 8 ? UINT64_MAX : UINT32_MAX;
	uint64_t elements = result == 0;

	if (insn->rep)
		elements = (before->gpr[RCX] - after->gpr[RCX]) & mask;
	/* The first half of an element that was refused. */
	HOLD(result < 0 && insn->size > 1 && world->stored % insn->size
		     ? world->stored / insn->size == elements
		     : world->stored == elements * insn->size);
}

static void emulate(const struct store_insn *insn, const struct input *input)
{
	static struct store_world world;
	static uint8_t before[WORLD_SIZE];
	static bool ready;
	struct input now = *input;
	struct store_registers registers = {NULL, now.rip, now.rflags, now.fs_base, now.gs_base};
	uint64_t gpr[REGISTERS];
	struct store_target target;
	int result;

	store_world_open(&world, insn->address_bytes == 8 ? GVA : LOW_GVA);
	for (unsigned int i = 0; i < WORLD_SIZE && !ready; i++)
		before[i] = (uint8_t)(i * 37u >> 2);
	ready = true;
	memcpy(world.bytes, before, WORLD_SIZE);
	world.fail_after = input->fail_after;
	world.update_error = input->options & FAIL_UPDATE ? UPDATE_REFUSED : 0;
	world.read_error = input->options & FAIL_READ ? READ_FAULT : 0;
	world.locate_error = input->options & FAIL_LOCATE ? LOCATE_FAULT : 0;
	if (input->options & NO_LOCATE)
		world.memory.locate = NULL;
	memcpy(gpr, now.gpr, sizeof(gpr));
	registers.gpr = gpr;
	target = store_world_target(&world, world.gva + WORLD_PAGE);
	target.may_split = input->options & MAY_SPLIT;

	result = store_emulate(insn, &registers, &target, &world.memory);
	if (world.violation)
		hold_that(false, world.violation);
	HOLD(result == 0 || result == STORE_PARTIAL || result == -EAGAIN || result == -EPERM ||
	     result == UPDATE_REFUSED || result == READ_FAULT || result == LOCATE_FAULT ||
	     result == -1);
	HOLD(target.may_split || world.locates == 0);
	HOLD(world.updates <= 2 * WORLD_PAGE && (is_string(insn) || world.updates <= 2));
	HOLD(insn->form == STORE_MOVS || world.reads == 0);
	HOLD(result >= 0 || is_string(insn) || target.may_split || world.updates == 0);
	check_registers(insn, &now, &registers, result);
	check_memory(&world, before, result);
	check_stored(insn, &now, &registers, &world, result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {0};
	struct store_insn insn;
	const char *difference;
	uint64_t gva;

	memcpy(&input, data, size < sizeof(input) ? size : sizeof(input));
	difference = store_zydis_compare(input.bytes, input.len % (STORE_INSN_MAX + 1), NULL);
	if (!difference)
		difference = store_zydis_compare(input.bytes, STORE_INSN_MAX, NULL);
	if (difference)
		hold_that(false, difference);
	if (store_decode(input.bytes, STORE_INSN_MAX, CODE_64, &insn))
		return 0;
	gva = (insn.address_bytes == 8 ? GVA : LOW_GVA) + WORLD_PAGE - 16 +
	      input.place % (WORLD_PAGE + 32);
	if (!(input.options & ANYWHERE))
		aim(&insn, &input, gva);
	if (input.options & SMALL_COUNT)
		input.gpr[RCX] %= WORLD_PAGE;
	emulate(&insn, &input);
	return 0;
}
