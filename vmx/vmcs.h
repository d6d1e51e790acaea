/* SPDX-License-Identifier: MIT */
/*
 * VMCS field encodings, control bits and formats. SDM: "Field Encoding in VMCS" and the chapters
 * "Virtual Machine Control Structures" and "VM Exits".
 */
#ifndef SECPOD_VMX_VMCS_H
#define SECPOD_VMX_VMCS_H

/* 16-bit control and guest-state fields */
#define VMCS_VPID 0x0000
#define VMCS_GUEST_ES 0x0800
#define VMCS_GUEST_CS 0x0802
#define VMCS_GUEST_SS 0x0804
#define VMCS_GUEST_DS 0x0806
#define VMCS_GUEST_FS 0x0808
#define VMCS_GUEST_GS 0x080a
#define VMCS_GUEST_LDTR 0x080c
#define VMCS_GUEST_TR 0x080e
/* 16-bit host-state fields */
#define VMCS_HOST_ES 0x0c00
#define VMCS_HOST_CS 0x0c02
#define VMCS_HOST_SS 0x0c04
#define VMCS_HOST_DS 0x0c06
#define VMCS_HOST_FS 0x0c08
#define VMCS_HOST_GS 0x0c0a
#define VMCS_HOST_TR 0x0c0c
/* 64-bit control fields */
#define VMCS_IO_BITMAP_A 0x2000
#define VMCS_IO_BITMAP_B 0x2002
#define VMCS_MSR_BITMAP 0x2004
#define VMCS_EXIT_MSR_STORE_ADDRESS 0x2006
#define VMCS_EXIT_MSR_LOAD_ADDRESS 0x2008
#define VMCS_ENTRY_MSR_LOAD_ADDRESS 0x200a
#define VMCS_EPT_POINTER 0x201a
#define VMCS_XSS_EXITING_BITMAP 0x202c
#define VMCS_ENCLS_EXITING_BITMAP 0x202e
#define VMCS_ENCLV_EXITING_BITMAP 0x2036
/* 64-bit read-only data field */
#define VMCS_GUEST_PHYSICAL_ADDRESS 0x2400
/* 64-bit guest-state fields */
#define VMCS_LINK_POINTER 0x2800
#define VMCS_GUEST_DEBUGCTL 0x2802
#define VMCS_GUEST_PAT 0x2804
#define VMCS_GUEST_EFER 0x2806
#define VMCS_GUEST_PDPTE0 0x280a
#define VMCS_GUEST_PDPTE1 0x280c
#define VMCS_GUEST_PDPTE2 0x280e
#define VMCS_GUEST_PDPTE3 0x2810
/* 64-bit host-state fields */
#define VMCS_HOST_PAT 0x2c00
#define VMCS_HOST_EFER 0x2c02
/* 32-bit control fields */
#define VMCS_PIN_CONTROLS 0x4000
#define VMCS_PROC_CONTROLS 0x4002
#define VMCS_EXCEPTION_BITMAP 0x4004
#define VMCS_PF_ERROR_MASK 0x4006
#define VMCS_PF_ERROR_MATCH 0x4008
#define VMCS_CR3_TARGET_COUNT 0x400a
#define VMCS_EXIT_CONTROLS 0x400c
#define VMCS_EXIT_MSR_STORE_COUNT 0x400e
#define VMCS_EXIT_MSR_LOAD_COUNT 0x4010
#define VMCS_ENTRY_CONTROLS 0x4012
#define VMCS_ENTRY_MSR_LOAD_COUNT 0x4014
#define VMCS_ENTRY_INTERRUPTION_INFO 0x4016
#define VMCS_ENTRY_EXCEPTION_ERROR 0x4018
#define VMCS_ENTRY_INSTRUCTION_LENGTH 0x401a
#define VMCS_PROC_CONTROLS2 0x401e
/* 32-bit read-only data fields */
#define VMCS_INSTRUCTION_ERROR 0x4400
#define VMCS_EXIT_REASON 0x4402
#define VMCS_EXIT_INTERRUPTION_INFO 0x4404
#define VMCS_EXIT_INTERRUPTION_ERROR 0x4406
#define VMCS_IDT_VECTORING_INFO 0x4408
#define VMCS_IDT_VECTORING_ERROR 0x440a
#define VMCS_EXIT_INSTRUCTION_LENGTH 0x440c
#define VMCS_EXIT_INSTRUCTION_INFO 0x440e
/* 32-bit guest-state fields */
#define VMCS_GUEST_ES_LIMIT 0x4800
#define VMCS_GUEST_CS_LIMIT 0x4802
#define VMCS_GUEST_SS_LIMIT 0x4804
#define VMCS_GUEST_DS_LIMIT 0x4806
#define VMCS_GUEST_FS_LIMIT 0x4808
#define VMCS_GUEST_GS_LIMIT 0x480a
#define VMCS_GUEST_LDTR_LIMIT 0x480c
#define VMCS_GUEST_TR_LIMIT 0x480e
#define VMCS_GUEST_GDTR_LIMIT 0x4810
#define VMCS_GUEST_IDTR_LIMIT 0x4812
#define VMCS_GUEST_ES_RIGHTS 0x4814
#define VMCS_GUEST_CS_RIGHTS 0x4816
#define VMCS_GUEST_SS_RIGHTS 0x4818
#define VMCS_GUEST_DS_RIGHTS 0x481a
#define VMCS_GUEST_FS_RIGHTS 0x481c
#define VMCS_GUEST_GS_RIGHTS 0x481e
#define VMCS_GUEST_LDTR_RIGHTS 0x4820
#define VMCS_GUEST_TR_RIGHTS 0x4822
#define VMCS_GUEST_INTERRUPTIBILITY 0x4824
#define VMCS_GUEST_ACTIVITY 0x4826
#define VMCS_GUEST_SYSENTER_CS 0x482a
#define VMCS_GUEST_PREEMPTION_TIMER 0x482e
/* 32-bit host-state field */
#define VMCS_HOST_SYSENTER_CS 0x4c00
/* natural-width control fields */
#define VMCS_CR0_MASK 0x6000
#define VMCS_CR4_MASK 0x6002
#define VMCS_CR0_SHADOW 0x6004
#define VMCS_CR4_SHADOW 0x6006
#define VMCS_CR3_TARGET0 0x6008 /* the others follow, VMCS_CR3_TARGET_STEP apart */
/* natural-width read-only data fields */
#define VMCS_EXIT_QUALIFICATION 0x6400
#define VMCS_GUEST_LINEAR_ADDRESS 0x640a
/* natural-width guest-state fields */
#define VMCS_GUEST_CR0 0x6800
#define VMCS_GUEST_CR3 0x6802
#define VMCS_GUEST_CR4 0x6804
#define VMCS_GUEST_ES_BASE 0x6806
#define VMCS_GUEST_CS_BASE 0x6808
#define VMCS_GUEST_SS_BASE 0x680a
#define VMCS_GUEST_DS_BASE 0x680c
#define VMCS_GUEST_FS_BASE 0x680e
#define VMCS_GUEST_GS_BASE 0x6810
#define VMCS_GUEST_LDTR_BASE 0x6812
#define VMCS_GUEST_TR_BASE 0x6814
#define VMCS_GUEST_GDTR_BASE 0x6816
#define VMCS_GUEST_IDTR_BASE 0x6818
#define VMCS_GUEST_DR7 0x681a
#define VMCS_GUEST_RSP 0x681c
#define VMCS_GUEST_RIP 0x681e
#define VMCS_GUEST_RFLAGS 0x6820
#define VMCS_GUEST_PENDING_DEBUG 0x6822
#define VMCS_GUEST_SYSENTER_ESP 0x6824
#define VMCS_GUEST_SYSENTER_EIP 0x6826
/* natural-width host-state fields */
#define VMCS_HOST_CR0 0x6c00
#define VMCS_HOST_CR3 0x6c02
#define VMCS_HOST_CR4 0x6c04
#define VMCS_HOST_FS_BASE 0x6c06
#define VMCS_HOST_GS_BASE 0x6c08
#define VMCS_HOST_TR_BASE 0x6c0a
#define VMCS_HOST_GDTR_BASE 0x6c0c
#define VMCS_HOST_IDTR_BASE 0x6c0e
#define VMCS_HOST_SYSENTER_ESP 0x6c10
#define VMCS_HOST_SYSENTER_EIP 0x6c12
#define VMCS_HOST_RSP 0x6c14
#define VMCS_HOST_RIP 0x6c16

