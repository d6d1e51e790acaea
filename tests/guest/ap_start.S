/* SPDX-License-Identifier: MIT */
/* See ap_start.h. SDM: "MP Initialization Protocol", "Mode Switching". */
#include "tests/guest/ap_start.h"
#include "vmm/x86.h"

#define PARAMETER(n) (AP_PARAMETERS + 8 * (n))
#define STATE(n) (AP_STATE + 4 * (n))

	.text
	.balign 16
	.global ap_start, ap_start_end, ap_start_protected, ap_start_long
	.hidden ap_start, ap_start_end, ap_start_protected, ap_start_long
	.code16
ap_start:
	/* Registers first, as the SIPI left them; only CS is known to be good. */
	movl %eax, %cs:STATE(2)
	movl %ebx, %cs:STATE(3)
	movl %ecx, %cs:STATE(4)
	movl %edx, %cs:STATE(5)
	movl %esi, %cs:STATE(6)
	movl %edi, %cs:STATE(7)
	movl %ebp, %cs:STATE(8)
	movl %esp, %cs:STATE(9)
	movl %ds, %eax
	movl %eax, %cs:STATE(18)
	movl %ss, %eax
	movl %eax, %cs:STATE(19)
	movl %cs, %eax
	movl %eax, %cs:STATE(0)
	movw %ax, %ds
	movw %ax, %ss
	movl $0xff0, %esp
	pushfl
	popl %eax
	movl %eax, STATE(1)
	movl %cr0, %eax
	movl %eax, STATE(10)
	movl %cr2, %eax
	movl %eax, STATE(11)
	movl %cr3, %eax
	movl %eax, STATE(12)
	movl %cr4, %eax
	movl %eax, STATE(13)
	movl %dr6, %eax
	movl %eax, STATE(14)
	movl %dr7, %eax
	movl %eax, STATE(15)
	movl $MSR_EFER, %ecx
	rdmsr
	movl %eax, STATE(16)
	movl %edx, STATE(17)
	/* An exit in real mode. */
	movl $0x40000000, %eax
	xorl %ecx, %ecx
	cpuid
	movl %ebx, STATE(20)
	movl %ecx, STATE(21)
	movl %edx, STATE(22)
	pushfl
	popl %eax
	movl %eax, STATE(24)

	lgdtl PARAMETER(0)
	cmpl $0, PARAMETER(6)
	jne 1f
	/* Straight to long mode. */
	movl PARAMETER(3), %eax
	movl %eax, %cr3
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl $MSR_EFER, %ecx
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	andl $0x9fffffff, %eax
	orl $0x80010001, %eax
	movl %eax, %cr0
	ljmpl *PARAMETER(1)
1:
	/* The page's address, for code that runs without CS to lean on. */
	xorl %ebx, %ebx
	movw %cs, %bx
	shll $4, %ebx
	movl %cr0, %eax
	andl $0x9fffffff, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl *PARAMETER(2)

	.code32
ap_start_protected:
	movl $0x10, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %ebx, %esi
	movl $0x40000000, %eax
	xorl %ecx, %ecx
	cpuid
	movl %ebx, STATE(23)(%esi)
	movl PARAMETER(3)(%esi), %eax
	movl %eax, %cr3
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl $MSR_EFER, %ecx
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80010000, %eax
	movl %eax, %cr0
	ljmpl *PARAMETER(1)(%esi)

	.code64
ap_start_long:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov %eax, %ss
	lea ap_start(%rip), %rsi
	mov PARAMETER(4)(%rsi), %rsp
	call *PARAMETER(5)(%rsi)
	ud2
ap_start_end:

	.section .note.GNU-stack, "", @progbits
