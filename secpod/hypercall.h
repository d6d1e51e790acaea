/* SPDX-License-Identifier: MIT */
/*
 * The hypercalls of the ABI header: checks, dispatch, records of what was refused. Pure; the
 * machine is behind struct hypercall_machine.
 */
#ifndef SECPOD_SECPOD_HYPERCALL_H
#define SECPOD_SECPOD_HYPERCALL_H

#include <stdbool.h>
#include <stdint.h>

#include "guest-support/include/secpod_abi.h"
#include "secpod/audit_log.h"
#include "secpod/paging/paging.h"
#include "secpod/phase.h"
#include "secpod/policy.h"

/* What hypercalls need of the machine; all are called on the CPU of the hypercall. */
struct hypercall_machine {
	void *context;
	/* Is every byte of [gpa, gpa + size) the guest's memory? False when the range wraps. */
	bool (*is_guest_memory)(void *context, uint64_t gpa, uint64_t size);
	/* Copy from and to the guest. Result: 0, -EFAULT (nothing copied). */
	int (*read)(void *context, uint64_t gpa, void *to, uint64_t size);
	int (*write)(void *context, uint64_t gpa, const void *from, uint64_t size);
	/* Fill in cpus, exits and pool_free; the rest is filled in here. */
	void (*stats)(void *context, struct secpod_stats *stats);
	/* Who called: tsc, cpu, cpl, rip, cr3 and insn as they are to be recorded. */
	void (*caller)(void *context, struct secpod_record *record);
	/* REDIRECT. Result: 0, -ENOENT, -EBUSY, -EINVAL, -ENOMEM. */
	int (*redirect)(void *context, uint64_t function, uint64_t stub);
	/* REARM, of a list that is the monitor's. Result: the same. */
	int (*rearm)(void *context, const struct secpod_call_site *calls, uint32_t count);
	/* Is at va (linear) code of a module's, as it was measured when it came? */
	bool (*is_module_code)(void *context, uint64_t va);
	/*
	 * PROFILE: bytes, in the pages that the list at gpa list has, which is the guest's. Result: 0, -EPERM, -EINVAL, -EFAULT,
	 * -ENOENT, -EBUSY, -EAGAIN, -EACCES (refused by a rule).
	 */
	int (*profile)(void *context, uint64_t list, uint64_t bytes);
};

/* One for the machine. */
struct hypercalls {
	struct hypercall_machine machine;
	struct phase *phase;
	const struct policy *policy;
	struct audit_log *log;
	struct paging *paging; /* requests go there while it is active */
	uint32_t features;     /* SECPOD_FEATURE_* but PAGING, for INFO */
	bool lock_request;     /* LOCKED comes by LOCK: "lock = request" */
	uint64_t count;	       /* calls answered */
};

/* Registers at the VMCALL. */
struct hypercall {
	uint64_t rax;
	uint64_t rdi;
	uint64_t rsi;
	uint64_t rdx;
	uint64_t r10;
	uint8_t cpl;
	struct paging_cpu *paging; /* of the calling CPU; used while paging is active only */
};

enum hypercall_result {
	HYPERCALL_UNDEFINED, /* not one of ours: raise #UD; rax is as it was, nothing is recorded */
	HYPERCALL_DONE,	     /* rax is the result, and rdx may be: go on behind the VMCALL */
	HYPERCALL_PANIC,     /* malformed, recorded, and the policy says panic */
};

/*
 * hypercall - answer a VMCALL. call->rax gets the result, and call->rdx the second one of a call that
 * has two. Safe on all CPUs at the same time; called with no lock held.
 */
enum hypercall_result hypercall(struct hypercalls *hypercalls, struct hypercall *call);

/* hypercall_name - "INFO" for SECPOD_CALL_INFO, and so on; NULL for a number without a call. */
const char *hypercall_name(uint32_t number);

#endif
