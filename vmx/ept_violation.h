/* SPDX-License-Identifier: MIT */
/*
 * What an EPT violation was about, by its exit qualification. Pure. SDM: "EPT Violations", "Exit
 * Qualification for EPT Violations", "Mode-Based Execute Control".
 *
 * mbec: mode-based execute control is on; bit 6 has a meaning only then. advanced: the CPU has advanced
 * VM-exit information for EPT violations (IA32_VMX_EPT_VPID_CAP bit 22).
 */
#ifndef SECPOD_VMX_EPT_VIOLATION_H
#define SECPOD_VMX_EPT_VIOLATION_H

#include <stdbool.h>
#include <stdint.h>

/*
 * ept_fetch_wants - the right to execute (EPT_EXEC, EPT_EXEC_USER) that a fetch would have needed. Both
 * where that cannot be told: then either may be it.
 */
uint32_t ept_fetch_wants(uint64_t qualification, bool mbec, bool advanced);

/*
 * ept_violation_is_over - would the access go through with these rights (EPT_*), as far as it can be
 * told? Where it is not so, the guest comes again, and more can be told.
 */
bool ept_violation_is_over(uint64_t qualification, uint32_t rights, bool mbec, bool advanced);

#endif
