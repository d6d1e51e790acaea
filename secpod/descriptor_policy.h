/* SPDX-License-Identifier: MIT */
/*
 * GDTR, IDTR, LDTR and TR after LOCK, and what their tables hold. Pure; vmx/ feeds it and obeys.
 *
 * From LOCKED on each CPU keeps the tables it had. A CPU that went through INIT is coming up:
 * until a register is back at its locked value it may hold anything (Linux loads up to three GDTs
 * and two IDTs on the way), from then on it is pinned again.
 *
 * Contents are compared, not write-protected, as far as they share pages with what Linux writes
 * all the time: the GDT's TLS slots at context switches, TSS.sp2 at every system call. EPT rights
 * for these pages would turn each of them into an exit. The IDT has a page of its own that Linux
 * never writes after boot; it is read-only in the EPT, and compared only where that page is not the
 * one its linear address leads to.
 */
#ifndef SECPOD_SECPOD_DESCRIPTOR_POLICY_H
#define SECPOD_SECPOD_DESCRIPTOR_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "secpod/register_policy.h"

/* GDTR or IDTR. */
struct table_register {
	uint64_t base;
	uint16_t limit;
};

/* LDTR or TR as far as the policy looks at it. */
struct segment_register {
	uint16_t selector;
	uint64_t base;
	uint32_t limit;
};

/* The detail word "table" of a record. */
enum descriptor_register {
	DESCRIPTOR_GDTR,
	DESCRIPTOR_IDTR,
	DESCRIPTOR_LDTR,
	DESCRIPTOR_TR,
	DESCRIPTOR_COUNT
};
/* Added to it: not the register, but what its table holds. */
#define DESCRIPTOR_CONTENTS 0x10u

/* One CPU's values at LOCK. */
struct descriptor_pins {
	struct table_register gdtr, idtr;
	struct segment_register tr;
	uint16_t ldtr;			/* selector */
	bool settled[DESCRIPTOR_COUNT]; /* at its locked value, and to stay there */
	/*
	 * A CPU that was not running at LOCK and has no TSS yet. Its IDT is everybody's, its TSS is
	 * the first that it loads, and its GDT lies from its TSS as far as those of the CPU the
	 * pins were copied from.
	 */
	bool fresh;
	uint64_t gdt_to_tss; /* bytes */
};

struct descriptor_result {
	const char *reason; /* REFUSE: why */
	uint64_t pinned;    /* the base, or for LDTR the selector, that would have been right */
};

/* descriptor_pins_lock - note a CPU's values at LOCK. */
void descriptor_pins_lock(struct descriptor_pins *pins, const struct table_register *gdtr,
			  const struct table_register *idtr, uint16_t ldtr,
			  const struct segment_register *tr);

/* descriptor_pins_init - the CPU went through INIT: it is coming up. */
void descriptor_pins_init(struct descriptor_pins *pins);

/*
 * descriptor_pins_fresh - the pins of a CPU that starts for the first time after LOCK.
 * other: those of a CPU that was running then.
 */
void descriptor_pins_fresh(struct descriptor_pins *pins, const struct descriptor_pins *other);

/* descriptor_settled - are GDTR, IDTR and TR where they belong? False: still coming up. */
static inline bool descriptor_settled(const struct descriptor_pins *pins)
{
	return pins->settled[DESCRIPTOR_GDTR] && pins->settled[DESCRIPTOR_IDTR] &&
	       pins->settled[DESCRIPTOR_TR];
}

/*
 * descriptor_load_table - judge LGDT or LIDT (which: DESCRIPTOR_GDTR or _IDTR), descriptor_load_tr
 * LTR, descriptor_load_ldt LLDT, in LOCKED; in earlier phases everything goes and they are not to
 * be called. VERDICT_REFUSE: rule DESCRIPTOR_TABLE, #GP(0).
 * VERDICT_ALLOW: the caller makes the load, and the pins know of it.
 *
 * An IDT of limit 0 is allowed: no gate can be reached through it, so the next event is a triple
 * fault; Linux resets machines with it when all else fails.
 *
 * LDTs: the null selector, the selector of LOCK, or Linux's LDT slot. What an LDT holds is the
 * kernel's word (modify_ldt makes user segments only); CPUs without LDT users never get here.
 */
enum verdict descriptor_load_table(struct descriptor_pins *pins, enum descriptor_register which,
				   const struct table_register *value,
				   struct descriptor_result *result);
enum verdict descriptor_load_tr(struct descriptor_pins *pins, const struct segment_register *value,
				struct descriptor_result *result);
enum verdict descriptor_load_ldt(struct descriptor_pins *pins, uint16_t selector,
				 struct descriptor_result *result);

/* Linux's GDT for 64-bit kernels, arch/x86/include/asm/segment.h, 6.1 and 6.12. */
#define LINUX_GDT_TSS 8u
#define LINUX_GDT_LDT 10u
#define LINUX_GDT_TLS_FIRST 12u
#define LINUX_GDT_TLS_LAST 14u
#define LINUX_LDT_SELECTOR (LINUX_GDT_LDT * 8u)

#define IDT_BYTES 4096u
#define TSS64_BYTES 104u
/* What is noted of a GDT: Linux's has 128 bytes. A longer one is watched as far as this. */
#define GDT_NOTED_BYTES 512u

/* What one CPU's tables held at LOCK. */
struct descriptor_contents {
	uint32_t gdt_bytes; /* 0: nothing is noted */
	uint8_t gdt[GDT_NOTED_BYTES];
	uint8_t tss[TSS64_BYTES];
};

/* A place where a table differs from what it was at LOCK. */
struct descriptor_change {
	uint32_t offset; /* of the 8 bytes, bytes */
	uint64_t locked, now;
};

/*
 * descriptor_next_change - find the first place, from byte `from` on, where a table holds what it
 * may not.
 * table: DESCRIPTOR_IDTR: every gate stays as it was.
 *   DESCRIPTOR_GDTR: every descriptor does, except that the CPU may set accessed bits, that a TSS
 *   may become busy, that the TLS slots hold what a user may have (nothing, or segments of DPL 3),
 *   and that the LDT slot holds nothing or an LDT.
 *   DESCRIPTOR_TR: RSP0 and the interrupt stacks stay; not what Linux or ioperm() changes.
 * locked, now: copies of the whole table in monitor memory, each of `bytes`. Bytes behind the last
 * whole 8 are not looked at.
 * Result: true and *change; go on at change->offset + 8. False: there is none.
 */
bool descriptor_next_change(enum descriptor_register table, const void *locked, const void *now,
			    uint32_t bytes, uint32_t from, struct descriptor_change *change);

/* When a CPU last looked at its tables. */
struct descriptor_clock {
	uint64_t tsc;
	uint32_t passed; /* exits since then */
};

/*
 * A look takes about as long as two VM exits. With 2^22 ticks between two, one or two milliseconds,
 * it can take no noticeable share of the time, however often the guest exits.
 */
#define DESCRIPTOR_LOOK_TICKS (1ULL << 22)
/* The guest can set the time stamp: after so many exits there is a look whatever the time. */
#define DESCRIPTOR_LOOK_EXITS 64u

/* descriptor_look_due - at an exit, at time now (TSC): is it time to look? Then the clock starts anew. */
bool descriptor_look_due(struct descriptor_clock *clock, uint64_t now);

#endif
