/* SPDX-License-Identifier: MIT */
/*
 * The program that is all of user space in the test guest: /init of the initramfs, which also contains
 * the workload and the bench. What it prints in lines that begin with "GUEST: " is what the system tests read.
 */
#ifndef SECPOD_TESTS_LINUX_GUEST_H
#define SECPOD_TESTS_LINUX_GUEST_H

#include <stdbool.h>
#include <stdint.h>

struct cpuid_answer {
	uint32_t eax, ebx, ecx, edx;
};

/* guest_cpuid - CPUID as this program sees it. */
struct cpuid_answer guest_cpuid(uint32_t leaf, uint32_t index);

/* guest_rdtsc - the time-stamp counter; in the emulator a count of instructions. */
uint64_t guest_rdtsc(void);

/* guest_signature - the hypervisor's signature, "none" without one. */
const char *guest_signature(void);

/* guest_stat - value of SECPOD_STAT_* index; false when SecPod gives no statistics. */
bool guest_stat(uint32_t index, uint64_t *value);

/* guest_exit_name - what VM exits of a basic reason are about; "reason N" for a rare one. */
const char *guest_exit_name(uint32_t reason);

/* guest_run_self - fork and exec this program with one argument; result: its exit status, -1 on failure. */
int guest_run_self(const char *argument);

/* The parts. Result: 0 when everything was as expected. */
int workload_main(void);
int hotplug_main(void);
int bench_main(void);
int idle_main(void);
int bench_text_main(void);
int bench_paging_main(void);
int cpuid_main(void);
int summary_main(void);
int phases_main(void);
int requests_main(void);
int strict_main(void);
int features_main(void);
int support_main(void);
int tier_a1_main(void);
int tier_a2_main(void);

/* phase_main - one phase of phases_main() or features_main(). */
int phase_main(const char *name);

#endif
