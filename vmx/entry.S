/* SPDX-License-Identifier: MIT */
/*
 * VM entry and VM exit: the assembler between the guest's registers and vmx/exit.c.
 */

#include "vmm/x86.h"
#include "vmx/vmcs.h"

/* From struct percpu (vmm/percpu.h asserts them). */
#define PERCPU_NMI_EVENT 16
#define PERCPU_EXIT_FRAME 48
/* struct guest_regs: sixteen registers. */
#define FRAME_SIZE 128

	.text

/*
 * int vmx_launch_guest(void)
 * VMLAUNCH with the caller as the guest: on success it returns 0 in VMX non-root operation, with the
 * caller's stack and callee-saved registers; on failure 1.
 */
	.globl vmx_launch_guest
	.hidden vmx_launch_guest
	.type vmx_launch_guest, @function
vmx_launch_guest:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	$VMCS_GUEST_RSP, %eax
	vmwrite	%rsp, %rax
	jbe	1f
	lea	vmx_launched(%rip), %rdx
	mov	$VMCS_GUEST_RIP, %eax
	vmwrite	%rdx, %rax
	jbe	1f
	vmlaunch
	/* Only a failed VMLAUNCH comes here. */
1:	mov	$1, %eax
	jmp	2f
vmx_launched:
	xor	%eax, %eax
2:	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size vmx_launch_guest, . - vmx_launch_guest

/*
 * HOST_RIP. RSP is HOST_RSP: the top of this CPU's stack, 16-byte aligned. The frame is struct guest_regs, at
 * the same place for every exit of a CPU (struct percpu.exit_frame).
 */
	.globl vmx_exit_entry
	.hidden vmx_exit_entry
	.type vmx_exit_entry, @function
vmx_exit_entry:
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
	push	%rax		/* the unused RSP slot */
	push	%rbx
	push	%rdx
	push	%rcx
	push	%rax
	call	vmx_exit

	.globl vmx_window_begin
	.hidden vmx_window_begin
vmx_window_begin:
	cmpl	$0, %gs:PERCPU_NMI_EVENT
	jne	vmx_enter_again
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rbx
	pop	%rbp		/* the unused RSP slot */
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
	vmresume
	.globl vmx_window_end
	.hidden vmx_window_end
vmx_window_end:
	/* Only a failed VMRESUME comes here. */
	mov	%gs:PERCPU_EXIT_FRAME, %rsp
	call	vmx_resume_failed
	ud2

/*
 * Also reached from the NMI handler, when an NMI arrives between the test above and VMRESUME: whatever it
 * brought must be looked at before the guest runs. The guest's registers are still in the frame, so
 * that starting over loses nothing.
 */
	.globl vmx_enter_again
	.hidden vmx_enter_again
vmx_enter_again:
	mov	%gs:PERCPU_EXIT_FRAME, %rsp
	call	vmx_before_entry
	jmp	vmx_window_begin
	.size vmx_exit_entry, . - vmx_exit_entry

/*
 * void vmx_leave(const struct guest_regs *regs, uint64_t rip, uint64_t rsp, uint64_t rflags)
 * After VMXOFF: go on at rip with the given registers. RIP and RFLAGS go through the target stack, below
 * its red zone is not a concern: the caller there is monitor code compiled without one.
 */
	.globl vmx_leave
	.hidden vmx_leave
	.type vmx_leave, @function
vmx_leave:
	mov	%rsi, -8(%rdx)
	mov	%rcx, -16(%rdx)
	lea	-16(%rdx), %rsp
	mov	0(%rdi), %rax
	mov	8(%rdi), %rcx
	mov	16(%rdi), %rdx
	mov	24(%rdi), %rbx
	mov	40(%rdi), %rbp
	mov	48(%rdi), %rsi
	mov	64(%rdi), %r8
	mov	72(%rdi), %r9
	mov	80(%rdi), %r10
	mov	88(%rdi), %r11
	mov	96(%rdi), %r12
	mov	104(%rdi), %r13
	mov	112(%rdi), %r14
	mov	120(%rdi), %r15
	mov	56(%rdi), %rdi
	popfq
	ret
	.size vmx_leave, . - vmx_leave

	.section .note.GNU-stack, "", @progbits
