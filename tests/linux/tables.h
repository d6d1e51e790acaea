/* SPDX-License-Identifier: MIT */
/*
 * Page tables as SecPod counts them beside those that the kernel's processes have: what no process needs, and yet
 * stays read-only, has leaked.
 */
#ifndef SECPOD_TESTS_LINUX_TABLES_H
#define SECPOD_TESTS_LINUX_TABLES_H

#include <stdbool.h>
#include <stdint.h>

struct tables {
	uint64_t level[4]; /* frames SecPod has as page tables of levels 1 to 4 */
	uint64_t pending;  /* of them without references, to be released */
	uint64_t needed;   /* by the processes there are */
};

/* tables_take - false when SecPod does not delegate paging, or gives no statistics. */
bool tables_take(struct tables *tables);

/* tables_all - frames of all levels. */
uint64_t tables_all(const struct tables *tables);

/*
 * tables_settle - lets go what CPUs and the kernel keep of processes that have ended: switches to other
 * address spaces on each CPU, and waits.
 */
void tables_settle(void);

/*
 * tables_leak - says how many tables there are now and what for; first: before the work. Result: 0, or 1 when
 * more than TABLES_SLACK have come that no process needs.
 */
int tables_leak(const struct tables *first);

/*
 * What the kernel itself may come to need meanwhile: tables for modules and vmalloc(), which it never gives
 * back, and the address space it patches text through (2 to 5 were seen). Were each of the phases' hundreds of
 * processes to leave one table behind, it would be far more.
 */
#define TABLES_SLACK 24u

#endif
