/* SPDX-License-Identifier: MIT */
/*
 * The register policy as data. Each table is a list of X(bits, class, rule, mandatory, reason);
 * below it the compiler checks that its rows share no bit and leave none out.
 */
#include "secpod/register_policy.h"

#include "vmm/x86.h"

#define WHOLE (~0ULL)
#define CLOSED true /* refused whatever the rule's answer */
#define OPEN false

/*
 * The masks of a table cover all 64 bits when their OR is all ones, and do not overlap when their
 * sum is no larger than that; 128 bits hold the sum of all of them.
 */
#define OR_BITS(bits, class, rule, mandatory, reason) | (uint64_t)(bits)
#define ADD_BITS(bits, class, rule, mandatory, reason) +(unsigned __int128)(bits)
#define COMPLETE(table) ((0 table(OR_BITS)) == WHOLE)
#define DISJOINT(table) ((0 table(ADD_BITS)) == (unsigned __int128)WHOLE)

#define BITS_ROW(mask, its_class, its_rule, always, why) \
	{.bits = (mask),                                 \
	 .class = CLASS_##its_class,                     \
	 .rule = (its_rule),                             \
	 .mandatory = (always),                          \
	 .reason = (why)},

#define DEFINE_TABLE(name, table)                                         \
	_Static_assert(COMPLETE(table), #name ": a bit has no class");    \
	_Static_assert(DISJOINT(table), #name ": a bit has two classes"); \
	static const struct register_bits name[] = {table(BITS_ROW)}

#define NONE REGISTER_NO_RULE

/* clang-format off */

/* ---- control registers */

#define CR0_PIN (CR0_PE | CR0_WP | CR0_PG)
#define CR0_PASS (CR0_MP | CR0_EM | CR0_TS | CR0_AM)
#define CR0_SHADOW (CR0_NE | CR0_CD | CR0_NW)
#define CR0_UPPER (~0xffffffffULL)
#define CR0_UNDEFINED (~(CR0_PIN | CR0_PASS | CR0_SHADOW | CR0_UPPER))
#define CR0_TABLE(X) \
	X(CR0_WP, PINNED, SECPOD_RULE_CR0, OPEN, \
	  "without it CPL 0 writes to read-only pages") \
	X(CR0_PE | CR0_PG, PINNED, SECPOD_RULE_CR0, OPEN, \
	  "without paging no page has rights; Linux never leaves it but to reboot " \
	  "through the BIOS") \
	X(CR0_PASS, PASSED, NONE, OPEN, \
	  "x87 state and alignment checks; TS moves at context switches of some kernels") \
	X(CR0_SHADOW, SHADOWED, NONE, OPEN, \
	  "NE is VMX's; caches are the machine's, MTRR updates are made with CD by the monitor") \
	X(CR0_UNDEFINED, PASSED, NONE, OPEN, \
	  "ET, and bits the CPU ignores: writing them is no fault and has no effect") \
	X(CR0_UPPER, RESERVED, NONE, CLOSED, "must be zero")
DEFINE_TABLE(cr0_bits, CR0_TABLE);

#define CR4_HIDE (CR4_VMXE | CR4_SMXE | CR4_LA57 | CR4_KL | CR4_UINTR | CR4_FRED)
#define CR4_PIN \
	(CR4_PAE | CR4_UMIP | CR4_FSGSBASE | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_CET | \
	 CR4_PKS | CR4_LASS | CR4_LAM_SUP)
#define CR4_PASS \
	(CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_MCE | CR4_PGE | CR4_PCE | \
	 CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE)
#define CR4_TABLE(X) \
	X(CR4_SMEP, PINNED, SECPOD_RULE_CR4, OPEN, "without it CPL 0 runs code of user pages") \
	X(CR4_SMAP | CR4_LASS, PINNED, SECPOD_RULE_CR4, OPEN, \
	  "without them CPL 0 is lured into user data") \
	X(CR4_UMIP, PINNED, SECPOD_RULE_CR4, OPEN, "without it CPL 3 reads where GDT and IDT are") \
	X(CR4_PAE, PINNED, SECPOD_RULE_CR4, OPEN, "NX exists with it only") \
	X(CR4_CET, PINNED, SECPOD_RULE_CR4, OPEN, \
	  "without it returns and indirect branches go anywhere; IA32_S_CET stays the kernel's") \
	X(CR4_PKE | CR4_PKS, PINNED, SECPOD_RULE_CR4, OPEN, \
	  "without them protection keys protect nothing") \
	X(CR4_FSGSBASE, PINNED, SECPOD_RULE_CR4, OPEN, \
	  "the kernel's entry code is patched for one value; with the other it takes the " \
	  "user's GS base") \
	X(CR4_PCIDE, PINNED, SECPOD_RULE_CR4, OPEN, "changes what CR3 means; Linux sets it once") \
	X(CR4_LAM_SUP, PINNED, SECPOD_RULE_CR4, OPEN, "makes addresses canonical that are not") \
	X(CR4_LA57, HIDDEN, SECPOD_RULE_CR4, CLOSED, "the monitor walks four levels") \
	X(CR4_VMXE | CR4_SMXE, HIDDEN, SECPOD_RULE_CR4, CLOSED, "VMX and SMX are the monitor's") \
	X(CR4_KL | CR4_UINTR | CR4_FRED, HIDDEN, SECPOD_RULE_CR4, CLOSED, \
	  "the state they add is not switched") \
	X(CR4_PASS, PASSED, NONE, OPEN, \
	  "TSD and PCE follow the task, PGE is cleared to flush the TLB; none takes a " \
	  "right from the kernel") \
	X(~(CR4_HIDE | CR4_PIN | CR4_PASS), RESERVED, NONE, CLOSED, "must be zero")
DEFINE_TABLE(cr4_bits, CR4_TABLE);

#define XCR0_PASS \
	(XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_BNDREG | XCR0_BNDCSR | XCR0_OPMASK | \
	 XCR0_ZMM_HI256 | XCR0_HI16_ZMM | XCR0_PKRU | XCR0_TILECFG | XCR0_TILEDATA | XCR0_APX)
#define XCR0_TABLE(X) \
	X(XCR0_PASS, PASSED, NONE, OPEN, \
	  "which user state XSAVE saves: no right comes with it, and the CPU checks the " \
	  "combinations") \
	X(~XCR0_PASS, RESERVED, NONE, CLOSED, "no user state component that is known")
DEFINE_TABLE(xcr0_bits, XCR0_TABLE);

/* ---- IA32_EFER */

#define EFER_PIN (EFER_SCE | EFER_LME | EFER_NXE)
#define EFER_TABLE(X) \
	X(EFER_NXE, PINNED, SECPOD_RULE_EFER, OPEN, "without it every page can be executed") \
	X(EFER_LME, PINNED, SECPOD_RULE_EFER, OPEN, "the kernel is 64-bit code") \
	X(EFER_SCE, PINNED, SECPOD_RULE_EFER, OPEN, \
	  "Linux sets it once; SYSCALL is a way in that is guarded") \
	X(EFER_LMA, SHADOWED, NONE, OPEN, "follows CR0.PG, a written value is ignored") \
	X(EFER_SVME, HIDDEN, SECPOD_RULE_EFER, CLOSED, \
	  "no SVM on this CPU; the attempt is worth a record") \
	X(~(EFER_PIN | EFER_LMA | EFER_SVME), RESERVED, NONE, CLOSED, "must be zero")
DEFINE_TABLE(efer_bits, EFER_TABLE);

/* ---- entry points of the kernel */

#define ENTRY_TABLE(X) \
	X(WHOLE, PINNED, SECPOD_RULE_SYSCALL_MSR, OPEN, \
	  "where, with which segments and flags a user program enters the kernel; set " \
	  "once for each CPU")
DEFINE_TABLE(entry_bits, ENTRY_TABLE);

/* ---- memory types */

#define PAT_TABLE(X) \
	X(WHOLE, PINNED, SECPOD_RULE_PAT, OPEN, \
	  "the type of every page depends on it; Linux writes the same value on each CPU")
DEFINE_TABLE(pat_bits, PAT_TABLE);

#define MTRR_TABLE(X) \
	X(WHOLE, PASSED, NONE, OPEN, \
	  "the guest's machine; the EPT follows, and types over the secure space are " \
	  "judged with the whole map")
DEFINE_TABLE(mtrr_bits, MTRR_TABLE);

/* ---- saved state */

#define XSS_HIDE (XSS_PT | XSS_PASID | XSS_UINTR)
#define XSS_PASS (XSS_CET_U | XSS_CET_S | XSS_HDC | XSS_LBR | XSS_HWP)
#define XSS_TABLE(X) \
	X(XSS_PT, HIDDEN, SECPOD_RULE_MEMORY_MSR, CLOSED, \
	  "XRSTORS would load the trace registers from memory, past the MSR bitmap") \
	X(XSS_PASID | XSS_UINTR, HIDDEN, SECPOD_RULE_XCR0, CLOSED, \
	  "state of features that are hidden") \
	X(XSS_PASS, PASSED, NONE, OPEN, "registers that WRMSR writes as well") \
	X(~(XSS_HIDE | XSS_PASS), RESERVED, NONE, CLOSED, \
	  "no supervisor state component that is known")
DEFINE_TABLE(xss_bits, XSS_TABLE);

/* ---- local APIC */

#define APIC_BASE_PASS (APIC_BASE_BSP | APIC_BASE_X2APIC | APIC_BASE_ENABLE)
#define APIC_BASE_TABLE(X) \
	X(APIC_BASE_ADDR, FORBIDDEN, SECPOD_RULE_APIC_BASE, CLOSED, \
	  "the page's registers would lie over other memory, past EPT and for the monitor too") \
	X(APIC_BASE_PASS, PASSED, NONE, OPEN, \
	  "mode of the APIC: Linux turns x2APIC on for each CPU that starts") \
	X(~(APIC_BASE_ADDR | APIC_BASE_PASS), RESERVED, NONE, CLOSED, "must be zero")
DEFINE_TABLE(apic_base_bits, APIC_BASE_TABLE);

/* ---- IA32_MISC_ENABLE */

#define MISC_ENABLE_TABLE(X) \
	X(MISC_ENABLE_XD_DISABLE, FORBIDDEN, SECPOD_RULE_MISC_ENABLE, CLOSED, \
	  "takes NX away; and VM exits load the monitor's EFER.NXE, which would then be " \
	  "a reserved bit") \
	X(MISC_ENABLE_LIMIT_CPUID, PINNED, SECPOD_RULE_MISC_ENABLE, OPEN, \
	  "hides SMEP and SMAP from a CPU that starts; Linux only ever clears it, at boot") \
	X(~(MISC_ENABLE_XD_DISABLE | MISC_ENABLE_LIMIT_CPUID), PASSED, NONE, OPEN, \
	  "speed, power and prefetchers, by CPU model")
DEFINE_TABLE(misc_enable_bits, MISC_ENABLE_TABLE);

/* ---- debugging and performance monitoring */

/*
 * SDM "DS Save Area and 64-Bit Mode Operation": BTS and PEBS records go to linear addresses, so in
 * the guest they are subject to its page tables and to EPT, and cannot reach the secure space. But
 * the counters run on in root mode (IA32_PERF_GLOBAL_CTRL is not switched): a PEBS counter that
 * overflows there, or whose record was under way at the exit, writes its record to the guest's
 * linear address with the page tables of the monitor. So the DS area is not the guest's in any
 * phase. CPUID is to show no DS; perf then samples without PEBS.
 */
#define DEBUGCTL_PASS \
	(DEBUGCTL_LBR | DEBUGCTL_BTF | DEBUGCTL_BUS_LOCK_DETECT | DEBUGCTL_FREEZE_LBRS_ON_PMI | \
	 DEBUGCTL_FREEZE_PERFMON_ON_PMI | DEBUGCTL_UNCORE_PMI_EN | DEBUGCTL_FREEZE_WHILE_SMM | \
	 DEBUGCTL_RTM_DEBUG)
#define DEBUGCTL_HIDE \
	(DEBUGCTL_TR | DEBUGCTL_BTS | DEBUGCTL_BTINT | DEBUGCTL_BTS_OFF_OS | DEBUGCTL_BTS_OFF_USR)
#define DEBUGCTL_TABLE(X) \
	X(DEBUGCTL_HIDE, HIDDEN, SECPOD_RULE_DEBUG_MSR, CLOSED, \
	  "branch trace: stores in the DS area or messages on the bus; see above") \
	X(DEBUGCTL_PASS, PASSED, NONE, OPEN, \
	  "last-branch records, single-step on branches (ptrace), freezing: all within registers") \
	X(~(DEBUGCTL_PASS | DEBUGCTL_HIDE), RESERVED, NONE, CLOSED, "must be zero")
DEFINE_TABLE(debugctl_bits, DEBUGCTL_TABLE);

#define DS_TABLE(X) \
	X(WHOLE, HIDDEN, SECPOD_RULE_DEBUG_MSR, CLOSED, \
	  "a PEBS record that falls into root mode is written with the monitor's page tables")
DEFINE_TABLE(ds_bits, DS_TABLE);

#define DEBUG_INTERFACE_TABLE(X) \
	X(WHOLE, FORBIDDEN, SECPOD_RULE_DEBUG_MSR, CLOSED, \
	  "opens the CPU to hardware debuggers; whoever may do so has it locked by the firmware")
DEFINE_TABLE(debug_interface_bits, DEBUG_INTERFACE_TABLE);

/* ---- the CPU as a writer of physical memory */

#define RTIT_TABLE(X) \
	X(WHOLE, HIDDEN, SECPOD_RULE_MEMORY_MSR, CLOSED, \
	  "Processor Trace writes to host-physical addresses, past EPT")
DEFINE_TABLE(rtit_bits, RTIT_TABLE);

#define HW_FEEDBACK_TABLE(X) \
	X(WHOLE, HIDDEN, SECPOD_RULE_MEMORY_MSR, CLOSED, \
	  "hardware feedback writes to a host-physical address, past EPT")
DEFINE_TABLE(hw_feedback_bits, HW_FEEDBACK_TABLE);

#define RAR_TABLE(X) \
	X(WHOLE, HIDDEN, SECPOD_RULE_MEMORY_MSR, CLOSED, \
	  "remote action requests are read, and their results written, at host-physical " \
	  "addresses, past EPT")
DEFINE_TABLE(rar_bits, RAR_TABLE);

#define TME_TABLE(X) \
	X(WHOLE, FORBIDDEN, SECPOD_RULE_MEMORY_MSR, CLOSED, \
	  "another key for all memory destroys the monitor with it")
DEFINE_TABLE(tme_bits, TME_TABLE);

/* ---- virtualization */

#define FEATURE_CONTROL_TABLE(X) \
	X(WHOLE, FORBIDDEN, SECPOD_RULE_FEATURE_CONTROL, CLOSED, \
	  "VMX belongs to the monitor; locked, as firmware leaves it, and writing to it " \
	  "then is #GP(0)")
DEFINE_TABLE(feature_control_bits, FEATURE_CONTROL_TABLE);

#define VMX_TABLE(X) \
	X(WHOLE, HIDDEN, SECPOD_RULE_VMX_MSR, CLOSED, "the guest's CPU has no VMX")
DEFINE_TABLE(vmx_bits, VMX_TABLE);

#define HYPERVISOR_TABLE(X) \
	X(WHOLE, HIDDEN, NONE, CLOSED, "not the monitor's to forward to whoever may be below")
DEFINE_TABLE(hypervisor_bits, HYPERVISOR_TABLE);

/* ---- the rest */

#define MICROCODE_TABLE(X) \
	X(WHOLE, SHADOWED, NONE, OPEN, \
	  "microcode cannot be loaded from the guest; Linux reads the revision back and " \
	  "sees no change")
DEFINE_TABLE(microcode_bits, MICROCODE_TABLE);

#define PASSED_TABLE(X) \
	X(WHOLE, PASSED, NONE, OPEN, \
	  "changes with the task or at any time, and holds no right of the kernel")
DEFINE_TABLE(passed_bits, PASSED_TABLE);

#define CET_TABLE(X) \
	X(WHOLE, PASSED, NONE, OPEN, "Linux turns branch tracking off around firmware calls")
DEFINE_TABLE(cet_bits, CET_TABLE);

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define ROW(id, low, high, table) \
	[REGISTER_##id].name = #id, \
	[REGISTER_##id].first = (low), \
	[REGISTER_##id].last = (high), \
	[REGISTER_##id].bits = (table), \
	[REGISTER_##id].count = COUNT_OF(table),

const struct register_row register_rows[REGISTER_COUNT] = {
	REGISTERS(ROW)
	[REGISTER_SYSENTER_ESP].per_cpu = true, /* the entry stack of the CPU */
	[REGISTER_CR0].must = CR0_PIN,
	[REGISTER_CR4].must = CR4_PAE,
	[REGISTER_EFER].must = EFER_PIN,
};

/* clang-format on */
