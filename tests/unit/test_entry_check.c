/* SPDX-License-Identifier: MIT */
/* The checks on controls and host state, and what belongs to all of them. */
#include "tests/unit/entry_fixture.h"

#include <stdlib.h>
#include <string.h>

static void good_guests_pass(void **state)
{
	static const struct row rows[] = {
		{.guest = LONG_MODE}, {.guest = REAL_MODE},  {.guest = PAE},
		{.guest = V86},	      {.guest = RESTRICTED},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "");
}

static void execution_controls(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE, {CLEAR(pin, 0x2)}, "pin-based controls lack"},
		{LONG_MODE, {SET(pin, 1u << 31)}, "pin-based controls have"},
		{LONG_MODE, {CLEAR(proc, 0x2)}, "primary processor-based controls lack"},
		{LONG_MODE,
		 {SET(proc, PROC_TERTIARY_CONTROLS)},
		 "primary processor-based controls have"},
		{LONG_MODE,
		 {SET(caps.proc2, PROC2_RDTSCP)},
		 "secondary processor-based controls lack"},
		{LONG_MODE, {SET(proc2, 1u << 31)}, "secondary processor-based controls have"},
		{LONG_MODE, {PUT(cr3_target_count, 4)}, NULL},
		{LONG_MODE, {PUT(cr3_target_count, 5)}, "CR3-target count"},
		{LONG_MODE, {PUT(msr_bitmap, 0x7001)}, "MSR bitmap"},
		{LONG_MODE, {PUT(msr_bitmap, 1ULL << 46)}, "MSR bitmap"},
		{LONG_MODE, {PUT(msr_bitmap, 0x7001), CLEAR(proc, PROC_MSR_BITMAPS)}, NULL},
		{LONG_MODE, {PUT(io_bitmap_a, 1), PUT(io_bitmap_b, 1)}, NULL},
		{LONG_MODE, {PUT(io_bitmap_a, 1), SET(proc, PROC_IO_BITMAPS)}, "I/O bitmap A"},
		{LONG_MODE, {PUT(io_bitmap_b, 1), SET(proc, PROC_IO_BITMAPS)}, "I/O bitmap B"},
		{LONG_MODE, {CLEAR(pin, PIN_NMI_EXITING)}, "virtual NMIs need NMI exiting"},
		{LONG_MODE, {CLEAR(pin, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS)}, NULL},
		{LONG_MODE, {SET(proc, PROC_NMI_WINDOW)}, NULL},
		{LONG_MODE,
		 {SET(proc, PROC_NMI_WINDOW), CLEAR(pin, PIN_VIRTUAL_NMIS)},
		 "NMI-window exiting needs"},
		{LONG_MODE, {SET(proc2, PROC2_X2APIC_MODE)}, "TPR shadow"},
		{LONG_MODE, {SET(proc2, PROC2_APIC_REGISTERS)}, "TPR shadow"},
		{LONG_MODE, {SET(proc2, PROC2_INTERRUPT_DELIVERY)}, "TPR shadow"},
		{LONG_MODE,
		 {SET(proc2, PROC2_X2APIC_MODE | PROC2_VIRTUAL_APIC), SET(proc, PROC_TPR_SHADOW)},
		 "x2APIC mode excludes"},
		{LONG_MODE,
		 {SET(proc2, PROC2_INTERRUPT_DELIVERY), SET(proc, PROC_TPR_SHADOW)},
		 "virtual-interrupt delivery needs"},
		{LONG_MODE, {SET(pin, PIN_POSTED_INTERRUPTS)}, "posted interrupts need virtual"},
		{LONG_MODE,
		 {SET(pin, PIN_POSTED_INTERRUPTS | PIN_EXTERNAL_INTERRUPT_EXITING),
		  SET(proc2, PROC2_INTERRUPT_DELIVERY), SET(proc, PROC_TPR_SHADOW)},
		 "posted interrupts need interrupts acknowledged"},
		{LONG_MODE, {PUT(vpid, 0)}, "VPID"},
		{LONG_MODE, {PUT(vpid, 0), CLEAR(proc2, PROC2_VPID)}, NULL},
		{LONG_MODE, {CLEAR(proc2, PROC2_EPT)}, "need EPT"},
		{LONG_MODE, {PUT(proc2, PROC2_PML)}, "need EPT"},
		{LONG_MODE, {PUT(proc2, PROC2_MODE_BASED_EXECUTE)}, "need EPT"},
		{RESTRICTED, {PUT(proc2, 0)}, NULL},
		{RESTRICTED, {CLEAR(proc, PROC_SECONDARY_CONTROLS), PUT(proc2, ~0u)}, NULL},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "VM-Execution Control Fields: ");
}

