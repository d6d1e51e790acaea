/* SPDX-License-Identifier: MIT */
/*
 * What a program sees of SecPod: the CPUID leaves at any time, the rest through /dev/secpod. Behind
 * function pointers, so that the commands are tested on any machine.
 */
#ifndef SECPODCTL_GUEST_H
#define SECPODCTL_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-support/include/secpod_device.h"

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

struct guest {
	struct cpuid_regs (*cpuid)(uint32_t leaf, uint32_t subleaf);
	/* INFO, STATS, ACTIVATE and LOCK. Result: 0, negative errno (-ENOENT: there is no device). */
	int (*info)(struct secpod_info *info);
	int (*stats)(struct secpod_stats *stats);
	int (*activate)(void);
	int (*lock)(void);
	/*
	 * At most max records of the audit log that this program has not read; wait: until there is
	 * one. Result: records, 0 when there is none, negative errno.
	 */
	int (*log)(struct secpod_record *to, size_t max, bool wait);
	/* TEXT_SITES: those behind sites->after. Result: 0, negative errno. */
	int (*sites)(struct secpod_sites *sites);
	/* A register of CPU 0. Result: 0, negative errno (-EIO: the CPU refused). */
	int (*rdmsr)(uint32_t msr, uint64_t *value);
	int (*wrmsr)(uint32_t msr, uint64_t value);
	/* VMCALL in user mode. Result: did it raise #UD? */
	bool (*vmcall_faults)(void);
	/* Is there a file or directory of that name? */
	bool (*exists)(const char *path);
};

/* The machine this program runs on. */
extern const struct guest this_guest;

/* What the CPUID leaves say. */
struct secpod_seen {
	bool present;
	uint32_t major, minor;
	uint32_t features; /* SECPOD_FEATURE_* */
	uint32_t phase;	   /* SECPOD_PHASE_* */
	uint32_t
		places; /* of the profile that holds, if one does (SECPOD_FEATURE_PROFILED of INFO) */
};

struct secpod_seen guest_look(const struct guest *guest);

#endif
