/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Writes kernel text: where it runs, where the direct map has it, and through a mapping of its own. */
#include "attack.h"
#include "overwrite.h"

/* It runs when the machine is about to be reset, and so at no time here. */
#define TARGET "emergency_restart"
#define WAYS 3

static unsigned int done;

static int attempt(void)
{
	u64 *text = (u64 *)attack_symbol(TARGET);

	if (!text)
		return -ENOENT;
	done = overwrite_each_way(text);
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u ways", done, WAYS);
	return attack_tries(done, WAYS);
}

static const struct attack pt_text = {
	"pt_text", "locked-range,code-store,kernel-exec", NULL, attempt, effect, NULL};
ATTACK_MODULE(pt_text);
