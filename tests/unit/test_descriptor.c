/* SPDX-License-Identifier: MIT */
#include "vmm/descriptor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TSS_ADDRESS 0x123456789abcdef0ULL

/* Fields as the SDM's figure "Segment Descriptor" names them. */
static uint64_t base_of(const uint64_t *d)
{
	return (d[0] >> 16 & 0xffffff) | (d[0] >> 56) << 24 | d[1] << 32;
}

static uint64_t limit_of(uint64_t d)
{
	return (d & 0xffff) | (d >> 48 & 0xf) << 16;
}

static void gdt_has_null_code_data_and_tss(void **state)
{
	uint64_t gdt[GDT_ENTRIES + 1];

	(void)state;
	memset(gdt, 0xff, sizeof(gdt));
	gdt_fill(gdt, TSS_ADDRESS);
	assert_int_equal(gdt[0], 0);
	assert_int_equal(gdt[1] >> 40 & 0xff, 0x9b); /* present, ring 0, code, readable, accessed */
	assert_int_equal(gdt[1] >> 53 & 3, 1);	     /* L without D */
	assert_int_equal(gdt[2] >> 40 & 0xff, 0x93); /* present, ring 0, data, writable, accessed */
	assert_int_equal(base_of(&gdt[3]), TSS_ADDRESS);
	assert_int_equal(limit_of(gdt[3]), 103);
	assert_int_equal(gdt[3] >> 40 & 0xff, 0x8b); /* present, busy 64-bit TSS */
	assert_int_equal(gdt[3] >> 52 & 0xf, 0);     /* limit in bytes */
	assert_int_equal(gdt[4] >> 32, 0);
	assert_int_equal(gdt[GDT_ENTRIES], UINT64_MAX);
}

static void selectors_name_their_entries(void **state)
{
	(void)state;
	assert_int_equal(HOST_CS_SELECTOR, 1 << 3);
	assert_int_equal(HOST_SS_SELECTOR, 2 << 3);
	assert_int_equal(HOST_TR_SELECTOR, 3 << 3);
}

static void tss_has_ist_stacks_and_no_io_bitmap(void **state)
{
	const uint64_t top[IST_COUNT] = {0x1000, 0x2000, 0x123456789000};
	struct tss64 tss;

	(void)state;
	memset(&tss, 0xff, sizeof(tss));
	tss_fill(&tss, top);
	/* SDM "64-Bit TSS Format": IST1 at byte 36, I/O map base at byte 102. */
	assert_int_equal(offsetof(struct tss64, ist), 36);
	assert_int_equal(offsetof(struct tss64, io_map_base), 102);
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(tss.ist[i], i < IST_COUNT ? top[i] : 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(tss.rsp[i], 0);
	assert_true(tss.io_map_base >= sizeof(tss));
}

static void gate_carries_the_whole_address(void **state)
{
	struct idt_gate gate = idt_gate_of(0xfedcba9876543210ULL, IST_DOUBLE_FAULT);
	uint8_t bytes[16];

	(void)state;
	memcpy(bytes, &gate, sizeof(bytes));
	/* SDM "64-Bit IDT Gate Descriptors". */
	static const uint8_t expected[16] = {
		0x10, 0x32, HOST_CS_SELECTOR, 0, 2, 0x8e, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe};
	assert_memory_equal(bytes, expected, sizeof(bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gdt_has_null_code_data_and_tss),
		cmocka_unit_test(selectors_name_their_entries),
		cmocka_unit_test(tss_has_ist_stacks_and_no_io_bitmap),
		cmocka_unit_test(gate_carries_the_whole_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
