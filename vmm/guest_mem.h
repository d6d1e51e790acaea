/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory by guest-physical address, which is the physical address here (EPT is an
 * identity map). Every access is checked: RAM of the firmware's map, and nothing of the monitor's
 * region. Pages are mapped one at a time in the calling CPU's window, so these work in root mode
 * after a VM exit only, and not from the NMI handler. The guest may change what is read or written
 * at any time: read once, then judge.
 */
#ifndef SECPOD_VMM_GUEST_MEM_H
#define SECPOD_VMM_GUEST_MEM_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/handoff.h"

/* guest_mem_init - once, on the boot CPU. Result: 0, -EINVAL (see ram_map_init()). */
int guest_mem_init(const struct secpod_handoff *handoff);

/*
 * guest_read, guest_write - copy len bytes from or to guest memory at gpa; any alignment. What is
 * aligned to 8 bytes, and as long or a page, is read word by word, each by one load.
 * Result: 0; -EFAULT when a byte of the range is not guest memory: nothing is copied then.
 */
int guest_read(uint64_t gpa, void *to, uint64_t len);
int guest_write(uint64_t gpa, const void *from, uint64_t len);

/*
 * guest_cmpxchg64 - replace *expected by desired at gpa, atomically towards the guest's CPUs.
 * gpa: bytes, multiple of 8. *expected: gets what was found there.
 * Result: 0; -EAGAIN when something else than *expected was there; -EINVAL (unaligned), -EFAULT.
 */
int guest_cmpxchg64(uint64_t gpa, uint64_t *expected, uint64_t desired);

/*
 * guest_word_open - the 8 bytes at gpa (multiple of 8), for atomic loads and exchanges, until
 * guest_word_close(), and with them all of their page that is guest memory. Nothing else of this header may be called in between.
 * Result: NULL when they are not guest memory, or not aligned; then there is nothing to close.
 */
uint64_t *guest_word_open(uint64_t gpa);
void guest_word_close(void);

/*
 * guest_word_read - the 8 bytes at gpa (multiple of 8), by one load; all ones when they are not guest
 * memory, as EPT shows the guest what it may not read.
 */
uint64_t guest_word_read(uint64_t gpa);

/* guest_range_ok - is all of [gpa, gpa + len) memory of the guest? */
bool guest_range_ok(uint64_t gpa, uint64_t len);

#endif
