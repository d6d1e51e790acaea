/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The attacks that clear CR0.WP, by writing CR0 with set_cr0(), which they define, and overwrite a word of a page that the
 * kernel's page tables make read-only.
 */
#ifndef SECPOD_TESTS_ATTACKS_WP_TARGET_H
#define SECPOD_TESTS_ATTACKS_WP_TARGET_H

#include "attack.h"
#include "attack_tables.h"

#define WP_BEFORE 0x5ec90d0011223344ul
#define WP_AFTER 0x0badc0de55667788ul

static const unsigned long target __aligned(PAGE_SIZE) = WP_BEFORE;

static void set_cr0(unsigned long value);

static int attempt(void)
{
	if (!attack_read_only(&target))
		return -EINVAL;
	attack_write_past_wp(&target, WP_AFTER, set_cr0);
	return 0;
}

static bool effect(void)
{
	unsigned long value = READ_ONCE(*(volatile const unsigned long *)&target);

	attack_detail("read-only word 0x%lx", value);
	return value != WP_BEFORE;
}

static void undo(void)
{
	attack_write_past_wp(&target, WP_BEFORE, set_cr0);
}

#endif
