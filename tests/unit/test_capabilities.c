/* SPDX-License-Identifier: MIT */
#include "vmx/capabilities.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vmx_machines.h"
#include "vmm/x86.h"
#include "vmx/vmcs.h"

#define REASON_SIZE 160u
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void test_machine_is_accepted(void **state)
{
	struct vmx_capabilities caps = bochs_skylake_x();
	char reason[REASON_SIZE] = "";

	(void)state;
	assert_int_equal(vmx_capabilities_check(&caps, false, reason, sizeof(reason)), 0);
	assert_int_equal(vmx_capabilities_check(&caps, true, reason, sizeof(reason)), 0);
	assert_string_equal(reason, "");
}

static void plain_control_registers_are_refused_for_cr3_exits(void **state)
{
	struct vmx_capabilities caps = bochs_skylake_x();
	char reason[REASON_SIZE];

	(void)state;
	caps.proc = 0xfff9fffe0401e172;
	assert_int_equal(vmx_capabilities_check(&caps, true, reason, sizeof(reason)), -ENODEV);
	assert_non_null(strstr(reason, "CR3 loads"));
}

/* Demands on other things than control words. */
static void every_demand_is_named_when_it_is_not_met(void **state)
{
	const struct vmx_capabilities good = bochs_skylake_x();
#define OF(member) offsetof(struct vmx_capabilities, member)
	static const struct {
		size_t offset;
		uint64_t clear;
		uint64_t set;
		const char *named;
	} rows[] = {
		{OF(feature_control), ~0ULL, FEATURE_CONTROL_LOCK, "locked"},
		{OF(feature_control), ~0ULL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_IN_SMX,
		 "locked"},
		{OF(basic), 0, VMX_BASIC_32BIT_ADDRESSES, "32-bit"},
		{OF(basic), VMX_BASIC_TYPE_MASK << VMX_BASIC_TYPE_SHIFT, 0, "write-back"},
		{OF(basic), VMX_BASIC_TRUE_CONTROLS, 0, "true VMX control"},
		{OF(misc), VMX_MISC_LMA_TO_ENTRY_CONTROL, 0, "EFER.LMA"},
		{OF(misc), VMX_MISC_ACTIVITY_WAIT_SIPI, 0, "wait-for-SIPI"},
		{OF(ept_vpid), EPT_CAP_WALK_4, 0, "4-level"},
		{OF(ept_vpid), EPT_CAP_WB | EPT_CAP_UC, 0, "4-level"},
		{OF(ept_vpid), EPT_CAP_2M, 0, "2 MiB"},
		{OF(ept_vpid), EPT_CAP_INVEPT, 0, "INVEPT"},
		{OF(ept_vpid), EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_ALL, 0, "INVEPT"},
		{OF(ept_vpid), EPT_CAP_INVVPID, 0, "INVVPID"},
		{OF(ept_vpid), EPT_CAP_INVVPID_SINGLE, 0, "INVVPID"},
		{OF(cr4_fixed1), CR4_PAE, 0, "CR4_FIXED1"},
		{OF(cr4_fixed1), CR4_VMXE, 0, "CR4_FIXED1"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct vmx_capabilities caps = good;
		char reason[REASON_SIZE] = "";
		uint64_t value;

		memcpy(&value, (char *)&caps + rows[i].offset, sizeof(value));
		value = (value & ~rows[i].clear) | rows[i].set;
		memcpy((char *)&caps + rows[i].offset, &value, sizeof(value));
		assert_int_equal(vmx_capabilities_check(&caps, true, reason, sizeof(reason)),
				 -ENODEV);
		if (!strstr(reason, rows[i].named))
			fail_msg("row %zu: \"%s\" does not name %s", i, reason, rows[i].named);
	}
}

static void expect_refusal(const struct vmx_capabilities *caps, const char *named)
{
	char reason[REASON_SIZE] = "";

	assert_int_equal(vmx_capabilities_check(caps, true, reason, sizeof(reason)), -ENODEV);
	if (!strstr(reason, named))
		fail_msg("\"%s\" does not name %s", reason, named);
}

static void cpuid_demands_are_named(void **state)
{
	struct vmx_capabilities caps = bochs_skylake_x();
	char reason[REASON_SIZE] = "";

	(void)state;
	caps.intel_vmx = false;
	expect_refusal(&caps, "no VT-x");
	caps.hypervisor = true;
	expect_refusal(&caps, "nested");
	caps = bochs_skylake_x();
	caps.nx = false;
	expect_refusal(&caps, "NX");
	caps.hypervisor = true;
	assert_int_equal(vmx_capabilities_check(&caps, true, reason, sizeof(reason)), -ENODEV);
	assert_null(strstr(reason, "nested"));
	caps = bochs_skylake_x();
	caps.mtrr = false;
	expect_refusal(&caps, "MTRR");
}

static void being_a_guest_with_vtx_is_accepted(void **state)
{
	struct vmx_capabilities caps = bochs_skylake_x();
	char reason[REASON_SIZE];

	(void)state;
	caps.hypervisor = true;
	assert_int_equal(vmx_capabilities_check(&caps, true, reason, sizeof(reason)), 0);
}

static void feature_control_accepts_unlocked_and_locked_with_vmx(void **state)
{
	static const uint64_t good[] = {0, FEATURE_CONTROL_VMX,
					FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX};
	struct vmx_capabilities caps = bochs_skylake_x();
	char reason[REASON_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		caps.feature_control = good[i];
		assert_int_equal(vmx_capabilities_check(&caps, true, reason, sizeof(reason)), 0);
	}
}

static void physical_width_must_be_plausible(void **state)
{
	struct vmx_capabilities caps = bochs_skylake_x();
	char reason[REASON_SIZE];

	(void)state;
	for (uint32_t bits = 0; bits <= 255; bits++) {
		int expected = bits >= 32 && bits <= 52 ? 0 : -ENODEV;

		caps.physical_bits = bits;
		assert_int_equal(vmx_capabilities_check(&caps, true, reason, sizeof(reason)),
				 expected);
		if (expected)
			assert_non_null(strstr(reason, "physical-address width"));
	}
}

static void wait_for_sipi_is_demanded_of_several_cpus_only(void **state)
{
	struct vmx_capabilities caps = bochs_skylake_x();
	char reason[REASON_SIZE];

	(void)state;
	caps.misc &= ~VMX_MISC_ACTIVITY_WAIT_SIPI;
	assert_int_equal(vmx_capabilities_check(&caps, false, reason, sizeof(reason)), 0);
	assert_int_equal(vmx_capabilities_check(&caps, true, reason, sizeof(reason)), -ENODEV);
}

enum word { PIN, PROC, PROC2, EXIT, ENTRY };

static uint64_t *capability_of(struct vmx_capabilities *caps, enum word word)
{
	uint64_t *const words[] = {&caps->pin, &caps->proc, &caps->proc2, &caps->exit,
				   &caps->entry};

	return words[word];
}

static uint32_t control_of(const struct vmx_controls *controls, enum word word)
{
	const uint32_t words[] = {controls->pin, controls->proc, controls->proc2, controls->exit,
				  controls->entry};

	return words[word];
}

static void every_demanded_control_is_set_and_named_when_missing(void **state)
{
	static const struct {
		enum word word;
		uint32_t bit;
		const char *named;
	} rows[] = {
		{PIN, PIN_NMI_EXITING, "NMI exiting"},
		{PIN, PIN_VIRTUAL_NMIS, "virtual NMIs"},
		{PROC, PROC_MSR_BITMAPS, "MSR bitmaps"},
		{PROC, PROC_SECONDARY_CONTROLS, "secondary"},
		{PROC2, PROC2_EPT, "EPT"},
		{PROC2, PROC2_VPID, "VPID"},
		{PROC2, PROC2_UNRESTRICTED_GUEST, "unrestricted"},
		{EXIT, EXIT_HOST_ADDRESS_SPACE_SIZE, "64-bit"},
		{EXIT, EXIT_SAVE_DEBUG_CONTROLS, "saving of debug controls"},
		{EXIT, EXIT_SAVE_PAT, "saving of IA32_PAT"},
		{EXIT, EXIT_LOAD_PAT, "loading of IA32_PAT at exit"},
		{EXIT, EXIT_SAVE_EFER, "saving of IA32_EFER"},
		{EXIT, EXIT_LOAD_EFER, "loading of IA32_EFER at exit"},
		{ENTRY, ENTRY_LOAD_DEBUG_CONTROLS, "loading of debug controls"},
		{ENTRY, ENTRY_IA32E_GUEST, "IA-32e"},
		{ENTRY, ENTRY_LOAD_PAT, "loading of IA32_PAT"},
		{ENTRY, ENTRY_LOAD_EFER, "loading of IA32_EFER"},
	};
	const struct vmx_capabilities good = bochs_skylake_x();
	struct vmx_controls controls;
	const char *missing = "";

	(void)state;
	assert_int_equal(vmx_controls_build(&good, &controls, &missing), 0);
	assert_null(missing);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct vmx_capabilities caps = good;
		struct vmx_controls unused;

		assert_true(control_of(&controls, rows[i].word) & rows[i].bit);
		*capability_of(&caps, rows[i].word) &= ~((uint64_t)rows[i].bit << 32 | rows[i].bit);
		assert_int_equal(vmx_controls_build(&caps, &unused, &missing), -ENODEV);
		assert_non_null(strstr(missing, rows[i].named));
		expect_refusal(&caps, rows[i].named);
	}
}

