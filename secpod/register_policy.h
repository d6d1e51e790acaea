/* SPDX-License-Identifier: MIT */
/*
 * What the guest may write to its control registers and MSRs. Pure, and data: the tables of
 * register_tables.c give every bit of every listed register one class and the reason for it; what
 * is not listed belongs to the guest. vmx/ feeds register_write() and obeys its verdict.
 *
 * The CPU's own rules (vmx/cr_rules.h, a WRMSR in root mode that may fault) stand beside the
 * policy and both have to agree: a write that the policy allows can still be #GP(0). It does not
 * matter which is asked first, except that an attempt on a HIDDEN bit is on record only if the
 * policy was.
 *
 * Classes:
 *   PASSED     the guest owns it.
 *   SHADOWED   the guest may write it, the register keeps a value of its own.
 *   HIDDEN     the machine the guest sees does not have it. Refused in every phase: setting such a
 *              bit; any write to a register that is hidden as a whole.
 *   PINNED     from LOCKED on it keeps the value it had then. A CPU that comes up again after INIT
 *              may move it back to that value and nowhere else; so "coming up" needs no state
 *              here: a bit that was reached is pinned again.
 *   FORBIDDEN  a change is refused in every phase; in a register that is forbidden as a whole, any
 *              write is.
 *   RESERVED   the CPU refuses to set it. So does the policy (without a rule: nothing is
 *              recorded), since some registers are loaded from the VMCS, where a reserved bit
 *              would fail VM entry.
 */
#ifndef SECPOD_SECPOD_REGISTER_POLICY_H
#define SECPOD_SECPOD_REGISTER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-support/include/secpod_abi.h"

/*
 * The registers: X(id, first MSR, last MSR, table in register_tables.c). REGISTER_NOT_MSR for
 * those that are not MSRs. A range is one entry when all of its registers are of one kind.
 */
