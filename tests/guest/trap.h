/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and interrupts of a payload: caught around a call, or handed to a hook.
 */
#ifndef SECPOD_TESTS_GUEST_TRAP_H
#define SECPOD_TESTS_GUEST_TRAP_H

#include <stdbool.h>
#include <stdint.h>

/* As trap_entry.S and the CPU push it. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error_code;
	uint64_t rip, cs, rflags, rsp, ss;
};

#define TRAP_NONE 0x100u

struct trap {
	uint32_t vector; /* TRAP_NONE: the call returned */
	uint64_t error_code;
	uint64_t cr2;
	struct trap_frame frame;
};

/* trap_catch - call run(arg); an exception with no hook ends the call and is the result. May be
 * nested. */
struct trap trap_catch(void (*run)(void *arg), void *arg);

/*
 * trap_hook - give a vector to hook, which may change the frame; what it returns says whether the
 * interrupted code goes on (true) or the trap is caught as if there were no hook. NULL: no hook.
 */
typedef bool (*trap_hook_fn)(struct trap_frame *frame);
void trap_hook(uint8_t vector, trap_hook_fn hook);

/* trap_unhook_all - no vector has a hook. */
void trap_unhook_all(void);

/* Entry point of vector n: trap_stubs + 16 * n. */
extern const char trap_stubs[];
#define TRAP_STUB_SIZE 16u

#endif