static void every_refused_control_is_clear_and_named_when_insisted_on(void **state)
{
	static const struct {
		enum word word;
		uint32_t bit;
		const char *named;
	} rows[] = {
		{PIN, PIN_EXTERNAL_INTERRUPT_EXITING, "external interrupts"},
		{PROC, PROC_HLT_EXITING, "HLT"},
		{PROC, PROC_MWAIT_EXITING, "MWAIT"},
		{PROC, PROC_RDTSC_EXITING, "RDTSC"},
		{PROC, PROC_INVLPG_EXITING, "INVLPG"},
		{PROC, PROC_CR3_LOAD_EXITING, "CR3 loads"},
		{PROC, PROC_CR3_STORE_EXITING, "CR3 stores"},
		{PROC, PROC_CR8_LOAD_EXITING, "CR8 loads"},
		{PROC, PROC_CR8_STORE_EXITING, "CR8 stores"},
		{PROC, PROC_UNCONDITIONAL_IO, "port I/O"},
	};
	const struct vmx_capabilities good = bochs_skylake_x();
	struct vmx_controls controls;
	const char *missing;

	(void)state;
	assert_int_equal(vmx_controls_build(&good, &controls, &missing), 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct vmx_capabilities caps = good;

		assert_false(control_of(&controls, rows[i].word) & rows[i].bit);
		*capability_of(&caps, rows[i].word) |= (uint64_t)rows[i].bit << 32 | rows[i].bit;
		expect_refusal(&caps, rows[i].named);
	}
}

