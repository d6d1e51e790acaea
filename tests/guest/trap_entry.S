/* SPDX-License-Identifier: MIT */
/* Entry points of all 256 vectors, and the frame that struct trap_frame (trap.h) describes. */

/* Vectors for which the CPU pushes an error code: 8, 10-14, 17, 21. */
#define ERROR_CODES 0x227d00

	.text
	.balign 16
	.global trap_stubs
	.hidden trap_stubs
trap_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	.set error_code, 0
	.if vector < 32
	.set error_code, (ERROR_CODES >> vector) & 1
	.endif
	.if !error_code
	pushq $0
	.endif
	pushq $vector
	jmp trap_common
	.set vector, vector + 1
	.endr

trap_common:
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, %rdi
	mov %rsp, %rbx
	and $-16, %rsp
	cld
	call trap_handle
	mov %rbx, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

/*
 * uint64_t trap_run(void (*run)(void *), void *arg, uint64_t *saved_rsp)
 * 0: run() returned; 1: a trap was caught, and trap_handle() went on at trap_caught with
 * RSP = *saved_rsp.
 */
	.global trap_run
	.hidden trap_run
trap_run:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	sub $8, %rsp
	mov %rsp, (%rdx)
	mov %rdi, %rax
	mov %rsi, %rdi
	call *%rax
	xor %eax, %eax
	jmp 1f
	.global trap_caught
	.hidden trap_caught
trap_caught:
	mov $1, %eax
1:	add $8, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.section .note.GNU-stack, "", @progbits
