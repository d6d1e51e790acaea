/* SPDX-License-Identifier: MIT */
/*
 * The trampolines of ftrace. For each user of ftrace Linux makes a page of code (arch/x86/kernel/ftrace.c,
 * create_trampoline): a copy of ftrace_caller or ftrace_regs_caller up to their return, with four differences. It
 * refers to a pointer of its own behind the code, it calls the user's function, a jump for direct calls is a NOP, and it
 * returns as the CPU's mitigations have it. So such a page is known by the kernel's own code. Pure.
 */
#ifndef SECPOD_SECPOD_TEXT_TRAMPOLINE_H
#define SECPOD_SECPOD_TEXT_TRAMPOLINE_H

#include <stdbool.h>
#include <stdint.h>

/* Functions begin at multiples of so many bytes. */
#define TRAMPOLINE_ALIGN 16u
/* As many bytes of a function tell whether it can be one of the two. */
#define TRAMPOLINE_HEAD 24u
/* Neither is longer. */
#define TRAMPOLINE_BYTES 512u

/* trampoline_is_source - does the function at code (TRAMPOLINE_HEAD bytes) begin as the two do? */
bool trampoline_is_source(const uint8_t *code);

/*
 * trampoline_is_copy - is page (PAGE_SIZE bytes) a trampoline made of source (TRAMPOLINE_BYTES bytes), and nothing
 * else? What it calls, and what it returns by, is only asked not to lie in the page itself.
 */
bool trampoline_is_copy(const uint8_t *page, const uint8_t *source);

#endif
