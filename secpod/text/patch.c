/* SPDX-License-Identifier: MIT */
#include "secpod/text/patch.h"

#include <string.h>

/* Where a form has its displacement, and the opcode byte that has variants. */
struct patch_form {
	uint8_t length;
	uint8_t rel;		    /* offset of the displacement, 0: none */
	uint8_t variants;	    /* low bits of byte 1 that may have any value, as a mask */
	uint8_t bytes[PATCH_BYTES]; /* displacement: 0 */
	enum patch_state state;
};

/* clang-format off */
static const struct patch_form forms[] = {
	/* arch/x86/include/asm/nops.h */
	{1, 0, 0, {0x90}, PATCH_NOP},
	{2, 0, 0, {0x66, 0x90}, PATCH_NOP},
	{3, 0, 0, {0x0f, 0x1f, 0x00}, PATCH_NOP},
	{4, 0, 0, {0x0f, 0x1f, 0x40, 0x00}, PATCH_NOP},
	{5, 0, 0, {0x0f, 0x1f, 0x44, 0x00, 0x00}, PATCH_NOP},
	{6, 0, 0, {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00}, PATCH_NOP},
	{7, 0, 0, {0x0f, 0x1f, 0x80}, PATCH_NOP},
	{8, 0, 0, {0x0f, 0x1f, 0x84}, PATCH_NOP},
	{9, 0, 0, {0x66, 0x0f, 0x1f, 0x84}, PATCH_NOP},
	{10, 0, 0, {0x66, 0x66, 0x0f, 0x1f, 0x84}, PATCH_NOP},
	{11, 0, 0, {0x66, 0x66, 0x66, 0x0f, 0x1f, 0x84}, PATCH_NOP},
	/* arch/x86/include/asm/text-patching.h; Jcc: of static calls that are conditional tail calls */
	{2, 1, 0, {0xeb}, PATCH_JUMP},
	{5, 1, 0, {0xe9}, PATCH_JUMP},
	{6, 2, 0x0f, {0x0f, 0x80}, PATCH_JUMP},
	{5, 1, 0, {0xe8}, PATCH_CALL},
	/* arch/x86/kernel/static_call.c: what stands for a call of nothing, or of a function that returns 0 */
	{5, 0, 0, {0xc3, 0xcc, 0xcc, 0xcc, 0xcc}, PATCH_RETURN},
	{5, 0, 0, {0x66, 0x66, 0x48, 0x31, 0xc0}, PATCH_CLEAR},
};
/* clang-format on */

#define FORMS (sizeof(forms) / sizeof(forms[0]))

/* May byte i of the form be this? Displacements: any. */
static bool has_byte(const struct patch_form *form, uint32_t i, uint8_t byte)
{
	if (form->rel && i >= form->rel)
		return true;
	return i == 1 ? !((byte ^ form->bytes[1]) & ~form->variants) : byte == form->bytes[i];
}

static uint64_t target_of(const struct patch_form *form, uint64_t va, const uint8_t *rel)
{
	int32_t wide;

	if (form->length - form->rel == 1)
		return va + form->length + (uint64_t)(int64_t)(int8_t)rel[0];
	memcpy(&wide, rel, sizeof(wide));
	return va + form->length + (uint64_t)(int64_t)wide;
}

static bool is_form(const struct patch_form *form, const struct patch_site *site,
		    const uint8_t *now, const struct patch_targets *targets)
{
	for (uint32_t i = 0; i < form->length; i++) {
		if (!has_byte(form, i, now[i]))
			return false;
	}
	return !form->rel ||
	       targets->is_code(targets->context, target_of(form, site->va, now + form->rel));
}

bool patch_is_prefix_swap(uint8_t before, uint8_t after)
{
	const uint8_t lock = 0xf0, ds = 0x3e;

	return (before == lock && after == ds) || (before == ds && after == lock);
}

enum patch_state patch_judge(const struct patch_site *site, const uint8_t now[PATCH_BYTES],
			     uint32_t *extent, const struct patch_targets *targets)
{
	if (now[0] == PATCH_INT3)
		return PATCH_OPEN;
	if (*extent <= PATCH_BYTES && !memcmp(now, site->original, *extent ? *extent : 1))
		return PATCH_ORIGINAL;
	for (uint32_t i = 0; i < FORMS; i++) {
		/* What was patched behind it would be left over. */
		if (*extent > forms[i].length || !is_form(&forms[i], site, now, targets))
			continue;
		*extent = forms[i].length;
		return forms[i].state;
	}
	return *extent <= 1 && patch_is_prefix_swap(site->original[0], now[0]) ? PATCH_NOP
									       : PATCH_REFUSED;
}

static bool has_tail(const struct patch_form *form, const struct patch_site *site, uint32_t first,
		     uint32_t count, const uint8_t *bytes, const struct patch_targets *targets)
{
	if (first + count > form->length)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (!has_byte(form, first + i, bytes[i]))
			return false;
	}
	if (!form->rel || first > form->rel || first + count < form->length)
		return true;
	return targets->is_code(targets->context,
				target_of(form, site->va, bytes + (form->rel - first)));
}

bool patch_tail_judge(const struct patch_site *site, uint32_t first, uint32_t count,
		      const uint8_t *bytes, const struct patch_targets *targets)
{
	if (first == 0 || count == 0 || first + count > PATCH_BYTES)
		return false;
	if (!memcmp(bytes, site->original + first, count))
		return true;
	for (uint32_t i = 0; i < FORMS; i++) {
		if (has_tail(&forms[i], site, first, count, bytes, targets))
			return true;
	}
	return false;
}
