/* SPDX-License-Identifier: MIT */
/*
 * See mode_switch.h. EBP holds the pages' address all the way, but in 16-bit code, where DS does. A
 * step that may fault has its continuation in EDI. SDM: "Mode Switching", "PDPTE Registers".
 */
#include "tests/guest/mode_switch.h"
#include "vmm/x86.h"

#define P(n) (MODE_PARAMETERS + 8 * (n))
#define R(n) (MODE_RESULTS + 4 * (n))

#define CR0_PG_BIT 0x80000000
#define CR0_CD_BIT 0x40000000
#define CR0_NW_BIT 0x20000000
#define CR4_PSE_BIT 0x10
#define CR4_PAE_BIT 0x20
#define CR4_PGE_BIT 0x80
#define EFER_LME_BIT 0x100
/* Bits of a PDPTE that must be zero. */
#define PDPTE_RESERVED 0x6

	/* CPUID's signature word into result n. */
	.macro SIGNATURE n
	movl $0x40000000, %eax
	xorl %ecx, %ecx
	cpuid
	movl %ebx, R(\n)(%ebp)
	.endm

	/* The vector that an instruction raises into result n, or -1. */
	.macro EXPECT n, instruction:vararg
	movl $-1, P(MODE_VECTOR)(%ebp)
	leal (9f - mode_switch)(%ebp), %edi
	\instruction
9:	movl P(MODE_VECTOR)(%ebp), %ecx
	movl %ecx, R(\n)(%ebp)
	.endm

	.macro PAGING_OFF
	movl %cr0, %eax
	andl $~CR0_PG_BIT, %eax
	movl %eax, %cr0
	.endm

	.macro PAGING_ON
	movl %cr0, %eax
	orl $CR0_PG_BIT, %eax
	movl %eax, %cr0
	.endm

	/* The word at the pages' magic, seen through an alias. */
	.macro ALIAS n, base
	movl \base + P(MODE_MAGIC)(%ebp), %eax
	movl %eax, R(\n)(%ebp)
	.endm

	.text
	.balign 16
	.irp name, mode_switch, mode_switch_end, mode_compat, mode_16, mode_real, mode_32, \
		mode_64, mode_ud32, mode_gp32, mode_pf32, mode_ud16, mode_gp16, mode_int16
	.global \name
	.hidden \name
	.endr

	.code64
mode_switch:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	lea mode_switch(%rip), %rbp
	mov %rsp, P(MODE_SAVED_RSP)(%rbp)
	sgdt P(MODE_SAVED_GDTR)(%rbp)
	sidt P(MODE_SAVED_IDTR)(%rbp)
	mov %cr0, %rax
	mov %rax, P(MODE_SAVED_CR0)(%rbp)
	mov %cr3, %rax
	mov %rax, P(MODE_SAVED_CR3)(%rbp)
	mov %cr4, %rax
	mov %rax, P(MODE_SAVED_CR4)(%rbp)
	lgdt P(MODE_GDTR)(%rbp)
	ljmpl *P(MODE_FAR_COMPAT)(%rbp)

	.code32
