/* SPDX-License-Identifier: MIT */
/*
 * The architecture's names and numbers: control registers, flags, MSRs, CPUID. SDM volumes 3 and 4.
 * Usable from assembler as far as the constants go.
 */
#ifndef SECPOD_VMM_X86_H
#define SECPOD_VMM_X86_H

#ifndef __ASSEMBLER__
#include <stdint.h>
#define X86_U64(x) ((uint64_t)(x))
#else
#define X86_U64(x) (x)
#endif
#define X86_BIT(n) (X86_U64(1) << (n))

/* "Control Registers": CR0 */
#define CR0_PE X86_BIT(0)
#define CR0_MP X86_BIT(1)
#define CR0_EM X86_BIT(2)
#define CR0_TS X86_BIT(3)
#define CR0_ET X86_BIT(4)
#define CR0_NE X86_BIT(5)
#define CR0_WP X86_BIT(16)
#define CR0_AM X86_BIT(18)
#define CR0_NW X86_BIT(29)
#define CR0_CD X86_BIT(30)
#define CR0_PG X86_BIT(31)

/* CR3 */
#define CR3_ROOT X86_U64(0x000ffffffffff000)
#define CR3_NOFLUSH X86_BIT(63) /* MOV to CR3 with CR4.PCIDE: keep the PCID's translations */
#define CR3_LAM (X86_BIT(61) | X86_BIT(62)) /* LAM_U57, LAM_U48 */

/* Paging-structure entries, "4-Level Paging and 5-Level Paging": the tables of entry formats */
#define PTE_P X86_BIT(0)
#define PTE_RW X86_BIT(1)
#define PTE_US X86_BIT(2)
#define PTE_PWT X86_BIT(3)
#define PTE_PCD X86_BIT(4)
#define PTE_A X86_BIT(5)
#define PTE_D X86_BIT(6)
#define PTE_PS X86_BIT(7) /* leaf above the last level; in the last level PAT */
#define PTE_G X86_BIT(8)
#define PTE_NX X86_BIT(63)
#define PTE_ADDR X86_U64(0x000ffffffffff000)

/* CR4 */
#define CR4_VME X86_BIT(0)
#define CR4_PVI X86_BIT(1)
#define CR4_TSD X86_BIT(2)
#define CR4_DE X86_BIT(3)
#define CR4_PSE X86_BIT(4)
#define CR4_PAE X86_BIT(5)
#define CR4_MCE X86_BIT(6)
#define CR4_PGE X86_BIT(7)
#define CR4_PCE X86_BIT(8)
#define CR4_OSFXSR X86_BIT(9)
#define CR4_OSXMMEXCPT X86_BIT(10)
#define CR4_UMIP X86_BIT(11)
#define CR4_LA57 X86_BIT(12)
#define CR4_VMXE X86_BIT(13)
#define CR4_SMXE X86_BIT(14)
#define CR4_FSGSBASE X86_BIT(16)
#define CR4_PCIDE X86_BIT(17)
#define CR4_OSXSAVE X86_BIT(18)
#define CR4_KL X86_BIT(19)
#define CR4_SMEP X86_BIT(20)
#define CR4_SMAP X86_BIT(21)
#define CR4_PKE X86_BIT(22)
#define CR4_CET X86_BIT(23)
#define CR4_PKS X86_BIT(24)
#define CR4_UINTR X86_BIT(25)
#define CR4_LASS X86_BIT(27)
#define CR4_LAM_SUP X86_BIT(28)
#define CR4_FRED X86_BIT(32)

/* "Extended Feature Enable Register" */
#define EFER_SCE X86_BIT(0)
#define EFER_LME X86_BIT(8)
#define EFER_LMA X86_BIT(10)
#define EFER_NXE X86_BIT(11)
#define EFER_SVME X86_BIT(12)
#define EFER_FFXSR X86_BIT(14)

