/* SPDX-License-Identifier: MIT */
/* Vector registers over a system call, in which whatever there is may happen to this thread. */
#ifndef SECPOD_TESTS_LINUX_VECTORS_H
#define SECPOD_TESTS_LINUX_VECTORS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * ymm_survive, zmm_survive - whether all vector registers (and with zmm all mask registers but k0) keep
 * what seed puts there over the system call number with up to three arguments, and over a CPUID.
 */
bool ymm_survive(uint32_t seed, long number, long first, long second, long third);
bool zmm_survive(uint32_t seed, long number, long first, long second, long third);

/* Overwrite them. */
void ymm_clobber(void);
void zmm_clobber(void);

#endif
