/* SPDX-License-Identifier: MIT */
/*
 * The page an application processor starts in: code first, then what both sides tell each other.
 * The code is copied to a page below 1 MiB and finds everything relative to its CS. Shared with
 * ap_start.S.
 */
#ifndef SECPOD_TESTS_GUEST_AP_START_H
#define SECPOD_TESTS_GUEST_AP_START_H

/* Offsets in the page. */
#define AP_PARAMETERS 0x800
#define AP_STATE 0x900

#ifndef __ASSEMBLER__
#include <stdint.h>

/* Written by the starter. */
struct ap_parameters {
	uint64_t gdt_low;	/* 16-bit limit and 32-bit base, as LGDT takes it in real mode */
	uint64_t far_long;	/* 32-bit offset and selector of the 64-bit entry */
	uint64_t far_protected; /* 32-bit offset and selector of the 32-bit entry */
	uint64_t cr3;
	uint64_t stack;
	uint64_t entry;
	uint64_t by_protected_mode; /* 1: stop over in 32-bit protected mode */
};

/* Written by the started CPU: what it found. */
struct ap_state {
	uint32_t cs, eflags;
	uint32_t eax, ebx, ecx, edx, esi, edi, ebp, esp;
	uint32_t cr0, cr2, cr3, cr4;
	uint32_t dr6, dr7;
	uint32_t efer_low, efer_high;
	uint32_t ds, ss;
	uint32_t signature[3]; /* of CPUID leaf 40000000H in real mode */
	uint32_t protected_signature;
	uint32_t eflags_behind_cpuid;
};

extern const char ap_start[], ap_start_end[], ap_start_protected[], ap_start_long[];
#endif

#endif