/* The guest's segment fields of one kind follow each other in this order, two encodings apart. */
#ifndef __ASSEMBLER__
enum segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };
#endif
#define VMCS_SEGMENT_STEP 2u
#define VMCS_CR3_TARGET_STEP 2u

/* "Pin-Based VM-Execution Controls" */
#define PIN_EXTERNAL_INTERRUPT_EXITING (1u << 0)
#define PIN_NMI_EXITING (1u << 3)
#define PIN_VIRTUAL_NMIS (1u << 5)
#define PIN_PREEMPTION_TIMER (1u << 6)
#define PIN_POSTED_INTERRUPTS (1u << 7)
#define PIN_DEFAULT1 \
	0x16u /* "Algorithms for Determining VMX Capabilities": no CPU lets go of all of these */

/* "Primary Processor-Based VM-Execution Controls" */
#define PROC_INTERRUPT_WINDOW (1u << 2)
#define PROC_TSC_OFFSETTING (1u << 3)
#define PROC_HLT_EXITING (1u << 7)
#define PROC_INVLPG_EXITING (1u << 9)
#define PROC_MWAIT_EXITING (1u << 10)
#define PROC_RDPMC_EXITING (1u << 11)
#define PROC_RDTSC_EXITING (1u << 12)
#define PROC_CR3_LOAD_EXITING (1u << 15)
#define PROC_CR3_STORE_EXITING (1u << 16)
#define PROC_TERTIARY_CONTROLS (1u << 17)
#define PROC_CR8_LOAD_EXITING (1u << 19)
#define PROC_CR8_STORE_EXITING (1u << 20)
#define PROC_TPR_SHADOW (1u << 21)
#define PROC_NMI_WINDOW (1u << 22)
#define PROC_MOV_DR_EXITING (1u << 23)
#define PROC_UNCONDITIONAL_IO (1u << 24)
#define PROC_IO_BITMAPS (1u << 25)
#define PROC_MONITOR_TRAP (1u << 27)
#define PROC_MSR_BITMAPS (1u << 28)
#define PROC_MONITOR_EXITING (1u << 29)
#define PROC_PAUSE_EXITING (1u << 30)
#define PROC_SECONDARY_CONTROLS (1u << 31)
#define PROC_DEFAULT1 0x0401e172u