/* "EFLAGS Register" */
#define RFLAGS_CF X86_BIT(0)
#define RFLAGS_FIXED1 X86_BIT(1)
#define RFLAGS_PF X86_BIT(2)
#define RFLAGS_AF X86_BIT(4)
#define RFLAGS_ZF X86_BIT(6)
#define RFLAGS_SF X86_BIT(7)
#define RFLAGS_TF X86_BIT(8)
#define RFLAGS_IF X86_BIT(9)
#define RFLAGS_DF X86_BIT(10)
#define RFLAGS_OF X86_BIT(11)
#define RFLAGS_RF X86_BIT(16)
#define RFLAGS_VM X86_BIT(17)
#define RFLAGS_AC X86_BIT(18)
/* Bits 63:22, 15, 5 and 3 are reserved and zero. */
#define RFLAGS_RESERVED (~X86_U64(0x3fffff) | X86_BIT(15) | X86_BIT(5) | X86_BIT(3))

/* "Debug Registers" */
#define DR6_INIT 0xffff0ff0
#define DR7_INIT 0x400

/* "Exception and Interrupt Reference" */
#define VECTOR_DE 0
#define VECTOR_DB 1
#define VECTOR_NMI 2
#define VECTOR_BP 3
#define VECTOR_OF 4
#define VECTOR_UD 6
#define VECTOR_DF 8
#define VECTOR_TS 10
#define VECTOR_NP 11
#define VECTOR_SS 12
#define VECTOR_GP 13
#define VECTOR_PF 14
#define VECTOR_AC 17
#define VECTOR_MC 18
#define VECTOR_VE 20
#define VECTOR_CP 21

/* "Extended Control Registers": XCR0 */
#define XCR0_X87 X86_BIT(0)
#define XCR0_SSE X86_BIT(1)
#define XCR0_AVX X86_BIT(2)
#define XCR0_BNDREG X86_BIT(3)
#define XCR0_BNDCSR X86_BIT(4)
#define XCR0_OPMASK X86_BIT(5)
#define XCR0_ZMM_HI256 X86_BIT(6)
#define XCR0_HI16_ZMM X86_BIT(7)
#define XCR0_PKRU X86_BIT(9)
#define XCR0_TILECFG X86_BIT(17)
#define XCR0_TILEDATA X86_BIT(18)
#define XCR0_APX X86_BIT(19)

/* "IA32_XSS": supervisor state components */
#define XSS_PT X86_BIT(8)
#define XSS_PASID X86_BIT(10)
#define XSS_CET_U X86_BIT(11)
#define XSS_CET_S X86_BIT(12)
#define XSS_HDC X86_BIT(13)
#define XSS_UINTR X86_BIT(14)
#define XSS_LBR X86_BIT(15)
#define XSS_HWP X86_BIT(16)

