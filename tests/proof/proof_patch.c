/* SPDX-License-Identifier: MIT */
/*
 * The judge of patches (secpod/text/patch.c), for any site and any bytes. What a patch is is said
 * anew, from the instruction formats, and not from the table of forms.
 */
#include "secpod/text/patch.h"

#include <string.h>

#include "tests/proof/proof.h"

/* Behind the displacement of the longest jump a patch is the rest of a NOP: zero. */
#define PATCH_FREE_BYTES 6u
#define PATCH_LONGEST 11u
#define NOP_ZEROS_MAX 5u

static struct patch_site site;
static uint8_t now[PATCH_BYTES];

/* The same answer each time. */
bool __CPROVER_uninterpreted_is_code(uint64_t va);

static bool is_code(void *context, uint64_t va)
{
	(void)context;
	return __CPROVER_uninterpreted_is_code(va);
}

static const struct patch_targets targets = {is_code, NULL};

static bool zeros(uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < NOP_ZEROS_MAX; i++) {
		if (i < count && now[first + i])
			return false;
	}
	return true;
}

/* NOP, or NOP with a memory operand, behind prefixes of operand size. Its length; 0: it is none. SDM: "NOP". */
static uint32_t nop_length(void)
{
	uint32_t at = 0;

	while (at < 3 && now[at] == 0x66)
		at++;
	if (now[at] == 0x90)
		return at <= 1 ? at + 1 : 0;
	if (now[at] != 0x0f || now[at + 1] != 0x1f)
		return 0;
	switch (now[at + 2]) { /* ModR/M */
	case 0x00:	       /* [rax] */
		return at == 0 ? 3 : 0;
	case 0x40: /* [rax + disp8] */
		return at == 0 && zeros(3, 1) ? 4 : 0;
	case 0x44: /* with SIB */
		return at <= 1 && zeros(at + 3, 2) ? at + 5 : 0;
	case 0x80: /* [rax + disp32] */
		return at == 0 && zeros(3, 4) ? 7 : 0;
	case 0x84: /* with SIB */
		return zeros(at + 3, 5) ? at + 8 : 0;
	default:
		return 0;
	}
}

static bool leads_to_code(const uint8_t *rel, uint32_t bytes, uint32_t length)
{
	uint32_t wide = 0;

	if (bytes == 1)
		return is_code(NULL, site.va + length + (uint64_t)(int8_t)rel[0]);
	for (uint32_t i = 0; i < sizeof(wide); i++)
		wide |= (uint32_t)rel[i] << 8 * i;
	return is_code(NULL, site.va + length + (uint64_t)(int32_t)wide);
}

static bool is_jump(uint32_t length)
{
	if (now[0] == 0xeb)
		return length == 2 && leads_to_code(&now[1], 1, 2);
	if (now[0] == 0xe9)
		return length == 5 && leads_to_code(&now[1], 4, 5);
	return now[0] == 0x0f && now[1] >> 4 == 8 && length == 6 && leads_to_code(&now[2], 4, 6);
}

/* LOCK, or a prefix without meaning in its place, of an instruction that stays. */
static bool is_lock_prefix(uint32_t length)
{
	const uint8_t was = site.original[0];

	return length <= 1 && ((now[0] == 0x3e && was == 0xf0) || (now[0] == 0xf0 && was == 0x3e));
}

static bool is_patch(enum patch_state state, uint32_t length)
{
	static const uint8_t clear[] = {0x66, 0x66, 0x48, 0x31, 0xc0}; /* xor %rax, %rax */
	static const uint8_t ret[] = {0xc3, 0xcc, 0xcc, 0xcc, 0xcc};

	switch (state) {
	case PATCH_OPEN:
		return now[0] == 0xcc;
	case PATCH_ORIGINAL:
		for (uint32_t i = 0; i < PATCH_BYTES; i++) {
			if ((i == 0 || i < length) && now[i] != site.original[i])
				return false;
		}
		return length <= PATCH_BYTES;
	case PATCH_NOP:
		return is_lock_prefix(length) || nop_length() == length;
	case PATCH_JUMP:
		return is_jump(length);
	case PATCH_CALL:
		return now[0] == 0xe8 && length == 5 && leads_to_code(&now[1], 4, 5);
	case PATCH_RETURN:
		return length == 5 && !memcmp(now, ret, sizeof(ret));
	case PATCH_CLEAR:
		return length == 5 && !memcmp(now, clear, sizeof(clear));
	default:
		return false;
	}
}

static void whole(void)
{
	const uint32_t had = nondet_u32();
	uint32_t extent = had;
	const enum patch_state state = patch_judge(&site, now, &extent, &targets);

	prove((state == PATCH_OPEN) == (now[0] == 0xcc), "INT3 is nothing else");
	if (state == PATCH_REFUSED) {
		prove(extent == had, "what is refused is no longer than before");
		return;
	}
	prove(is_patch(state, extent), "what is accepted is INT3, the original, or a whole patch");
	prove(extent >= had, "nothing of an older patch is left over behind it");
	if (state == PATCH_OPEN || state == PATCH_ORIGINAL)
		prove(extent == had, "these are as long as the site was");
	else
		prove(extent <= PATCH_LONGEST, "no patch is longer");
}

/* Behind INT3: as far as bytes by themselves tell. */
static void tail(void)
{
	const uint32_t first = nondet_u32(), count = nondet_u32();
	const uint32_t i = (uint32_t)any_below(PATCH_BYTES);
	bool changes = false;

	/* Of a store, which has 8 bytes at most. */
	assume(count <= sizeof(uint64_t) && first <= PATCH_BYTES);
	if (!patch_tail_judge(&site, first, count, now, &targets))
		return;
	prove(first >= 1 && count >= 1 && first + count <= PATCH_BYTES, "it is behind the INT3");
	for (uint32_t k = 0; k < count; k++)
		changes |= now[k] != site.original[first + k];
	if (!changes || i >= count)
		return;
	prove(first + count <= PATCH_LONGEST, "no further than the longest patch");
	if (first + i >= PATCH_FREE_BYTES)
		prove(!now[i], "behind where displacements are there are zeros");
}

int main(void)
{
	__CPROVER_havoc_object(&site);
	__CPROVER_havoc_object(now);
	if (nondet_bool())
		whole();
	else
		tail();
	return 0;
}