/* "Secondary Processor-Based VM-Execution Controls" */
#define PROC2_VIRTUAL_APIC (1u << 0)
#define PROC2_EPT (1u << 1)
#define PROC2_DESCRIPTOR_TABLE_EXITING (1u << 2)
#define PROC2_RDTSCP (1u << 3)
#define PROC2_X2APIC_MODE (1u << 4)
#define PROC2_VPID (1u << 5)
#define PROC2_WBINVD_EXITING (1u << 6)
#define PROC2_UNRESTRICTED_GUEST (1u << 7)
#define PROC2_APIC_REGISTERS (1u << 8)
#define PROC2_INTERRUPT_DELIVERY (1u << 9)
#define PROC2_INVPCID (1u << 12)
#define PROC2_VMFUNC (1u << 13)
#define PROC2_ENCLS_EXITING (1u << 15)
#define PROC2_PML (1u << 17)
#define PROC2_CONCEAL_FROM_PT (1u << 19)
#define PROC2_XSAVES (1u << 20)
#define PROC2_MODE_BASED_EXECUTE (1u << 22)
#define PROC2_SUB_PAGE (1u << 23)
#define PROC2_PT_GUEST_PHYSICAL (1u << 24)
#define PROC2_USER_WAIT_PAUSE (1u << 26)
#define PROC2_PCONFIG (1u << 27)
#define PROC2_ENCLV_EXITING (1u << 28)

/* "Primary VM-Exit Controls" */
#define EXIT_SAVE_DEBUG_CONTROLS (1u << 2)
#define EXIT_HOST_ADDRESS_SPACE_SIZE (1u << 9)
#define EXIT_ACK_INTERRUPT (1u << 15)
#define EXIT_SAVE_PAT (1u << 18)
#define EXIT_LOAD_PAT (1u << 19)
#define EXIT_SAVE_EFER (1u << 20)
#define EXIT_LOAD_EFER (1u << 21)
#define EXIT_SAVE_PREEMPTION_TIMER (1u << 22)
#define EXIT_CONCEAL_FROM_PT (1u << 24)

