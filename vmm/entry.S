/* SPDX-License-Identifier: MIT */
/*
 * The ELF entry point: secpod_entry_fn of vmm/handoff.h, called by the UEFI application on the
 * firmware's stack, page tables and descriptor tables.
 */
#include "vmm/boot_calls.h"

	.section .text.entry, "ax", @progbits
	.globl secpod_entry
	.type secpod_entry, @function
secpod_entry:
	/* The ABI promises DF = 0, but this came through firmware; string instructions rely on it. */
	cld
	cmp	$ENTRY_OP_SEAL, %edi
	je	1f
	jmp	vmm_main
	/* This code disappears with the call: the monitor goes on at our caller itself. */
1:	pop	%rdx
	mov	$BOOT_CALL_SEAL, %eax
	vmcall
	push	%rdx
	ret
	.size secpod_entry, . - secpod_entry

	.section .note.GNU-stack, "", @progbits
