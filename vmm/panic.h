/* SPDX-License-Identifier: MIT */
/*
 * The end: the monitor found itself in a state it cannot go on from. The first CPU stops the
 * others, tells what happened on the serial line and in the ring, and halts or resets the machine,
 * as configured.
 */
#ifndef SECPOD_VMM_PANIC_H
#define SECPOD_VMM_PANIC_H

#include <stdint.h>

#include "vmm/handoff.h"
#include "vmm/reset.h"

/*
 * panic_init - what to do at the end (enum secpod_failure of the hand-off's config; until then:
 * halt), and what it takes to do it, see reset_init(). Once, on the boot CPU, on the firmware's
 * page tables.
 */
void panic_init(const struct secpod_handoff *handoff);

/*
 * panic_set_dump - fn is called in a panic after the message, on the CPU that panicked, the others
 * stopped, the locks of the log broken; not when that CPU is outside the monitor's environment (see
 * host_active()). It must not wait for anything; a panic inside it halts at once.
 */
void panic_set_dump(void (*fn)(void));

/* panic - see above. */
_Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * panic_prepare - become the CPU that panics and stop the others, so that what is logged up to the
 * following panic() stays together. Does not return when another CPU was first, or when this one
 * has called it before.
 */
void panic_prepare(void);

/*
 * panic_check - halt this CPU if another one has panicked. Called in root mode with NMIs blocked,
 * too.
 */
void panic_check(void);

/* Not 0 from the first panic on; read by vmm/exceptions.S. */
extern uint32_t panic_under_way __attribute__((visibility("hidden")));

#endif
