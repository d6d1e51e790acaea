/* SPDX-License-Identifier: MIT */
/*
 * This machine's CPU as the reference for the store emulator: one instruction, executed with given
 * registers and flags. Its memory is below 2 GiB, within reach of absolute and 32-bit addresses.
 */
#ifndef SECPOD_TESTS_STORE_CPU_H
#define SECPOD_TESTS_STORE_CPU_H

#include <stddef.h>
#include <stdint.h>

#include "tests/unit/store_world.h"

#define CPU_REGISTERS 16u

struct store_cpu {
	uint8_t *memory; /* WORLD_SIZE bytes */
	uint64_t code;	 /* the address an instruction is executed at */
	uint64_t fs_base, gs_base;
};

/* store_cpu_open - with a GS base of its own; FS has the C library's. Result: 0, -1. */
int store_cpu_open(struct store_cpu *cpu);
void store_cpu_close(struct store_cpu *cpu);

/*
 * store_cpu_run - execute the instruction. gpr: RAX to R15, RSP among them; in and out. flags: status
 * flags and DF, in and out. Nothing may send the process a signal meanwhile.
 */
void store_cpu_run(const struct store_cpu *cpu, const uint8_t *bytes, size_t len, uint64_t *gpr,
		   uint64_t *flags);

#endif
