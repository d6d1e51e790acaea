/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* A hook in the system call table in the manner of common rootkits: found by a kprobe, written with WP clear. */
#include "attack.h"
#include "attack_tables.h"

#include <asm/unistd.h>

/* Never implemented, so that nobody misses it meanwhile. */
#define SLOT __NR_tuxcall

static unsigned long *table;
static unsigned long original;

static long hook(void)
{
	return 0x5ec;
}

static int attempt(void)
{
	table = (unsigned long *)attack_symbol("sys_call_table");
	if (!table)
		return -ENOENT;
	if (!attack_read_only(&table[SLOT]))
		return -EINVAL;
	original = table[SLOT];
	attack_write_past_wp(&table[SLOT], (unsigned long)hook, attack_write_cr0);
	return 0;
}

static bool effect(void)
{
	attack_detail("sys_call_table[%d] is %s", SLOT,
		      READ_ONCE(table[SLOT]) == original ? "as it was" : "the attacker's");
	return READ_ONCE(table[SLOT]) != original;
}

static void undo(void)
{
	attack_write_past_wp(&table[SLOT], original, attack_write_cr0);
}

static const struct attack syscall_hook = {"syscall_hook", "cr0", NULL, attempt, effect, undo};
ATTACK_MODULE(syscall_hook);
