/* SPDX-License-Identifier: MIT */
#include "vmx/launch_msrs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/x86.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- a CPU with these registers, each of them only with its feature */

struct cell {
	uint32_t msr;
	enum launch_feature needs;
	uint64_t value;
};

static struct cell cells[LAUNCH_MSRS];
static uint32_t features; /* a bit for each enum launch_feature */
static uint32_t written[LAUNCH_MSRS * 2];
static size_t writes;

static const struct cell everything_off[LAUNCH_MSRS] = {
	{MSR_MISC_ENABLE, LAUNCH_ALWAYS, 0}, {MSR_RTIT_CTL, LAUNCH_PT, 0},
	{MSR_DEBUGCTL, LAUNCH_ALWAYS, 0},    {MSR_PEBS_ENABLE, LAUNCH_PEBS, 0},
	{MSR_DS_AREA, LAUNCH_DS, 0},	     {MSR_HW_FEEDBACK_CONFIG, LAUNCH_HFI, 0},
	{MSR_RAR_CTRL, LAUNCH_RAR, 0},	     {MSR_XSS, LAUNCH_XSAVES, 0},
};

static uint64_t *cell_of(uint32_t msr)
{
	for (size_t i = 0; i < COUNT_OF(cells); i++) {
		if (cells[i].msr != msr)
			continue;
		/* #GP on the firmware's IDT otherwise. */
		assert_true(features >> cells[i].needs & 1);
		return &cells[i].value;
	}
	fail_msg("MSR %#x is none of those", msr);
	return NULL;
}

static bool has(enum launch_feature feature)
{
	/* SDM "IA32_MISC_ENABLE": leaves above 3 are not there while the limit is on. */
	if (feature != LAUNCH_DS)
		assert_false(*cell_of(MSR_MISC_ENABLE) & MISC_ENABLE_LIMIT_CPUID);
	return features >> feature & 1;
}

static uint64_t read_msr(uint32_t msr)
{
	return *cell_of(msr);
}

static void write_msr(uint32_t msr, uint64_t value)
{
	*cell_of(msr) = value;
	assert_true(writes < COUNT_OF(written));
	written[writes++] = msr;
}

static const struct launch_access access_to_cells = {has, read_msr, write_msr};

static int power_on(void **state)
{
	(void)state;
	memcpy(cells, everything_off, sizeof(cells));
	features = ~0u;
	writes = 0;
	return 0;
}

/* ---- the tests */

static void a_clean_machine_is_not_touched(void **state)
{
	struct launch_msrs msrs;

	(void)state;
	*cell_of(MSR_MISC_ENABLE) = ~MISC_ENABLE_LIMIT_CPUID;
	*cell_of(MSR_DEBUGCTL) = DEBUGCTL_LBR | DEBUGCTL_FREEZE_WHILE_SMM;
	*cell_of(MSR_XSS) = XSS_CET_U | XSS_CET_S;
	launch_msrs_clear(&msrs, &access_to_cells);
	launch_msrs_restore(&msrs, &access_to_cells);
	assert_int_equal(writes, 0);
}

static void what_is_left_on_goes_off_and_the_rest_stays(void **state)
{
	static const struct {
		uint32_t msr;
		uint64_t before, after;
	} rows[] = {
		{MSR_MISC_ENABLE, ~0ULL, ~MISC_ENABLE_LIMIT_CPUID},
		{MSR_RTIT_CTL, 0x2501, 0},
		{MSR_DEBUGCTL,
		 DEBUGCTL_LBR | DEBUGCTL_TR | DEBUGCTL_BTS | DEBUGCTL_BTINT |
			 DEBUGCTL_FREEZE_WHILE_SMM,
		 DEBUGCTL_LBR | DEBUGCTL_FREEZE_WHILE_SMM},
		{MSR_PEBS_ENABLE, 0xf, 0},
		{MSR_DS_AREA, 0x7e000000, 0},
		{MSR_HW_FEEDBACK_CONFIG, 1, 0},
		{MSR_RAR_CTRL, 3u << 30, 0},
		{MSR_XSS, XSS_PT | XSS_CET_U | XSS_UINTR | XSS_PASID, XSS_CET_U},
	};
	struct launch_msrs msrs;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		power_on(NULL);
		*cell_of(rows[i].msr) = rows[i].before;
		launch_msrs_clear(&msrs, &access_to_cells);
		assert_int_equal(*cell_of(rows[i].msr), rows[i].after);
		assert_int_equal(writes, 1);
		assert_int_equal(written[0], rows[i].msr);
		launch_msrs_restore(&msrs, &access_to_cells);
		assert_int_equal(*cell_of(rows[i].msr), rows[i].before);
		assert_int_equal(writes, 2);
	}
}

static void registers_that_are_not_there_are_not_read(void **state)
{
	struct launch_msrs msrs;

	(void)state;
	for (uint32_t set = 0; set < 1u << (LAUNCH_XSAVES + 1); set++) {
		power_on(NULL);
		for (size_t i = 0; i < COUNT_OF(cells); i++)
			cells[i].value = ~0ULL;
		features = set | 1u << LAUNCH_ALWAYS;
		/* cell_of() fails the test. */
		launch_msrs_clear(&msrs, &access_to_cells);
		launch_msrs_restore(&msrs, &access_to_cells);
		for (size_t i = 0; i < COUNT_OF(cells); i++)
			assert_int_equal(cells[i].value, ~0ULL);
	}
}

static void what_sends_records_goes_off_before_their_place(void **state)
{
	struct launch_msrs msrs;
	size_t enable = 0, area = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cells); i++)
		cells[i].value = ~0ULL;
	launch_msrs_clear(&msrs, &access_to_cells);
	assert_int_equal(writes, LAUNCH_MSRS);
	launch_msrs_restore(&msrs, &access_to_cells);
	assert_int_equal(writes, 2 * LAUNCH_MSRS);
	for (size_t i = 0; i < LAUNCH_MSRS; i++) {
		enable = written[i] == MSR_PEBS_ENABLE ? i : enable;
		area = written[i] == MSR_DS_AREA ? i : area;
		/* And comes back in the opposite order. */
		assert_int_equal(written[i], written[2 * LAUNCH_MSRS - 1 - i]);
	}
	assert_true(enable < area);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_clean_machine_is_not_touched, power_on),
		cmocka_unit_test_setup(what_is_left_on_goes_off_and_the_rest_stays, power_on),
		cmocka_unit_test_setup(registers_that_are_not_there_are_not_read, power_on),
		cmocka_unit_test_setup(what_sends_records_goes_off_before_their_place, power_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
