/* SPDX-License-Identifier: MIT */
/*
 * Entries of the IDT. Reached in root mode only, with the monitor's GS base and stack. The guest's
 * CR2, debug registers, FPU state and system-call MSRs are still in the CPU and stay untouched.
 */
#include "vmm/exceptions.h"
#include "vmm/percpu.h"
#include "vmm/x86.h"

/* Vectors that push an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP, #VC, #SX. */
#define HAS_ERROR_CODE(v) \
	((v) == VECTOR_DF || ((v) >= VECTOR_TS && (v) <= VECTOR_PF) || (v) == VECTOR_AC || \
	 (v) == VECTOR_CP || (v) == 29 || (v) == 30)

/* RIP in the five words the CPU pushes, behind the register nmi_entry saves. */
#define NMI_FRAME_RIP 8

	.text

	.balign EXCEPTION_STUB_SIZE
	.globl exception_stubs
	.hidden exception_stubs
	.type exception_stubs, @function
exception_stubs:
	.set	vector, 0
	.rept	256
	.if	!(HAS_ERROR_CODE(vector))
	push	$0
	.endif
	push	$vector
	jmp	exception_common
	.set	vector, vector + 1
	.org	exception_stubs + vector * EXCEPTION_STUB_SIZE
	.endr
	.size exception_stubs, . - exception_stubs

/* The CPU aligned RSP before it pushed; 22 words later it is aligned again for the call. */
	.type exception_common, @function
exception_common:
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%r11
	push	%r10
	push	%r9
	push	%r8
	push	%rdi
	push	%rsi
	push	%rbp
	push	%rbx
	push	%rdx
	push	%rcx
	push	%rax
	cld
	mov	%rsp, %rdi
	call	exception_handle
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rbx
	pop	%rbp
	pop	%rsi
	pop	%rdi
	pop	%r8
	pop	%r9
	pop	%r10
	pop	%r11
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	add	$16, %rsp	/* vector and error code */
	iretq
	.size exception_common, . - exception_common

/*
 * May come between any two instructions of the monitor, so it takes no lock, calls nothing and
 * touches this CPU's area only. See struct percpu for the window.
 */
	.globl nmi_entry
	.hidden nmi_entry
	.type nmi_entry, @function
nmi_entry:
	push	%rax
	movl	$1, %gs:PERCPU_NMI_EVENT
	cmpl	$0, panic_under_way(%rip)
	jne	2f
1:	mov	NMI_FRAME_RIP(%rsp), %rax
	cmp	%gs:PERCPU_NMI_WINDOW_BEGIN, %rax
	jb	3f
	cmp	%gs:PERCPU_NMI_WINDOW_END, %rax
	jae	3f
	mov	%gs:PERCPU_NMI_RESTART, %rax
	mov	%rax, NMI_FRAME_RIP(%rsp)
3:	pop	%rax
	iretq
	/* Another CPU has panicked and means to stop this one; the one that panicked goes on. */
2:	cmpl	$0, %gs:PERCPU_IN_PANIC
	jne	1b
4:	cli
	hlt
	jmp	4b
	.size nmi_entry, . - nmi_entry

	.section .note.GNU-stack, "", @progbits
