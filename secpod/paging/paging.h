/* SPDX-License-Identifier: MIT */
/*
 * Paging delegation: the guest's page tables are read-only to it, and each change is judged here
 * before it is made. Follows SecPod (USENIX ATC 2015), section "Paging Delegation and Audit", and
 * the validation of Xen PV for types and references. Pure: memory through vmm/guest_mem.h, rights
 * through ept/, invalidation and records through struct paging_ops.
 *
 *	activate.c	what is code, what constant, where the direct map is; the first trees
 *	lock.c		and what must not change from then on
 *	root.c		loads of CR3, life and death of address spaces
 *	pair.c		which come in pairs with page-table isolation
 *	promote.c	memory becomes page tables: a whole tree at a time
 *	store.c		an entry changes
 *	retire.c	page tables become memory again
 *	request.c	the guest asks for changes (request.h)
 *	shown.c		the guest is shown which frames are page tables
 *	judge.c		the rules
 *	rights.c	what EPT lets be done with each kind of frame
 *	code.c		code comes: the image is measured, and each new page
 *	profile.c	where the image is patched
 *
 * Whatever the guest does at the same time on other CPUs, these hold after every call:
 *  - a page table of an admitted tree is read-only in EPT, and every CPU has invalidated since it
 *    became so and before its contents were judged;
 *  - each present entry of an admitted table obeyed the rules when it was made, and what it
 *    references has a reference for it;
 *  - a frame that was a page table is writable again only after every CPU has invalidated since the
 *    last reference to it went.
 */
#ifndef SECPOD_SECPOD_PAGING_PAGING_H
#define SECPOD_SECPOD_PAGING_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "ept/ept.h"
#include "guest-support/include/secpod_abi.h"
#include "secpod/paging/frame.h"
#include "secpod/paging/pte.h"
#include "secpod/paging/table_info.h"
#include "secpod/text/code_list.h"
#include "secpod/text/code_name.h"
#include "secpod/text/code_profile.h"
#include "secpod/text/text.h"
#include "secpod/text/trampoline.h"
#include "vmm/handoff.h"

struct paging_cpu;

struct paging_ops {
	/*
	 * A rule (SECPOD_RULE_*) is broken by entry slot (gpa) going from old to next: record it as
	 * policy says. Result: true when it is to be refused. New code (SECPOD_RULE_NEW_CODE()): slot is its gpa, next its linear address, old the first 8 bytes of its
	 * SHA-256.
	 */
	bool (*refuse)(void *context, uint8_t rule, uint64_t slot, uint64_t old, uint64_t next);
	/* All CPUs invalidate EPT translations; old EPT tables are freed (ept_flush_map()). */
	void (*flush)(void *context);
	/*
	 * All CPUs give up roots they have not in CR3 (paging_roots_trim()) before they enter. Result: true
	 * when all have; false when one in root mode has not come to it yet.
	 */
	bool (*trim_roots)(void *context);
	/* The calling CPU gives up those that it has not in CR3, now. */
	void (*trim_own)(void *context);
	void *context;
};

/* Roots a CPU may have in CR3 without asking: the present one and, say, its user-mode half. */
#define PAGING_CPU_ROOTS 2u
#define PAGING_NO_ROOT (~0ULL)

/* Room for one table of each level, filled by reading each once. */
struct paging_cpu {
	uint64_t snapshot[PT_LEVELS][PT_ENTRIES];
	uint64_t code[PT_ENTRIES]; /* a page of code, while it is measured */
	uint8_t room[PAGE_SIZE];   /* and what of it is compared with the list */
	/* A list of requests, read once. */
	struct secpod_pt_op batch[SECPOD_BATCH_MAX];
	/* Frames of the roots, the one in CR3 first; PAGING_NO_ROOT: none. Each is referenced. */
	uint64_t root[PAGING_CPU_ROOTS];
};

