/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A patch of kernel text as text_poke() makes it, in its address space and with interrupts off, but by other
 * instructions than the kernel's.
 */
#include "poke.h"

/* A byte that Linux may well put there. */
#define INT3 0xcc

asm(".pushsection .text\n"
    ".balign 16\n"
    "text_alias_site:\n"
    "\t.byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
    "\tret\n"
    ".popsection\n");
extern u8 text_alias_site[];

static void *store(void *to, const void *from, size_t len)
{
	unsigned int fault = 1;

	(void)len;
	asm volatile(ATTACK_TRY("movb %[value], (%[to])")
		     : [fault] "+r"(fault)
		     : [to] "r"(to), [value] "q"(*(const u8 *)from)
		     : "memory");
	return to;
}

static int attempt(void)
{
	const u8 int3 = INT3;
	struct poke poke;
	int result = poke_find(&poke);

	if (!result)
		poke_store(&poke, text_alias_site, &int3, sizeof(int3), store);
	return result;
}

static bool effect(void)
{
	attack_detail("the byte there is 0x%02x", READ_ONCE(text_alias_site[0]));
	return READ_ONCE(text_alias_site[0]) == INT3;
}

static const struct attack text_alias = {"text_alias", "code-store", NULL, attempt, effect, NULL};
ATTACK_MODULE(text_alias);
