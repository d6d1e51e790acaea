/* SPDX-License-Identifier: MIT */
/*
 * The monitor's own environment, in place of the firmware's: page tables, IDT, and through the
 * per-CPU areas GDT, TSS and stacks. VM exits load it from the host-state area of the VMCS; nothing
 * here loads it.
 *
 * The page tables give read-only pages their protection only where the host runs with CR0.WP and
 * EFER.NXE set, and their memory types only with entries 0 and 3 of IA32_PAT at their power-on
 * values.
 */
#ifndef SECPOD_VMM_HOST_H
#define SECPOD_VMM_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/descriptor.h"
#include "vmm/handoff.h"
#include "vmm/page_pool.h"

/*
 * host_init - build per-CPU areas, page tables and IDT. Once, on the boot CPU, on the firmware's
 * page tables; the pool must be the hand-off's pool range.
 * Result: 0; -EINVAL (the hand-off's geometry is wrong, or IA32_APIC_BASE is in the region),
 * -ENOMEM. The log says more.
 */
int host_init(const struct secpod_handoff *handoff, struct page_pool *pool);

/* host_cr3 - for HOST_CR3. 0 before host_init(). */
uint64_t host_cr3(void);

/* host_idt_base - for HOST_IDTR_BASE: 256 gates. */
uint64_t host_idt_base(void);

/* host_image_base - the image's load address, which turns an RIP into one of the ELF file. */
uint64_t host_image_base(void);

/* host_apic_base - physical address of the one device page mapped: the local APIC's. */
uint64_t host_apic_base(void);

/*
 * host_active - does the calling CPU run in the monitor's environment (root mode after a VM exit),
 * so that this_cpu() may be used? False on the firmware's page tables, as the guest or before
 * launch.
 */
bool host_active(void);

#endif
