/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * secpod.ko, the guest's side of SecPod:
 *
 *	main.c		finds SecPod, starts and stops the parts
 *	call.c		hypercalls
 *	log.c		records of the audit log: to the kernel log, and kept for readers
 *	device.c	/dev/secpod (guest-support/include/secpod_device.h)
 *	counters.c	/sys/kernel/secpod
 *	delegate.c	asks for whole address spaces at once, where a store each would trap
 *	redirect.c	asks for single entries, where the kernel would store them
 *	lazy.c		and for those of one mprotect() in lists
 *	power.c		hibernation is refused
 *	kexec.c		and kexec
 *	names.c		whose code is where
 *	profile.c	where this kernel is patched
 *
 * What the module asks for SecPod judges like anything else at CPL 0: it has no rights of its own.
 */
#ifndef SECPOD_MODULE_H
#define SECPOD_MODULE_H

#include <linux/fs.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <asm/pgtable_types.h>

#include "secpod_device.h"

/* ---- call.c */

/*
 * secpod_find - is SecPod there, of an ABI this module knows, and does it answer hypercalls?
 * Result: 0; -ENODEV, and one line says why.
 */
int secpod_find(void);

/*
 * secpod_call - a hypercall. Result: as the ABI has it; negative errno. secpod_ask - the same, in a function that nothing may
 * trace.
 */
static __always_inline long secpod_ask(u32 number, u64 a, u64 b, u64 c, u64 d)
{
	register u64 r10 __asm__("r10") = d;
	long result = (long)(SECPOD_HYPERCALL | number);

	__asm__ volatile("vmcall"
			 : "+a"(result)
			 : "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "memory", "cc");
	return result;
}

long secpod_call(u32 number, u64 a, u64 b, u64 c, u64 d);

/* secpod_get_info, secpod_get_stats - INFO and STATS. Result: 0, negative errno. May sleep. */
int secpod_get_info(struct secpod_info *info);
int secpod_get_stats(struct secpod_stats *stats);

/* ---- log.c */

int log_start(void);
void log_stop(void);

/* Where a reader is: the number of the record it gets next, in the order in which they came here. */
struct log_reader {
	u64 next;
};

void log_reader_init(struct log_reader *reader);
bool log_has_more(const struct log_reader *reader);
/* log_next - copy the reader's next record. Result: false: there is none. */
bool log_next(struct log_reader *reader, struct secpod_record *record);
extern struct wait_queue_head log_wait;

/* ---- the other parts: 0 or negative errno, which they have said */

int device_start(void);
void device_stop(void);
int counters_start(void);
void counters_stop(void);
int delegate_start(void);
void delegate_stop(void);
int redirect_start(void);
void redirect_stop(void);
/* redirect_count - functions of the kernel's that lead into the module. */
unsigned int redirect_count(void);
/* commit_alone - the entry becomes value, with the flags that CPUs have set in it meanwhile. */
void commit_alone(u64 *slot, u64 value);

/* ---- lazy.c, which says in the kernel log what it does not do; none of it fails */

/* Where this kernel keeps the dirty flag of a read-only page; 0: in its place. */
#ifdef _PAGE_SAVED_DIRTY
#define SECPOD_SAVED_DIRTY _PAGE_SAVED_DIRTY
#else
#define SECPOD_SAVED_DIRTY 0
#endif
/* What a commit sets where it loses one. */
#define SECPOD_LOST_DIRTY (SECPOD_SAVED_DIRTY ? SECPOD_SAVED_DIRTY : _PAGE_DIRTY)

/*
 * lazy_prepare - before anything is redirected. lazy_rearm - when commits are, with all CPUs stopped, on one of them.
 * lazy_finish - afterwards.
 */
void lazy_prepare(void);
void lazy_rearm(void);
void lazy_finish(void);
/* lazy_commit - the entry of the page table at gpa becomes value when the bracket ends. Result: false: it is in none. */
bool lazy_commit(u64 gpa, u64 value);
/* lazy_count - calls of the kernel's that lead into the module. */
unsigned int lazy_count(void);

/* ---- */

int power_start(void);
void power_stop(void);
int kexec_start(void);
void kexec_stop(void);
int names_start(void);
void names_stop(void);
int profile_start(void);
void profile_stop(void);

#endif
