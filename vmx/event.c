/* SPDX-License-Identifier: MIT */
#include "vmx/event.h"

#include "vmm/x86.h"
#include "vmx/vmcs.h"

#define VECTOR_BIT(v) (1u << (v))

static const uint32_t error_code_vectors = VECTOR_BIT(VECTOR_DF) | VECTOR_BIT(VECTOR_TS) |
					   VECTOR_BIT(VECTOR_NP) | VECTOR_BIT(VECTOR_SS) |
					   VECTOR_BIT(VECTOR_GP) | VECTOR_BIT(VECTOR_PF) |
					   VECTOR_BIT(VECTOR_AC) | VECTOR_BIT(VECTOR_CP);

/* SDM "Conditions for Generating a Double Fault": the classes. */
static const uint32_t contributory_vectors = VECTOR_BIT(VECTOR_DE) | VECTOR_BIT(VECTOR_TS) |
					     VECTOR_BIT(VECTOR_NP) | VECTOR_BIT(VECTOR_SS) |
					     VECTOR_BIT(VECTOR_GP) | VECTOR_BIT(VECTOR_CP);

static const uint32_t page_fault_vectors = VECTOR_BIT(VECTOR_PF) | VECTOR_BIT(VECTOR_VE);

static bool in_set(uint32_t set, uint8_t vector)
{
	return vector < 32 && (set & VECTOR_BIT(vector));
}

bool event_has_error_code(uint8_t vector)
{
	return in_set(error_code_vectors, vector);
}

struct guest_event event_exception(uint8_t vector, uint32_t error_code)
{
	struct guest_event event = {EVENT_VALID | EVENT_TYPE_HARDWARE | vector, 0, 0};

	if (event_has_error_code(vector)) {
		event.info |= EVENT_ERROR_CODE;
		event.error_code = error_code;
	}
	return event;
}

static bool is_software(uint32_t info)
{
	uint32_t type = info & EVENT_TYPE_MASK;

	return type == EVENT_TYPE_SOFTWARE_INT || type == EVENT_TYPE_PRIVILEGED_SOFTWARE ||
	       type == EVENT_TYPE_SOFTWARE_EXCEPTION;
}

struct guest_event event_from_vectoring(uint32_t info, uint32_t error_code, uint32_t length)
{
	struct guest_event event = EVENT_NONE;

	if (!(info & EVENT_VALID))
		return event;
	/* Bit 12 is undefined in the IDT-vectoring field; the reserved bits must be clear at VM entry. */
	event.info = info & (EVENT_VALID | EVENT_ERROR_CODE | EVENT_TYPE_MASK | EVENT_VECTOR);
	if (event.info & EVENT_ERROR_CODE)
		event.error_code = error_code;
	if (is_software(event.info))
		event.instruction_length = length;
	return event;
}

static bool is_exception(uint32_t info)
{
	uint32_t type = info & EVENT_TYPE_MASK;

	/* INT3, INTO and INT n are benign: what arises in their delivery is handled alone. */
	return type == EVENT_TYPE_HARDWARE;
}

enum event_outcome event_combine(struct guest_event first, struct guest_event second,
				 struct guest_event *result, struct guest_event *deferred)
{
	uint8_t first_vector = (uint8_t)(first.info & EVENT_VECTOR);
	uint8_t second_vector = (uint8_t)(second.info & EVENT_VECTOR);
	uint32_t type = first.info & EVENT_TYPE_MASK;
	bool second_contributes, second_page_fault;

	*deferred = EVENT_NONE;
	*result = second;
	if (!(first.info & EVENT_VALID))
		return EVENT_DELIVER;
	if (type == EVENT_TYPE_NMI || type == EVENT_TYPE_EXTERNAL) {
		*deferred = first;
		return EVENT_DELIVER;
	}
	if (!is_exception(first.info))
		return EVENT_DELIVER;

	second_contributes = in_set(contributory_vectors, second_vector);
	second_page_fault = in_set(page_fault_vectors, second_vector);
	if (first_vector == VECTOR_DF) {
		if (second_contributes || second_page_fault)
			return EVENT_TRIPLE_FAULT;
		return EVENT_DELIVER;
	}
	if ((in_set(contributory_vectors, first_vector) && second_contributes) ||
	    (in_set(page_fault_vectors, first_vector) && (second_contributes || second_page_fault)))
		*result = event_exception(VECTOR_DF, 0);
	return EVENT_DELIVER;
}

struct guest_event event_fit_mode(struct guest_event event, bool protected_mode)
{
	if (!protected_mode) {
		event.info &= ~EVENT_ERROR_CODE;
		event.error_code = 0;
	}
	return event;
}
