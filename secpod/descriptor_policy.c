/* SPDX-License-Identifier: MIT */
#include "secpod/descriptor_policy.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static bool same_table(const struct table_register *a, const struct table_register *b)
{
	return a->base == b->base && a->limit == b->limit;
}

static bool same_segment(const struct segment_register *a, const struct segment_register *b)
{
	return a->selector == b->selector && a->base == b->base && a->limit == b->limit;
}

void descriptor_pins_lock(struct descriptor_pins *pins, const struct table_register *gdtr,
			  const struct table_register *idtr, uint16_t ldtr,
			  const struct segment_register *tr)
{
	*pins = (struct descriptor_pins){
		.gdtr = *gdtr,
		.idtr = *idtr,
		.tr = *tr,
		.ldtr = ldtr,
		.gdt_to_tss = tr->base - gdtr->base,
	};
	for (unsigned int i = 0; i < DESCRIPTOR_COUNT; i++)
		pins->settled[i] = true;
}

void descriptor_pins_init(struct descriptor_pins *pins)
{
	memset(pins->settled, 0, sizeof(pins->settled));
}

void descriptor_pins_fresh(struct descriptor_pins *pins, const struct descriptor_pins *other)
{
	*pins = *other;
	descriptor_pins_init(pins);
	pins->fresh = true;
}

static enum verdict refuse(struct descriptor_result *result, const char *reason, uint64_t pinned)
{
	result->reason = reason;
	result->pinned = pinned;
	return VERDICT_REFUSE;
}

enum verdict descriptor_load_table(struct descriptor_pins *pins, enum descriptor_register which,
				   const struct table_register *value,
				   struct descriptor_result *result)
{
	const struct table_register *locked = which == DESCRIPTOR_GDTR ? &pins->gdtr : &pins->idtr;

	if (which == DESCRIPTOR_IDTR && value->limit == 0)
		return VERDICT_ALLOW;
	/* The GDT of a fresh CPU is known once its TSS is. */
	if (which == DESCRIPTOR_GDTR && pins->fresh)
		return VERDICT_ALLOW;
	if (same_table(value, locked)) {
		pins->settled[which] = true;
		return VERDICT_ALLOW;
	}
	if (!pins->settled[which])
		return VERDICT_ALLOW;
	return refuse(result, which == DESCRIPTOR_GDTR ? "another GDT" : "another IDT",
		      locked->base);
}

enum verdict descriptor_load_tr(struct descriptor_pins *pins, const struct segment_register *value,
				struct descriptor_result *result)
{
	if (pins->fresh) {
		pins->fresh = false;
		pins->tr = *value;
		pins->gdtr.base = value->base - pins->gdt_to_tss;
	}
	if (same_segment(value, &pins->tr)) {
		pins->settled[DESCRIPTOR_TR] = true;
		return VERDICT_ALLOW;
	}
	if (!pins->settled[DESCRIPTOR_TR])
		return VERDICT_ALLOW;
	return refuse(result, "another TSS", pins->tr.base);
}

enum verdict descriptor_load_ldt(struct descriptor_pins *pins, uint16_t selector,
				 struct descriptor_result *result)
{
	const uint16_t requested_privilege = 3;
	const uint16_t index = (uint16_t)(selector & ~requested_privilege);

	if (index == 0 || index == LINUX_LDT_SELECTOR || selector == pins->ldtr)
		return VERDICT_ALLOW;
	return refuse(result, "an LDT from another slot of the GDT", pins->ldtr);
}

/* ---- contents. SDM: "Segment Descriptors", "System Descriptor Types" */

#define DESCRIPTOR_ACCESSED (1ULL << 40) /* code and data */
#define DESCRIPTOR_BUSY (1ULL << 41)	 /* TSS */
#define DESCRIPTOR_TYPE(d) ((d) >> 40 & 0xf)
#define DESCRIPTOR_S (1ULL << 44)
#define DESCRIPTOR_DPL(d) ((d) >> 45 & 3)
#define TYPE_LDT 2u
#define TYPE_TSS 9u
#define TYPE_TSS_BUSY 11u

