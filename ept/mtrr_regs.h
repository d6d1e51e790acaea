/* SPDX-License-Identifier: MIT */
/*
 * Bits of the MTRR registers and the layout of the fixed ranges. SDM: "Memory Type Range Registers
 * (MTRRs)". The MSR numbers are in vmm/x86.h.
 */
#ifndef SECPOD_EPT_MTRR_REGS_H
#define SECPOD_EPT_MTRR_REGS_H

#include "vmm/x86.h"

/* IA32_MTRRCAP */
#define MTRRCAP_VCNT 0xffULL /* number of variable ranges */
#define MTRRCAP_FIX X86_BIT(8)
#define MTRRCAP_WC X86_BIT(10)

/* IA32_MTRR_DEF_TYPE */
#define MTRR_DEF_TYPE_TYPE 0xffULL
#define MTRR_DEF_TYPE_FE X86_BIT(10)
#define MTRR_DEF_TYPE_E X86_BIT(11)

/* IA32_MTRR_PHYSBASEn, IA32_MTRR_PHYSMASKn; both hold address bits from 12 to MAXPHYADDR - 1 */
#define MTRR_PHYSBASE_TYPE 0xffULL
#define MTRR_PHYSMASK_VALID X86_BIT(11)

/* The fixed ranges lie below this address, eight equal pieces to a register. */
#define MTRR_FIXED_END 0x100000ULL
#define MTRR_FIXED_PIECES 8u

#endif