/* "Model-Specific Registers": architectural MSRs */
#define MSR_APIC_BASE 0x1b
#define APIC_BASE_BSP X86_BIT(8)
#define APIC_BASE_X2APIC X86_BIT(10)
#define APIC_BASE_ENABLE X86_BIT(11)
#define APIC_BASE_ADDR 0x000ffffffffff000
#define MSR_FEATURE_CONTROL 0x3a
#define FEATURE_CONTROL_LOCK X86_BIT(0)
#define FEATURE_CONTROL_VMX_IN_SMX X86_BIT(1)
#define FEATURE_CONTROL_VMX X86_BIT(2)
#define FEATURE_CONTROL_SENTER (X86_U64(0x7f) << 8 | X86_BIT(15))
#define FEATURE_CONTROL_SGX (X86_BIT(17) | X86_BIT(18))
#define MSR_SPEC_CTRL 0x48
#define MSR_BIOS_UPDT_TRIG 0x79
#define MSR_BIOS_SIGN_ID 0x8b
#define MSR_SMM_MONITOR_CTL 0x9b
#define MSR_CORE_CAPABILITIES 0xcf
#define CORE_CAPABILITIES_RAR X86_BIT(1)
/* Remote action requests: IA32_RAR_CTRL, _ACTION_VECTOR_BASE, _PAYLOAD_TABLE_BASE, _INFO */
#define MSR_RAR_CTRL 0xed
#define MSR_RAR_INFO 0xf0
#define MSR_MTRRCAP 0xfe
#define MSR_SYSENTER_CS 0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176
#define MSR_MISC_ENABLE 0x1a0
#define MISC_ENABLE_PEBS_UNAVAILABLE X86_BIT(12)
#define MISC_ENABLE_LIMIT_CPUID X86_BIT(22)
#define MISC_ENABLE_XD_DISABLE X86_BIT(34)
#define MSR_DEBUGCTL 0x1d9
#define DEBUGCTL_LBR X86_BIT(0)
#define DEBUGCTL_BTF X86_BIT(1)
#define DEBUGCTL_BUS_LOCK_DETECT X86_BIT(2)
#define DEBUGCTL_TR X86_BIT(6)
#define DEBUGCTL_BTS X86_BIT(7)
#define DEBUGCTL_BTINT X86_BIT(8)
#define DEBUGCTL_BTS_OFF_OS X86_BIT(9)
#define DEBUGCTL_BTS_OFF_USR X86_BIT(10)
#define DEBUGCTL_FREEZE_LBRS_ON_PMI X86_BIT(11)
#define DEBUGCTL_FREEZE_PERFMON_ON_PMI X86_BIT(12)
#define DEBUGCTL_UNCORE_PMI_EN X86_BIT(13)
#define DEBUGCTL_FREEZE_WHILE_SMM X86_BIT(14)
#define DEBUGCTL_RTM_DEBUG X86_BIT(15)
#define MSR_MTRR_PHYSBASE0 0x200
#define MSR_MTRR_FIX64K_00000 0x250
#define MSR_MTRR_FIX16K_80000 0x258
#define MSR_MTRR_FIX16K_A0000 0x259
#define MSR_MTRR_FIX4K_C0000 0x268
#define MSR_MTRR_FIX4K_F8000 0x26f
#define MSR_PAT 0x277
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MSR_PERF_GLOBAL_STATUS 0x38e
#define MSR_PERF_GLOBAL_CTRL 0x38f
#define MSR_PEBS_ENABLE 0x3f1
#define MSR_PEBS_BASE 0x3f4
#define MSR_PEBS_INDEX 0x3f5
#define MSR_VMX_BASIC 0x480
#define MSR_VMX_PINBASED_CTLS 0x481
#define MSR_VMX_PROCBASED_CTLS 0x482
#define MSR_VMX_EXIT_CTLS 0x483
#define MSR_VMX_ENTRY_CTLS 0x484
#define MSR_VMX_MISC 0x485
#define MSR_VMX_CR0_FIXED0 0x486
#define MSR_VMX_CR0_FIXED1 0x487
#define MSR_VMX_CR4_FIXED0 0x488
#define MSR_VMX_CR4_FIXED1 0x489
#define MSR_VMX_PROCBASED_CTLS2 0x48b
#define MSR_VMX_EPT_VPID_CAP 0x48c
#define MSR_VMX_TRUE_PINBASED_CTLS 0x48d
#define MSR_VMX_TRUE_PROCBASED_CTLS 0x48e
#define MSR_VMX_TRUE_EXIT_CTLS 0x48f
#define MSR_VMX_TRUE_ENTRY_CTLS 0x490
#define MSR_VMX_LAST 0x493 /* IA32_VMX_EXIT_CTLS2 */
#define MSR_RTIT_OUTPUT_BASE 0x560
#define MSR_RTIT_CTL 0x570
#define MSR_RTIT_LAST 0x58f
#define MSR_DS_AREA 0x600
#define MSR_U_CET 0x6a0
#define MSR_S_CET 0x6a2
#define MSR_INTERRUPT_SSP_TABLE 0x6a8
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_PKRS 0x6e1
#define MSR_X2APIC_FIRST 0x800
#define MSR_X2APIC_ICR 0x830
#define MSR_X2APIC_LAST 0x8ff
#define MSR_TME_CAPABILITY 0x981
#define MSR_TME_EXCLUDE_BASE 0x984
#define MSR_DEBUG_INTERFACE 0xc80
#define MSR_HW_FEEDBACK_PTR 0x17d0
#define MSR_HW_FEEDBACK_CONFIG 0x17d1
#define MSR_XSS 0xda0
/* Reserved for hypervisors to define. */
#define MSR_HYPERVISOR_FIRST 0x40000000
#define MSR_HYPERVISOR_LAST 0x400000ff
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_CSTAR 0xc0000083
#define MSR_FMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX 0xc0000103