/*
 * Linear addresses whose entries are frozen at LOCK: the CPU entry area, and where firmware is called. Of the
 * image: judge.c.
 */
#define PAGING_RANGES 2u
/* Linux has two functions that ftrace copies. */
#define PAGING_TRAMPOLINES 4u
struct paging_range {
	uint64_t begin; /* linear */
	uint64_t end;
};

struct paging_stats {
	uint64_t promoted;     /* frames that became page tables */
	uint64_t entries;      /* present entries of theirs that were judged then */
	uint64_t released;     /* and memory again */
	uint64_t stores;       /* entries changed by trap or request */
	uint64_t flag_updates; /* accessed and dirty flags set for the CPU */
	uint64_t refused;
	uint64_t flushes;   /* all-CPU invalidations asked for */
	uint64_t measuring; /* TSC ticks that the image's text took at ACTIVATE */
};

struct paging {
	struct frames frames;
	struct table_infos infos;
	struct ept *ept;
	struct paging_ops ops;
	uint64_t secure_base; /* the monitor's memory, bytes */
	uint64_t secure_size;
	uint64_t reserved;   /* bits of every entry that must be 0: 51:MAXPHYADDR */
	uint32_t claims_max; /* page tables one request may make */
	bool pages_1g;	     /* the guest has 1 GiB pages */
	bool mbec;	     /* EPT tells user from supervisor fetches */
	bool active;
	bool locked;
	const struct secpod_range *range; /* the firmware's memory map */
	uint32_t range_count;

	/* Direct map: linear address of physical 0, and its end. base 0: not found. */
	struct paging_range direct;
	struct paging_range image;     /* of the kernel */
	uint64_t image_gpa;	       /* where it lies, in one piece */
	struct paging_range constants; /* in it */
	struct paging_range locked_range[PAGING_RANGES];
	uint32_t locked_ranges;
	/* Upper halves, as they are at ACTIVE; of ROOT_KIND_USER with page-table isolation only. */
	uint64_t template[ROOT_KINDS][PT_ENTRIES - PT_KERNEL_FIRST];
	uint32_t template_known; /* bit by root kind; does not change after ACTIVE */

	struct spinlock pair_lock; /* of all pairs of roots: pair.c */

	/* Retired tables, oldest first: no references, still page tables. */
	struct spinlock retired_lock;
	uint32_t retired_first;
	uint32_t retired_last;
	uint64_t retired_count;
	uint64_t flush_begun; /* all-CPU invalidations */
	uint64_t flush_done;  /* the last of those begun up to here is over */

	/* Pages that show the guest which frames are page tables: gpa by index, 0: none yet. */
	uint64_t *shown;
	uint64_t shown_pages;

	struct text text; /* what is in the frames of code */
	struct code_names names;
	/* What ftrace makes its trampolines of, where it lies (gpa): found at ACTIVATE, in the image. */
	uint64_t trampoline[PAGING_TRAMPOLINES];
	uint32_t trampolines;
	struct code_list code_list;
	uint64_t listed; /* bit by rule: what is on the list does not break it */
	/* If a profile is asked for, text.profile is that of the kernel, without a site when none is this kernel's. */
	bool profiled;
	struct code_profiles profiles; /* of the file: from ACTIVE on */
	/* CODE_PROFILE_ROOM bytes of the secure space for what the guest hands over: from then on, at the latest from LOCKED; NULL: none is. */
	uint8_t *profile_room;
	bool profile_busy; /* a CPU is at it */
	struct paging_stats stats;
};

/* ---- set-up */

struct paging_config {
	uint64_t ram_top; /* bytes */
	uint64_t secure_base;
	uint64_t secure_size;
	uint32_t physical_bits;
	bool pages_1g;
	const struct secpod_range *range; /* the firmware's memory map: runtime services */
	uint32_t range_count;
	struct code_list code_list;
	uint64_t listed;
	struct code_profiles profiles;
	bool profiled; /* these four: see struct paging */
	uint8_t *profile_room;
};

