/* SPDX-License-Identifier: MIT */
/*
 * A machine for hypercalls, shared by the unit test and the fuzzer: some RAM of the guest, the
 * secure space in the middle of it, a log that records go to. What reaches beyond the guest's RAM
 * stops the program.
 */
#ifndef SECPOD_TESTS_UNIT_HYPERCALL_WORLD_H
#define SECPOD_TESTS_UNIT_HYPERCALL_WORLD_H

#include "secpod/hypercall.h"

#define WORLD_RAM 0x10000u	  /* guest-physical 0 to here */
#define WORLD_SECURE_BASE 0x8000u /* not the guest's */
#define WORLD_SECURE_SIZE 0x2000u
#define WORLD_LOG_CAPACITY 64u

struct hypercall_world {
	struct hypercalls hypercalls;
	struct phase phase;
	struct policy policy;
	struct audit_log log;
	struct page_pool pool;
	void *pool_memory;
	uint8_t *ram;
	uint64_t bytes_written;
	uint32_t appended;	     /* records another CPU writes while the next write goes on */
	struct secpod_record caller; /* who the calls come from */
	int write_error;	     /* what the next writes return */
	int active_error;	     /* what the hook of ACTIVE returns */
	int redirect_error;	     /* what REDIRECT and REARM return */
	struct secpod_call_site rearmed[SECPOD_REARM_MAX]; /* what REARM was asked for last */
	uint32_t rearmed_count;
	uint64_t profile[2];	/* what PROFILE was asked for last */
	int profile_error;	/* what it returns */
	uint64_t redirected[2]; /* what it was asked for last */
	uint64_t module_begin;	/* code of a module's, linear */
	uint64_t module_end;
	uint32_t activated;
	uint32_t locked;
};

/* hypercall_world_open - a machine in phase GUEST, all answers DENY. Stops without memory. */
void hypercall_world_open(struct hypercall_world *world);
void hypercall_world_close(struct hypercall_world *world);

#endif
