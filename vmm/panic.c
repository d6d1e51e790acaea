/* SPDX-License-Identifier: MIT */
#include "vmm/panic.h"

#include <stdarg.h>
#include <stdbool.h>

#include "vmm/apic.h"
#include "vmm/cpu_ops.h"
#include "vmm/host.h"
#include "vmm/log.h"
#include "vmm/percpu.h"

/* Older lines repeated on the serial line: those of a low level are not there yet. */
#define REPLAY_LINES 32u
/* Turns given to the other CPUs to take the NMI and stop; a bound, for nobody answers. */
#define STOP_TURNS (1u << 20)

enum stage { STAGE_NONE, STAGE_PREPARED, STAGE_TELLING };

uint32_t panic_under_way;
static enum secpod_failure at_end = SECPOD_FAIL_HALT;
static void (*dump)(void);

/*
 * Who panics: the address of a CPU's area, or OWNER_BOOT for the one CPU that runs in the
 * firmware's environment while the machine is being set up. Once set it stays; stage belongs to
 * that CPU.
 */
#define OWNER_BOOT 1ULL
static uint64_t owner;
static enum stage stage;
static uint64_t first_line; /* of the panic, in the log */

static uint64_t self(void)
{
	return host_active() ? (uint64_t)(uintptr_t)this_cpu() : OWNER_BOOT;
}

void panic_init(const struct secpod_handoff *handoff)
{
	if (handoff->config.on_panic == SECPOD_FAIL_RESET)
		at_end = SECPOD_FAIL_RESET;
	reset_init(handoff);
}

void panic_set_dump(void (*fn)(void))
{
	dump = fn;
}

void panic_prepare(void)
{
	uint64_t nobody = 0;

	if (!__atomic_compare_exchange_n(&owner, &nobody, self(), false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST)) {
		/* Another CPU was first, or this one panics while it panics: no more words. */
		cpu_halt_forever();
	}
	if (host_active())
		this_cpu()->in_panic = 1;
	__atomic_store_n(&panic_under_way, 1, __ATOMIC_SEQ_CST);
	if (!apic_send_nmi_others()) {
		for (uint32_t turn = 0; turn < STOP_TURNS; turn++)
			cpu_relax();
	}
	log_break_locks();
	first_line = log_next();
	stage = STAGE_PREPARED;
}

void panic_check(void)
{
	if (__atomic_load_n(&panic_under_way, __ATOMIC_SEQ_CST) && owner != self())
		cpu_halt_forever();
}

void panic(const char *fmt, ...)
{
	va_list args;

	if (stage != STAGE_PREPARED || owner != self())
		panic_prepare();
	stage = STAGE_TELLING;
	va_start(args, fmt);
	log_at_v(LOG_ERROR, fmt, args);
	va_end(args);
	if (dump && host_active())
		dump();
	log_error("panic; the lines of the log before it:");
	log_replay(first_line, REPLAY_LINES);
	if (at_end == SECPOD_FAIL_RESET)
		machine_reset();
	log_error("panic: the machine is halted");
	cpu_halt_forever();
}
