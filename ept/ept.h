/* SPDX-License-Identifier: MIT */
/*
 * The guest's extended page tables: an identity map (gpa == hpa) of all physical address space,
 * with 1 GiB and 2 MiB pages wherever the memory type and the rights are uniform.
 * SDM: "The Extended Page Table Mechanism (EPT)".
 *
 * Invariants
 *  - a not-present entry is all zero (no address bits: L1 terminal fault);
 *  - a present leaf maps its own gpa, except the dummy frame of ept_map_dummy();
 *  - EPT A/D flags stay off (a walk of a read-only guest page table must not count as a write);
 *  - entries change by single 64-bit stores, upper level last when a page is split, so that a CPU
 *    that walks concurrently sees the old or the new translation, never a mixture;
 *  - a table page that leaves the tree is neither written nor freed until every CPU has invalidated
 *    (ept_flush_map() in ept/invalidate.h).
 *
 * Locking: each function takes ept->lock for itself. None of them invalidates: a result of
 * EPT_FLUSH_NEEDED obliges the caller to ask for it (ept/invalidate.h) before it relies on the
 * change.
 */
#ifndef SECPOD_EPT_EPT_H
#define SECPOD_EPT_EPT_H

#include <stdbool.h>
#include <stdint.h>

#include "ept/mtrr.h"
#include "vmm/addr.h"
#include "vmm/page_pool.h"
#include "vmm/spinlock.h"

#define EPT_READ (1u << 0)
#define EPT_WRITE (1u << 1)
#define EPT_EXEC (1u << 2)	 /* execute; with mode-based execute control: supervisor execute */
#define EPT_EXEC_USER (1u << 10) /* with mode-based execute control: user execute */
#define EPT_RWX (EPT_READ | EPT_WRITE | EPT_EXEC | EPT_EXEC_USER)
#define EPT_NONE 0u

#define EPT_FLUSH_NEEDED 1

struct ept_features {
	bool page_1g;		/* IA32_VMX_EPT_VPID_CAP bit 17 */
	bool page_2m;		/* bit 16; demanded by the capability check */
	bool mbec;		/* mode-based execute control is on in this EPT's VMCSs */
	bool exec_only;		/* bit 0: execute without read is no misconfiguration */
	uint32_t physical_bits; /* MAXPHYADDR; 4-level EPT covers min(this, 48) */
};

/* Leaves by size, kept up to date by every change. */
struct ept_counts {
	uint64_t pages_4k;
	uint64_t pages_2m;
	uint64_t pages_1g;
	uint64_t tables; /* table pages in use, root included */
};

/* Ring of table pages that left the tree: room for all tables of a 1 GiB region, and more. */
#define EPT_ZOMBIE_PAGES 2u
/* Regions mapped by ept_map_lazy() at a time. */
#define EPT_LAZY_MAX 64u

struct ept {
	struct spinlock lock;
	struct page_pool *pool;
	struct ept_features features;
	uint64_t *root;	      /* PML4 */
	uint64_t limit;	      /* first gpa above the map */
	uint64_t eager_limit; /* without 1 GiB pages: end of the part mapped from the start */
	uint64_t dummy;	      /* hpa of the all-ones frame, 0 before ept_map_dummy() */
	uint32_t ordinary;    /* rights of what ept_protect() never had to do with */
	uint64_t *zombie[EPT_ZOMBIE_PAGES]; /* table pages waiting to be freed, by sequence */
	uint64_t zombie_added;		    /* sequence of the next one to come */
	uint64_t zombie_freed;		    /* sequence of the oldest one waiting */
	uint64_t lazy_next;		    /* region (gpa / 1 GiB) to look at next for eviction */
	uint64_t lazy_count;		    /* regions that can be evicted */
	struct mtrr_state mtrr;		    /* the registers the present map was made from */
	bool types_coarse; /* some leaf has UC only because there was no memory to split it */
	struct ept_counts counts;
};

struct ept_leaf {
	uint64_t gpa;  /* base of the page that holds the address asked for */
	uint64_t hpa;  /* base of the frame; 0 when rights is EPT_NONE */
	uint64_t size; /* SIZE_4K, SIZE_2M, SIZE_1G; of the hole when not present */
	uint32_t rights;
	enum memory_type type;
};

