/* SPDX-License-Identifier: MIT */
#include "vmx/msr_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/x86.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* What the guest may do to each register that has a rule, and to its neighbours that have none. */
static const struct {
	uint32_t msr;
	enum msr_action read, write;
} expected[] = {
	{0x00000000, MSR_PASS, MSR_PASS},
	{0x0000001a, MSR_PASS, MSR_PASS},
	{0x0000001b, MSR_PASS, MSR_APIC_BASE_WRITE},
	{0x0000001c, MSR_PASS, MSR_PASS},
	{0x00000039, MSR_PASS, MSR_PASS},
	{0x0000003a, MSR_LOCKED, MSR_LOCKED},
	{0x0000003b, MSR_PASS, MSR_PASS},
	{0x00000079, MSR_PASS, MSR_IGNORE},
	{0x0000008b, MSR_PASS, MSR_PASS},
	{0x0000009b, MSR_REFUSE, MSR_REFUSE},
	{0x000000fe, MSR_PASS, MSR_PASS},
	{0x000001ff, MSR_PASS, MSR_PASS},
	{0x00000200, MSR_PASS, MSR_MTRR},
	{0x0000023f, MSR_PASS, MSR_MTRR},
	{0x00000240, MSR_PASS, MSR_PASS},
	{0x0000024f, MSR_PASS, MSR_PASS},
	{0x00000250, MSR_PASS, MSR_MTRR},
	{0x00000251, MSR_PASS, MSR_PASS},
	{0x00000258, MSR_PASS, MSR_MTRR},
	{0x00000259, MSR_PASS, MSR_MTRR},
	{0x0000025a, MSR_PASS, MSR_PASS},
	{0x00000267, MSR_PASS, MSR_PASS},
	{0x00000268, MSR_PASS, MSR_MTRR},
	{0x0000026f, MSR_PASS, MSR_MTRR},
	{0x00000270, MSR_PASS, MSR_PASS},
	{0x00000277, MSR_PASS, MSR_PASS},
	{0x000002fe, MSR_PASS, MSR_PASS},
	{0x000002ff, MSR_PASS, MSR_MTRR},
	{0x00000300, MSR_PASS, MSR_PASS},
	{0x0000047f, MSR_PASS, MSR_PASS},
	{0x00000480, MSR_REFUSE, MSR_REFUSE},
	{0x00000493, MSR_REFUSE, MSR_REFUSE},
	{0x00000494, MSR_PASS, MSR_PASS},
	{0x0000055f, MSR_PASS, MSR_PASS},
	{0x00000560, MSR_REFUSE, MSR_REFUSE},
	{0x00000570, MSR_REFUSE, MSR_REFUSE},
	{0x0000058f, MSR_REFUSE, MSR_REFUSE},
	{0x00000590, MSR_PASS, MSR_PASS},
	{0x00000830, MSR_PASS, MSR_PASS},
	{0x000017cf, MSR_PASS, MSR_PASS},
	{0x000017d0, MSR_REFUSE, MSR_REFUSE},
	{0x000017d1, MSR_REFUSE, MSR_REFUSE},
	{0x000017d2, MSR_PASS, MSR_PASS},
	{0x00001fff, MSR_PASS, MSR_PASS},
	{0x00002000, MSR_PASS, MSR_PASS},
	{0x3fffffff, MSR_PASS, MSR_PASS},
	{0x40000000, MSR_REFUSE, MSR_REFUSE},
	{0x400000ff, MSR_REFUSE, MSR_REFUSE},
	{0x40000100, MSR_PASS, MSR_PASS},
	{0xbfffffff, MSR_PASS, MSR_PASS},
	{0xc0000080, MSR_PASS, MSR_PASS},
	{0xc0000082, MSR_PASS, MSR_PASS},
	{0xc0001fff, MSR_PASS, MSR_PASS},
	{0xc0002000, MSR_PASS, MSR_PASS},
	{0xffffffff, MSR_PASS, MSR_PASS},
};

static void every_rule_begins_and_ends_where_it_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		const struct msr_rule *rule = msr_rule_of(expected[i].msr);

		if (rule->read != expected[i].read || rule->write != expected[i].write)
			fail_msg("MSR %#x: read %d, write %d", expected[i].msr, (int)rule->read,
				 (int)rule->write);
	}
}

static void every_rule_holds_its_msr_and_a_reason(void **state)
{
	(void)state;
	for (uint64_t msr = 0; msr <= 0xffffffff; msr += msr < 0x4000 ? 1 : 0xfffd) {
		const struct msr_rule *rule = msr_rule_of((uint32_t)msr);

		assert_true(rule->first <= msr && msr <= rule->last);
		assert_non_null(rule->reason);
		assert_true(rule->reason[0]);
	}
}