#define REGISTER_NOT_MSR 0xffffffffu
/* clang-format off */
#define REGISTERS(X) \
	X(CR0, REGISTER_NOT_MSR, REGISTER_NOT_MSR, cr0_bits) \
	X(CR4, REGISTER_NOT_MSR, REGISTER_NOT_MSR, cr4_bits) \
	X(XCR0, REGISTER_NOT_MSR, REGISTER_NOT_MSR, xcr0_bits) \
	X(EFER, MSR_EFER, MSR_EFER, efer_bits) \
	X(XSS, MSR_XSS, MSR_XSS, xss_bits) \
	X(STAR, MSR_STAR, MSR_STAR, entry_bits) \
	X(LSTAR, MSR_LSTAR, MSR_LSTAR, entry_bits) \
	X(CSTAR, MSR_CSTAR, MSR_CSTAR, entry_bits) \
	X(FMASK, MSR_FMASK, MSR_FMASK, entry_bits) \
	X(SYSENTER_CS, MSR_SYSENTER_CS, MSR_SYSENTER_CS, entry_bits) \
	X(SYSENTER_ESP, MSR_SYSENTER_ESP, MSR_SYSENTER_ESP, entry_bits) \
	X(SYSENTER_EIP, MSR_SYSENTER_EIP, MSR_SYSENTER_EIP, entry_bits) \
	X(PAT, MSR_PAT, MSR_PAT, pat_bits) \
	X(APIC_BASE, MSR_APIC_BASE, MSR_APIC_BASE, apic_base_bits) \
	X(MISC_ENABLE, MSR_MISC_ENABLE, MSR_MISC_ENABLE, misc_enable_bits) \
	X(DEBUGCTL, MSR_DEBUGCTL, MSR_DEBUGCTL, debugctl_bits) \
	X(DS_AREA, MSR_DS_AREA, MSR_DS_AREA, ds_bits) \
	X(PEBS_ENABLE, MSR_PEBS_ENABLE, MSR_PEBS_ENABLE, ds_bits) \
	X(PEBS_BASE, MSR_PEBS_BASE, MSR_PEBS_INDEX, ds_bits) \
	X(DEBUG_INTERFACE, MSR_DEBUG_INTERFACE, MSR_DEBUG_INTERFACE, debug_interface_bits) \
	X(RTIT, MSR_RTIT_OUTPUT_BASE, MSR_RTIT_LAST, rtit_bits) \
	X(HW_FEEDBACK, MSR_HW_FEEDBACK_PTR, MSR_HW_FEEDBACK_CONFIG, hw_feedback_bits) \
	X(RAR, MSR_RAR_CTRL, MSR_RAR_INFO, rar_bits) \
	X(TME, MSR_TME_CAPABILITY, MSR_TME_EXCLUDE_BASE, tme_bits) \
	X(FEATURE_CONTROL, MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, feature_control_bits) \
	X(SMM_MONITOR_CTL, MSR_SMM_MONITOR_CTL, MSR_SMM_MONITOR_CTL, vmx_bits) \
	X(VMX, MSR_VMX_BASIC, MSR_VMX_LAST, vmx_bits) \
	X(HYPERVISOR, MSR_HYPERVISOR_FIRST, MSR_HYPERVISOR_LAST, hypervisor_bits) \
	X(MICROCODE, MSR_BIOS_UPDT_TRIG, MSR_BIOS_UPDT_TRIG, microcode_bits) \
	X(MTRR_VARIABLE, MSR_MTRR_PHYSBASE0, MSR_MTRR_PHYSBASE0 + 2 * 32 - 1, mtrr_bits) \
	X(MTRR_FIXED, MSR_MTRR_FIX64K_00000, MSR_MTRR_FIX4K_F8000, mtrr_bits) \
	X(MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, mtrr_bits) \
	X(SPEC_CTRL, MSR_SPEC_CTRL, MSR_SPEC_CTRL, passed_bits) \
	X(CET, MSR_U_CET, MSR_INTERRUPT_SSP_TABLE, cet_bits) \
	X(PKRS, MSR_PKRS, MSR_PKRS, passed_bits) \
	X(PERF_GLOBAL_CTRL, MSR_PERF_GLOBAL_CTRL, MSR_PERF_GLOBAL_CTRL, passed_bits) \
	X(TSC_DEADLINE, MSR_TSC_DEADLINE, MSR_TSC_DEADLINE, passed_bits) \
	X(X2APIC, MSR_X2APIC_FIRST, MSR_X2APIC_LAST, passed_bits) \
	X(SEGMENT_BASE, MSR_FS_BASE, MSR_KERNEL_GS_BASE, passed_bits) \
	X(TSC_AUX, MSR_TSC_AUX, MSR_TSC_AUX, passed_bits)
/* clang-format on */

enum register_id {
#define REGISTER_ID(id, first, last, table) REGISTER_##id,
	REGISTERS(REGISTER_ID)
#undef REGISTER_ID
		REGISTER_COUNT
};

enum register_class {
	CLASS_PASSED,
	CLASS_SHADOWED,
	CLASS_HIDDEN,
	CLASS_PINNED,
	CLASS_FORBIDDEN,
	CLASS_RESERVED,
	CLASS_COUNT
};

/* No rule stands behind a refusal: the CPU would have raised the fault just so. */
#define REGISTER_NO_RULE 0xffu

/* Some bits of one register. */
struct register_bits {
	uint64_t bits;
	enum register_class class;
	uint8_t rule; /* SECPOD_RULE_*, REGISTER_NO_RULE */
	/* Refused even when the rule's answer is off or log: the monitor depends on it. */
	bool mandatory;
	const char *reason;
};

struct register_row {
	const char *name;
	uint32_t first, last; /* MSRs, or REGISTER_NOT_MSR */
	bool per_cpu;	      /* its value differs from CPU to CPU */
	const struct register_bits *bits;
	size_t count;
	uint64_t must; /* bits without which LOCKED would pin an unprotected machine */
};

