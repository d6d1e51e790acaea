/* SPDX-License-Identifier: MIT */
#include "secpod/text/trampoline.h"

#include <string.h>

#include "vmm/addr.h"

#define CALL 0xe8u
#define CALL_BYTES 5u
#define JMP 0xe9u
#define JMP_BYTES CALL_BYTES
#define JNZ_SHORT 0x75u
#define RET 0xc3u
#define INT3 0xccu
#define KERNEL_HALF (~0ULL << 47)

/* MOV to RDX of the quadword at a displacement from RIP: the pointer to struct ftrace_ops. */
static const uint8_t load_ops[] = {0x48, 0x8b, 0x15};
#define LOAD_BYTES (sizeof(load_ops) + sizeof(int32_t))
static const uint8_t nop2[] = {0x66, 0x90};

/*
 * Room for the return (RET_SIZE): a jump to the return thunk, or RET, with INT3 behind it or not. Kernels
 * without retpolines have less of it than the others.
 */
static const uint32_t return_bytes[] = {5, 6, 2, 1};

/*
 * save_mcount_regs: SUB RSP, MCOUNT_REG_SIZE; MOV RAX and RCX to their places in struct pt_regs. Before it come ENDBR, or
 * what is left of it where it was sealed, and PUSHF, as there may be.
 */
static const uint8_t save_regs[] = {0x48, 0x81, 0xec, 0xa8, 0,	  0,	0,    0x48, 0x89,
				    0x44, 0x24, 0x50, 0x48, 0x89, 0x4c, 0x24, 0x58};
#define PUSHF 0x9cu
#define ENDBR_BYTES 4u
_Static_assert(ENDBR_BYTES + 1 + sizeof(save_regs) <= TRAMPOLINE_HEAD, "as far as is looked");

static bool saves_regs(const uint8_t *code)
{
	return code[0] == save_regs[0] && !memcmp(code, save_regs, sizeof(save_regs));
}

bool trampoline_is_source(const uint8_t *code)
{
	for (uint32_t at = 0; at <= ENDBR_BYTES; at += ENDBR_BYTES) {
		if (saves_regs(code + at) || (code[at] == PUSHF && saves_regs(code + at + 1)))
			return true;
	}
	return false;
}

/* ---- comparison */

/* Offsets of what differs, and where the code ends. */
struct places {
	uint32_t load;
	uint32_t call;
	uint32_t end;
};

static bool find_places(const uint8_t *source, struct places *places)
{
	uint32_t at = 0;

	while (at + LOAD_BYTES < TRAMPOLINE_BYTES &&
	       memcmp(source + at, load_ops, sizeof(load_ops)))
		at++;
	places->load = at;
	at += LOAD_BYTES;
	while (at + CALL_BYTES < TRAMPOLINE_BYTES && source[at] != CALL)
		at++;
	places->call = at;
	return at + CALL_BYTES < TRAMPOLINE_BYTES;
}

static bool is_within(uint32_t at, uint32_t first, uint32_t count)
{
	return at - first < count;
}

/* The code up to its return: the same, but for what has to differ. */
static bool is_same_code(const uint8_t *page, const uint8_t *source, const struct places *places)
{
	bool jumps = true;

	for (uint32_t i = 0; i < places->end; i++) {
		if (page[i] == source[i] ||
		    is_within(i, places->load + sizeof(load_ops), sizeof(int32_t)) ||
		    is_within(i, places->call + 1, CALL_BYTES - 1))
			continue;
		if (!jumps || source[i] != JNZ_SHORT || i + 1 >= places->end ||
		    memcmp(page + i, nop2, sizeof(nop2)))
			return false;
		jumps = false;
		i++;
	}
	return true;
}

/* Nothing that was there before, where memory is not cleared when it is allocated. */
static bool is_filler(const uint8_t *bytes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (bytes[i] != 0 && bytes[i] != INT3)
			return false;
	}
	return true;
}

/* A call or jump, to code of the kernel's: not to a place of this page, where an instruction need not begin. */
static bool leads_away(const uint8_t *page, uint32_t at)
{
	int32_t displacement;
	int64_t target;

	memcpy(&displacement, page + at + 1, sizeof(displacement));
	target = (int64_t)at + CALL_BYTES + displacement;
	return target < 0 || target >= (int64_t)PAGE_SIZE;
}

static bool returns(const uint8_t *page, const uint8_t *source, uint32_t end, uint32_t room)
{
	const uint32_t used = page[end] == JMP ? JMP_BYTES : 1;

	return (source[end] == RET || source[end] == JMP) &&
	       (page[end] == RET || (page[end] == JMP && leads_away(page, end))) && used <= room &&
	       is_filler(page + end + used, room - used);
}

/* What lies behind the code is data: an address of the kernel's. */
static bool is_kernel_address(const uint8_t *bytes)
{
	uint64_t address;

	memcpy(&address, bytes, sizeof(address));
	return address >= KERNEL_HALF;
}

bool trampoline_is_copy(const uint8_t *page, const uint8_t *source)
{
	struct places places;
	uint32_t displacement, pointer;

	if (!find_places(source, &places))
		return false;
	memcpy(&displacement, page + places.load + sizeof(load_ops), sizeof(displacement));
	pointer = places.load + (uint32_t)LOAD_BYTES + displacement;
	if (displacement > TRAMPOLINE_BYTES || pointer > TRAMPOLINE_BYTES ||
	    !is_kernel_address(page + pointer) || !leads_away(page, places.call))
		return false;
	for (uint32_t i = 0; i < sizeof(return_bytes) / sizeof(return_bytes[0]); i++) {
		places.end = pointer - return_bytes[i];
		if (pointer >= return_bytes[i] + places.call + CALL_BYTES &&
		    returns(page, source, places.end, return_bytes[i]) &&
		    is_same_code(page, source, &places))
			return is_filler(page + pointer + sizeof(uint64_t),
					 (uint32_t)(PAGE_SIZE - pointer - sizeof(uint64_t)));
	}
	return false;
}
