/* SPDX-License-Identifier: MIT */
#include "vmx/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmm/x86.h"
#include "vmx/vmcs.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void error_codes_go_with_their_vectors(void **state)
{
	(void)state;
	for (unsigned int vector = 0; vector < 256; vector++) {
		bool expected = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 ||
				vector == 21;
		struct guest_event event = event_exception((uint8_t)vector, 0x1234);

		assert_int_equal(event_has_error_code((uint8_t)vector), expected);
		assert_int_equal(event.info & EVENT_VECTOR, vector);
		assert_int_equal(event.info & EVENT_TYPE_MASK, EVENT_TYPE_HARDWARE);
		assert_true(event.info & EVENT_VALID);
		assert_int_equal(!!(event.info & EVENT_ERROR_CODE), expected);
		assert_int_equal(event.error_code, expected ? 0x1234 : 0);
		assert_int_equal(event.instruction_length, 0);
		assert_int_equal(event.info & EVENT_RESERVED, 0);
	}
}

static void no_event_comes_from_invalid_vectoring(void **state)
{
	struct guest_event event = event_from_vectoring(~EVENT_VALID, 5, 5);

	(void)state;
	assert_false(event.info & EVENT_VALID);
	assert_int_equal(event.error_code, 0);
	assert_int_equal(event.instruction_length, 0);
}

static void vectoring_is_injected_again_as_it_was(void **state)
{
	static const struct {
		uint32_t type;
		uint8_t vector;
		bool error_code;
		bool length;
	} rows[] = {
		{EVENT_TYPE_EXTERNAL, 0x30, false, false},
		{EVENT_TYPE_NMI, 2, false, false},
		{EVENT_TYPE_HARDWARE, 14, true, false},
		{EVENT_TYPE_HARDWARE, 0, false, false},
		{EVENT_TYPE_SOFTWARE_INT, 0x80, false, true},
		{EVENT_TYPE_PRIVILEGED_SOFTWARE, 1, false, true},
		{EVENT_TYPE_SOFTWARE_EXCEPTION, 3, false, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint32_t info = EVENT_VALID | rows[i].type | rows[i].vector |
				(rows[i].error_code ? EVENT_ERROR_CODE : 0);
		struct guest_event event =
			event_from_vectoring(info | EVENT_NMI_UNBLOCKING, 0x77, 2);

		/* Bit 12 is undefined there and must be 0 here. */
		assert_int_equal(event.info, info);
		assert_int_equal(event.error_code, rows[i].error_code ? 0x77 : 0);
		assert_int_equal(event.instruction_length, rows[i].length ? 2 : 0);
	}
}

static void reserved_bits_of_vectoring_never_reach_vm_entry(void **state)
{
	(void)state;
	assert_int_equal(event_from_vectoring(~0u, 0, 0).info & EVENT_RESERVED, 0);
}

/* SDM "Conditions for Generating a Double Fault", from the table's wording. */
enum exception_class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static enum exception_class class_of(unsigned int vector)
{
	switch (vector) {
	case 0:	 /* divide error */
	case 10: /* invalid TSS */
	case 11: /* segment not present */
	case 12: /* stack fault */
	case 13: /* general protection */
	case 21: /* control protection */
		return CONTRIBUTORY;
	case 14:
	case 20: /* virtualization exception */
		return PAGE_FAULT;
	case 8:
		return DOUBLE_FAULT;
	default:
		return BENIGN;
	}
}

enum meeting { SECOND, DOUBLE, SHUTDOWN };

static void two_exceptions_meet_as_in_the_table(void **state)
{
	static const enum meeting table[4][4] = {
		/* second:	benign	contributory page fault	double fault */
		[BENIGN] = {SECOND, SECOND, SECOND, SECOND},
		[CONTRIBUTORY] = {SECOND, DOUBLE, SECOND, SECOND},
		[PAGE_FAULT] = {SECOND, DOUBLE, DOUBLE, SECOND},
		[DOUBLE_FAULT] = {SECOND, SHUTDOWN, SHUTDOWN, SECOND},
	};

	(void)state;
	for (uint8_t first = 0; first < 32; first++) {
		for (uint8_t second = 0; second < 32; second++) {
			enum meeting expected = table[class_of(first)][class_of(second)];
			struct guest_event result, deferred;
			enum event_outcome outcome =
				event_combine(event_exception(first, 1), event_exception(second, 2),
					      &result, &deferred);

			assert_false(deferred.info & EVENT_VALID);
			if (expected == SHUTDOWN) {
				assert_int_equal(outcome, EVENT_TRIPLE_FAULT);
				continue;
			}
			assert_int_equal(outcome, EVENT_DELIVER);
			if (expected == DOUBLE) {
				assert_int_equal(result.info & EVENT_VECTOR, VECTOR_DF);
				assert_true(result.info & EVENT_ERROR_CODE);
				assert_int_equal(result.error_code, 0);
			} else {
				assert_int_equal(result.info, event_exception(second, 2).info);
				assert_int_equal(result.error_code,
						 event_exception(second, 2).error_code);
			}
		}
	}
}

static void nothing_first_means_the_second_alone(void **state)
{
	const struct guest_event stale = {EVENT_TYPE_HARDWARE | VECTOR_GP, 0, 0};
	struct guest_event result, deferred;

	(void)state;
	assert_int_equal(
		event_combine(EVENT_NONE, event_exception(VECTOR_GP, 0), &result, &deferred),
		EVENT_DELIVER);
	assert_int_equal(result.info & EVENT_VECTOR, VECTOR_GP);
	assert_false(deferred.info & EVENT_VALID);
	/* What the other bits say does not count. */
	assert_int_equal(event_combine(stale, event_exception(VECTOR_GP, 5), &result, &deferred),
			 EVENT_DELIVER);
	assert_int_equal(result.info & EVENT_VECTOR, VECTOR_GP);
	assert_int_equal(result.error_code, 5);
}

static void interrupts_and_nmis_are_deferred(void **state)
{
	static const uint32_t types[] = {EVENT_TYPE_NMI | 2, EVENT_TYPE_EXTERNAL | 0xe};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		struct guest_event first = {EVENT_VALID | types[i], 0, 0};
		struct guest_event result, deferred;

		assert_int_equal(
			event_combine(first, event_exception(VECTOR_PF, 3), &result, &deferred),
			EVENT_DELIVER);
		assert_int_equal(result.info & EVENT_VECTOR, VECTOR_PF);
		assert_int_equal(result.error_code, 3);
		assert_int_equal(deferred.info, first.info);
	}
}