/* "VM-Entry Controls" */
#define ENTRY_LOAD_DEBUG_CONTROLS (1u << 2)
#define ENTRY_IA32E_GUEST (1u << 9)
#define ENTRY_TO_SMM (1u << 10)
#define ENTRY_DEACTIVATE_DUAL_MONITOR (1u << 11)
#define ENTRY_LOAD_PAT (1u << 14)
#define ENTRY_LOAD_EFER (1u << 15)
#define ENTRY_CONCEAL_FROM_PT (1u << 17)

/* IA32_VMX_BASIC, "Basic VMX Information" */
#define VMX_BASIC_REVISION 0x7fffffffULL
#define VMX_BASIC_SIZE_SHIFT 32u
#define VMX_BASIC_SIZE_MASK 0x1fffULL
#define VMX_BASIC_32BIT_ADDRESSES (1ULL << 48)
#define VMX_BASIC_TYPE_SHIFT 50u
#define VMX_BASIC_TYPE_MASK 0xfULL
#define VMX_BASIC_TRUE_CONTROLS (1ULL << 55)
#define VMX_BASIC_ANY_ERROR_CODE (1ULL << 56) /* no check of error code against vector */

/* IA32_VMX_MISC, "Miscellaneous Data" */
#define VMX_MISC_PREEMPTION_TIMER_RATE 0x1fULL /* one count is 2 to this many TSC ticks */
#define VMX_MISC_LMA_TO_ENTRY_CONTROL (1ULL << 5)
#define VMX_MISC_ACTIVITY_HLT (1ULL << 6)
#define VMX_MISC_ACTIVITY_SHUTDOWN (1ULL << 7)
#define VMX_MISC_ACTIVITY_WAIT_SIPI (1ULL << 8)
#define VMX_MISC_CR3_TARGETS_SHIFT 16u
#define VMX_MISC_CR3_TARGETS_MASK 0x1ffULL
#define VMX_MISC_ZERO_LENGTH (1ULL << 30) /* software events may have length 0 */

/* IA32_VMX_EPT_VPID_CAP, "VPID and EPT Capabilities" */
#define EPT_CAP_WALK_4 (1ULL << 6)
#define EPT_CAP_UC (1ULL << 8)
#define EPT_CAP_WB (1ULL << 14)
#define EPT_CAP_2M (1ULL << 16)
#define EPT_CAP_1G (1ULL << 17)
#define EPT_CAP_INVEPT (1ULL << 20)
#define EPT_CAP_ACCESSED_DIRTY (1ULL << 21)
#define EPT_CAP_ADVANCED_EXIT_INFO (1ULL << 22)
#define EPT_CAP_SHADOW_STACK (1ULL << 23)
#define EPT_CAP_INVEPT_SINGLE (1ULL << 25)
#define EPT_CAP_INVEPT_ALL (1ULL << 26)
#define EPT_CAP_INVVPID (1ULL << 32)
#define EPT_CAP_INVVPID_SINGLE (1ULL << 41)
#define EPT_CAP_INVVPID_ALL (1ULL << 42)
#define EPT_CAP_INVVPID_RETAIN_GLOBALS (1ULL << 43)

#define INVEPT_SINGLE_CONTEXT 1u
#define INVEPT_ALL_CONTEXTS 2u
#define INVVPID_SINGLE_CONTEXT 1u
#define INVVPID_ALL_CONTEXTS 2u
#define INVVPID_RETAIN_GLOBALS 3u