mode_compat:
	movl $MODE_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	leal MODE_STACK(%ebp), %esp
	SIGNATURE RESULT_COMPAT_SIGNATURE

	/* Out of IA-32e mode. */
	PAGING_OFF
	lidtl P(MODE_IDTR32)(%ebp)
	movl $MSR_EFER, %ecx
	rdmsr
	movl %eax, R(RESULT_UNPAGED_EFER)(%ebp)
	andl $~EFER_LME_BIT, %eax
	wrmsr
	SIGNATURE RESULT_UNPAGED_SIGNATURE
	movl %cr0, %eax
	movl %eax, R(RESULT_UNPAGED_CR0)(%ebp)
	EXPECT RESULT_UNPAGED_VMCALL, vmcall

	/* 32-bit paging with 4 MiB pages. */
	movl %cr4, %eax
	andl $~(CR4_PAE_BIT | CR4_PGE_BIT), %eax
	orl $CR4_PSE_BIT, %eax
	movl %eax, %cr4
	movl P(MODE_PD)(%ebp), %eax
	movl %eax, %cr3
	PAGING_ON
	movl %cr0, %eax
	movl %eax, R(RESULT_32_CR0)(%ebp)
	movl %cr4, %eax
	movl %eax, R(RESULT_32_CR4)(%ebp)
	movl %cr3, %eax
	movl %eax, R(RESULT_32_CR3)(%ebp)
	ALIAS RESULT_32_ALIAS, MODE_ALIAS
	EXPECT RESULT_32_FAULT, movl %eax, MODE_HOLE
	movl P(MODE_ERROR)(%ebp), %eax
	movl %eax, R(RESULT_32_FAULT_ERROR)(%ebp)
	movl %cr2, %eax
	movl %eax, R(RESULT_32_FAULT_CR2)(%ebp)
	movl %cr4, %eax
	orl $CR4_PGE_BIT, %eax
	movl %eax, %cr4
	SIGNATURE RESULT_32_SIGNATURE
	EXPECT RESULT_32_VMCALL, vmcall

	/* PAE paging. */
	PAGING_OFF
	movl %cr4, %eax
	orl $CR4_PAE_BIT, %eax
	movl %eax, %cr4
	movl P(MODE_PDPT)(%ebp), %esi
	movl %esi, %cr3
	PAGING_ON
	movl %cr0, %eax
	movl %eax, R(RESULT_PAE_CR0)(%ebp)
	movl %cr4, %eax
	movl %eax, R(RESULT_PAE_CR4)(%ebp)
	SIGNATURE RESULT_PAE_SIGNATURE
	ALIAS RESULT_PAE_ALIAS, MODE_ALIAS
	/* A PDPTE changed in memory counts from the next load on: by CR0.CD ... */
	movl P(MODE_ALIAS_PDPTE)(%ebp), %eax
	movl %eax, 16(%esi)
	EXPECT RESULT_PAE_OLD_PDPTE, movl MODE_ALIAS_2 + P(MODE_MAGIC)(%ebp), %eax
	movl %cr0, %eax
	orl $CR0_CD_BIT, %eax
	EXPECT RESULT_PAE_CD_FAULT, movl %eax, %cr0
	ALIAS RESULT_PAE_CD_ALIAS, MODE_ALIAS_2
	movl %cr0, %eax
	andl $~CR0_CD_BIT, %eax
	movl %eax, %cr0
	/* ... or by CR3 ... */
	movl $0, 16(%esi)
	movl %esi, %cr3
	EXPECT RESULT_PAE_CR3_FAULT, movl MODE_ALIAS_2 + P(MODE_MAGIC)(%ebp), %eax
	/* ... or by CR4.PGE; ... */
	movl P(MODE_ALIAS_PDPTE)(%ebp), %eax
	movl %eax, 16(%esi)
	movl %cr4, %eax
	xorl $CR4_PGE_BIT, %eax
	movl %eax, %cr4
	ALIAS RESULT_PAE_PGE_ALIAS, MODE_ALIAS_2
	/* ... and a bad one is refused by all. */
	orl $PDPTE_RESERVED, 16(%esi)
	EXPECT RESULT_PAE_BAD_CR3, movl %esi, %cr3
	movl %cr0, %eax
	orl $CR0_CD_BIT, %eax
	EXPECT RESULT_PAE_BAD_CD, movl %eax, %cr0
	movl %cr0, %eax
	movl %eax, R(RESULT_PAE_BAD_CD_CR0)(%ebp)
	PAGING_OFF
	movl %cr0, %eax
	orl $CR0_PG_BIT, %eax
	EXPECT RESULT_PAE_BAD_PG, movl %eax, %cr0
	movl %cr0, %eax
	movl %eax, R(RESULT_PAE_BAD_PG_CR0)(%ebp)
	movl $0, 16(%esi)
	/* Should that have turned paging on. */
	PAGING_OFF
	ljmpl *P(MODE_FAR_16)(%ebp)

	.code16
mode_16:
	movw $MODE_DATA16, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl %cr0, %eax
	andl $~1, %eax
	movl %eax, %cr0
	ljmpw *P(MODE_FAR_REAL)
