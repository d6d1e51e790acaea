/* SPDX-License-Identifier: MIT */
/*
 * What the guest can see of SecPod. Shared by the monitor, the tests and guest-support.
 *
 * CPUID leaves (EAX = leaf, ECX = index). All leaves are the same at every privilege level.
 */
#ifndef SECPOD_ABI_H
#define SECPOD_ABI_H

/* EAX: highest hypervisor leaf; EBX, ECX, EDX: the signature. */
#define SECPOD_CPUID_SIGNATURE 0x40000000u
#define SECPOD_SIGNATURE "SecPodSecPod"

/* EAX: ABI version, major << 16 | minor; EBX: SECPOD_FEATURE_*; ECX: SECPOD_PHASE_*; EDX: 0. */
#define SECPOD_CPUID_VERSION 0x40000001u
#define SECPOD_ABI_MAJOR 0u
#define SECPOD_ABI_MINOR 1u
#define SECPOD_FEATURE_STATS (1u << 0) /* SECPOD_CPUID_STATS answers (debug-stats = yes) */

/* Phases of protection. */
#define SECPOD_PHASE_OFF 0u
#define SECPOD_PHASE_GUEST 1u
#define SECPOD_PHASE_ACTIVE 2u
#define SECPOD_PHASE_LOCKED 3u

/*
 * Statistics, only with "debug-stats = yes" in secpod.conf. ECX: index. EAX: bits 31:0, EDX: bits 63:32 of
 * the value; EBX: 1 when the index exists, else 0 and the value is 0.
 */
#define SECPOD_CPUID_STATS 0x40000010u

#define SECPOD_STAT_CPUS 0x00u		 /* CPUs under SecPod */
#define SECPOD_STAT_LAUNCH_TSC 0x01u	 /* TSC of the boot CPU when it became the guest */
#define SECPOD_STAT_ROOT_TSC 0x02u	 /* TSC ticks between VM exits and VM entries, all CPUs */
#define SECPOD_STAT_EXITS 0x03u		 /* VM exits, all CPUs, all reasons */
#define SECPOD_STAT_EPT_4K 0x04u	 /* EPT leaves of 4 KiB */
#define SECPOD_STAT_EPT_2M 0x05u	 /* EPT leaves of 2 MiB */
#define SECPOD_STAT_EPT_1G 0x06u	 /* EPT leaves of 1 GiB */
#define SECPOD_STAT_EPT_TABLES 0x07u	 /* EPT table pages */
#define SECPOD_STAT_FLUSH_REQUESTS 0x08u /* invalidations asked of all CPUs */
#define SECPOD_STAT_FLUSH_KICKS 0x09u	 /* CPUs kicked out of the guest for them */
#define SECPOD_STAT_REGION_BASE 0x0au	 /* reserved memory: first byte (its place is no secret: e820 shows it) */
#define SECPOD_STAT_REGION_SIZE 0x0bu	 /* bytes */
#define SECPOD_STAT_IMAGE_SIZE 0x0cu	 /* monitor code and data, bytes */
#define SECPOD_STAT_POOL_FREE 0x0du	 /* pages */
#define SECPOD_STAT_RAM 0x0eu		 /* bytes of RAM the guest has */
#define SECPOD_STAT_RAM_4K 0x0fu	 /* bytes of it that EPT maps with 4 KiB pages */
#define SECPOD_STAT_NMI_QUEUED 0x10u	 /* NMIs that met the monitor in root mode or came as exits */
#define SECPOD_STAT_COUNT 0x11u
/* Exits of one basic reason, all CPUs: SECPOD_STAT_EXIT_REASON + reason. */
#define SECPOD_STAT_EXIT_REASON 0x1000u
/* The same of one CPU: SECPOD_STAT_CPU_EXIT_REASON + (cpu << 8) + reason. */
#define SECPOD_STAT_CPU_EXIT_REASON 0x10000u
#define SECPOD_STAT_EXIT_REASONS 80u

#endif
