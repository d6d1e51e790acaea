/* SPDX-License-Identifier: MIT */
/*
 * The machine's CPUs through the firmware's MP services (UEFI Platform Initialization
 * specification, "MP Services Protocol"). A firmware without them has one CPU.
 */
#ifndef SECPOD_BOOT_CPUS_H
#define SECPOD_BOOT_CPUS_H

#include "boot/firmware.h"
#include "vmm/handoff.h"

/*
 * cpus_precheck - what CPUID says before anything is reserved.
 * reason, size: receives one line when the result is false.
 */
bool cpus_precheck(char *reason, size_t size);

/*
 * cpus_enumerate - fill handoff->cpu and cpu_count: index 0 is the boot CPU, the others are the
 * enabled CPUs in the firmware's order.
 * Result: false after having said what is wrong.
 */
bool cpus_enumerate(struct secpod_handoff *handoff);

/*
 * cpus_run - perform one operation of the monitor on one CPU and wait for it.
 * cpu: index into handoff->cpu.
 * Result: that of the monitor, or -EIO with a reason when the firmware could not start or did
 * not get back the CPU.
 */
int64_t cpus_run(secpod_entry_fn entry, uint32_t op, struct secpod_handoff *handoff, uint32_t cpu);

#endif