mode_real:
	movw %cs, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl $MODE_STACK, %esp
	lidtl P(MODE_IDTR_REAL)
	movl %cr0, %eax
	movl %eax, R(RESULT_REAL_CR0)
	movl $0x40000000, %eax
	xorl %ecx, %ecx
	cpuid
	movl %ebx, R(RESULT_REAL_SIGNATURE)
	movl $0, R(RESULT_REAL_INT)
	int $0x40

	/* Exceptions in real mode have no error code: SP in the handler shows it. */
	movl $-1, P(MODE_VECTOR)
	movw $(1f - mode_switch), %di
	vmcall
1:	movl P(MODE_VECTOR), %eax
	movl %eax, R(RESULT_REAL_VMCALL)
	movl P(MODE_ERROR), %eax
	movl %eax, R(RESULT_REAL_VMCALL_SP)
	movl $-1, P(MODE_VECTOR)
	movw $(1f - mode_switch), %di
	movl %cr0, %eax
	orl $CR0_NW_BIT, %eax
	andl $~CR0_CD_BIT, %eax
	movl %eax, %cr0
1:	movl P(MODE_VECTOR), %eax
	movl %eax, R(RESULT_REAL_CR0_FAULT)
	movl $-1, P(MODE_VECTOR)
	movw $(1f - mode_switch), %di
	movl $MSR_VMX_BASIC, %ecx
	rdmsr
1:	movl P(MODE_VECTOR), %eax
	movl %eax, R(RESULT_REAL_RDMSR)
	movl P(MODE_ERROR), %eax
	movl %eax, R(RESULT_REAL_RDMSR_SP)

	/* Back the 80286's way. */
	smsw %ax
	orw $1, %ax
	lmsw %ax
	ljmpl *P(MODE_FAR_32)

	.code32
mode_32:
	movl $MODE_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	lidtl P(MODE_IDTR32)(%ebp)
	leal MODE_STACK(%ebp), %esp
	movl %cr0, %eax
	movl %eax, R(RESULT_LMSW_CR0)(%ebp)
	/* IA-32e mode needs PAE. */
	movl %cr4, %eax
	andl $~CR4_PAE_BIT, %eax
	movl %eax, %cr4
	movl $MSR_EFER, %ecx
	rdmsr
	orl $EFER_LME_BIT, %eax
	wrmsr
	movl P(MODE_SAVED_CR3)(%ebp), %eax
	movl %eax, %cr3
	movl %cr0, %eax
	orl $CR0_PG_BIT, %eax
	EXPECT RESULT_LONG_NO_PAE, movl %eax, %cr0
	movl %cr4, %eax
	orl $CR4_PAE_BIT, %eax
	movl %eax, %cr4
	PAGING_ON
	movl $MSR_EFER, %ecx
	rdmsr
	movl %eax, R(RESULT_LONG_EFER)(%ebp)
	ljmpl *P(MODE_FAR_64)(%ebp)

	.code64
mode_64:
	mov P(MODE_SAVED_RSP)(%rbp), %rsp
	lgdt P(MODE_SAVED_GDTR)(%rbp)
	lidt P(MODE_SAVED_IDTR)(%rbp)
	mov P(MODE_SAVED_CR4)(%rbp), %rax
	mov %rax, %cr4
	mov P(MODE_SAVED_CR0)(%rbp), %rax
	mov %rax, %cr0
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	/* Handlers: note vector and error code, go on at EDI. */
	.code32
mode_ud32:
	pushl $0
	movl $VECTOR_UD, P(MODE_VECTOR)(%ebp)
	jmp 1f
mode_gp32:
	movl $VECTOR_GP, P(MODE_VECTOR)(%ebp)
	jmp 1f
mode_pf32:
	movl $VECTOR_PF, P(MODE_VECTOR)(%ebp)
1:	popl P(MODE_ERROR)(%ebp)
	movl %edi, (%esp)
	iretl

	.code16
mode_ud16:
	movl $VECTOR_UD, P(MODE_VECTOR)
	jmp 1f
mode_gp16:
	movl $VECTOR_GP, P(MODE_VECTOR)
1:	movl %esp, P(MODE_ERROR)
	addw $2, %sp
	pushw %di
	iretw
mode_int16:
	incl R(RESULT_REAL_INT)
	iretw
mode_switch_end:

	.section .note.GNU-stack, "", @progbits
