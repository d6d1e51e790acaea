/* SPDX-License-Identifier: MIT */
#include "secpod/descriptor_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A CPU of Debian: the per-CPU entry area and the read-only IDT. */
static const struct table_register linux_gdt = {0xfffffe0000001000ULL, 0x7f};
static const struct table_register linux_idt = {0xfffffe0000000000ULL, 0xfff};
static const struct segment_register linux_tss = {0x40, 0xfffffe0000003000ULL, 0x4087};
/* What is loaded on the way there. */
static const struct table_register early_gdt = {0xffff88803ec0b000ULL, 0x7f};
static const struct table_register trampoline_gdt = {0x9a030, 0x1f};
static const struct table_register early_idt = {0xffffffff82d4e000ULL, 0xfff};
static const struct table_register no_idt = {0, 0};

static struct descriptor_pins pins;
static struct descriptor_result result;

static int lock(void **state)
{
	(void)state;
	memset(&result, 0, sizeof(result));
	descriptor_pins_lock(&pins, &linux_gdt, &linux_idt, 0, &linux_tss);
	return 0;
}

static bool gdt(struct table_register value)
{
	return descriptor_load_table(&pins, DESCRIPTOR_GDTR, &value, &result) == VERDICT_ALLOW;
}

static bool idt(struct table_register value)
{
	return descriptor_load_table(&pins, DESCRIPTOR_IDTR, &value, &result) == VERDICT_ALLOW;
}

static bool tr(struct segment_register value)
{
	return descriptor_load_tr(&pins, &value, &result) == VERDICT_ALLOW;
}

static bool ldt(uint16_t selector)
{
	return descriptor_load_ldt(&pins, selector, &result) == VERDICT_ALLOW;
}

static void tables_are_pinned(void **state)
{
	struct table_register other = linux_gdt;
	struct segment_register tss = linux_tss;

	(void)state;
	assert_true(descriptor_settled(&pins));
	assert_true(gdt(linux_gdt));
	assert_false(gdt(early_gdt));
	assert_int_equal(result.pinned, linux_gdt.base);
	assert_string_equal(result.reason, "another GDT");
	other.limit++;
	assert_false(gdt(other));
	other.limit = 0;
	assert_false(gdt(other));

	assert_true(idt(linux_idt));
	assert_false(idt(early_idt));
	assert_int_equal(result.pinned, linux_idt.base);
	assert_string_equal(result.reason, "another IDT");
	other = linux_idt;
	other.limit = 0x1ff;
	assert_false(idt(other));

	assert_true(tr(linux_tss));
	tss.base += 0x1000;
	assert_false(tr(tss));
	assert_int_equal(result.pinned, linux_tss.base);
	tss = linux_tss;
	tss.limit = 0x67;
	assert_false(tr(tss));
	tss = linux_tss;
	tss.selector = 0x50;
	assert_false(tr(tss));
	assert_true(descriptor_settled(&pins));
}

/* The last resort of a reboot: no IDT at all. It opens no way to another one. */
static void an_empty_idt_is_allowed(void **state)
{
	(void)state;
	assert_true(idt(no_idt));
	assert_false(idt(early_idt));
	assert_true(idt(linux_idt));
}

static void ldts_come_from_their_slot(void **state)
{
	(void)state;
	assert_true(ldt(0));
	assert_true(ldt(3));
	assert_true(ldt(LINUX_LDT_SELECTOR));
	assert_true(ldt(LINUX_LDT_SELECTOR | 3));
	assert_false(ldt(0x60));
	assert_false(ldt(LINUX_LDT_SELECTOR | 4));
	assert_false(ldt(4));
	descriptor_pins_lock(&pins, &linux_gdt, &linux_idt, 0x60, &linux_tss);
	assert_true(ldt(0x60));
	assert_false(ldt(0x68));
	assert_int_equal(result.pinned, 0x60);
}

/* The loads of a CPU that Linux stops and starts again. */
static void a_cpu_comes_up_again(void **state)
{
	(void)state;
	descriptor_pins_init(&pins);
	assert_false(descriptor_settled(&pins));
	assert_true(idt(no_idt));
	assert_true(gdt(trampoline_gdt));
	assert_true(gdt(early_gdt));
	assert_true(idt(early_idt));
	assert_true(tr(linux_tss));
	assert_true(idt(linux_idt));
	assert_true(gdt(early_gdt));
	assert_true(gdt(linux_gdt));
	assert_true(descriptor_settled(&pins));
	assert_false(gdt(early_gdt));
	assert_false(idt(early_idt));
}

/* One register that is back does not wait for the others. */
static void each_register_settles_by_itself(void **state)
{
	struct segment_register tss = linux_tss;

	(void)state;
	descriptor_pins_init(&pins);
	assert_true(idt(linux_idt));
	assert_false(idt(early_idt));
	assert_true(gdt(early_gdt));
	tss.base += 0x1000;
	assert_true(tr(tss));
	assert_true(tr(linux_tss));
	assert_false(tr(tss));
	assert_false(descriptor_settled(&pins));
}

