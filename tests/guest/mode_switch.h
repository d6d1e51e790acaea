/* SPDX-License-Identifier: MIT */
/*
 * A tour through the CPU's modes and back: two pages below 1 MiB with code, parameters, results and
 * a stack. Shared with mode_switch.S.
 */
#ifndef SECPOD_TESTS_GUEST_MODE_SWITCH_H
#define SECPOD_TESTS_GUEST_MODE_SWITCH_H

/* Offsets in the pages. */
#define MODE_PARAMETERS 0xa00
#define MODE_RESULTS 0xb00
#define MODE_GDT 0xc00
#define MODE_IDT 0xd00
#define MODE_IVT 0xe00
#define MODE_STACK 0x2000

/* Selectors of the tour's own GDT; the first two are those of machine.h. */
#define MODE_CODE64 0x08
#define MODE_DATA 0x10
#define MODE_CODE32 0x18
#define MODE_CODE16 0x20
#define MODE_DATA16 0x28

/* Parameters: 8 bytes each, written by the caller, or used by the code itself. */
#define MODE_GDTR 0 /* two of them */
#define MODE_FAR_COMPAT 2
#define MODE_IDTR32 3
#define MODE_IDTR_REAL 4
#define MODE_PD 5
#define MODE_PDPT 6
#define MODE_FAR_16 7
#define MODE_FAR_REAL 8
#define MODE_FAR_32 9
#define MODE_FAR_64 10
#define MODE_SAVED_RSP 11
#define MODE_SAVED_GDTR 12 /* two */
#define MODE_SAVED_IDTR 14 /* two */
#define MODE_SAVED_CR0 16
#define MODE_SAVED_CR3 17
#define MODE_SAVED_CR4 18
#define MODE_VECTOR 19
#define MODE_ERROR 20
#define MODE_MAGIC 21
#define MODE_ALIAS_PDPTE 22

/* Results: 4 bytes each. */
#define RESULT_COMPAT_SIGNATURE 0
#define RESULT_UNPAGED_EFER 1
#define RESULT_UNPAGED_SIGNATURE 2
#define RESULT_UNPAGED_CR0 3
#define RESULT_UNPAGED_VMCALL 4
#define RESULT_32_CR0 5
#define RESULT_32_CR4 6
#define RESULT_32_CR3 7
#define RESULT_32_ALIAS 8
#define RESULT_32_FAULT 9
#define RESULT_32_FAULT_ERROR 10
#define RESULT_32_FAULT_CR2 11
#define RESULT_32_SIGNATURE 12
#define RESULT_32_VMCALL 13
#define RESULT_PAE_CR0 14
#define RESULT_PAE_CR4 15
#define RESULT_PAE_SIGNATURE 16
#define RESULT_PAE_ALIAS 17
#define RESULT_PAE_OLD_PDPTE 18
#define RESULT_PAE_CD_FAULT 19
#define RESULT_PAE_CD_ALIAS 20
#define RESULT_PAE_CR3_FAULT 21
#define RESULT_PAE_BAD_CR3 22
#define RESULT_PAE_BAD_CD 23
#define RESULT_PAE_BAD_CD_CR0 24
#define RESULT_PAE_PGE_ALIAS 25
#define RESULT_PAE_BAD_PG 26
#define RESULT_PAE_BAD_PG_CR0 27
#define RESULT_REAL_CR0 28
#define RESULT_REAL_SIGNATURE 29
#define RESULT_REAL_INT 30
#define RESULT_REAL_VMCALL 31
#define RESULT_REAL_VMCALL_SP 32
#define RESULT_REAL_CR0_FAULT 33
#define RESULT_REAL_RDMSR 34
#define RESULT_REAL_RDMSR_SP 35
#define RESULT_LMSW_CR0 36
#define RESULT_LONG_NO_PAE 37
#define RESULT_LONG_EFER 38
#define RESULT_COUNT 39

/* Where the alias of the first 2 or 4 MiB is seen; nothing is mapped at MODE_HOLE. */
#define MODE_ALIAS 0xc0000000
#define MODE_ALIAS_2 0x80000000
#define MODE_HOLE 0xd0000000

#ifndef __ASSEMBLER__
/* mode_switch - the tour; pages: where it was copied to. To be called at pages, not where it is
 * linked. */
extern const char mode_switch[], mode_switch_end[], mode_compat[], mode_16[], mode_real[],
	mode_32[], mode_64[];
/* Exception handlers in 32-bit and real mode, and of INT 40H there. */
extern const char mode_ud32[], mode_gp32[], mode_pf32[], mode_ud16[], mode_gp16[], mode_int16[];
#endif

#endif