static void reads_never_carry_actions_made_for_writes(void **state)
{
	(void)state;
	for (uint32_t msr = 0; msr < 0x2000; msr++) {
		enum msr_action read = msr_rule_of(msr)->read;

		assert_true(read == MSR_PASS || read == MSR_REFUSE || read == MSR_LOCKED);
	}
}

static void bitmap_reaches_two_ranges(void **state)
{
	static const struct {
		uint32_t msr;
		bool in;
	} rows[] = {
		{0, true},	     {0x1fff, true},	  {0x2000, false},
		{0xbfffffff, false}, {0xc0000000, true},  {0xc0001fff, true},
		{0xc0002000, false}, {0xffffffff, false}, {0x40000000, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(msr_in_bitmap(rows[i].msr), rows[i].in);
}

/* SDM "MSR-Bitmap Address": 1 KiB each for reads low, reads high, writes low, writes high. */
static bool bitmap_exits(const uint8_t *bitmap, uint32_t msr, bool write)
{
	uint32_t offset = (write ? 2048u : 0u) + (msr >= 0xc0000000 ? 1024u : 0u);
	uint32_t bit = msr & 0x1fff;

	return bitmap[offset + bit / 8] >> (bit % 8) & 1;
}

static void bitmap_says_what_the_rules_say(void **state)
{
	static const uint32_t bases[] = {0, 0xc0000000};
	uint8_t bitmap[MSR_BITMAP_SIZE + 2];

	(void)state;
	memset(bitmap, 0xa5, sizeof(bitmap));
	msr_bitmap_build(&bitmap[1]);
	assert_int_equal(bitmap[0], 0xa5);
	assert_int_equal(bitmap[MSR_BITMAP_SIZE + 1], 0xa5);
	for (size_t b = 0; b < COUNT_OF(bases); b++) {
		for (uint32_t msr = bases[b]; msr < bases[b] + 0x2000; msr++) {
			const struct msr_rule *rule = msr_rule_of(msr);

			assert_int_equal(bitmap_exits(&bitmap[1], msr, false),
					 rule->read != MSR_PASS);
			assert_int_equal(bitmap_exits(&bitmap[1], msr, true),
					 rule->write != MSR_PASS);
		}
	}
}

static void hot_registers_do_not_exit(void **state)
{
	/* What Linux touches at system calls, context switches and timer interrupts. */
	static const uint32_t hot[] = {MSR_SPEC_CTRL,  MSR_FS_BASE,
				       MSR_GS_BASE,    MSR_KERNEL_GS_BASE,
				       MSR_TSC_AUX,    MSR_EFER,
				       MSR_LSTAR,      0x6e0 /* TSC_DEADLINE */,
				       0x10 /* TSC */, 0x808 /* x2APIC TPR */,
				       0x80b /* x2APIC EOI */};
	uint8_t bitmap[MSR_BITMAP_SIZE];

	(void)state;
	msr_bitmap_build(bitmap);
	for (size_t i = 0; i < COUNT_OF(hot); i++) {
		assert_false(bitmap_exits(bitmap, hot[i], false));
		assert_false(bitmap_exits(bitmap, hot[i], true));
	}
}

static void feature_control_reads_locked_off(void **state)
{
	const uint64_t off = FEATURE_CONTROL_VMX | FEATURE_CONTROL_VMX_IN_SMX |
			     FEATURE_CONTROL_SENTER | FEATURE_CONTROL_SGX;
	const uint64_t machine_check = 1ULL << 20;

	(void)state;
	assert_int_equal(feature_control_view(0), FEATURE_CONTROL_LOCK);
	assert_int_equal(feature_control_view(FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX),
			 FEATURE_CONTROL_LOCK);
	assert_int_equal(feature_control_view(~0ULL) & off, 0);
	assert_true(feature_control_view(machine_check) & machine_check);
}

static void apic_page_cannot_be_moved(void **state)
{
	const uint64_t old = 0xfee00000 | APIC_BASE_ENABLE | APIC_BASE_BSP;

	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++) {
		bool ok = bit == 8 || bit == 10 || bit == 11;

		assert_int_equal(apic_base_write_ok(old, old ^ 1ULL << bit, 46), ok);
	}
	assert_true(apic_base_write_ok(old, old, 46));
	assert_false(apic_base_write_ok(old, 0, 46));
	assert_false(apic_base_write_ok(old, ~0ULL, 46));
	assert_false(apic_base_write_ok(old, old | 1ULL << 51, 52));
	assert_false(apic_base_write_ok(old, old | 1ULL << 52, 52));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_begins_and_ends_where_it_should),
		cmocka_unit_test(every_rule_holds_its_msr_and_a_reason),
		cmocka_unit_test(reads_never_carry_actions_made_for_writes),
		cmocka_unit_test(bitmap_reaches_two_ranges),
		cmocka_unit_test(bitmap_says_what_the_rules_say),
		cmocka_unit_test(hot_registers_do_not_exit),
		cmocka_unit_test(feature_control_reads_locked_off),
		cmocka_unit_test(apic_page_cannot_be_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