/*
 * ept_init - build the identity map of [0, min(2^MAXPHYADDR, 2^48)) with all rights and the types
 * of mtrr.
 * ram_top: first byte above RAM; without 1 GiB pages only [0, max(ram_top, 4 GiB)) is mapped now
 * and the rest on first use by ept_map_lazy().
 * Result: 0, -ENOMEM (pool empty), -EINVAL (features without 2 MiB pages, physical_bits out of
 * 32..52).
 */
int ept_init(struct ept *ept, struct page_pool *pool, const struct ept_features *features,
	     const struct mtrr_state *mtrr, uint64_t ram_top);

/*
 * ept_protect - set the rights of [gpa, gpa + size), splitting pages at the ends and merging tables
 * that have become uniform again. EPT_NONE clears the entries; giving rights to a hole or to the
 * dummy frame maps the frame of the same address.
 * gpa, size: bytes, page aligned, within the map. rights: EPT_* (with mbec off EPT_EXEC_USER is
 * ignored; write without read is refused, and execute without read where exec_only is off: SDM "EPT
 * Misconfigurations").
 * Result: 0, EPT_FLUSH_NEEDED when a right was taken or a frame changed (or when so many tables
 * wait to be freed that it is time for it), -EINVAL, -ENOMEM (nothing changed).
 */
int ept_protect(struct ept *ept, uint64_t gpa, uint64_t size, uint32_t rights);

/*
 * ept_set_ordinary - change the rights of everything that has the ordinary ones (all, after ept_init()),
 * and of what ept_map_lazy() will map. Pages that ept_protect() gave other rights keep them; nothing is
 * split. rights: as for ept_protect(), but not EPT_NONE.
 * Result: 0, EPT_FLUSH_NEEDED when a right was taken, -EINVAL.
 */
int ept_set_ordinary(struct ept *ept, uint32_t rights);

/*
 * ept_map_dummy - map the 4 KiB page at gpa to the shared frame of all ones, read-only, WB. For
 * pages of the secure space the guest has touched. Result: 0 (also when it is mapped so already),
 * -EINVAL when gpa is not a page taken away with EPT_NONE, -ENOMEM (nothing changed).
 */
int ept_map_dummy(struct ept *ept, uint64_t gpa);

/*
 * ept_map_lazy - map the 1 GiB region around gpa, above eager_limit, at first use. When
 * EPT_LAZY_MAX regions are mapped or the pool is short, another lazily mapped region is unmapped:
 * the guest decides how many regions it touches, so their number must not decide how much memory
 * the monitor needs.
 * Result: 0, EPT_FLUSH_NEEDED (another region was unmapped; the guest may find its own still
 * missing when it tries again after ept_flush_map(), and then causes another call), -ENOENT (gpa is
 * outside the map or below eager_limit), -ENOMEM.
 */
int ept_map_lazy(struct ept *ept, uint64_t gpa);

/*
 * ept_set_mtrr - make the map follow changed MTRRs. Rights are kept. Only entries whose type
 * changes are stored. Result: 0 (map unchanged), EPT_FLUSH_NEEDED, -ENOMEM (parts that could not be
 * split got UC; to be flushed just so; a later call with other MTRRs repairs them).
 */
int ept_set_mtrr(struct ept *ept, const struct mtrr_state *mtrr);

/* ept_lookup - what does gpa translate to? Result: 0 or -EINVAL when gpa is outside the map. */
int ept_lookup(struct ept *ept, uint64_t gpa, struct ept_leaf *leaf);

/*
 * ept_reclaim_ticket - a mark of the table pages that have left the tree by now.
 * ept_reclaim_until - free those that had left it by then; all CPUs must have invalidated since the
 * ticket was drawn. (A page another CPU's change has set free after that is not covered.) Result:
 * pages freed. ept_flush_map() of ept/invalidate.h does both around the invalidation.
 */
uint64_t ept_reclaim_ticket(struct ept *ept);
uint64_t ept_reclaim_until(struct ept *ept, uint64_t ticket);

/* ept_pointer - the EPTP for the VMCS: 4 levels, walks WB (UC where the CPU has no WB), A/D off. */
uint64_t ept_pointer(const struct ept *ept, bool walk_wb);

#endif