static void a_cpu_comes_up_for_the_first_time(void **state)
{
	const struct descriptor_pins first = pins;
	const struct segment_register tss = {0x40, linux_tss.base + 0x3b000, linux_tss.limit};
	const struct table_register own_gdt = {linux_gdt.base + 0x3b000, linux_gdt.limit};
	struct segment_register other_tss = tss;

	(void)state;
	descriptor_pins_fresh(&pins, &first);
	assert_true(gdt(trampoline_gdt));
	assert_true(gdt(early_gdt));
	/* The GDT of another CPU is not its own. */
	assert_true(gdt(linux_gdt));
	assert_true(tr(tss));
	assert_true(gdt(early_gdt));
	assert_true(gdt(own_gdt));
	assert_true(idt(early_idt));
	assert_true(idt(linux_idt));
	assert_true(descriptor_settled(&pins));
	assert_false(gdt(early_gdt));
	assert_false(gdt(linux_gdt));
	other_tss.base += 0x1000;
	assert_false(tr(other_tss));

	/* From then on it is a CPU like others. */
	descriptor_pins_init(&pins);
	assert_true(gdt(early_gdt));
	assert_true(tr(other_tss));
	assert_true(tr(tss));
	assert_false(tr(other_tss));
	assert_true(gdt(own_gdt));
	assert_false(gdt(early_gdt));
}

/* ---- contents */

static struct descriptor_change change;

static void idt_gates_stay(void **state)
{
	static uint8_t locked[IDT_BYTES], now[IDT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(locked); i++)
		locked[i] = (uint8_t)(i * 7);
	memcpy(now, locked, sizeof(now));
	assert_false(descriptor_next_change(DESCRIPTOR_IDTR, locked, now, IDT_BYTES, 0, &change));
	for (uint32_t i = 0; i < IDT_BYTES; i++) {
		now[i] ^= 1;
		assert_true(descriptor_next_change(DESCRIPTOR_IDTR, locked, now, IDT_BYTES, 0,
						   &change));
		assert_int_equal(change.offset, i & ~7u);
		assert_int_equal(change.locked ^ change.now, 1ULL << i % 8 * 8);
		now[i] ^= 1;
	}
	/* Only what the limit covers. */
	now[512] ^= 1;
	assert_false(descriptor_next_change(DESCRIPTOR_IDTR, locked, now, 512, 0, &change));
}

/* One after the other, each once. */
static void every_change_is_found(void **state)
{
	static const uint8_t locked[IDT_BYTES];
	static uint8_t now[IDT_BYTES];
	const uint32_t places[] = {0, 8, 2048, IDT_BYTES - 8};
	uint32_t from = 0;

	(void)state;
	memset(now, 0, sizeof(now));
	for (size_t i = 0; i < COUNT_OF(places); i++)
		now[places[i] + 3] = 0xff;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		assert_true(descriptor_next_change(DESCRIPTOR_IDTR, locked, now, IDT_BYTES, from,
						   &change));
		assert_int_equal(change.offset, places[i]);
		from = change.offset + 8;
	}
	assert_false(
		descriptor_next_change(DESCRIPTOR_IDTR, locked, now, IDT_BYTES, from, &change));
}

/* Linux's GDT as it is read back on a running CPU. */
static const uint64_t linux_gdt_words[16] = {
	0,
	0x00cf9b000000ffffULL,
	0x00af9b000000ffffULL,
	0x00cf93000000ffffULL,
	0x00cffb000000ffffULL,
	0x00cff3000000ffffULL,
	0x00affb000000ffffULL,
	0,
	0x00008b0030004087ULL,
	0x00000000fffffe00ULL,
	0,
	0,
	0,
	0,
	0,
	0x0040f50000000000ULL,
};

#define GDT_BYTES ((uint32_t)sizeof(linux_gdt_words))

static bool gdt_changed(const uint64_t *now, uint32_t bytes)
{
	return descriptor_next_change(DESCRIPTOR_GDTR, linux_gdt_words, now, bytes, 0, &change);
}

