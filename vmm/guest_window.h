/* SPDX-License-Identifier: MIT */
/*
 * Where the monitor maps guest memory while it looks at it: one page for each CPU, empty otherwise,
 * in the last 512 GiB of the address space, far from the identity-mapped memory. Every second page
 * stays unmapped, so that a copy that ran over the end of its page would fault.
 */
#ifndef SECPOD_VMM_GUEST_WINDOW_H
#define SECPOD_VMM_GUEST_WINDOW_H

#include <stdint.h>

#include "vmm/addr.h"

#define GUEST_WINDOW_BASE 0xffffff8000000000ULL

static inline uint64_t guest_window_va(uint32_t cpu)
{
	return GUEST_WINDOW_BASE + cpu * (2 * PAGE_SIZE);
}

#endif
