/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Writes the text of a module while it can be executed: in the ways of pt_text. */
#include "attack.h"
#include "overwrite.h"

#define WAYS 3

static unsigned int done;

asm(".pushsection .text\n"
    ".balign 16\n"
    "module_text_site:\n"
    "\t.fill 16, 1, 0xcc\n"
    ".popsection\n");
extern u64 module_text_site[];

static int attempt(void)
{
	done = overwrite_each_way(module_text_site);
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u ways", done, WAYS);
	return attack_tries(done, WAYS);
}

static const struct attack module_text = {
	"module_text", "code-store,kernel-exec", NULL, attempt, effect, NULL};
ATTACK_MODULE(module_text);