/* "CPUID": leaves and bits by leaf and register */
#define CPUID_MAX_BASIC 0x0
#define CPUID_FEATURES 0x1
#define CPUID_1_ECX_DTES64 (1u << 2)
#define CPUID_1_ECX_DS_CPL (1u << 4)
#define CPUID_1_EDX_DS (1u << 21)
#define CPUID_1_ECX_VMX (1u << 5)
#define CPUID_1_ECX_SMX (1u << 6)
#define CPUID_1_ECX_PCID (1u << 17)
#define CPUID_1_ECX_X2APIC (1u << 21)
#define CPUID_1_ECX_XSAVE (1u << 26)
#define CPUID_1_ECX_OSXSAVE (1u << 27)
#define CPUID_1_ECX_HYPERVISOR (1u << 31)
#define CPUID_1_EDX_MTRR (1u << 12)
#define CPUID_STRUCTURED 0x7
#define CPUID_7_EBX_SGX (1u << 2)
#define CPUID_7_EBX_INVPCID (1u << 10)
#define CPUID_7_EBX_PT (1u << 25)
#define CPUID_7_ECX_WAITPKG (1u << 5)
#define CPUID_7_ECX_CET_SS (1u << 7)
#define CPUID_7_ECX_LA57 (1u << 16)
#define CPUID_7_ECX_KL (1u << 23)
#define CPUID_7_ECX_ENQCMD (1u << 29)
#define CPUID_7_ECX_SGX_LC (1u << 30)
#define CPUID_7_ECX_PKS (1u << 31)
#define CPUID_7_EDX_SGX_KEYS (1u << 1)
#define CPUID_7_EDX_UINTR (1u << 5)
#define CPUID_7_EDX_PCONFIG (1u << 18)
#define CPUID_7_EDX_CORE_CAPABILITIES (1u << 30)
#define CPUID_7_1_EAX_FRED (1u << 17)
#define CPUID_7_1_EAX_HRESET (1u << 22)
#define CPUID_7_1_EAX_MSRLIST (1u << 27)
#define CPUID_7_1_EDX_USER_MSR (1u << 15)
#define CPUID_7_1_EAX_LASS (1u << 6)
#define CPUID_THERMAL 0x6
#define CPUID_6_EAX_HFI (1u << 19)
#define CPUID_6_EAX_THREAD_DIRECTOR (1u << 23)
#define CPUID_PERFMON 0xa
#define CPUID_XSTATE 0xd
#define CPUID_D_1_EAX_XSAVES (1u << 3)
#define CPUID_SGX 0x12
#define CPUID_PT 0x14
#define CPUID_KEY_LOCKER 0x19
#define CPUID_PCONFIG 0x1b
#define CPUID_HYPERVISOR_FIRST 0x40000000
#define CPUID_HYPERVISOR_LAST 0x4fffffff
#define CPUID_MAX_EXTENDED 0x80000000
#define CPUID_EXTENDED_FEATURES 0x80000001
#define CPUID_X1_EDX_RDTSCP (1u << 27)
#define CPUID_ADDRESS_SIZES 0x80000008

/* "Real-Time Management": Advanced Programmable Interrupt Controller registers (xAPIC, bytes) */
#define APIC_REG_ICR_LOW 0x300
#define APIC_REG_ICR_HIGH 0x310
#define APIC_ICR_DELIVERY_NMI (4u << 8)
#define APIC_ICR_PENDING (1u << 12)
#define APIC_ICR_ASSERT (1u << 14)
#define APIC_ICR_ALL_BUT_SELF (3u << 18)
#define APIC_DEFAULT_BASE 0xfee00000

#endif
