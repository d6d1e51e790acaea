/* SPDX-License-Identifier: MIT */
/* Exceptions and NMIs that meet a CPU in root mode. */
#ifndef SECPOD_VMM_EXCEPTIONS_H
#define SECPOD_VMM_EXCEPTIONS_H

#define EXCEPTION_STUB_SIZE 16

#ifndef __ASSEMBLER__
#include <stdint.h>

/* As exceptions.S pushes it, the last five as the CPU does. */
struct exception_frame {
	uint64_t rax, rcx, rdx, rbx, rbp, rsi, rdi;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t vector, error_code;
	uint64_t rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct exception_frame) == 22 * 8, "pushed by vmm/exceptions.S");

/* One stub of EXCEPTION_STUB_SIZE bytes for each vector. */
extern const char exception_stubs[] __attribute__((visibility("hidden")));

/*
 * The NMI handler: notes the NMI for vmx/, keeps it from being lost at VM entry, stops a CPU in a
 * panic.
 */
extern const char nmi_entry[] __attribute__((visibility("hidden")));

/*
 * exception_handle - called by the stubs. A fault of an instruction in the exception table goes on
 * at its fixup; anything else is a panic.
 */
void exception_handle(struct exception_frame *frame);

#endif
#endif
