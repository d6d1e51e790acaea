/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The attacks that write a word that nobody is to write, and put it back. */
#ifndef SECPOD_TESTS_ATTACKS_OVERWRITE_H
#define SECPOD_TESTS_ATTACKS_OVERWRITE_H

#include "attack_tables.h"

#include <linux/io.h>

/* to is another place of word. Result: was it written? Afterwards it is what it was. */
static inline bool overwrite(u64 *to, const u64 *word)
{
	const u64 original = READ_ONCE(*word);

	(void)attack_store(to, ~original);
	if (READ_ONCE(*word) == original)
		return false;
	(void)attack_store(to, original);
	return true;
}

/* The same where the entry for to says read-only, until it is changed. */
static inline bool overwrite_opened(u64 *to, const u64 *word)
{
	unsigned int level = 1;
	u64 *slot = attack_slot((unsigned long)to, 1, &level);
	bool written;
	u64 before;

	if (!slot)
		slot = attack_slot((unsigned long)to, level, NULL);
	before = *slot;
	(void)attack_store(slot, before | _PAGE_RW | _PAGE_DIRTY);
	attack_flush();
	written = overwrite(to, word);
	(void)attack_store(slot, before);
	attack_flush();
	return written;
}

static inline bool overwrite_direct(u64 *word)
{
	return overwrite_opened(phys_to_virt(attack_physical(word)), word);
}

static inline bool overwrite_alias(u64 *word)
{
	u8 *alias = attack_map(attack_physical(word) & PAGE_MASK, PAGE_KERNEL);

	return alias && overwrite((u64 *)(alias + offset_in_page(word)), word);
}

/* Where it is, in the direct map, by a mapping of its own. Result: by how many of these three it was written. */
static inline unsigned int overwrite_each_way(u64 *word)
{
	return overwrite_opened(word, word) + overwrite_direct(word) + overwrite_alias(word);
}

#endif
