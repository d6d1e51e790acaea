/* SPDX-License-Identifier: MIT */
/*
 * NMIs to other CPUs through the local APIC, which belongs to the guest: its mode is looked up each
 * time, and what the guest may have half done to the interrupt command register is left as found.
 * SDM: "Issuing Interprocessor Interrupts".
 */
#ifndef SECPOD_VMM_APIC_H
#define SECPOD_VMM_APIC_H

#include <stdint.h>

/*
 * apic_send_nmi_others - an NMI to every CPU but this one; needs no APIC IDs.
 * Result: 0; -ENODEV (the APIC is disabled, or not at the address it had at host_init()); -EBUSY
 * (the APIC did not accept the command in a bounded time).
 */
int apic_send_nmi_others(void);

/*
 * apic_send_nmi - an NMI to the CPU with this APIC ID, as numbered now.
 * Result: as above; -EINVAL when the ID is the broadcast one or too large for the APIC's mode.
 */
int apic_send_nmi(uint32_t apic_id);

#endif
