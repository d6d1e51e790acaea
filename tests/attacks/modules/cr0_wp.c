/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Clears CR0.WP and overwrites a page that the kernel's page tables make read-only. */
#include "wp_target.h"

static void set_cr0(unsigned long value)
{
	attack_write_cr0(value);
}

static const struct attack cr0_wp = {"cr0_wp", "cr0", NULL, attempt, effect, undo};
ATTACK_MODULE(cr0_wp);
