/* SPDX-License-Identifier: MIT */
/*
 * VMCALL numbers (RAX) of the boot code that is launched but not yet sealed. Accepted only from the
 * monitor's own image, at CPL 0, before the seal; afterwards unknown numbers like any other.
 */
#ifndef SECPOD_VMM_BOOT_CALLS_H
#define SECPOD_VMM_BOOT_CALLS_H

/* Leave VMX operation on this CPU. */
#define BOOT_CALL_UNLAUNCH 0x5ec0ff01
/*
 * RDX: where to go on. The monitor's own code is gone from the guest's view when the call returns, so it
 * returns there with RAX = 0; only on failure behind the VMCALL.
 */
#define BOOT_CALL_SEAL 0x5ec0ff02

/* SECPOD_OP_SEAL of vmm/handoff.h, for the assembler. */
#define ENTRY_OP_SEAL 5

#endif
