/* SPDX-License-Identifier: MIT */
/* Register values of CPUs that the VT-x tests start from. */
#ifndef SECPOD_TESTS_UNIT_VMX_MACHINES_H
#define SECPOD_TESTS_UNIT_VMX_MACHINES_H

#include "vmx/capabilities.h"

/*
 * Bochs, cpu model corei7_skylake_x, as read there; the plain control registers insist on CR3 exits
 * and debug controls, the TRUE ones, which are used, do not.
 */
static inline struct vmx_capabilities bochs_skylake_x(void)
{
	return (struct vmx_capabilities){
		.intel_vmx = true,
		.nx = true,
		.mtrr = true,
		.physical_bits = 46,
		.feature_control = 0,
		.basic = 0x00d810000000002b,
		.pin = 0x000000ff00000016,
		.proc = 0xfff9fffe04006172,
		.proc2 = 0x02577fff00000000,
		.exit = 0x407fffff00036dfb,
		.entry = 0x0000ffff000011fb,
		.misc = 0x600401e0,
		.ept_vpid = 0xf0106734141,
		.cr0_fixed0 = 0x80000021,
		.cr0_fixed1 = 0xffffffff,
		.cr4_fixed0 = 0x2000,
		.cr4_fixed1 = 0x3727ff,
	};
}

#endif
