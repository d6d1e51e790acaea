/* SPDX-License-Identifier: MIT */
/*
 * The emulator (vmx/store_emulate.c, store_string.c), for every instruction the decoder may give, all
 * registers, addresses and answers of the callbacks: which words are written, under which masks, and what
 * becomes of the registers.
 *
 * A string instruction goes on from its registers alone, so that what holds for RUNS words from any
 * registers holds for all: the callback fails at the latest with the next one.
 */
#include "vmx/store_emulate.h"

#include <string.h>

#include "tests/proof/proof.h"
#include "tests/proof/store_insn.h"
#include "vmm/addr.h"
#include "vmm/x86.h"

#define RUNS 2u

#define RAX 0u
#define RCX 1u
#define RSI 6u
#define RDI 7u

static struct store_insn insn;
static struct store_target target;
static uint64_t gpr[GPRS], gpr_before[GPRS];
static unsigned int updates, done;
static uint64_t located; /* word of another page, for kernel text */
static bool is_located;

/* Neighbouring whole bytes, at least one? */
static bool is_bytes(uint64_t mask)
{
	const uint64_t low = mask & -mask;

	if (!mask || (mask & (mask + low)))
		return false;
	/* low is the first bit of a byte, and what ends behind the last one too. */
	return (low & 0x0101010101010101ULL) &&
	       (mask + low == 0 || ((mask + low) & 0x0101010101010101ULL));
}

static int update(void *context, uint64_t gpa, const struct store_change *change, uint64_t *old)
{
	(void)context;
	prove(gpa % sizeof(uint64_t) == 0, "a whole word");
	if ((gpa & PAGE_MASK) != (target.gpa & PAGE_MASK))
		prove(target.may_split && is_located && gpa == located,
		      "another page is kernel text, and was asked for");
	prove(is_bytes(change->mask), "whole neighbouring bytes");
	prove(!(change->value & ~change->mask), "no value beside the bytes");
	prove(change->operation <= STORE_WORD_COMPARE, "a known operation");
	if (!target.may_split && !store_insn_is_string(&insn))
		prove(!updates, "a page table's store is one word");
	updates++;
	if (updates > RUNS || nondet_bool())
		return -1;
	done++;
	*old = nondet_u64();
	prove(!((store_change_apply(change, *old) ^ *old) & ~change->mask),
	      "no byte beside those stored to changes");
	return 0;
}

static int read(void *context, uint64_t gva, void *to, size_t len)
{
	const uint64_t value = nondet_u64();

	(void)context, (void)gva;
	prove(len >= 1 && len <= sizeof(value), "one to eight bytes");
	memcpy(to, &value, len);
	return nondet_bool() ? 0 : -1;
}

static int locate(void *context, uint64_t gva, uint64_t *gpa)
{
	(void)context;
	*gpa = nondet_u64();
	/* Identity below the page. */
	assume(((*gpa ^ gva) & ~PAGE_MASK) == 0);
	located = *gpa & ~7ULL;
	is_located = true;
	return nondet_bool() ? 0 : -1;
}

/* Which registers may an instruction of the form leave changed? */
static bool may_change(unsigned int i)
{
	switch (insn.form) {
	case STORE_XCHG:
	case STORE_XADD:
		return i == insn.source;
	case STORE_CMPXCHG:
		return i == RAX;
	case STORE_MOVS:
		return i == RDI || i == RSI || (i == RCX && insn.rep);
	case STORE_STOS:
		return i == RDI || (i == RCX && insn.rep);
	default:
		return false;
	}
}

static struct store_insn any_insn(void)
{
	struct store_insn any;

	__CPROVER_havoc_object(&any);
	return any;
}

int main(void)
{
	struct store_registers registers = {gpr, nondet_u64(), nondet_u64(), nondet_u64(),
					    nondet_u64()};
	const struct store_registers before = registers;
	const struct store_memory memory = {read, update, nondet_bool() ? locate : NULL, NULL};
	const unsigned int i = (unsigned int)any_below(GPRS);
	int result;

	insn = any_insn();
	assume(store_insn_is_valid(&insn));
	target = (struct store_target){nondet_u64(), nondet_u64(), nondet_bool()};
	assume(((target.gva ^ target.gpa) & ~PAGE_MASK) == 0);
	__CPROVER_havoc_object(gpr);
	memcpy(gpr_before, gpr, sizeof(gpr));

	result = store_emulate(&insn, &registers, &target, &memory);

	prove(registers.fs_base == before.fs_base && registers.gs_base == before.gs_base,
	      "segments stay");
	prove(gpr[i] == gpr_before[i] || may_change(i), "registers change only as stated");
	if (result == 0) {
		prove(done, "what is done has stored");
		prove(registers.rip == before.rip + insn.length, "RIP is behind the instruction");
		prove(!(registers.rflags & RFLAGS_RF), "RF is clear");
		prove(insn.form != STORE_MOV || !((registers.rflags ^ before.rflags) & ~RFLAGS_RF),
		      "MOV leaves the flags");
	} else {
		prove(registers.rip == before.rip && registers.rflags == before.rflags,
		      "RIP and RFLAGS are untouched");
		prove(store_insn_is_string(&insn) || gpr[i] == gpr_before[i],
		      "an error leaves the registers");
		prove(done || gpr[i] == gpr_before[i], "nothing stored, nothing counted");
		prove(result != STORE_PARTIAL || (store_insn_is_string(&insn) && done),
		      "only strings are done in part");
		if (!store_insn_is_string(&insn) && !target.may_split)
			prove(!done, "an error leaves memory");
	}
	return 0;
}
