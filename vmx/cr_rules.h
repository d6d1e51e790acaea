/* SPDX-License-Identifier: MIT */
/*
 * Guest writes to CR0, CR4 and XCR0: what the CPU would do, as pure functions. SDM: "Control Registers",
 * "MOV—Move to/from Control Registers", "XSETBV—Set Extended Control Register".
 */
#ifndef SECPOD_VMX_CR_RULES_H
#define SECPOD_VMX_CR_RULES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Every bit of CR0 and CR4 is in exactly one class; the masks below are the classes, and cr_rules.c asserts
 * that they are disjoint and complete.
 *   PASSED    the guest owns it; no exit (guest/host mask clear).
 *   TRAPPED   a change exits, is checked and then made (mask set, shadow == real).
 *   SHADOWED  the guest reads back what it wrote; the register keeps a value of its own. NE: VMX operation
 *             insists on 1. CD, NW: VM entry and exit leave them as they are (SDM "Loading Guest Control
 *             Registers"), so a guest that set CD would slow the monitor down too; MTRR writes, the
 *             use Linux has for it, are made with caches off by the monitor itself (exit_msr.c).
 *   HIDDEN    the feature is not shown to the guest; setting it is #GP(0) as on a CPU without it.
 *   RESERVED  the CPU itself raises #GP(0); no exit.
 */
#define CR0_PASSED (CR0_MP | CR0_EM | CR0_TS | CR0_AM)
#define CR0_TRAPPED (CR0_PE | CR0_WP | CR0_PG)
#define CR0_SHADOWED (CR0_NE | CR0_CD | CR0_NW)
#define CR0_HIDDEN 0ULL
#define CR0_RESERVED (~(CR0_PASSED | CR0_TRAPPED | CR0_SHADOWED | CR0_HIDDEN))

#define CR4_PASSED                                                                         \
	(CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_MCE | CR4_PGE | CR4_PCE |    \
	 CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | \
	 CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_CET | CR4_PKS | CR4_LASS | CR4_LAM_SUP)
/* PAE: a change reloads the PDPTEs, which with EPT live in the VMCS. */
#define CR4_TRAPPED CR4_PAE
#define CR4_SHADOWED 0ULL
/*
 * VMXE, SMXE: VMX and SMX are the monitor's. LA57: the walkers know four levels. KL, UINTR, FRED: the
 * state they add is not switched.
 */
#define CR4_HIDDEN (CR4_VMXE | CR4_SMXE | CR4_LA57 | CR4_KL | CR4_UINTR | CR4_FRED)
#define CR4_RESERVED (~(CR4_PASSED | CR4_TRAPPED | CR4_SHADOWED | CR4_HIDDEN))

/* Guest/host masks: what is not in them the guest changes without an exit. */
#define CR0_GUEST_HOST_MASK (CR0_TRAPPED | CR0_SHADOWED | CR0_HIDDEN)
#define CR4_GUEST_HOST_MASK (CR4_TRAPPED | CR4_SHADOWED | CR4_HIDDEN)

/* The guest's mode as far as the rules need it. cr0, cr4: as the guest sees them. */
struct guest_mode {
	uint64_t cr0;
	uint64_t cr4;
	uint64_t efer;
	bool cs_long;	     /* CS.L */
	bool tss_16bit_busy; /* TR holds a 16-bit TSS */
	uint64_t cr0_fixed0, cr0_fixed1;
	uint64_t cr4_fixed0, cr4_fixed1;
};

struct cr_result {
	uint64_t real;	  /* for GUEST_CR0/CR4 */
	uint64_t shadow;  /* for the read shadow */
	uint64_t efer;	  /* CR0 only: with LMA following PG */
	bool load_pdptes; /* PAE paging is on and its PDPTEs must be loaded from CR3 */
};

/* cr0_write / cr4_write - Result: 0 and *result, or -EPERM: #GP(0). */
int cr0_write(const struct guest_mode *mode, uint64_t value, struct cr_result *result);
int cr4_write(const struct guest_mode *mode, uint64_t value, struct cr_result *result);

/* cr0_real / cr4_real - the register value that runs the guest when it sees value. */
uint64_t cr0_real(const struct guest_mode *mode, uint64_t value);
uint64_t cr4_real(const struct guest_mode *mode, uint64_t value);

struct cr3_result {
	uint64_t value;	  /* for GUEST_CR3 */
	bool flush;	  /* drop the non-global translations (of the PCID) */
	bool load_pdptes; /* as in struct cr_result */
};

/*
 * cr3_write - MOV to CR3. lam: the CPU has linear-address masking (CPUID.(EAX=07H,ECX=1):EAX.LAM).
 * Result: 0 and *result, or -EPERM: #GP(0).
 */
int cr3_write(const struct guest_mode *mode, uint64_t value, uint32_t physical_bits, bool lam,
	      struct cr3_result *result);

/* lmsw_value - CR0 after LMSW with source operand msw: PE can be set but not cleared. */
uint64_t lmsw_value(uint64_t cr0, uint16_t msw);

/* pdpte_valid - SDM "PDPTE Registers": reserved bits of a present PDPTE are zero. */
bool pdpte_valid(uint64_t pdpte, uint32_t physical_bits);

/*
 * xcr0_write_ok - XSETBV's checks on ECX and EDX:EAX; supported: CPUID.(EAX=0DH,ECX=0):EDX:EAX.
 * (CPL and CR4.OSXSAVE the CPU checks before it exits.) False: #GP(0).
 */
bool xcr0_write_ok(uint32_t index, uint64_t value, uint64_t supported);

/* pat_write_ok - SDM "IA32_PAT MSR": each of eight bytes is a memory type. False: #GP(0). */
bool pat_write_ok(uint64_t value);

/*
 * efer_write - WRMSR to IA32_EFER, which is now present; cr0 as the guest sees it. Reserved bits are the register
 * policy's to refuse. Result: 0 and *result, with LMA as it is; or -EPERM: #GP(0), LME changes under paging.
 */
int efer_write(uint64_t cr0, uint64_t present, uint64_t value, uint64_t *result);

#endif
