/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The kernel's page tables for the attacks on them. What is made here to attack from is made as Linux
 * makes it, and so lawful under SecPod: an entry is cleared before it maps something else.
 */
#ifndef SECPOD_TESTS_ATTACKS_ATTACK_TABLES_H
#define SECPOD_TESTS_ATTACKS_ATTACK_TABLES_H

#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/types.h>

#define ATTACK_ENTRIES 512u
#define ATTACK_LEVELS 4u

/* Entries. Leaves are not global, so that a load of CR3 drops them as well. */
#define ATTACK_TABLE (_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY)
#define ATTACK_READ (_PAGE_PRESENT | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_NX)
#define ATTACK_DATA (ATTACK_READ | _PAGE_RW)
#define ATTACK_CODE (_PAGE_PRESENT | _PAGE_ACCESSED | _PAGE_DIRTY)
#define ATTACK_USER (ATTACK_DATA | _PAGE_USER)

/* Of the user half, where no program of ours has anything. */
#define ATTACK_USER_AREA 0x5ec000000000ul

static inline unsigned int attack_shift(unsigned int level)
{
	const unsigned int index_bits = 9;

	return PAGE_SHIFT + index_bits * (level - 1);
}

/* attack_index - of the entry for address in a table of this level. */
static inline unsigned int attack_index(unsigned long address, unsigned int level)
{
	return address >> attack_shift(level) & (ATTACK_ENTRIES - 1);
}

/*
 * attack_map - maps one page of any physical memory with any protection, for as long as the machine
 * runs. Result: NULL without memory, or when it is refused.
 */
void *attack_map(u64 physical, pgprot_t protection);

/* attack_physical - physical address behind address, by the kernel's page tables; 0 when not mapped. */
u64 attack_physical(const void *address);

/* attack_read_only - whether the kernel's page tables forbid writing at address. */
bool attack_read_only(const void *address);

/* attack_page - zeroed pages, 1 << order of them, for as long as the machine runs. */
void *attack_page(unsigned int order);

/*
 * attack_slot - the entry for address in the table of this level (1 to 4) of the tables in use. Result: NULL
 * when there is no such table, and the level where the way ends in *ends (not NULL): of a large page, or of
 * an entry that is not present.
 */
u64 *attack_slot(unsigned long address, unsigned int level, unsigned int *ends);

/*
 * attack_store - one plain 64-bit store. Result: whether it raised no exception, and the value is there, but for
 * the CPU's own flags.
 */
bool attack_store(u64 *to, u64 value);

/* attack_flush - no CPU has anything cached of what was mapped. */
void attack_flush(void);

/* attack_area - 2 MiB of the kernel's addresses, aligned, without a table; 0 without memory. */
unsigned long attack_area(void);

/*
 * attack_link - table (of level 1) maps attack_area(), which was asked for before; NULL: nothing does.
 * attack_link_user - it maps ATTACK_USER_AREA of the present process, and the tables above it are there;
 * NULL: they go. Result: whether that was let pass.
 */
bool attack_link(void *table);
bool attack_link_user(void *table);

/*
 * attack_linked_table - a table of level 1, in pages of its own, 1 << order of them, that is linked (attack_link()): all
 * entries are *entry, which maps a page of data. Result: the table, or NULL with *error set.
 */
u64 *attack_linked_table(unsigned int order, u64 *entry, int *error);

/*
 * attack_forget_root - a root of our own, which CR3 does not hold any more, is ordinary memory again. It
 * would hold on to the tables of a process that is over.
 */
void attack_forget_root(u64 *root);

/* attack_call - calls what is at address. Result: what it returns; an exception there ends the thread. */
unsigned long attack_call(unsigned long address);

/* attack_write_code - writes a function to page that returns ATTACK_CALLED. */
#define ATTACK_CALLED 0x5ecadeul
void attack_write_code(void *page);

#endif
