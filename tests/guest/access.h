/* SPDX-License-Identifier: MIT */
/*
 * Single instructions under trap_catch(): what they did, or the exception they raised.
 */
#ifndef SECPOD_TESTS_GUEST_ACCESS_H
#define SECPOD_TESTS_GUEST_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

/* try_rdmsr / try_wrmsr - vector of the exception, or TRAP_NONE. */
uint32_t try_rdmsr(uint32_t msr, uint64_t *value);
uint32_t try_wrmsr(uint32_t msr, uint64_t value);

/* The same for control registers and XSETBV. */
uint32_t try_write_cr0(uint64_t value);
uint32_t try_write_cr3(uint64_t value);
uint32_t try_write_cr4(uint64_t value);
uint32_t try_xsetbv(uint32_t index, uint64_t value);

#endif
