/* SPDX-License-Identifier: MIT */
/* Resetting the machine. */
#ifndef SECPOD_VMM_RESET_H
#define SECPOD_VMM_RESET_H

#include "vmm/handoff.h"

/*
 * reset_init - look the ACPI reset register up. Once, on the boot CPU, on the firmware's page
 * tables. Without a usable one machine_reset() has other ways.
 */
void reset_init(const struct secpod_handoff *handoff);

/*
 * machine_reset - by the ACPI reset register, the chipset's reset control register, the keyboard
 * controller, and at last by a triple fault, whichever works first.
 */
_Noreturn void machine_reset(void);

#endif
