/* SPDX-License-Identifier: MIT */
/*
 * Phases: small pieces of work, each of one kind, each a process of its own that checks its own results. What
 * the kernel does to its page tables, its registers and its text for them is what SecPod sees.
 */
#ifndef SECPOD_TESTS_LINUX_PHASES_H
#define SECPOD_TESTS_LINUX_PHASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct phase {
	const char *name;
	int (*run)(void); /* 0, 1 after a CHECK that failed, or what phase_skip() returned */
};

/* A list ends with a row without a name. */
extern const struct phase phases_processes[], phases_memory[], phases_advice[], phases_files[],
	phases_reclaim[], phases_tracing[], phases_bpf[], phases_modules[];
extern const struct phase features_cpu[], features_perf[], features_machine[];

/* phase_skip - what a phase returns that this kernel or this machine cannot do; reason: why, in a few words. */
int phase_skip(const char *reason);

/* ---- files of the kernel. Result: 0, or a negative errno */

int put_text(const char *path, const char *text);
int put_number(const char *path, uint64_t number);
/* The whole file, at most size - 1 bytes, ended by a zero. */
int get_text(const char *path, char *text, size_t size);
/* The first number of the file; 0 when there is none. */
uint64_t get_number(const char *path);
/* The number behind key in a file of lines "key number" (/proc/meminfo, /proc/vmstat, smaps of /proc). */
uint64_t get_keyed(const char *path, const char *key);

/* ---- modules. NAME stands for the file /NAME.ko, which scripts/mkimage puts there */

/* 0, or a negative errno; 0, too, where the file is absent and optional is set: then it is in the kernel. */
int load_module(const char *name, const char *parameters, bool optional);
int unload_module(const char *name);

/* ---- processes */

/* Whether the child ended by itself with exit status 0. */
bool ended_well(pid_t child);
/* Whether function(argument), in a child, returns true there. */
bool child_finds(bool (*function)(void *argument), void *argument);
/* Binds this thread to one CPU. */
int run_on(int cpu);

/* ---- kernel file systems, mounted when they are not: 0, or a negative errno */

#define TRACING "/sys/kernel/tracing/"
#define EFIVARS "/sys/firmware/efi/efivars"

int mount_tracing(void);
int mount_efivars(void);

/* Pages of this process as /proc/self/pagemap shows them: the entry for an address. */
#define PAGEMAP_SOFT_DIRTY (1ULL << 55)
#define PAGEMAP_SWAPPED (1ULL << 62)
#define PAGEMAP_PRESENT (1ULL << 63)
uint64_t pagemap_of(const void *address);

/* ---- phases of one file that others run as well */

int ldt_phase(void);

#endif
