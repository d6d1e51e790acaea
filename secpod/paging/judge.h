/* SPDX-License-Identifier: MIT */
/*
 * The judge: may this entry of a page table become that? Rules are rows of one const table, each
 * with the entries it is about, the phase it begins in, and its reason. Pure: reads the frame table
 * and what was frozen at LOCK, changes nothing.
 */
#ifndef SECPOD_SECPOD_PAGING_JUDGE_H
#define SECPOD_SECPOD_PAGING_JUDGE_H

#include "secpod/paging/paging.h"

/* The place of an entry. */
struct pte_place {
	uint32_t level; /* of the table it lies in */
	uint32_t index;
	enum table_half half; /* what the entry maps */
	enum root_kind root;  /* level 4: of the table */
	uint64_t va;	      /* kernel half: first linear address it maps */
	uint64_t slot;	      /* gpa of the entry */
	bool locked;	      /* rules of LOCKED hold */
};

/* pte_place_of - the place of entry index in the table that info is of, at level. */
struct pte_place pte_place_of(const struct paging *paging, const struct table_info *info,
			      uint32_t level, uint32_t index);

/*
 * judge_entry - ask all rules about old becoming next at place. What is broken goes to
 * paging->ops.refuse(). Result: 0, -EPERM (a rule is broken and its answer is to refuse).
 */
int judge_entry(const struct paging *paging, const struct pte_place *place, uint64_t old,
		uint64_t next);

/*
 * judge_standing - ask those rules that begin at LOCKED about an entry that was made before, or about its absence: the
 * ones that tell what may be, not what may be changed. Result: as judge_entry().
 */
int judge_standing(const struct paging *paging, const struct pte_place *place, uint64_t entry);

/*
 * judge_is_harmless - do old and next differ in nothing that a rule asks about: both not present, or
 * only in accessed, dirty, global and the bits the CPU ignores?
 */
bool judge_is_harmless(uint64_t old, uint64_t next);

/*
 * judge_is_template - is this entry of the upper half of a root, that info is of, the one which
 * was frozen at LOCK for all roots of its kind? Then it obeys the rules as that one did.
 */
bool judge_is_template(const struct paging *paging, const struct table_info *info, uint32_t index,
		       uint64_t value);

/*
 * judge_is_plain - the short answer for nearly every change there is: in a table of level 1 of a
 * user half, old becomes nothing, or a page of a user in ordinary memory. Then no rule is broken, in
 * whatever phase, and there is no reference to take or to give back. When it says no, the rules
 * have to be asked.
 */
static inline bool judge_is_plain(const struct paging *paging, uint64_t old, uint64_t next)
{
	if ((old & PTE_P) && pte_is_kernel_exec(old))
		return false;
	if (!(next & PTE_P))
		return true;
	/* A frame that the table has is below the top of RAM: no reserved bit is set in its address. */
	return (next & PTE_US) &&
	       frame_type(&paging->frames, pte_leaf_frame(next, 1)) == FRAME_NONE;
}

/*
 * judge_admits_code - does this kernel-executable leaf of one page turn ordinary memory into code
 * (which judge_entry() lets pass in the range of modules)?
 */
bool judge_admits_code(const struct paging *paging, const struct pte_place *place, uint64_t next);

/*
 * judge_split - a large leaf of the kernel half gives way to the table (its 512 entries): do these
 * translate to the same frames with no right more?
 */
bool judge_split(uint64_t leaf, uint32_t level, const uint64_t *table);

#endif