static void ept_pointer(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE, {CLEAR(ept_pointer, 7)}, NULL}, /* UC */
		{LONG_MODE,
		 {CLEAR(ept_pointer, 7), CLEAR(caps.ept_vpid, EPT_CAP_UC)},
		 "memory type"},
		{LONG_MODE, {CLEAR(caps.ept_vpid, EPT_CAP_WB)}, "memory type"},
		{LONG_MODE, {SET(ept_pointer, 1)}, "memory type"},
		{LONG_MODE, {CLEAR(ept_pointer, 2)}, "memory type"},
		{LONG_MODE, {CLEAR(ept_pointer, 1u << 3)}, "4-level walk"},
		{LONG_MODE, {SET(ept_pointer, 1u << 5)}, "4-level walk"},
		{LONG_MODE, {CLEAR(caps.ept_vpid, EPT_CAP_WALK_4)}, "4-level walk"},
		{LONG_MODE, {SET(ept_pointer, 1u << 6)}, NULL},
		{LONG_MODE,
		 {SET(ept_pointer, 1u << 6), CLEAR(caps.ept_vpid, EPT_CAP_ACCESSED_DIRTY)},
		 "accessed and dirty"},
		{LONG_MODE,
		 {SET(ept_pointer, 1u << 7), CLEAR(caps.ept_vpid, EPT_CAP_SHADOW_STACK)},
		 "shadow-stack"},
		{LONG_MODE,
		 {SET(ept_pointer, 1u << 7), SET(caps.ept_vpid, EPT_CAP_SHADOW_STACK)},
		 NULL},
		{LONG_MODE, {SET(ept_pointer, 1u << 8)}, "reserved bits of EPTP"},
		{LONG_MODE, {SET(ept_pointer, 1u << 11)}, "reserved bits of EPTP"},
		{LONG_MODE, {SET(ept_pointer, 1ULL << 45)}, NULL},
		{LONG_MODE, {SET(ept_pointer, 1ULL << 46)}, "EPTP is beyond"},
		{LONG_MODE, {SET(ept_pointer, 1ULL << 63)}, "EPTP is beyond"},
		{RESTRICTED, {CLEAR(proc2, PROC2_EPT), PUT(ept_pointer, ~0ULL)}, NULL},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "VM-Execution Control Fields: ");
}

static void exit_controls(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE, {CLEAR(exit, 0x1)}, "VM-exit controls lack"},
		{LONG_MODE, {SET(exit, 1u << 31)}, "VM-exit controls have"},
		{LONG_MODE, {SET(exit, EXIT_SAVE_PREEMPTION_TIMER)}, "preemption timer"},
		{LONG_MODE,
		 {SET(exit, EXIT_SAVE_PREEMPTION_TIMER), SET(pin, PIN_PREEMPTION_TIMER)},
		 NULL},
		{LONG_MODE, {PUT(exit_msr_store_address, 8)}, NULL},
		{LONG_MODE,
		 {PUT(exit_msr_store_address, 8), PUT(exit_msr_store_count, 1)},
		 "MSR-store"},
		{LONG_MODE,
		 {PUT(exit_msr_load_address, 8), PUT(exit_msr_load_count, 1)},
		 "MSR-load"},
		{LONG_MODE,
		 {PUT(exit_msr_load_address, (1ULL << 46) - 16), PUT(exit_msr_load_count, 1)},
		 NULL},
		{LONG_MODE,
		 {PUT(exit_msr_load_address, (1ULL << 46) - 16), PUT(exit_msr_load_count, 2)},
		 "MSR-load"},
		{LONG_MODE,
		 {PUT(exit_msr_store_address, ~0xfULL), PUT(exit_msr_store_count, 0xffffffff)},
		 "MSR-store"},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "VM-Exit Control Fields: ");
}