static void software_events_are_benign_whatever_their_vector(void **state)
{
	static const uint32_t types[] = {EVENT_TYPE_SOFTWARE_INT, EVENT_TYPE_PRIVILEGED_SOFTWARE,
					 EVENT_TYPE_SOFTWARE_EXCEPTION};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		for (uint32_t vector = 0; vector < 256; vector++) {
			struct guest_event first = {EVENT_VALID | types[i] | vector, 0, 2};
			struct guest_event result, deferred;

			assert_int_equal(event_combine(first, event_exception(VECTOR_GP, 0),
						       &result, &deferred),
					 EVENT_DELIVER);
			assert_int_equal(result.info & EVENT_VECTOR, VECTOR_GP);
			assert_int_equal(result.instruction_length, 0);
			assert_false(deferred.info & EVENT_VALID);
		}
	}
}

static void real_mode_pushes_no_error_code(void **state)
{
	struct guest_event event = event_fit_mode(event_exception(VECTOR_GP, 5), false);

	(void)state;
	assert_int_equal(event.info, EVENT_VALID | EVENT_TYPE_HARDWARE | VECTOR_GP);
	assert_int_equal(event.error_code, 0);
	event = event_fit_mode(event_exception(VECTOR_GP, 5), true);
	assert_int_equal(event.info,
			 EVENT_VALID | EVENT_TYPE_HARDWARE | EVENT_ERROR_CODE | VECTOR_GP);
	assert_int_equal(event.error_code, 5);
}

static void hostile_first_events_combine_to_something_injectable(void **state)
{
	(void)state;
	srand(3);
	for (unsigned int round = 0; round < 100000; round++) {
		uint32_t info = (uint32_t)rand() << 1 ^ (uint32_t)rand();
		struct guest_event first =
			event_from_vectoring(info, (uint32_t)rand(), (uint32_t)rand());
		struct guest_event result, deferred;

		if (event_combine(first, event_exception((uint8_t)(rand() % 32), 0), &result,
				  &deferred) == EVENT_TRIPLE_FAULT)
			continue;
		assert_true(result.info & EVENT_VALID);
		assert_int_equal(result.info & EVENT_RESERVED, 0);
		assert_int_equal(result.info & EVENT_TYPE_MASK, EVENT_TYPE_HARDWARE);
		assert_int_equal(!!(result.info & EVENT_ERROR_CODE),
				 event_has_error_code((uint8_t)(result.info & EVENT_VECTOR)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_codes_go_with_their_vectors),
		cmocka_unit_test(no_event_comes_from_invalid_vectoring),
		cmocka_unit_test(vectoring_is_injected_again_as_it_was),
		cmocka_unit_test(reserved_bits_of_vectoring_never_reach_vm_entry),
		cmocka_unit_test(two_exceptions_meet_as_in_the_table),
		cmocka_unit_test(nothing_first_means_the_second_alone),
		cmocka_unit_test(interrupts_and_nmis_are_deferred),
		cmocka_unit_test(software_events_are_benign_whatever_their_vector),
		cmocka_unit_test(real_mode_pushes_no_error_code),
		cmocka_unit_test(hostile_first_events_combine_to_something_injectable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
