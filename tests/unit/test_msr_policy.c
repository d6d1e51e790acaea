/* SPDX-License-Identifier: MIT */
#include "vmx/msr_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "secpod/register_policy.h"
#include "vmm/x86.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* What the guest may do to each register that has a rule, and to its neighbours that have none. */
static const struct {
	uint32_t msr;
	enum msr_read read;
	enum msr_write write;
} expected[] = {
	{0x00000000, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x0000001a, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x0000001b, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x0000001c, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x00000039, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x0000003a, MSR_READ_FEATURE_CONTROL, MSR_WRITE_PASS},
	{0x0000003b, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x00000079, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x0000008b, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x0000009b, MSR_READ_REFUSE, MSR_WRITE_PASS},
	{0x000000ce, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x000000cf, MSR_READ_CORE_CAPABILITIES, MSR_WRITE_PASS},
	{0x000000d0, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x000000ec, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x000000ed, MSR_READ_REFUSE, MSR_WRITE_PASS},
	{0x000000f0, MSR_READ_REFUSE, MSR_WRITE_PASS},
	{0x000000f1, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x000000fe, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x000001ff, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x00000200, MSR_READ_PASS, MSR_WRITE_MTRR},
	{0x0000023f, MSR_READ_PASS, MSR_WRITE_MTRR},
	{0x00000240, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x0000024f, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x00000250, MSR_READ_PASS, MSR_WRITE_MTRR},
	{0x00000251, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x00000258, MSR_READ_PASS, MSR_WRITE_MTRR},
	{0x00000259, MSR_READ_PASS, MSR_WRITE_MTRR},
	{0x0000025a, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x00000267, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x00000268, MSR_READ_PASS, MSR_WRITE_MTRR},
	{0x0000026f, MSR_READ_PASS, MSR_WRITE_MTRR},
	{0x00000270, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x00000277, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x000002fe, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x000002ff, MSR_READ_PASS, MSR_WRITE_MTRR},
	{0x00000300, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x0000047f, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x00000480, MSR_READ_REFUSE, MSR_WRITE_PASS},
	{0x00000493, MSR_READ_REFUSE, MSR_WRITE_PASS},
	{0x00000494, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x0000055f, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x00000560, MSR_READ_REFUSE, MSR_WRITE_PASS},
	{0x00000570, MSR_READ_REFUSE, MSR_WRITE_PASS},
	{0x0000058f, MSR_READ_REFUSE, MSR_WRITE_PASS},
	{0x00000590, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x00000830, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x000017cf, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x000017d0, MSR_READ_REFUSE, MSR_WRITE_PASS},
	{0x000017d1, MSR_READ_REFUSE, MSR_WRITE_PASS},
	{0x000017d2, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x00001fff, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x00002000, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x3fffffff, MSR_READ_PASS, MSR_WRITE_PASS},
	{0x40000000, MSR_READ_REFUSE, MSR_WRITE_PASS},
	{0x400000ff, MSR_READ_REFUSE, MSR_WRITE_PASS},
	{0x40000100, MSR_READ_PASS, MSR_WRITE_PASS},
	{0xbfffffff, MSR_READ_PASS, MSR_WRITE_PASS},
	{0xc0000080, MSR_READ_PASS, MSR_WRITE_PASS},
	{0xc0000082, MSR_READ_PASS, MSR_WRITE_PASS},
	{0xc0001fff, MSR_READ_PASS, MSR_WRITE_PASS},
	{0xc0002000, MSR_READ_PASS, MSR_WRITE_PASS},
	{0xffffffff, MSR_READ_PASS, MSR_WRITE_PASS},
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
					 rule->read != MSR_READ_PASS);
			assert_int_equal(bitmap_exits(&bitmap[1], msr, true),
					 rule->write != MSR_WRITE_PASS);
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

static void core_capabilities_have_no_remote_action_requests(void **state)
{
	(void)state;
	assert_int_equal(core_capabilities_view(0), 0);
	assert_int_equal(core_capabilities_view(~0ULL), ~2ULL);
	/* Linux looks for split-lock detection there. */
	assert_int_equal(core_capabilities_view(0x22), 0x20);
}