static uint64_t word_at(const void *table, uint32_t offset)
{
	uint64_t word;

	memcpy(&word, (const uint8_t *)table + offset, sizeof(word));
	return word;
}

static int changed(struct descriptor_change *change, uint32_t offset, uint64_t locked, uint64_t now,
		   const char *reason)
{
	*change = (struct descriptor_change){offset, locked, now, reason};
	return -EPERM;
}

int idt_compare(const void *locked, const void *now, uint32_t bytes,
		struct descriptor_change *change)
{
	for (uint32_t at = 0; at + 8 <= bytes; at += 8) {
		uint64_t was = word_at(locked, at), is = word_at(now, at);

		if (was != is)
			return changed(change, at, was, is, "a gate of the IDT");
	}
	return 0;
}

/* Segments a user may have: set_thread_area() makes nothing else. */
static bool tls_ok(uint64_t descriptor)
{
	return descriptor == 0 || ((descriptor & DESCRIPTOR_S) && DESCRIPTOR_DPL(descriptor) == 3);
}

static bool ldt_ok(uint64_t descriptor)
{
	return descriptor == 0 ||
	       (!(descriptor & DESCRIPTOR_S) && DESCRIPTOR_TYPE(descriptor) == TYPE_LDT);
}

static bool is_tss(uint64_t descriptor)
{
	return !(descriptor & DESCRIPTOR_S) && (DESCRIPTOR_TYPE(descriptor) == TYPE_TSS ||
						DESCRIPTOR_TYPE(descriptor) == TYPE_TSS_BUSY);
}

/* The bits of a descriptor that the CPU sets of itself. */
static uint64_t cpu_writes(uint64_t locked)
{
	if (locked & DESCRIPTOR_S)
		return DESCRIPTOR_ACCESSED;
	return is_tss(locked) ? DESCRIPTOR_BUSY : 0;
}

int gdt_compare(const void *locked, const void *now, uint32_t bytes,
		struct descriptor_change *change)
{
	for (uint32_t slot = 0; slot * 8 + 8 <= bytes; slot++) {
		uint64_t was = word_at(locked, slot * 8), is = word_at(now, slot * 8);
		bool ok = ((was ^ is) & ~cpu_writes(was)) == 0;
		const char *reason = "a descriptor of the GDT";

		if (slot >= LINUX_GDT_TLS_FIRST && slot <= LINUX_GDT_TLS_LAST) {
			ok = tls_ok(is);
			reason = "no user segment in a TLS slot";
		} else if (slot == LINUX_GDT_LDT) {
			ok = ldt_ok(is);
			reason = "no LDT in the LDT slot";
		} else if (slot == LINUX_GDT_LDT + 1) {
			/* The upper half of its base, if the lower half is one of an LDT. */
			ok = is >> 32 == 0;
			reason = "no LDT in the LDT slot";
		}
		if (!ok)
			return changed(change, slot * 8, was, is, reason);
	}
	return 0;
}

/*
 * SDM "64-Bit Task State Segment (TSS)". Fields that move: RSP1 and RSP2, scratch of Linux since
 * rings 1 and 2 are not used; the I/O map base, which ioperm() changes.
 */
#define TSS_RSP0 4u
#define TSS_IST1 36u
#define TSS_IST_COUNT 7u

int tss_compare(const void *locked, const void *now, struct descriptor_change *change)
{
	uint64_t was = word_at(locked, TSS_RSP0), is = word_at(now, TSS_RSP0);

	if (was != is)
		return changed(change, TSS_RSP0, was, is, "the stack of the kernel's entry");
	for (uint32_t i = 0; i < TSS_IST_COUNT; i++) {
		const uint32_t at = TSS_IST1 + 8 * i;

		was = word_at(locked, at);
		is = word_at(now, at);
		if (was != is)
			return changed(change, at, was, is, "an interrupt stack");
	}
	return 0;
}
