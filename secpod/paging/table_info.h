/* SPDX-License-Identifier: MIT */
/*
 * Side information of the frames that are page tables: 64 bytes for each, numbered, in pages of the
 * secure space that are taken as they are needed. Number 0 is nobody's. Pure.
 */
#ifndef SECPOD_SECPOD_PAGING_TABLE_INFO_H
#define SECPOD_SECPOD_PAGING_TABLE_INFO_H

#include <stdint.h>

#include "vmm/addr.h"
#include "vmm/page_pool.h"
#include "vmm/spinlock.h"

/* What a table maps, and so which rules its entries are under. */
enum table_half {
	HALF_USER,    /* linear addresses with bit 47 clear */
	HALF_KERNEL,  /* with bit 47 set: at one place, info->va, in every tree it is part of */
	HALF_SPECIAL, /* low addresses of firmware calls and CPU start: frozen at LOCK */
};

enum root_kind {
	ROOT_KIND_NORMAL,  /* an address space of Linux */
	ROOT_KIND_USER,	   /* with page-table isolation: the half that user mode runs on */
	ROOT_KIND_SPECIAL, /* EFI runtime services, CPU start-up */
	ROOT_KINDS
};

struct table_info {
	uint64_t frame; /* its number */
	uint64_t va;	/* kernel half: the first linear address it maps */
	uint64_t epoch; /* retired: all-CPU invalidations begun by then */
	uint32_t next;	/* in the list it is in: claimed by one promotion, or retired, or free */
	uint32_t previous;
	uint32_t user_entries; /* level 4: present entries of the user half */
	uint8_t half;	       /* enum table_half; level 4: unused */
	uint8_t root_kind;     /* enum root_kind; see table_info_root_kind() */
	uint8_t retired;       /* is in the list of retired tables */
	uint8_t judged;	       /* claimed: its contents are judged, or being judged */
	const void *owner;     /* claimed: by which promotion; others look at it */
	uint32_t references;   /* entries that hold one; changes with the contents */
	uint32_t zero[3];
};
_Static_assert(sizeof(struct table_info) == 64, "64 to a page");

#define TABLE_INFO_PER_PAGE (PAGE_SIZE / sizeof(struct table_info))

struct table_infos {
	struct spinlock lock;
	struct page_pool *pool;
	uint64_t *page;	    /* directory: hpa of the page of 64 */
	uint64_t pages_max; /* its size */
	uint64_t pages;	    /* of which exist */
	uint32_t free;	    /* first of the free ones, linked through next */
	uint64_t used;
};

/*
 * table_infos_init - room for as many as there are frames. frames: their number.
 * Result: 0, -ENOMEM.
 */
int table_infos_init(struct table_infos *infos, struct page_pool *pool, uint64_t frames);

/* table_infos_bytes - what table_infos_init() takes from the pool, in bytes. */
uint64_t table_infos_bytes(uint64_t frames);

/* table_info_alloc - one, all zero but frame. Result: its number; 0: no memory. */
uint32_t table_info_alloc(struct table_infos *infos, uint64_t frame);

/* table_info_free - number goes back, scrubbed. */
void table_info_free(struct table_infos *infos, uint32_t number);

/* table_info_of - number is one that table_info_alloc() gave. */
static inline struct table_info *table_info_of(const struct table_infos *infos, uint64_t number)
{
	struct table_info *page = hpa_to_virt(infos->page[number / TABLE_INFO_PER_PAGE]);

	return &page[number % TABLE_INFO_PER_PAGE];
}

/*
 * What the tables of others are asked by their number: who holds no reference may find them gone, and
 * gets an answer that he must ask again before he relies on it.
 */
static inline enum root_kind table_info_root_kind(const struct table_info *info)
{
	return (enum root_kind)__atomic_load_n(&info->root_kind, __ATOMIC_RELAXED);
}

static inline uint32_t table_info_user_entries(const struct table_info *info)
{
	return __atomic_load_n(&info->user_entries, __ATOMIC_ACQUIRE);
}

#endif
