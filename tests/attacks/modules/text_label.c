/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Makes of a jump label a jump to data, in the way Linux changes it: in its address space for that, by its own
 * instructions, with INT3 at first and the first byte at last. What is refused of these ends the thread.
 */
#include "poke.h"

#include <linux/string.h>

#define INT3 0xcc
#define JUMP 0xe9
#define JUMP_BYTES 5u

/* As a label is that is not taken. */
asm(".pushsection .text\n"
    ".balign 16\n"
    "text_label_site:\n"
    "\t.byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
    "\tret\n"
    ".popsection\n");
extern u8 text_label_site[];

static u8 data[16];
static s32 distance;

static int attempt(void)
{
	const u8 int3 = INT3, jump = JUMP;
	void *(*copy)(void *, const void *, size_t) = (void *)attack_symbol("memcpy");
	struct poke poke;
	int result = poke_find(&poke);

	if (result || !copy)
		return result ? result : -ENOENT;
	distance = (s32)((unsigned long)data - (unsigned long)text_label_site - JUMP_BYTES);
	poke_store(&poke, text_label_site, &int3, sizeof(int3), copy);
	poke_store(&poke, text_label_site + 1, &distance, sizeof(distance), copy);
	poke_store(&poke, text_label_site, &jump, sizeof(jump), copy);
	return 0;
}

static bool effect(void)
{
	const bool changed = !memcmp(text_label_site + 1, &distance, sizeof(distance));

	attack_detail("the label is 0x%02x, %s", *text_label_site, changed ? "to data" : "to code");
	return *text_label_site == JUMP && changed;
}

static const struct attack text_label = {"text_label", "code-store", NULL, attempt, effect, NULL};
ATTACK_MODULE(text_label);
