/* SPDX-License-Identifier: MIT */
/* What the files of secpod/paging/ call of each other; for the others paging.h. */
#ifndef SECPOD_SECPOD_PAGING_INTERNAL_H
#define SECPOD_SECPOD_PAGING_INTERNAL_H

#include "secpod/paging/judge.h"
#include "secpod/paging/paging.h"

/* Claims of one promotion: frames that are read-only page tables whose contents are not judged yet. */
struct promotion {
	struct paging *paging;
	struct paging_cpu *cpu;
	uint32_t claimed; /* list, through table_info.next and previous */
	uint32_t count;	  /* in all */
	bool incomplete;  /* a table was claimed after the last invalidation */
};

/* What a tree hangs from. */
struct tree_root {
	uint64_t frame;
	uint32_t level;
	enum table_half half; /* levels 1 to 3 */
	uint64_t va;	      /* kernel half */
	uint64_t leaf; /* a large leaf it takes the place of: what its entries were; 0: none */
};

/*
 * promote_claim - make the tree below root read-only page tables, as far as it is memory now and not
 * more than one request may; those that are page tables already stay as they are. Nothing is judged.
 * Result: 0; -EFAULT (root is no memory), -ENOMEM.
 * promote_judge - judge what was claimed and root needs, admit it, and take a reference to root.
 * Result: 0; -EACCES (root is something else), -EPERM (a rule is broken; recorded), -EAGAIN (another
 * CPU is at it, or it is too much at a time: what is admitted by now will not be claimed again),
 * -EOVERFLOW, -ENOMEM, -EFAULT.
 * promote_end - give up all claims that were not admitted.
 */
int promote_claim(struct promotion *promotion, const struct tree_root *root);
int promote_judge(struct promotion *promotion, const struct tree_root *root);
void promote_end(struct promotion *promotion);

/* promote_tree - the three steps. Result: as theirs. */
int promote_tree(struct paging *paging, struct paging_cpu *cpu, const struct tree_root *root);

/*
 * reference_take - what the entry value, made of old at place, references gets a reference: a table of
 * the next level (promoted first, if it is ordinary memory), or code. Of a table that takes the place
 * of a large leaf the entries are judged as what becomes of the leaf's pieces. Result: 0, or as
 * promote_judge().
 * reference_drop - and gives it back; what has none left is retired.
 */
int reference_take(struct paging *paging, struct paging_cpu *cpu, const struct pte_place *place,
		   uint64_t old, uint64_t value);
void reference_drop(struct paging *paging, const struct pte_place *place, uint64_t value);

/*
 * code_hold - code (frame number) stays code until code_drop(). Result: 0, -ENOENT (it is none),
 * -EAGAIN (it is just becoming code, or ceasing to be), -EOVERFLOW.
 */
int code_hold(struct paging *paging, uint64_t frame);
void code_drop(struct paging *paging, uint64_t frame);

/* retire - an admitted table has lost its last reference (or may have: it is asked again). */
void retire(struct paging *paging, uint64_t frame);

/*
 * retire_doom - as retire(), and doomed at once: off every list, the caller's to free after an
 * invalidation that begins when all it may be reached from is doomed as well. A root goes whatever it
 * maps. Result: the number of its information; 0: it is in use, permanent, or a CPU is at it.
 */
uint32_t retire_doom(struct paging *paging, uint64_t frame);

/*
 * retire_due - is the first of the list covered by an invalidation? Without the lock, so that a store need not
 * wait for it: what is missed now is found by the next one. The number may be somebody else's by now,
 * but what it stands for stays memory that can be read.
 */
static inline bool retire_due(const struct paging *paging)
{
	const uint32_t number = __atomic_load_n(&paging->retired_first, __ATOMIC_RELAXED);

	return number &&
	       __atomic_load_n(&table_info_of(&paging->infos, number)->epoch, __ATOMIC_RELAXED) <
		       __atomic_load_n(&paging->flush_done, __ATOMIC_RELAXED);
}

/* retire_sweep - release up to limit tables that were retired before an invalidation that is over. */
void retire_sweep(struct paging *paging, struct paging_cpu *cpu, uint32_t limit);

/* paging_flush - ops.flush(), counted, so that it is known which retired tables it covers. */
void paging_flush(struct paging *paging);

/*
 * paging_protect - give a frame (number) the EPT rights its word asks for. Result: as
 * ept_protect().
 */
int paging_protect(struct paging *paging, uint64_t frame, uint64_t word);

/*
 * paging_restrict_data - with mode-based execute control the kernel executes no data any more: nothing
 * that has no type, devices' memory included. To be followed by an invalidation. Result: 0,
 * -EINVAL.
 * paging_free_data - and may again.
 */
int paging_restrict_data(struct paging *paging);
void paging_free_data(struct paging *paging);

/*
 * code_note - frame (number) has become code of the kernel's at ACTIVATE, executed at va.
 * code_measure_image - note the digest of each page of the image's text. It cannot be written any more.
 * Result: 0, -ENOMEM, -EINVAL, -EFAULT.
 * code_note_fluid - of frame, if it is other code that cannot be written any more: will it be written to later?
 * Result: 0, -EFAULT.
 */
void code_note(struct paging *paging, uint64_t frame, uint64_t va);
int code_measure_image(struct paging *paging, struct paging_cpu *cpu);
int code_note_fluid(struct paging *paging, struct paging_cpu *cpu, uint64_t frame);

/*
 * code_admit - memory, frame by number, is to be executed at place: read-only first, then measured, then
 * it is asked whether it may be. Result: 0, with a reference to it; -ENOEXEC (refused, recorded);
 * -EAGAIN, -EFAULT, -ENOMEM.
 */
int code_admit(struct paging *paging, struct paging_cpu *cpu, const struct pte_place *place,
	       uint64_t frame);

/* profile_activate - choose the kernel's own of the file, if it is to come from there; the image is known. */
void profile_activate(struct paging *paging);

/*
 * pair_has - may next, of a root that info is of, not differ from an entry of the other root of its pair?
 * pair_exchange - then: as guest_cmpxchg64(), when it does not; or -EPERM (refused, recorded).
 * pair_judge - a root whose entries (all 512) cannot change any more: is it where one of its kind belongs, and agrees
 * with the other one of its pair? Result: 0, -EPERM (refused, recorded).
 */
bool pair_has(const struct paging *paging, const struct table_info *info,
	      const struct pte_place *place, uint64_t next);
int pair_exchange(struct paging *paging, const struct table_info *info,
		  const struct pte_place *place, uint64_t *expected, uint64_t next);
int pair_judge(struct paging *paging, const struct table_info *info, const uint64_t *entry);

/*
 * shown_init - nothing is shown yet. Result: 0, -ENOMEM.
 * shown_update - frame (number) has become a page table, or ceased to be one: show it. Called with no window
 * open (vmm/guest_mem.h).
 */
int shown_init(struct paging *paging, struct page_pool *pool);
void shown_update(struct paging *paging, uint64_t frame);

/* read_table - the 512 entries of frame to cpu's snapshot of level. NULL: it is no memory. */
const uint64_t *read_table(struct paging_cpu *cpu, uint64_t frame, uint32_t level);

#endif
