/* SPDX-License-Identifier: MIT */
#include "vmx/boot_roots.h"

#include "vmm/x86.h"

#define TABLE_ENTRIES 512u
#define USER_ENTRIES 256u /* of the topmost table */
#define LEVELS 4u
/* Read at a time: small, as there is one such block on the stack for each level. */
#define BLOCK_ENTRIES 64u
/*
 * A process has its first page within a handful of tables, text_poke() has one path of them; the
 * 1:1 mappings of EFI are the largest.
 */
#define MAX_TABLES 64u

struct scan {
	int (*read)(uint64_t gpa, void *to, uint64_t len);
	uint32_t tables; /* that may still be read */
	bool supervisor; /* something is mapped */
	bool user;
};

static void scan_table(struct scan *scan, uint64_t table, unsigned int level);

static void scan_entry(struct scan *scan, uint64_t entry, unsigned int level)
{
	if (!(entry & PTE_P))
		return;
	scan->supervisor = true;
	if (!(entry & PTE_US))
		return;
	if (level == 1 || (level < LEVELS && (entry & PTE_PS)))
		scan->user = true;
	else
		scan_table(scan, entry & PTE_ADDR, level - 1);
}

static void scan_table(struct scan *scan, uint64_t table, unsigned int level)
{
	const unsigned int count = level == LEVELS ? USER_ENTRIES : TABLE_ENTRIES;
	uint64_t entry[BLOCK_ENTRIES];

	if (!scan->tables)
		return;
	scan->tables--;
	for (unsigned int first = 0; first < count; first += BLOCK_ENTRIES) {
		if (scan->read(table + first * sizeof(entry[0]), entry, sizeof(entry)))
			return;
		for (unsigned int i = 0; i < BLOCK_ENTRIES && !scan->user; i++)
			scan_entry(scan, entry[i], level);
	}
}

enum user_half user_half_of(int (*read)(uint64_t gpa, void *to, uint64_t len), uint64_t root)
{
	struct scan scan = {.read = read, .tables = MAX_TABLES};

	scan_table(&scan, root, LEVELS);
	if (scan.user)
		return USER_HALF_USER;
	if (!scan.tables)
		return USER_HALF_UNKNOWN;
	return scan.supervisor ? USER_HALF_SUPERVISOR : USER_HALF_EMPTY;
}

/* BOOT_ROOTS_MAX, or where it is. */
static uint32_t find(const struct boot_roots *roots, uint64_t root)
{
	for (uint32_t i = 0; i < roots->count; i++) {
		if (roots->root[i] == root)
			return i;
	}
	return BOOT_ROOTS_MAX;
}

enum root_verdict boot_roots_load(struct boot_roots *roots, uint64_t root, enum user_half half,
				  bool text_read_only)
{
	const uint32_t known = find(roots, root);

	if (half == USER_HALF_USER) {
		roots->user_seen = true;
		/* Taken for the kernel's by mistake. */
		if (known != BOOT_ROOTS_MAX)
			roots->root[known] = roots->root[--roots->count];
		return text_read_only ? ROOT_FIRST_USER : ROOT_USER;
	}
	if (half == USER_HALF_UNKNOWN)
		return text_read_only ? ROOT_FIRST_USER : ROOT_WATCH;
	if (known != BOOT_ROOTS_MAX)
		return ROOT_KERNEL;
	if (text_read_only)
		return half == USER_HALF_EMPTY ? ROOT_WATCH : ROOT_FIRST_USER;
	if (roots->user_seen || roots->count == BOOT_ROOTS_MAX)
		return ROOT_WATCH;
	roots->root[roots->count++] = root;
	return ROOT_KERNEL;
}