/* "Basic Exit Reasons" */
#define EXIT_REASON_EXCEPTION_NMI 0
#define EXIT_REASON_EXTERNAL_INTERRUPT 1
#define EXIT_REASON_TRIPLE_FAULT 2
#define EXIT_REASON_INIT 3
#define EXIT_REASON_SIPI 4
#define EXIT_REASON_IO_SMI 5
#define EXIT_REASON_OTHER_SMI 6
#define EXIT_REASON_INTERRUPT_WINDOW 7
#define EXIT_REASON_NMI_WINDOW 8
#define EXIT_REASON_TASK_SWITCH 9
#define EXIT_REASON_CPUID 10
#define EXIT_REASON_GETSEC 11
#define EXIT_REASON_HLT 12
#define EXIT_REASON_INVD 13
#define EXIT_REASON_INVLPG 14
#define EXIT_REASON_RDPMC 15
#define EXIT_REASON_RDTSC 16
#define EXIT_REASON_RSM 17
#define EXIT_REASON_VMCALL 18
#define EXIT_REASON_VMCLEAR 19
#define EXIT_REASON_VMLAUNCH 20
#define EXIT_REASON_VMPTRLD 21
#define EXIT_REASON_VMPTRST 22
#define EXIT_REASON_VMREAD 23
#define EXIT_REASON_VMRESUME 24
#define EXIT_REASON_VMWRITE 25
#define EXIT_REASON_VMXOFF 26
#define EXIT_REASON_VMXON 27
#define EXIT_REASON_CR_ACCESS 28
#define EXIT_REASON_MOV_DR 29
#define EXIT_REASON_IO_INSTRUCTION 30
#define EXIT_REASON_RDMSR 31
#define EXIT_REASON_WRMSR 32
#define EXIT_REASON_INVALID_GUEST_STATE 33
#define EXIT_REASON_MSR_LOADING 34
#define EXIT_REASON_MWAIT 36
#define EXIT_REASON_MONITOR_TRAP_FLAG 37
#define EXIT_REASON_MONITOR 39
#define EXIT_REASON_PAUSE 40
#define EXIT_REASON_MACHINE_CHECK 41
#define EXIT_REASON_TPR_THRESHOLD 43
#define EXIT_REASON_APIC_ACCESS 44
#define EXIT_REASON_VIRTUALIZED_EOI 45
#define EXIT_REASON_GDTR_IDTR 46
#define EXIT_REASON_LDTR_TR 47
#define EXIT_REASON_EPT_VIOLATION 48
#define EXIT_REASON_EPT_MISCONFIG 49
#define EXIT_REASON_INVEPT 50
#define EXIT_REASON_RDTSCP 51
#define EXIT_REASON_PREEMPTION_TIMER 52
#define EXIT_REASON_INVVPID 53
#define EXIT_REASON_WBINVD 54
#define EXIT_REASON_XSETBV 55
#define EXIT_REASON_APIC_WRITE 56
#define EXIT_REASON_RDRAND 57
#define EXIT_REASON_INVPCID 58
#define EXIT_REASON_VMFUNC 59
#define EXIT_REASON_ENCLS 60
#define EXIT_REASON_RDSEED 61
#define EXIT_REASON_PML_FULL 62
#define EXIT_REASON_XSAVES 63
#define EXIT_REASON_XRSTORS 64
#define EXIT_REASON_PCONFIG 65
#define EXIT_REASON_SPP 66
#define EXIT_REASON_UMWAIT 67
#define EXIT_REASON_TPAUSE 68
#define EXIT_REASON_LOADIWKEY 69
#define EXIT_REASON_ENCLV 70
#define EXIT_REASON_ENQCMD_PASID 72
#define EXIT_REASON_ENQCMDS_PASID 73
#define EXIT_REASON_BUS_LOCK 74
#define EXIT_REASON_INSTRUCTION_TIMEOUT 75
#define EXIT_REASON_SEAMCALL 76
#define EXIT_REASON_TDCALL 77
#define EXIT_REASON_RDMSRLIST 78
#define EXIT_REASON_WRMSRLIST 79
#define EXIT_REASON_URDMSR 80
#define EXIT_REASON_UWRMSR 81
#define EXIT_REASON_RDMSR_IMM 84
#define EXIT_REASON_WRMSRNS_IMM 85
#define EXIT_REASON_COUNT 86 /* first number the tables do not hold */
#define EXIT_REASON_BASIC 0xffffu
#define EXIT_REASON_ENTRY_FAILURE (1u << 31)

/* "Format of the VM-Entry Interruption-Information Field"; the exit and IDT-vectoring formats agree. */
#define EVENT_VECTOR 0xffu
#define EVENT_TYPE_SHIFT 8u
#define EVENT_TYPE_MASK (7u << EVENT_TYPE_SHIFT)
#define EVENT_TYPE_EXTERNAL (0u << EVENT_TYPE_SHIFT)
#define EVENT_TYPE_RESERVED (1u << EVENT_TYPE_SHIFT)
#define EVENT_TYPE_NMI (2u << EVENT_TYPE_SHIFT)
#define EVENT_TYPE_HARDWARE (3u << EVENT_TYPE_SHIFT)
#define EVENT_TYPE_SOFTWARE_INT (4u << EVENT_TYPE_SHIFT)
#define EVENT_TYPE_PRIVILEGED_SOFTWARE (5u << EVENT_TYPE_SHIFT)
#define EVENT_TYPE_SOFTWARE_EXCEPTION (6u << EVENT_TYPE_SHIFT)
#define EVENT_TYPE_OTHER (7u << EVENT_TYPE_SHIFT)
#define EVENT_ERROR_CODE (1u << 11)
#define EVENT_NMI_UNBLOCKING \
	(1u << 12) /* exit format: IRET had unblocked NMIs when the fault came */