static void entry_controls_and_events(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE, {CLEAR(entry, 0x1)}, "VM-entry controls lack"},
		{LONG_MODE, {SET(entry, 1u << 31)}, "VM-entry controls have"},
		{LONG_MODE, {SET(entry, ENTRY_TO_SMM)}, "SMM"},
		{LONG_MODE, {SET(entry, ENTRY_DEACTIVATE_DUAL_MONITOR)}, "SMM"},
		{LONG_MODE,
		 {PUT(entry_msr_load_address, 8), PUT(entry_msr_load_count, 1)},
		 "MSR-load"},
		{LONG_MODE, {PUT(event_info, ~EVENT_VALID)}, NULL},
		{LONG_MODE, {PUT(event_info, EVENT(EVENT_TYPE_RESERVED, 0))}, "type 1"},
		{LONG_MODE, {PUT(event_info, EVENT(EVENT_TYPE_OTHER, 0))}, NULL},
		{LONG_MODE,
		 {PUT(event_info, EVENT(EVENT_TYPE_OTHER, 0)),
		  CLEAR(caps.proc, (uint64_t)PROC_MONITOR_TRAP << 32)},
		 "type 7"},
		{LONG_MODE,
		 {PUT(event_info, EVENT(EVENT_TYPE_OTHER, 1))},
		 "monitor trap has vector 0"},
		{LONG_MODE, {PUT(event_info, EVENT(EVENT_TYPE_NMI, 2))}, NULL},
		{LONG_MODE, {PUT(event_info, EVENT(EVENT_TYPE_NMI, 3))}, "NMI has vector 2"},
		{LONG_MODE, {PUT(event_info, HARDWARE(31))}, NULL},
		{LONG_MODE, {PUT(event_info, HARDWARE(32))}, "at most 31"},
		{LONG_MODE, {PUT(event_info, HARDWARE(VECTOR_GP) | EVENT_ERROR_CODE)}, NULL},
		{LONG_MODE, {PUT(event_info, HARDWARE(VECTOR_GP))}, "vectors that have one"},
		{LONG_MODE,
		 {PUT(event_info, HARDWARE(VECTOR_UD) | EVENT_ERROR_CODE)},
		 "that have one"},
		{LONG_MODE,
		 {PUT(event_info, HARDWARE(VECTOR_UD) | EVENT_ERROR_CODE),
		  SET(caps.basic, VMX_BASIC_ANY_ERROR_CODE)},
		 NULL},
		{LONG_MODE,
		 {PUT(event_info, EVENT(EVENT_TYPE_SOFTWARE_INT, 13) | EVENT_ERROR_CODE)},
		 "only hardware exceptions"},
		{REAL_MODE, {PUT(event_info, HARDWARE(VECTOR_GP))}, NULL},
		{REAL_MODE, {PUT(event_info, HARDWARE(VECTOR_GP) | EVENT_ERROR_CODE)}, "real mode"},
		{LONG_MODE, {PUT(event_info, HARDWARE(VECTOR_UD) | 1u << 12)}, "reserved bits"},
		{LONG_MODE, {PUT(event_info, HARDWARE(VECTOR_UD) | 1u << 30)}, "reserved bits"},
		{LONG_MODE,
		 {PUT(event_info, HARDWARE(VECTOR_GP) | EVENT_ERROR_CODE),
		  PUT(event_error_code, 0xffff)},
		 NULL},
		{LONG_MODE,
		 {PUT(event_info, HARDWARE(VECTOR_GP) | EVENT_ERROR_CODE),
		  PUT(event_error_code, 0x10000)},
		 "bits 31:16"},
		{LONG_MODE,
		 {PUT(event_info, HARDWARE(VECTOR_UD)), PUT(event_error_code, ~0u)},
		 NULL},
		{LONG_MODE,
		 {PUT(event_info, EVENT(EVENT_TYPE_SOFTWARE_EXCEPTION, 3)),
		  PUT(event_instruction_length, 15)},
		 NULL},
		{LONG_MODE,
		 {PUT(event_info, EVENT(EVENT_TYPE_SOFTWARE_EXCEPTION, 3)),
		  PUT(event_instruction_length, 16)},
		 "at most 15"},
		{LONG_MODE, {PUT(event_info, EVENT(EVENT_TYPE_PRIVILEGED_SOFTWARE, 1))}, NULL},
		{LONG_MODE,
		 {PUT(event_info, EVENT(EVENT_TYPE_PRIVILEGED_SOFTWARE, 1)),
		  CLEAR(caps.misc, VMX_MISC_ZERO_LENGTH)},
		 "length 0"},
		{LONG_MODE,
		 {PUT(event_info, HARDWARE(VECTOR_UD)), PUT(event_instruction_length, 99)},
		 NULL},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "VM-Entry Control Fields: ");
}

