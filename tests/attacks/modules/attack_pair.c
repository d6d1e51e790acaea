/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Part of secpod_attack.ko; see attack_program.h. The two roots of the calling program, with page-table isolation: the
 * kernel's, which CR3 holds here, and the user's in the next frame.
 */
#include "attack_program.h"

#include <linux/io.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>

#include "attack.h"
#include "attack_tables.h"

#define PLANTED 0x0badc0de5ec90d41ul

/* The entries for the page, and what they were. */
static u64 *kernels, *users;
static u64 kernels_before, users_before;

static bool store(u64 *entry, u64 value)
{
	const bool stored = attack_store(entry, value);

	attack_flush();
	return stored;
}

/* Tables of our own for address, to a page of our own. Result: what links them, with the rights of like; 0: no memory. */
static u64 own_tables(unsigned long address, u64 like)
{
	u64 *page = attack_page(0);
	u64 below = page ? virt_to_phys(page) | ATTACK_USER : 0;

	if (page)
		*page = PLANTED;
	for (unsigned int level = 1; below && level < ATTACK_LEVELS; level++) {
		u64 *table = attack_page(0);

		if (table)
			table[attack_index(address, level)] = below;
		below = table ? virt_to_phys(table) | ATTACK_TABLE : 0;
	}
	return below ? (below & PTE_PFN_MASK) | (like & ~PTE_PFN_MASK) : 0;
}

/* Where Linux has the user's root of a pair. */
static bool load_misplaced(void)
{
	const unsigned long cr3 = attack_read_cr3();
	unsigned long flags;
	unsigned int fault = 1;
	u64 *root = attack_page(1);

	if (!root)
		return false;
	root += ATTACK_ENTRIES;
	memcpy(root, phys_to_virt(cr3 & PTE_PFN_MASK), PAGE_SIZE);
	local_irq_save(flags);
	asm volatile(ATTACK_TRY("mov %[value], %%cr3")
		     : [fault] "+r"(fault)
		     : [value] "r"(virt_to_phys(root))
		     : "memory");
	if (!fault)
		attack_write_cr3(cr3);
	local_irq_restore(flags);
	attack_forget_root(root);
	return !fault;
}

int attack_pair(struct attack_request *request)
{
	const enum attack_pair_way way = request->value;
	u64 own;

	if (!boot_cpu_has(X86_FEATURE_PTI))
		return -EOPNOTSUPP;
	if (way == ATTACK_PAIR_PLACE) {
		request->value = load_misplaced();
		return 0;
	}
	kernels = attack_slot(request->address, ATTACK_LEVELS, NULL);
	users = kernels + ATTACK_ENTRIES;
	kernels_before = *kernels;
	users_before = *users;
	if (way == ATTACK_PAIR_EXECUTE) {
		request->value = store(kernels, kernels_before & ~(u64)_PAGE_NX);
		return 0;
	}
	own = own_tables(request->address,
			 way == ATTACK_PAIR_KERNEL ? kernels_before : users_before);
	if (!own)
		return -ENOMEM;
	if (way == ATTACK_PAIR_ANEW) {
		(void)store(users, 0);
		(void)store(kernels, 0);
		(void)store(kernels, kernels_before);
	}
	/* Refused, it may have left none in the user's: the program would fault there for ever. */
	if (!store(way == ATTACK_PAIR_KERNEL ? kernels : users, own))
		(void)store(users, users_before);
	return get_user(request->value, (unsigned long __user *)request->address);
}

int attack_pair_end(struct attack_request *request)
{
	(void)request;
	if (!kernels)
		return -ENOENT;
	(void)store(users, users_before);
	(void)store(kernels, kernels_before);
	kernels = NULL;
	return 0;
}
