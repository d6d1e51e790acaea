/* SPDX-License-Identifier: MIT */
#include "secpod/descriptor_policy.h"

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

static bool gdt_word_ok(uint32_t slot, uint64_t locked, uint64_t now)
{
	if (slot >= LINUX_GDT_TLS_FIRST && slot <= LINUX_GDT_TLS_LAST)
		return tls_ok(now);
	if (slot == LINUX_GDT_LDT)
		return ldt_ok(now);
	/* The upper half of its base, if the lower half is one of an LDT. */
	if (slot == LINUX_GDT_LDT + 1)
		return now >> 32 == 0;
	return ((locked ^ now) & ~cpu_writes(locked)) == 0;
}

/*
 * SDM "64-Bit Task State Segment (TSS)". Fields that move: RSP1 and RSP2, scratch of Linux since
 * rings 1 and 2 are not used; the I/O map base, which ioperm() changes.
 */
#define TSS_RSP0 4u
#define TSS_IST1 36u
#define TSS_IST7 84u

static bool tss_word_moves(uint32_t offset)
{
	return offset != TSS_RSP0 && !(offset >= TSS_IST1 && offset <= TSS_IST7);
}

static bool word_ok(enum descriptor_register table, uint32_t offset, uint64_t locked, uint64_t now)
{
	if (locked == now)
		return true;
	switch (table) {
	case DESCRIPTOR_GDTR:
		return gdt_word_ok(offset / 8, locked, now);
	case DESCRIPTOR_TR:
		return tss_word_moves(offset);
	default:
		return false;
	}
}

bool descriptor_next_change(enum descriptor_register table, const void *locked, const void *now,
			    uint32_t bytes, uint32_t from, struct descriptor_change *change)
{
	/* The fields of a TSS lie four bytes off. */
	if (table == DESCRIPTOR_TR && from < TSS_RSP0)
		from = TSS_RSP0;
	for (uint32_t at = from; at + 8 <= bytes; at += 8) {
		*change = (struct descriptor_change){at, word_at(locked, at), word_at(now, at)};
		if (!word_ok(table, at, change->locked, change->now))
			return true;
	}
	return false;
}

bool descriptor_look_due(struct descriptor_clock *clock, uint64_t now)
{
	if (now - clock->tsc < DESCRIPTOR_LOOK_TICKS && ++clock->passed < DESCRIPTOR_LOOK_EXITS)
		return false;
	*clock = (struct descriptor_clock){now, 0};
	return true;
}
