/* SPDX-License-Identifier: MIT */
/*
 * Changes of page tables that the guest asks for, instead of making them and being trapped. They
 * grant nothing: entries go through paging_store(), and what is done to whole trees only takes away.
 * The ABI header has what the guest is told of each; errors are those of paging_store() unless said
 * otherwise. Called in root mode with no lock held; cpu: the calling CPU's.
 */
#ifndef SECPOD_SECPOD_PAGING_REQUEST_H
#define SECPOD_SECPOD_PAGING_REQUEST_H

#include <stdint.h>

#include "secpod/paging/paging.h"

/*
 * paging_request_exchange - the entry at slot (gpa) becomes value; *old: what it was.
 * Result: 0; -EINVAL (slot is no multiple of 8); -ENOENT (memory that is no page table); -EFAULT (no
 * memory); -EPERM, -EAGAIN, -ENOMEM as paging_store().
 */
int paging_request_exchange(struct paging *paging, struct paging_cpu *cpu, uint64_t slot,
			    uint64_t value, uint64_t *old);

/* paging_request_commit - PT_COMMIT. Result: 0, SECPOD_COMMIT_DIRTY, or as above. */
int paging_request_commit(struct paging *paging, struct paging_cpu *cpu, uint64_t slot,
			  uint64_t value);

/*
 * paging_request_batch - PT_BATCH. Result: entries done, or the error of the first; -EINVAL (list
 * (gpa), count, saved), -EFAULT (the list is in no memory of the guest's).
 */
int paging_request_batch(struct paging *paging, struct paging_cpu *cpu, uint64_t list,
			 uint64_t count, uint64_t saved);

/*
 * paging_request_protect - WRPROTECT. At most PAGING_PROTECT_TABLES tables are looked at.
 * Result: linear address up to which it is done, more than begin; -EINVAL; -ENOENT (root is no root),
 * -EAGAIN (the tree changes at this moment), -EFAULT.
 */
#define PAGING_PROTECT_TABLES 16u
int64_t paging_request_protect(struct paging *paging, struct paging_cpu *cpu, uint64_t root,
			       uint64_t begin, uint64_t end, uint64_t saved);

/*
 * paging_request_unpin - UNPIN. At most PAGING_UNPIN_TABLES tables are memory afterwards; what is
 * beyond them has no reference, and goes as such tables do (retire.c).
 * Result: 0; -EINVAL; -ENOENT (root is no root), -EBUSY (a CPU may have a root in CR3), -EAGAIN.
 */
#define PAGING_UNPIN_TABLES 1024u
int paging_request_unpin(struct paging *paging, struct paging_cpu *cpu, uint64_t root,
			 uint64_t pair);

/*
 * paging_request_setup - SETUP. Result: 0; -EINVAL; -EFAULT (no memory), -EBUSY (no ordinary memory, or there
 * is a page of that index), -ENOMEM.
 */
int paging_request_setup(struct paging *paging, uint64_t index, uint64_t gpa);

#endif