static void host_registers(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE, {CLEAR(host_cr0, CR0_NE)}, "CR0 lacks"},
		{LONG_MODE, {SET(host_cr0, 1ULL << 32)}, "CR0 has"},
		{LONG_MODE, {CLEAR(host_cr4, CR4_VMXE)}, "CR4 lacks"},
		{LONG_MODE, {SET(host_cr4, CR4_FRED)}, "CR4 has"},
		{LONG_MODE,
		 {SET(host_cr4, CR4_CET), SET(caps.cr4_fixed1, CR4_CET), CLEAR(host_cr0, CR0_WP)},
		 "CET"},
		{LONG_MODE, {SET(host_cr4, CR4_CET), SET(caps.cr4_fixed1, CR4_CET)}, NULL},
		{LONG_MODE, {SET(host_cr3, 1ULL << 46)}, "CR3"},
		{LONG_MODE, {PUT(host_sysenter_esp, 1ULL << 47)}, "IA32_SYSENTER_ESP"},
		{LONG_MODE, {PUT(host_sysenter_eip, 1ULL << 63)}, "IA32_SYSENTER_EIP"},
		{LONG_MODE, {PUT(host_sysenter_eip, ~0ULL << 47)}, NULL},
		{LONG_MODE, {PUT(host_pat, 2)}, "IA32_PAT"},
		{LONG_MODE, {PUT(host_pat, 3ULL << 56)}, "IA32_PAT"},
		{LONG_MODE, {PUT(host_pat, 8)}, "IA32_PAT"},
		{LONG_MODE, {PUT(host_pat, 0xff)}, "IA32_PAT"},
		{LONG_MODE, {PUT(host_pat, 2), CLEAR(exit, EXIT_LOAD_PAT)}, NULL},
		{LONG_MODE, {SET(host_efer, EFER_SVME)}, "reserved bits of IA32_EFER"},
		{LONG_MODE, {CLEAR(host_efer, EFER_LMA)}, "LMA and LME"},
		{LONG_MODE, {CLEAR(host_efer, EFER_LME)}, "LMA and LME"},
		{LONG_MODE, {PUT(host_efer, ~0ULL), CLEAR(exit, EXIT_LOAD_EFER)}, NULL},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks on Host Control Registers, MSRs, and SSP: ");
}

static void host_segments(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE, {SET(host_selector[SEG_ES], 1)}, "RPL and TI"},
		{LONG_MODE, {SET(host_selector[SEG_CS], 2)}, "RPL and TI"},
		{LONG_MODE, {SET(host_selector[SEG_SS], 4)}, "RPL and TI"},
		{LONG_MODE, {SET(host_selector[SEG_DS], 1)}, "RPL and TI"},
		{LONG_MODE, {SET(host_selector[SEG_FS], 1)}, "RPL and TI"},
		{LONG_MODE, {SET(host_selector[SEG_GS], 1)}, "RPL and TI"},
		{LONG_MODE, {SET(host_selector[SEG_TR], 4)}, "RPL and TI"},
		{LONG_MODE, {PUT(host_selector[SEG_CS], 0)}, "CS must not be 0"},
		{LONG_MODE, {PUT(host_selector[SEG_TR], 0)}, "TR must not be 0"},
		{LONG_MODE, {PUT(host_fs_base, 1ULL << 47)}, "FS base"},
		{LONG_MODE, {PUT(host_gs_base, 1ULL << 47)}, "GS base"},
		{LONG_MODE, {PUT(host_tr_base, 1ULL << 47)}, "TR base"},
		{LONG_MODE, {PUT(host_gdtr_base, 1ULL << 47)}, "GDTR base"},
		{LONG_MODE, {PUT(host_idtr_base, 1ULL << 47)}, "IDTR base"},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks on Host Segment and Descriptor-Table Registers: ");
}

static void address_space(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE,
		 {CLEAR(exit, EXIT_HOST_ADDRESS_SPACE_SIZE), CLEAR(host_efer, EFER_LMA | EFER_LME)},
		 "host-address-space-size"},
		{LONG_MODE, {CLEAR(host_cr4, CR4_PAE)}, "CR4.PAE"},
		{LONG_MODE, {PUT(host_rip, 1ULL << 47)}, "host RIP"},
		{LONG_MODE, {PUT(host_rip, ~0ULL << 47)}, NULL},
		/* A CPU with 57 linear-address bits takes more. */
		{LONG_MODE, {PUT(host_rip, 1ULL << 47), SET(caps.cr4_fixed1, CR4_LA57)}, NULL},
		{LONG_MODE,
		 {PUT(host_rip, 1ULL << 56), SET(caps.cr4_fixed1, CR4_LA57)},
		 "host RIP"},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks Related to Address-Space Size: ");
}

