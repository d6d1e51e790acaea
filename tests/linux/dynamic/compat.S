/* SPDX-License-Identifier: MIT */
/* A 32-bit program without a library: ends with the number of its arguments, written into memory of its own. */
/* The 32-bit interface's number of exit(). */
#define NR_EXIT 1

	.text
	.globl	_start
_start:
	mov	(%esp), %eax
	mov	%eax, count
	mov	count, %ebx
	mov	$NR_EXIT, %eax
	int	$0x80

	.bss
	.balign	4096
	.space	4096
count:	.long	0
	.section .note.GNU-stack, "", @progbits
