/* SPDX-License-Identifier: MIT */
/*
 * MSR and XCR accesses that may be refused by the CPU. The refusal is caught by the monitor's IDT
 * and exception table, so these work in the monitor's environment only: in root mode, after a VM
 * exit. On the firmware's IDT a refused access ends in the firmware's exception handler.
 */
#ifndef SECPOD_VMM_MSR_SAFE_H
#define SECPOD_VMM_MSR_SAFE_H

#include <stdint.h>

/* rdmsr_safe - RDMSR. Result: 0 with *value set, -EFAULT (#GP) with *value untouched. */
int rdmsr_safe(uint32_t msr, uint64_t *value);

/* wrmsr_safe - WRMSR. Result: 0, -EFAULT (#GP). */
int wrmsr_safe(uint32_t msr, uint64_t value);

/* xsetbv_safe - XSETBV of extended control register index. Result: 0, -EFAULT (#GP or #UD). */
int xsetbv_safe(uint32_t index, uint64_t value);

#endif
