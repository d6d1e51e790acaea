/* SPDX-License-Identifier: MIT */
/*
 * The hand-off between the UEFI application (boot/) and the monitor (vmm/): the only thing both know.
 *
 * boot/ places the monitor in one contiguous region of EfiReservedMemoryType, applies its relocations
 * and calls the ELF entry point (type secpod_entry_fn) for each operation below, on the CPUs named
 * there, always in long mode with the firmware's identity-mapped page tables, interrupts off and
 * at CPL 0. The hand-off structure itself lies in the reserved region, so that it outlives boot
 * services and disappears from the guest together with the monitor.
 */
#ifndef SECPOD_VMM_HANDOFF_H
#define SECPOD_VMM_HANDOFF_H

#include <stdint.h>

#include "guest-support/include/secpod_abi.h"

#define SECPOD_HANDOFF_MAGIC 0x30444f5043455301ULL
#define SECPOD_HANDOFF_VERSION 5u

/* Bound of the CPU table; a machine with more CPUs is declined with a message. */
#define SECPOD_MAX_CPUS 256u
/* Bound of the copied memory map; adjacent ranges of one kind are merged before they are counted. */
#define SECPOD_MAX_RANGES 512u
#define SECPOD_REASON_LEN 160u

enum secpod_op {
	/*
	 * On every CPU, before anything is changed: does this CPU have what SecPod demands?
	 * Result 0, or -ENODEV with one line in cpu[i].reason.
	 */
	SECPOD_OP_CHECK_CPU = 1,
	/* Once, on the boot CPU: pools, host page tables, EPT, logs. */
	SECPOD_OP_INIT = 2,
	/*
	 * On every CPU: enter VMX operation and return as the guest. Result 0 means that the
	 * caller now runs in VMX non-root operation.
	 */
	SECPOD_OP_LAUNCH_CPU = 3,
	/*
	 * On every CPU after a failed launch elsewhere: leave VMX operation again. Accepted only
	 * before SECPOD_OP_SEAL.
	 */
	SECPOD_OP_UNLAUNCH_CPU = 4,
	/* Once, on the boot CPU: every CPU is launched; no way back from here. */
	SECPOD_OP_SEAL = 5,
};

enum secpod_range_kind {
	SECPOD_RANGE_RAM = 1,	      /* conventional, loader, boot-services, ACPI-reclaim memory */
	SECPOD_RANGE_EFI_RT_CODE = 2, /* EfiRuntimeServicesCode */
	SECPOD_RANGE_EFI_RT_DATA = 3, /* EfiRuntimeServicesData */
	SECPOD_RANGE_RESERVED = 4,    /* any other memory the firmware reports */
	SECPOD_RANGE_MMIO = 5,
};

struct secpod_range {
	uint64_t base; /* bytes, 4 KiB aligned */
	uint64_t size; /* bytes, multiple of 4 KiB */
	uint32_t kind; /* enum secpod_range_kind */
	uint32_t zero;
};

/* What the monitor does when it finds itself unable to go on. */
enum secpod_failure { SECPOD_FAIL_HALT = 0, SECPOD_FAIL_RESET = 1 };

#define SECPOD_CFG_DEBUG_STATS \
	(1u << 0) /* statistics readable through CPUID, root-mode time counted */
#define SECPOD_CFG_DELEGATION (1u << 1)	     /* the guest's page tables are read-only to it */
#define SECPOD_CFG_PROFILE (1u << 2)	     /* only patches of a profile */
#define SECPOD_CFG_PROFILE_REQUEST (1u << 4) /* which the guest hands over */
#define SECPOD_CFG_LOCK_REQUEST (1u << 3)    /* LOCKED does not follow ACTIVE by itself */

struct secpod_config {
	uint32_t log_level;   /* enum log_level of vmm/log.h: 0 error, 1 warning, 2 info, 3 debug */
	uint32_t serial_port; /* I/O port of the 16550, 0 for none */
	uint32_t serial_baud; /* bits per second, 0: leave the line as the firmware set it */
	uint32_t on_panic;    /* enum secpod_failure */
	uint32_t flags;	      /* SECPOD_CFG_* */
	uint32_t zero;
	uint64_t descriptor_scan;	   /* TSC ticks between two looks, 0: at VM exits only */
	uint8_t policy[SECPOD_POLICY_MAX]; /* SECPOD_ANSWER_*, by rule */
	uint64_t listed;		   /* bit by rule: code on the list does not break it */
};

struct secpod_cpu {
	uint32_t apic_id;		/* initial APIC ID, from the MP services' ProcessorId */
	uint32_t state;			/* written by the monitor: enum secpod_cpu_state */
	char reason[SECPOD_REASON_LEN]; /* one line, NUL-terminated, set with every error result */
};

enum secpod_cpu_state {
	SECPOD_CPU_OFFLINE = 0,
	SECPOD_CPU_CHECKED = 1,
	SECPOD_CPU_LAUNCHED = 2,
};

/* What the configuration has in files of their own. */
enum secpod_file {
	SECPOD_FILE_LIST,    /* of code: secpod/text/code_list.h */
	SECPOD_FILE_PROFILE, /* of kernels: secpod/text/code_profile.h */
	SECPOD_FILES
};

struct secpod_file_place {
	uint64_t base; /* page aligned */
	uint64_t size; /* bytes, 0: there is none */
};

struct secpod_handoff {
	uint64_t magic;
	uint32_t version;
	uint32_t size; /* sizeof(struct secpod_handoff) */

	/* The one reserved region: 2 MiB aligned, a multiple of 2 MiB long. Everything lies in it. */
	uint64_t region_base;
	uint64_t region_size;
	/* The relocated monitor image, first thing in the region (bytes, page aligned). */
	uint64_t image_base;
	uint64_t image_size;
	/* Free memory behind image and hand-off: the monitor's pools (bytes, page aligned). */
	uint64_t pool_base;
	uint64_t pool_size;

	struct secpod_file_place file[SECPOD_FILES]; /* as they are on disk */

	uint64_t acpi_rsdp; /* physical address, 0 when the firmware has none */
	uint64_t ram_top;   /* first byte above the highest RAM */
	uint32_t cpu_count; /* enabled CPUs; index 0 is the boot CPU */
	uint32_t range_count;
	struct secpod_config config;
	struct secpod_cpu cpu[SECPOD_MAX_CPUS];
	struct secpod_range range[SECPOD_MAX_RANGES];
};

/*
 * The monitor's ELF entry point.
 * op: enum secpod_op; handoff: see above; cpu: index into handoff->cpu of the calling CPU.
 * Result: 0, or a negative errno value with a line in handoff->cpu[cpu].reason.
 */
typedef int64_t(__attribute__((sysv_abi)) *
		secpod_entry_fn)(uint32_t op, struct secpod_handoff *handoff, uint32_t cpu);

#endif