/* What is refused to be read cannot be written either, and neither gets past an exit. */
static void what_does_not_exist_is_judged_by_the_register_policy(void **state)
{
	uint8_t bitmap[MSR_BITMAP_SIZE];

	(void)state;
	msr_bitmap_build(bitmap);
	msr_bitmap_trap(bitmap, SECPOD_PHASE_GUEST);
	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		uint32_t msr = expected[i].msr;
		enum register_id id = register_of_msr(msr);
		const struct register_context context = {SECPOD_PHASE_GUEST, NULL, 0};
		struct register_result result;

		/* The last one is read-only on the CPU itself. */
		if (expected[i].read == MSR_READ_PASS ||
		    expected[i].read == MSR_READ_CORE_CAPABILITIES)
			continue;
		assert_int_not_equal(id, REGISTER_COUNT);
		assert_int_equal(register_write(&context, id, 0, &result), VERDICT_REFUSE);
		assert_true(result.mandatory);
		assert_true(!msr_in_bitmap(msr) || bitmap_exits(bitmap, msr, true));
	}
}

/* Judged by the register policy alone, which has to be asked. */
static void guarded_writes_exit_from_the_start(void **state)
{
	static const uint32_t guarded[] = {
		MSR_APIC_BASE,	 MSR_FEATURE_CONTROL, MSR_BIOS_UPDT_TRIG, MSR_SMM_MONITOR_CTL,
		MSR_MISC_ENABLE, MSR_DEBUGCTL,	      MSR_DS_AREA,	  MSR_XSS};
	uint8_t bitmap[MSR_BITMAP_SIZE];

	(void)state;
	msr_bitmap_build(bitmap);
	msr_bitmap_trap(bitmap, SECPOD_PHASE_GUEST);
	for (size_t i = 0; i < COUNT_OF(guarded); i++)
		assert_true(bitmap_exits(bitmap, guarded[i], true));
}

/* Both halves of the bitmap, and nothing but writes; what Linux writes all the time stays free. */
static void pinned_writes_exit_from_locked_on(void **state)
{
	static const uint32_t pinned[] = {0xc0000080, 0xc0000081, 0xc0000082,
					  0xc0000083, 0xc0000084, 0x174,
					  0x175,      0x176,	  0x277};
	static const uint32_t hot[] = {0x48,	   0x10,       0x6e0,	   0x808,
				       0x80b,	   0x830,      0x38f,	   0x186,
				       0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103};
	uint8_t bitmap[MSR_BITMAP_SIZE];

	(void)state;
	msr_bitmap_build(bitmap);
	msr_bitmap_trap(bitmap, SECPOD_PHASE_GUEST);
	for (size_t i = 0; i < COUNT_OF(pinned); i++) {
		/* IA32_EFER has a bit that is hidden from launch on. */
		assert_int_equal(bitmap_exits(bitmap, pinned[i], true), i == 0);
		assert_false(bitmap_exits(bitmap, pinned[i], false));
	}
	msr_bitmap_trap(bitmap, SECPOD_PHASE_LOCKED);
	for (size_t i = 0; i < COUNT_OF(pinned); i++) {
		assert_true(bitmap_exits(bitmap, pinned[i], true));
		assert_false(bitmap_exits(bitmap, pinned[i], false));
	}
	for (size_t i = 0; i < COUNT_OF(hot); i++)
		assert_false(bitmap_exits(bitmap, hot[i], true));
}

/* SDM "RDMSR" and "WRMSRNS" in the table of exit qualifications and instruction information. */
static void forms_with_an_immediate_name_their_msr_and_register(void **state)
{
	(void)state;
	assert_int_equal(msr_imm_number(MSR_LSTAR), MSR_LSTAR);
	assert_int_equal(msr_imm_number(0xffffffff), 0xffffffff);
	assert_int_equal(msr_imm_number(0xffffffff00000174), 0x174);
	for (unsigned int reg = 0; reg < 16; reg++) {
		assert_int_equal(msr_imm_register(reg << 3), reg);
		/* All other bits are undefined. */
		assert_int_equal(msr_imm_register(reg << 3 | ~0x78u), reg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_begins_and_ends_where_it_should),
		cmocka_unit_test(every_rule_holds_its_msr_and_a_reason),
		cmocka_unit_test(bitmap_reaches_two_ranges),
		cmocka_unit_test(bitmap_says_what_the_rules_say),
		cmocka_unit_test(hot_registers_do_not_exit),
		cmocka_unit_test(feature_control_reads_locked_off),
		cmocka_unit_test(core_capabilities_have_no_remote_action_requests),
		cmocka_unit_test(what_does_not_exist_is_judged_by_the_register_policy),
		cmocka_unit_test(guarded_writes_exit_from_the_start),
		cmocka_unit_test(pinned_writes_exit_from_locked_on),
		cmocka_unit_test(forms_with_an_immediate_name_their_msr_and_register),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