/* Execution controls that are wanted where the CPU has them. */
#define WANTED_PIN (PIN_NMI_EXITING | PIN_VIRTUAL_NMIS)
#define WANTED_PROC (PROC_MSR_BITMAPS | PROC_SECONDARY_CONTROLS)
#define WANTED_PROC2                                                                        \
	(PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED_GUEST | PROC2_RDTSCP | PROC2_INVPCID | \
	 PROC2_XSAVES | PROC2_USER_WAIT_PAUSE | PROC2_ENCLS_EXITING | PROC2_ENCLV_EXITING | \
	 PROC2_CONCEAL_FROM_PT | PROC2_MODE_BASED_EXECUTE)
/* SDM "Algorithms for Determining VMX Capabilities": the default1 class, less the exits at CR3. */
#define DEFAULT1_PIN 0x16u
#define DEFAULT1_PROC 0x04006172u

/* Each control but these may cause exits that have no handler. */
static void no_other_execution_control_may_be_insisted_on(void **state)
{
	static const struct {
		enum word word;
		uint32_t allowed;
	} rows[] = {
		{PIN, DEFAULT1_PIN | WANTED_PIN},
		{PROC, DEFAULT1_PROC | WANTED_PROC | PROC_NMI_WINDOW},
		{PROC2, WANTED_PROC2},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (uint32_t bit = 1; bit; bit <<= 1) {
			struct vmx_capabilities caps = bochs_skylake_x();
			struct vmx_controls controls;
			const char *missing = NULL;

			*capability_of(&caps, rows[i].word) |= (uint64_t)bit << 32 | bit;
			if (rows[i].allowed & bit) {
				assert_int_equal(vmx_controls_build(&caps, &controls, &missing), 0);
				continue;
			}
			assert_int_equal(vmx_controls_build(&caps, &controls, &missing), -ENODEV);
			assert_non_null(missing);
		}
	}
}