/*
 * paging_init - metadata; nothing is typed but the monitor's frames. ept: of the guest.
 * Result: 0, -EINVAL, -ENOMEM.
 */
int paging_init(struct paging *paging, struct page_pool *pool, struct ept *ept,
		const struct paging_config *config, const struct paging_ops *ops);

/* paging_cpu_init - a CPU without roots. */
void paging_cpu_init(struct paging_cpu *cpu);

/*
 * paging_activate - protect the guest's page tables from here on: classify code and constants, type
 * the trees of root[count] (gpas; the first is the one whose upper half tells about the kernel;
 * those of a kind that cannot be a tree any more are left alone), take write access from all that.
 * Called once, by one CPU; the others go on. Each must call paging_root_load() for what it has in
 * CR3 before it enters the guest again.
 * Result: 0; negative errno: nothing is protected, and *failed (if not NULL) says what was wrong.
 */
int paging_activate(struct paging *paging, struct paging_cpu *cpu, const uint64_t *root,
		    uint32_t count, const char **failed);

/*
 * paging_lock - freeze upper halves and ranges; after paging_activate(). What has been made since then is held
 * against the rules that begin now. Result: 0; -EPERM (not active; or a rule is broken, which is
 * recorded, and nothing is frozen); -EFAULT.
 */
int paging_lock(struct paging *paging);

/* paging_is_profiled - is the image patched only as a profile has it, be it without sites? */
bool paging_is_profiled(const struct paging *paging);

/* paging_profile_places - sites of that profile; 0, too, without one. */
uint32_t paging_profile_places(const struct paging *paging);

/* paging_wants_profile - may the guest hand over the profile of its kernel? Once active. */
bool paging_wants_profile(const struct paging *paging);

/*
 * paging_take_profile - bytes of profiles, in pages whose gpas (page aligned) are in the list at list (gpa): the kernel's
 * own of them holds from here on. Where that fails none does, as before. cpu: of the caller, its room for code is used.
 * code, refuse: see text_use_profile().
 * Result: 0; -EINVAL (malformed, too large, unaligned); -EFAULT (no memory of the guest's); -ENOENT (none is this kernel's);
 * -EPERM (none is asked for, or one holds); -EBUSY (another CPU is at it); -EAGAIN, -EACCES (text_use_profile()).
 */
int paging_take_profile(struct paging *paging, struct paging_cpu *cpu, uint64_t list,
			uint64_t bytes, const struct text_code *code, text_refuse refuse);

/* paging_end_profile - LOCKED: where the guest was to hand one over and has not, one without sites holds. Result: is it so? */
bool paging_end_profile(struct paging *paging);

/* ---- routes. Each is called in root mode with no lock held. */

/*
 * paging_root_load - CR3 is to be loaded with root (gpa, page aligned), on the CPU that cpu belongs
 * to: the tree is judged unless it is known.
 * Result: 0; -EPERM (recorded: #GP(0)); -EAGAIN (let the guest try again); -ENOMEM.
 * A root that gave way among the CPU's own is in *evicted (gpa), else PAGING_NO_ROOT: the caller
 * lets no load of it pass any more.
 */
int paging_root_load(struct paging *paging, struct paging_cpu *cpu, uint64_t root,
		     uint64_t *evicted);

/* paging_root_known - is root (gpa) among those this CPU may load? */
bool paging_root_known(const struct paging_cpu *cpu, uint64_t root);

/*
 * paging_roots_trim - keep only what is in CR3. On the CPU itself.
 * paging_roots_forget - nor that: paging is off, and CR3 will be asked for before it is on.
 */
void paging_roots_trim(struct paging *paging, struct paging_cpu *cpu);
void paging_roots_forget(struct paging *paging, struct paging_cpu *cpu);

