/* SPDX-License-Identifier: MIT */
/*
 * Requests for tests of secpod/paging/request.c: the guest of paging_world.h, LOCKED, that makes hypercalls to the machine of
 * hypercall_world.h.
 */
#ifndef SECPOD_TESTS_UNIT_REQUEST_WORLD_H
#define SECPOD_TESTS_UNIT_REQUEST_WORLD_H

#include "secpod/paging/request.h"
#include "tests/unit/hypercall_world.h"
#include "tests/unit/paging_world.h"

#define USER_VA 0x400000ULL
#define USER_END (1ULL << 47)
#define SLOT_SIZE 8u

extern struct paging_world world;
extern struct hypercall_world machine;

/* As cmocka calls them; the second one has all invariants checked. */
int request_world_open(void **state);
int request_world_close(void **state);

/* ask - a hypercall of CPL 0, on CPU world.own, which changes RAX only (PT_XCHG: and RDX, to rdx_after). Result: RAX. */
int64_t ask(uint32_t number, uint64_t rdi, uint64_t rsi, uint64_t rdx, uint64_t r10);
extern uint64_t rdx_after;

/* malformed - how many calls were, by the records. */
uint64_t malformed(void);

/* Of the frame at gpa: what it is, and whether EPT lets it be written. page - a zeroed one of the guest's. Result: its gpa. */
enum frame_type type_at(uint64_t gpa);
bool is_writable(uint64_t gpa);
uint64_t page(void);

/* running_process - one with a page at USER_VA and another 2 MiB behind, loaded on a CPU. Result: its root. */
uint64_t running_process(uint32_t cpu);

#endif