/* Nor is one set that a CPU merely offers. */
static void controls_that_are_only_offered_stay_off(void **state)
{
	struct vmx_capabilities caps = bochs_skylake_x();
	struct vmx_controls controls;
	const char *missing;

	(void)state;
	caps.pin |= 0xffffffffULL << 32;
	caps.proc |= 0xffffffffULL << 32;
	caps.proc2 |= 0xffffffffULL << 32;
	assert_int_equal(vmx_controls_build(&caps, &controls, &missing), 0);
	assert_int_equal(controls.pin, DEFAULT1_PIN | WANTED_PIN);
	assert_int_equal(controls.proc, DEFAULT1_PROC | WANTED_PROC);
	assert_int_equal(controls.proc2, WANTED_PROC2);
}

static void optional_controls_follow_the_cpu(void **state)
{
	static const struct {
		enum word word;
		uint32_t bit;
	} rows[] = {
		{PROC2, PROC2_RDTSCP},		{PROC2, PROC2_INVPCID},
		{PROC2, PROC2_XSAVES},		{PROC2, PROC2_USER_WAIT_PAUSE},
		{PROC2, PROC2_CONCEAL_FROM_PT}, {PROC2, PROC2_MODE_BASED_EXECUTE},
		{PROC2, PROC2_ENCLS_EXITING},	{PROC2, PROC2_ENCLV_EXITING},
		{EXIT, EXIT_CONCEAL_FROM_PT},	{ENTRY, ENTRY_CONCEAL_FROM_PT},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct vmx_capabilities caps = bochs_skylake_x();
		uint64_t *capability = capability_of(&caps, rows[i].word);
		struct vmx_controls controls;
		const char *missing;

		*capability |= (uint64_t)rows[i].bit << 32;
		assert_int_equal(vmx_controls_build(&caps, &controls, &missing), 0);
		assert_true(control_of(&controls, rows[i].word) & rows[i].bit);
		*capability &= ~((uint64_t)rows[i].bit << 32);
		assert_int_equal(vmx_controls_build(&caps, &controls, &missing), 0);
		assert_false(control_of(&controls, rows[i].word) & rows[i].bit);
	}
}

static void one_cpu_without_mbec_decides_for_all(void **state)
{
	const uint64_t may = (uint64_t)PROC2_MODE_BASED_EXECUTE << 32;
	const struct vmx_capabilities with = bochs_skylake_x();
	struct vmx_controls controls;
	const char *missing;

	(void)state;
	assert_true(vmx_has_mbec(with.proc2));
	assert_true(vmx_has_mbec(with.proc2 & with.proc2));
	assert_false(vmx_has_mbec(with.proc2 & (with.proc2 & ~may)));
	/* Bits 31:0 say what must be set, nothing of what may. */
	assert_false(vmx_has_mbec(PROC2_MODE_BASED_EXECUTE));
	assert_int_equal(vmx_controls_build(&with, &controls, &missing), 0);
	vmx_share_mbec(&controls, true);
	assert_true(controls.proc2 & PROC2_MODE_BASED_EXECUTE);
	vmx_share_mbec(&controls, false);
	assert_false(controls.proc2 & PROC2_MODE_BASED_EXECUTE);
	assert_true(controls.proc2 & PROC2_EPT);
}

static void nmi_window_must_be_possible_and_starts_off(void **state)
{
	struct vmx_capabilities caps = bochs_skylake_x();
	struct vmx_controls controls;
	const char *missing;

	(void)state;
	assert_int_equal(vmx_controls_build(&caps, &controls, &missing), 0);
	assert_false(controls.proc & PROC_NMI_WINDOW);
	caps.proc &= ~((uint64_t)PROC_NMI_WINDOW << 32);
	assert_int_equal(vmx_controls_build(&caps, &controls, &missing), -ENODEV);
	assert_string_equal(missing, "NMI-window exiting");
}