/*
 * paging_store - the 8 bytes at slot (gpa, multiple of 8) become change(operand, old), which is asked
 * once or several times, and reads nothing of the guest's memory.
 * *old: what was there. Result: 0; -ENOENT (slot lies in no page table: let the guest try again, or
 * do as with other memory); -EAGAIN (let the guest try again); -EPERM (refused, recorded);
 * -ENOEXEC (it would execute new code that is refused, recorded: the entry stays as it was); -EFAULT (no
 * memory), -ENOMEM.
 */
typedef uint64_t (*paging_change)(void *operand, uint64_t old);
int paging_store(struct paging *paging, struct paging_cpu *cpu, uint64_t slot, paging_change change,
		 void *operand, uint64_t *old);

/*
 * paging_code_store - the same for the kernel's code, which no rule is asked about: the caller has, of code whose
 * frame had this word. Result: as paging_store(); -ENOENT: slot lies in no code; -EAGAIN also where it is other
 * code by now, and until ACTIVATE has measured all there is.
 */
int paging_code_store(struct paging *paging, uint64_t word, uint64_t slot, paging_change change,
		      void *operand, uint64_t *old);

/*
 * paging_maps_users - does the entry at slot (gpa) map what users have, in the lower half of an address
 * space? Without a lock: true or false for what is no page table any more.
 */
bool paging_maps_users(const struct paging *paging, uint64_t slot);

/*
 * paging_set_plain - the 8 bytes at slot (gpa, any) become value, where that is the entry of a user's page and
 * nothing more has to be asked. Result: was it done? If not, nothing was: see paging_store().
 */
bool paging_set_plain(struct paging *paging, uint64_t slot, uint64_t value);

/*
 * paging_flag_update - the CPU's page walk wanted to write slot: set A, or D where A is set.
 * Result: as paging_store(); 0 also when there was nothing to set.
 */
int paging_flag_update(struct paging *paging, uint64_t slot);

/*
 * paging_settle - a page table (frame number) without references is memory again; and memory that
 * could not be made writable when it became so, is now. For a write to a frame that should not be
 * read-only any more. Result: 0 (it is memory); -EBUSY (it is in use as a page table); -ENOENT (it is
 * something else), -EAGAIN, -EFAULT (no memory of the guest's), -ENOMEM.
 */
int paging_settle(struct paging *paging, struct paging_cpu *cpu, uint64_t frame);

/* shown_bytes - of paging->shown, with as many pages: whole pages. */
static inline uint64_t shown_bytes(uint64_t pages)
{
	return (pages * sizeof(uint64_t) + PAGE_SIZE - 1) & PAGE_MASK;
}

/* paging_bytes - what it has taken from the pool by now, in bytes. */
static inline uint64_t paging_bytes(const struct paging *paging)
{
	const uint64_t frames = paging->frames.count;

	return frames ? frames_bytes(frames << PAGE_SHIFT) + table_infos_bytes(frames) +
				paging->infos.pages * PAGE_SIZE + shown_bytes(paging->shown_pages)
		      : 0;
}

/*
 * paging_make_constant - memory (frame number) becomes constant, if it is not already; to be followed by
 * an invalidation. Result: 0, -EBUSY (it is something else), -EFAULT (no memory), -ENOMEM.
 * paging_free_constant - and memory again. Result: 0, -EBUSY (it was none), or as paging_settle().
 */
int paging_make_constant(struct paging *paging, uint64_t frame);
int paging_free_constant(struct paging *paging, struct paging_cpu *cpu, uint64_t frame);

/*
 * paging_rights - EPT_* of a frame, by its word in the frame table. Ordinary memory has all rights before
 * ACTIVE.
 * paging_is_mixed - do they differ within the 2 MiB with frame (number) in them?
 */
uint32_t paging_rights(const struct paging *paging, uint64_t word);
bool paging_is_mixed(const struct paging *paging, uint64_t frame);

#endif