#define EVENT_VALID (1u << 31)
#define EVENT_RESERVED 0x7ffff000u

/* "Interruptibility State" */
#define BLOCKING_BY_STI (1u << 0)
#define BLOCKING_BY_MOV_SS (1u << 1)
#define BLOCKING_BY_SMI (1u << 2)
#define BLOCKING_BY_NMI (1u << 3)
#define INTERRUPTIBILITY_ENCLAVE (1u << 4)

/* "Activity State" */
#define ACTIVITY_ACTIVE 0u
#define ACTIVITY_HLT 1u
#define ACTIVITY_SHUTDOWN 2u
#define ACTIVITY_WAIT_SIPI 3u

/* "Guest Non-Register State": pending debug exceptions */
#define PENDING_DEBUG_ENABLED_BREAKPOINT (1ULL << 12)
#define PENDING_DEBUG_BS (1ULL << 14)
#define PENDING_DEBUG_RTM (1ULL << 16)
/* Bits 10:4, 13, 15 and 63:17; bit 11 is the bus lock's where there is one. */
#define PENDING_DEBUG_RESERVED (0x7f0ULL | 1ULL << 13 | 1ULL << 15 | ~0x1ffffULL)

/* Segment access rights */
#define SEGMENT_UNUSABLE (1u << 16)
#define SEGMENT_TYPE 0xfu
#define SEGMENT_S (1u << 4)
#define SEGMENT_DPL_SHIFT 5u
#define SEGMENT_P (1u << 7)
#define SEGMENT_L (1u << 13)
#define SEGMENT_DB (1u << 14)
#define SEGMENT_G (1u << 15)
#define SEGMENT_RESERVED (0xf00u | 0xfffe0000u)
#define SEGMENT_DPL(rights) (((rights) >> SEGMENT_DPL_SHIFT) & 3u)

/* "Exit Qualification for EPT Violations" */
#define EPT_QUAL_READ (1ULL << 0)
#define EPT_QUAL_WRITE (1ULL << 1)
#define EPT_QUAL_FETCH (1ULL << 2)
/* Rights of the translation, of all entries used together. */
#define EPT_QUAL_CAN_READ (1ULL << 3)
#define EPT_QUAL_CAN_WRITE (1ULL << 4)
#define EPT_QUAL_CAN_EXEC (1ULL << 5)	   /* with mode-based execute control: supervisor mode */
#define EPT_QUAL_CAN_EXEC_USER (1ULL << 6) /* undefined without it */
#define EPT_QUAL_LINEAR_VALID (1ULL << 7)
#define EPT_QUAL_TRANSLATED (1ULL << 8) /* clear: access to a paging-structure entry */
/* With EPT_CAP_ADVANCED_EXIT_INFO, where the two above are set. */
#define EPT_QUAL_USER_LINEAR (1ULL << 9)
#define EPT_QUAL_NMI_UNBLOCKING (1ULL << 12)

/* "Exit Qualification for Control-Register Accesses" */
#define CR_QUAL_NUMBER 0xfu
#define CR_QUAL_TYPE_SHIFT 4u
#define CR_QUAL_TYPE 3u
#define CR_QUAL_TYPE_TO_CR 0u
#define CR_QUAL_TYPE_FROM_CR 1u
#define CR_QUAL_TYPE_CLTS 2u
#define CR_QUAL_TYPE_LMSW 3u
#define CR_QUAL_REGISTER_SHIFT 8u
#define CR_QUAL_REGISTER 0xfu
#define CR_QUAL_LMSW_SHIFT 16u

/* "VM-Exit Instruction Information" of RDMSR and WRMSRNS with an immediate; the exit qualification is the MSR */
#define MSR_IMM_REGISTER_SHIFT 3u
#define MSR_IMM_REGISTER 0xfu

#endif