static void gdt_descriptors_stay(void **state)
{
	static const struct {
		const char *what;
		unsigned int slot;
		uint64_t value;
		bool changed;
	} rows[] = {
		{"kernel code, accessed bit clear", 2, 0x00af9a000000ffffULL, false},
		{"kernel code, other type", 2, 0x00af93000000ffffULL, true},
		{"user code at DPL 0", 6, 0x00af9b000000ffffULL, true},
		{"a call gate in an empty slot", 7, 0x0000ec0000100000ULL, true},
		{"TSS not busy", 8, 0x0000890030004087ULL, false},
		{"TSS elsewhere", 8, 0x00008b0040004087ULL, true},
		{"TSS with another limit", 8, 0x00008b0030000067ULL, true},
		{"TSS elsewhere, upper half", 9, 0x00000000ffff8880ULL, true},
		{"TSS with a busy bit in its upper half", 9, 0x00000200fffffe00ULL, true},
		{"an LDT", 10, 0x0000820030000fffULL, false},
		{"an LDT's upper half", 11, 0x00000000ffff8880ULL, false},
		{"a call gate in the LDT slot", 10, 0x0000ec0000100000ULL, true},
		{"a code segment in the LDT slot", 10, 0x00affb000000ffffULL, true},
		{"a descriptor in the LDT's upper half", 11, 0x00affb000000ffffULL, true},
		{"a TLS segment", 12, 0x00cff3010000ffffULL, false},
		{"a TLS segment in the last slot", 14, 0x00cff3010000ffffULL, false},
		{"a TLS segment of DPL 0", 12, 0x00cf93010000ffffULL, true},
		{"a call gate in a TLS slot", 13, 0x0000ec0000100000ULL, true},
		{"the CPU number", 15, 0x0040f50000000001ULL, true},
		{"a null descriptor that is not", 0, 1, true},
	};
	uint64_t now[16];

	(void)state;
	memcpy(now, linux_gdt_words, sizeof(now));
	assert_false(gdt_changed(now, GDT_BYTES));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		now[rows[i].slot] = rows[i].value;
		if (gdt_changed(now, GDT_BYTES) != rows[i].changed)
			fail_msg("%s", rows[i].what);
		if (rows[i].changed) {
			assert_int_equal(change.offset, rows[i].slot * 8);
			assert_int_equal(change.locked, linux_gdt_words[rows[i].slot]);
			assert_int_equal(change.now, rows[i].value);
		}
		now[rows[i].slot] = linux_gdt_words[rows[i].slot];
	}
	/* A limit in the middle of a descriptor: the CPU cannot use that one. */
	now[15] = 0;
	assert_false(gdt_changed(now, GDT_BYTES - 1));
}

/* What was there at LOCK may stay, or the answer "deny" would write it back for ever. */
static void a_gdt_is_no_change_of_itself(void **state)
{
	uint64_t strange[16];

	(void)state;
	memset(strange, 0xec, sizeof(strange));
	assert_false(descriptor_next_change(DESCRIPTOR_GDTR, strange, strange, sizeof(strange), 0,
					    &change));
}

static void stacks_of_the_tss_stay(void **state)
{
	uint8_t locked[TSS64_BYTES], now[TSS64_BYTES];

	(void)state;
	memset(locked, 0x11, sizeof(locked));
	memcpy(now, locked, sizeof(now));
	for (uint32_t i = 0; i < TSS64_BYTES; i++) {
		/* SDM "64-Bit Task State Segment (TSS)": RSP0 at 4, IST1 to IST7 from 36. */
		const bool guarded = (i >= 4 && i < 12) || (i >= 36 && i < 92);

		now[i] ^= 0x80;
		assert_true(descriptor_next_change(DESCRIPTOR_TR, locked, now, TSS64_BYTES, 0,
						   &change) == guarded);
		if (guarded)
			assert_true(i >= change.offset && i < change.offset + 8);
		now[i] ^= 0x80;
	}
}

static void looks_are_not_too_frequent(void **state)
{
	const uint64_t begin = 1ULL << 40;
	struct descriptor_clock clock = {0, 0};

	(void)state;
	assert_true(descriptor_look_due(&clock, begin));
	assert_false(descriptor_look_due(&clock, begin));
	assert_false(descriptor_look_due(&clock, begin + DESCRIPTOR_LOOK_TICKS - 1));
	assert_true(descriptor_look_due(&clock, begin + DESCRIPTOR_LOOK_TICKS));
	assert_false(descriptor_look_due(&clock, begin + DESCRIPTOR_LOOK_TICKS + 1));
}

/* Whatever a guest that sets its time stamp makes of the time. */
static void the_guest_cannot_stop_the_looks(void **state)
{
	struct descriptor_clock clock = {1ULL << 40, 0};

	(void)state;
	assert_true(descriptor_look_due(&clock, 0));
	for (uint32_t i = 1; i < DESCRIPTOR_LOOK_EXITS; i++)
		assert_false(descriptor_look_due(&clock, 0));
	assert_true(descriptor_look_due(&clock, 0));
	assert_false(descriptor_look_due(&clock, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(tables_are_pinned, lock),
		cmocka_unit_test_setup(an_empty_idt_is_allowed, lock),
		cmocka_unit_test_setup(ldts_come_from_their_slot, lock),
		cmocka_unit_test_setup(a_cpu_comes_up_again, lock),
		cmocka_unit_test_setup(each_register_settles_by_itself, lock),
		cmocka_unit_test_setup(a_cpu_comes_up_for_the_first_time, lock),
		cmocka_unit_test(idt_gates_stay),
		cmocka_unit_test(every_change_is_found),
		cmocka_unit_test(gdt_descriptors_stay),
		cmocka_unit_test(a_gdt_is_no_change_of_itself),
		cmocka_unit_test(stacks_of_the_tss_stay),
		cmocka_unit_test(looks_are_not_too_frequent),
		cmocka_unit_test(the_guest_cannot_stop_the_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