static void offending_value_is_handed_out(void **state)
{
	struct entry_state s = guest_make(LONG_MODE);
	uint64_t value = 0;

	(void)state;
	s.pat = 0x0303030303030303;
	assert_non_null(entry_check(&s, &value));
	assert_int_equal(value, 0x0303030303030303);
	s = guest_make(LONG_MODE);
	s.segment[SEG_GS].base = 0x1234800000000000;
	assert_non_null(entry_check(&s, &value));
	assert_int_equal(value, 0x1234800000000000);
}

static void every_field_is_read_once_and_to_its_own_place(void **state)
{
	static bool filled[sizeof(struct entry_state) / sizeof(uint64_t)];
	size_t first = AT(pin) / sizeof(uint64_t);
	size_t unfilled = 0;

	(void)state;
	for (const struct entry_field *f = entry_fields; f->field != ENTRY_FIELD_END; f++) {
		size_t slot = f->offset / sizeof(uint64_t);

		assert_int_equal(f->offset % sizeof(uint64_t), 0);
		assert_true(slot >= first && slot < COUNT_OF(filled));
		assert_false(filled[slot]);
		filled[slot] = true;
		for (const struct entry_field *g = f + 1; g->field != ENTRY_FIELD_END; g++)
			assert_int_not_equal(f->field, g->field);
	}
	for (size_t slot = first; slot < COUNT_OF(filled); slot++)
		unfilled += !filled[slot];
	/* The host has no LDTR field. */
	assert_int_equal(unfilled, 1);
	assert_false(filled[AT(host_selector[SEG_LDTR]) / sizeof(uint64_t)]);
}

static void segment_fields_are_those_of_their_register(void **state)
{
	(void)state;
	for (const struct entry_field *f = entry_fields; f->field != ENTRY_FIELD_END; f++) {
		uint32_t offset = f->offset;

		if (offset < AT(segment) || offset >= AT(gdtr_base))
			continue;
		offset -= (uint32_t)AT(segment);
		switch (offset % sizeof(struct entry_segment)) {
		case offsetof(struct entry_segment, selector):
			assert_int_equal(f->field, VMCS_GUEST_ES + offset / 32 * VMCS_SEGMENT_STEP);
			break;
		case offsetof(struct entry_segment, base):
			assert_int_equal(f->field,
					 VMCS_GUEST_ES_BASE + offset / 32 * VMCS_SEGMENT_STEP);
			break;
		case offsetof(struct entry_segment, limit):
			assert_int_equal(f->field,
					 VMCS_GUEST_ES_LIMIT + offset / 32 * VMCS_SEGMENT_STEP);
			break;
		default:
			assert_int_equal(f->field,
					 VMCS_GUEST_ES_RIGHTS + offset / 32 * VMCS_SEGMENT_STEP);
			break;
		}
	}
}

static void hostile_states_are_judged_without_harm(void **state)
{
	struct entry_state s;
	unsigned char *bytes = (unsigned char *)&s;
	uint64_t value;

	(void)state;
	srand(4);
	for (unsigned int round = 0; round < 20000; round++) {
		s = guest_make((enum guest)(rand() % 5));
		/* Few changes, so that late rules are reached too. */
		for (int n = rand() % 4; n >= 0; n--) {
			size_t i = AT(pin) + (size_t)rand() % (sizeof(s) - AT(pin));

			bytes[i] = (unsigned char)(bytes[i] ^ 1u << (rand() % 8));
		}
		(void)entry_check(&s, &value);
	}
	memset(bytes + AT(pin), 0xff, sizeof(s) - AT(pin));
	assert_non_null(entry_check(&s, &value));
	memset(bytes + AT(pin), 0, sizeof(s) - AT(pin));
	assert_non_null(entry_check(&s, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_guests_pass),
		cmocka_unit_test(execution_controls),
		cmocka_unit_test(ept_pointer),
		cmocka_unit_test(exit_controls),
		cmocka_unit_test(entry_controls_and_events),
		cmocka_unit_test(host_registers),
		cmocka_unit_test(host_segments),
		cmocka_unit_test(address_space),
		cmocka_unit_test(offending_value_is_handed_out),
		cmocka_unit_test(every_field_is_read_once_and_to_its_own_place),
		cmocka_unit_test(segment_fields_are_those_of_their_register),
		cmocka_unit_test(hostile_states_are_judged_without_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