static void controls_stay_within_what_the_cpu_allows(void **state)
{
	(void)state;
	srand(1);
	for (unsigned int round = 0; round < 20000; round++) {
		struct vmx_capabilities caps = bochs_skylake_x();
		struct vmx_controls controls;
		const char *missing = NULL;

		/* Take a few optional bits away, insist on a few others. */
		for (enum word word = PIN; word <= ENTRY; word++) {
			uint64_t *capability = capability_of(&caps, word);
			uint32_t bit = 1u << (rand() % 32);

			if (rand() & 1)
				*capability &= ~((uint64_t)bit << 32 | bit);
			else if (*capability >> 32 & bit)
				*capability |= bit;
		}
		if (vmx_controls_build(&caps, &controls, &missing)) {
			assert_non_null(missing);
			continue;
		}
		for (enum word word = PIN; word <= ENTRY; word++) {
			uint64_t capability = *capability_of(&caps, word);
			uint32_t must = (uint32_t)capability;

			/* Switched on only while an NMI waits; nobody insists on it. */
			if (word == PROC)
				must &= ~PROC_NMI_WINDOW;
			assert_int_equal(
				control_of(&controls, word) & ~(uint32_t)(capability >> 32), 0);
			assert_int_equal(must & ~control_of(&controls, word), 0);
		}
	}
}

static void hostile_register_values_never_pass_unnoticed(void **state)
{
	struct vmx_capabilities caps;
	char reason[REASON_SIZE];

	(void)state;
	memset(&caps, 0, sizeof(caps));
	assert_int_equal(vmx_capabilities_check(&caps, true, reason, sizeof(reason)), -ENODEV);
	/* Every bit set: the control words insist on what is refused. */
	caps = bochs_skylake_x();
	caps.pin = caps.proc = caps.proc2 = caps.exit = caps.entry = ~0ULL;
	assert_int_equal(vmx_capabilities_check(&caps, true, reason, sizeof(reason)), -ENODEV);
	caps.basic = caps.misc = caps.ept_vpid = ~0ULL;
	assert_int_equal(vmx_capabilities_check(&caps, true, reason, sizeof(reason)), -ENODEV);
}

static void reason_is_cut_to_its_buffer(void **state)
{
	struct vmx_capabilities caps = bochs_skylake_x();
	char reason[16];

	(void)state;
	caps.intel_vmx = false;
	for (size_t size = 1; size <= sizeof(reason); size++) {
		memset(reason, 'x', sizeof(reason));
		assert_int_equal(vmx_capabilities_check(&caps, true, reason, size), -ENODEV);
		assert_int_equal(strnlen(reason, sizeof(reason)), size - 1);
		for (size_t i = size; i < sizeof(reason); i++)
			assert_int_equal(reason[i], 'x');
	}
}

static void fixed_bits_are_forced(void **state)
{
	(void)state;
	assert_int_equal(vmx_cr_fixed(0, 0x2000, 0x3727ff), 0x2000);
	assert_int_equal(vmx_cr_fixed(~0ULL, 0x2000, 0x3727ff), 0x3727ff);
	assert_int_equal(vmx_cr_fixed(CR4_PAE, 0x2000, 0x3727ff), CR4_PAE | CR4_VMXE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine_is_accepted),
		cmocka_unit_test(plain_control_registers_are_refused_for_cr3_exits),
		cmocka_unit_test(every_demand_is_named_when_it_is_not_met),
		cmocka_unit_test(cpuid_demands_are_named),
		cmocka_unit_test(being_a_guest_with_vtx_is_accepted),
		cmocka_unit_test(feature_control_accepts_unlocked_and_locked_with_vmx),
		cmocka_unit_test(physical_width_must_be_plausible),
		cmocka_unit_test(wait_for_sipi_is_demanded_of_several_cpus_only),
		cmocka_unit_test(every_demanded_control_is_set_and_named_when_missing),
		cmocka_unit_test(every_refused_control_is_clear_and_named_when_insisted_on),
		cmocka_unit_test(no_other_execution_control_may_be_insisted_on),
		cmocka_unit_test(controls_that_are_only_offered_stay_off),
		cmocka_unit_test(optional_controls_follow_the_cpu),
		cmocka_unit_test(one_cpu_without_mbec_decides_for_all),
		cmocka_unit_test(nmi_window_must_be_possible_and_starts_off),
		cmocka_unit_test(controls_stay_within_what_the_cpu_allows),
		cmocka_unit_test(hostile_register_values_never_pass_unnoticed),
		cmocka_unit_test(reason_is_cut_to_its_buffer),
		cmocka_unit_test(fixed_bits_are_forced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