extern const struct register_row register_rows[REGISTER_COUNT];

/* Values seen at LOCK, one set for each CPU. */
struct register_pins {
	uint64_t value[REGISTER_COUNT];
	uint64_t known; /* a bit for each register_id whose value[] counts */
};
_Static_assert(REGISTER_COUNT <= 64, "struct register_pins.known has a bit for each");

struct register_context {
	uint32_t phase;			  /* SECPOD_PHASE_* */
	const struct register_pins *pins; /* of this CPU; read in LOCKED only */
	uint64_t present;		  /* the value the guest reads now */
};

enum verdict { VERDICT_ALLOW, VERDICT_REFUSE };

struct register_result {
	/*
	 * ALLOW, and REFUSE whose rule's answer lets it pass (not when mandatory): the value to
	 * load; shadowed bits keep what they are. For CR0 and CR4 what VMX wants comes on top
	 * (cr0_real()).
	 */
	uint64_t load;
	uint64_t shadow; /* what the guest reads back where there is a read shadow (CR0, CR4) */
	bool write;	 /* false: nothing of the value reaches the register */
	/* REFUSE: */
	uint8_t rule;	/* SECPOD_RULE_*, or REGISTER_NO_RULE: record nothing */
	bool mandatory; /* refuse, whatever the rule's answer */
	uint64_t bits;	/* what was wrong with the value, for the record */
	const char *reason;
};

/*
 * register_write - judge a write of value to a register.
 * Result: VERDICT_ALLOW, or VERDICT_REFUSE: #GP(0) is what the CPU would raise, for all of them
 * (Linux survives #GP at any WRMSR with a warning, and dies with an oops at a MOV to CR).
 * A refusal for a mandatory row goes before others, then the first in the table counts.
 */
enum verdict register_write(const struct register_context *context, enum register_id id,
			    uint64_t value, struct register_result *result);

/* register_of_msr - the register_id of an MSR; REGISTER_COUNT when it is not listed: passed. */
enum register_id register_of_msr(uint32_t msr);

/* register_class_bits - the bits of a register that are in a class. */
uint64_t register_class_bits(enum register_id id, enum register_class class);

/*
 * register_trap_bits - the bits whose change has to exit in this phase: of CR0 and CR4 for the
 * guest/host mask, of an MSR (not 0) for its bit in the write bitmap. PASSED and RESERVED bits are
 * none of them, PINNED ones are from LOCKED on. Others have reasons of their own to trap more
 * (CR0.PG moves EFER.LMA, MTRRs move the EPT).
 */
uint64_t register_trap_bits(enum register_id id, uint32_t phase);

/* register_trap_msr - does WRMSR to msr have to exit in this phase? */
bool register_trap_msr(uint32_t msr, uint32_t phase);

/* register_pinned - has the register pinned bits, and so a value to note at LOCK? */
static inline bool register_pinned(enum register_id id)
{
	return register_class_bits(id, CLASS_PINNED) != 0;
}

/*
 * register_lockable - would pinning this value protect anything? False for a CPU whose
 * CR0.WP or EFER.NXE is off, say: it is not the moment for LOCK.
 */
bool register_lockable(enum register_id id, uint64_t value);

/*
 * register_pins_lock - note the value of a register at LOCK; for each register_id that is
 * register_pinned(), on each CPU that has started.
 */
void register_pins_lock(struct register_pins *pins, enum register_id id, uint64_t value);

/*
 * register_pins_fresh - the pins of a CPU that starts for the first time after LOCK: the values of
 * a CPU that has them, except for registers that differ from CPU to CPU: these stay unknown, and
 * register_pins_settle() takes the first value written.
 */
void register_pins_fresh(struct register_pins *pins, const struct register_pins *other);

/* register_pins_settle - in LOCKED, after an allowed write was made: notes an unknown value. */
void register_pins_settle(struct register_pins *pins, enum register_id id, uint64_t value);

#endif
