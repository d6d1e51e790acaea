/* SPDX-License-Identifier: MIT */
/*
 * What the firmware may have left on. In registers that the guest's machine does not have: the guest could
 * not turn it off any more, and the CPU would go on writing trace, sample or feedback records. And the
 * limit of CPUID, which would hide from the monitor what the CPU has. Pure.
 */
#ifndef SECPOD_VMX_LAUNCH_MSRS_H
#define SECPOD_VMX_LAUNCH_MSRS_H

#include <stdbool.h>
#include <stdint.h>

/* What the CPU may have; a register that is not there must not be read. */
enum launch_feature {
	LAUNCH_ALWAYS,
	LAUNCH_PT,     /* CPUID.(07H,0):EBX[25] */
	LAUNCH_DS,     /* CPUID.01H:EDX[21] */
	LAUNCH_PEBS,   /* a DS area, and IA32_MISC_ENABLE[12] clear */
	LAUNCH_HFI,    /* CPUID.06H:EAX[19] */
	LAUNCH_RAR,    /* CPUID.(07H,0):EDX[30], and IA32_CORE_CAPABILITIES[1] */
	LAUNCH_XSAVES, /* CPUID.(0DH,1):EAX[3] */
};

#define LAUNCH_MSRS 8u

/* The registers' values before, for a launch that is taken back. */
struct launch_msrs {
	uint64_t value[LAUNCH_MSRS];
	bool changed[LAUNCH_MSRS];
};

/* The CPU. */
struct launch_access {
	bool (*has)(enum launch_feature feature);
	uint64_t (*read)(uint32_t msr);
	void (*write)(uint32_t msr, uint64_t value);
};

/*
 * launch_msrs_clear - on the CPU that is launched, outside VMX operation: turn off what is left on.
 * *msrs: gets what launch_msrs_restore() needs.
 */
void launch_msrs_clear(struct launch_msrs *msrs, const struct launch_access *access);

/* launch_msrs_restore - back to the firmware's values, those that were changed. */
void launch_msrs_restore(const struct launch_msrs *msrs, const struct launch_access *access);

#endif
