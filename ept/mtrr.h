/* SPDX-License-Identifier: MIT */
/*
 * Memory types from the MTRRs, as data: pure functions of a snapshot of the registers.
 * SDM: "Memory Type Range Registers (MTRRs)", "MTRR Precedences".
 */
#ifndef SECPOD_EPT_MTRR_H
#define SECPOD_EPT_MTRR_H

#include <stdbool.h>
#include <stdint.h>

#define MTRR_MAX_VARIABLE 32u
#define MTRR_FIXED_COUNT 11u

enum memory_type {
	MEMORY_UC = 0,
	MEMORY_WC = 1,
	MEMORY_WT = 4,
	MEMORY_WP = 5,
	MEMORY_WB = 6,
};

struct mtrr_variable {
	uint64_t base; /* IA32_MTRR_PHYSBASEn */
	uint64_t mask; /* IA32_MTRR_PHYSMASKn */
};

/* Register values as RDMSR returns them. */
struct mtrr_state {
	uint64_t cap;	   /* IA32_MTRRCAP */
	uint64_t def_type; /* IA32_MTRR_DEF_TYPE */
	/* FIX64K_00000, FIX16K_80000, FIX16K_A0000, FIX4K_C0000 to FIX4K_F8000 */
	uint64_t fixed[MTRR_FIXED_COUNT];
	struct mtrr_variable variable[MTRR_MAX_VARIABLE];
	uint32_t physical_bits; /* MAXPHYADDR */
};

/*
 * mtrr_type - the memory type of the 4 KiB page that holds gpa.
 * An overlap the SDM leaves undefined, or a reserved type, yields UC, the type that is never wrong.
 */
enum memory_type mtrr_type(const struct mtrr_state *mtrr, uint64_t gpa);

/*
 * mtrr_uniform_end - the end (bytes, exclusive, page aligned, at most limit) of the longest range
 * starting at gpa whose pages all have the type stored in *type. gpa: page aligned, below limit.
 */
uint64_t mtrr_uniform_end(const struct mtrr_state *mtrr, uint64_t gpa, uint64_t limit,
			  enum memory_type *type);

/*
 * mtrr_msr_slot - the place in the snapshot of MTRR register msr, or NULL when msr is not an MTRR
 * this machine has (IA32_MTRRCAP is read-only and has no slot).
 */
uint64_t *mtrr_msr_slot(struct mtrr_state *mtrr, uint32_t msr);

/*
 * mtrr_write_ok - would a WRMSR of value to MTRR register msr be accepted by the CPU (reserved
 * bits, legal types)? SDM: a violation is #GP(0).
 */
bool mtrr_write_ok(const struct mtrr_state *mtrr, uint32_t msr, uint64_t value);

/*
 * mtrr_same_map - do the two snapshots give every page the same type? (Compares effective values.)
 */
bool mtrr_same_map(const struct mtrr_state *a, const struct mtrr_state *b);

#endif
