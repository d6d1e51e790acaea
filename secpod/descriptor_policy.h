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
 * for these pages would turn each of them into an exit. The IDT has pages of its own that Linux
 * never writes after boot; its frames may be made read-only in the EPT, and are compared all the
 * same, because the linear address can be mapped to other frames.
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
#define GDT_MAX_BYTES 65536u
#define TSS64_BYTES 104u

/* A place where a table differs from what it was at LOCK. */
struct descriptor_change {
	uint32_t offset; /* of the 8 bytes, bytes */
	uint64_t locked, now;
	const char *reason;
};

/*
 * idt_compare - every gate as it was. bytes: size of both copies (limit + 1).
 * gdt_compare - code, data and other descriptors as they were, except that the CPU may set
 *   accessed bits, that a TSS may become busy, that the TLS slots hold what a user may have
 *   (nothing, or segments of DPL 3), and that the LDT slot holds nothing or an LDT.
 * tss_compare - RSP0 and the interrupt stacks, in TSS64_BYTES; not what Linux or ioperm() changes.
 * locked, now: copies in monitor memory. Bytes beyond the last whole 8 are not looked at.
 * Result: 0, or -EPERM and *change.
 */
int idt_compare(const void *locked, const void *now, uint32_t bytes,
		struct descriptor_change *change);
int gdt_compare(const void *locked, const void *now, uint32_t bytes,
		struct descriptor_change *change);
int tss_compare(const void *locked, const void *now, struct descriptor_change *change);

#endif
