/* SPDX-License-Identifier: MIT */
/*
 * Events (exceptions, NMIs, interrupts) on their way into the guest: the rules for combining and re-injecting
 * them. Pure. SDM: "Event Injection", "Information for VM Exits That Occur During Event Delivery",
 * "Conditions for Generating a Double Fault".
 */
#ifndef SECPOD_VMX_EVENT_H
#define SECPOD_VMX_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/x86.h"
#include "vmx/vmcs.h"

/* In the format of the VM-entry fields; info without EVENT_VALID means "none". */
struct guest_event {
	uint32_t info;
	uint32_t error_code;
	uint32_t instruction_length; /* software events only */
};

#define EVENT_NONE ((struct guest_event){0, 0, 0})

#define VECTOR_BIT(v) (1u << (v))

/* event_has_error_code - does the vector push one (in protected mode)? */
static inline bool event_has_error_code(uint8_t vector)
{
	const uint32_t vectors = VECTOR_BIT(VECTOR_DF) | VECTOR_BIT(VECTOR_TS) |
				 VECTOR_BIT(VECTOR_NP) | VECTOR_BIT(VECTOR_SS) |
				 VECTOR_BIT(VECTOR_GP) | VECTOR_BIT(VECTOR_PF) |
				 VECTOR_BIT(VECTOR_AC) | VECTOR_BIT(VECTOR_CP);

	return vector < 32 && (vectors & VECTOR_BIT(vector));
}

/* event_exception - a hardware exception; its error code is delivered when the vector has one. */
static inline struct guest_event event_exception(uint8_t vector, uint32_t error_code)
{
	struct guest_event event = {EVENT_VALID | EVENT_TYPE_HARDWARE | vector, 0, 0};

	if (event_has_error_code(vector)) {
		event.info |= EVENT_ERROR_CODE;
		event.error_code = error_code;
	}
	return event;
}

/*
 * event_from_vectoring - the event whose delivery a VM exit interrupted, ready to be injected again.
 * info, error_code: IDT-vectoring fields; length: VM-exit instruction length.
 */
struct guest_event event_from_vectoring(uint32_t info, uint32_t error_code, uint32_t length);

enum event_outcome {
	EVENT_DELIVER,	    /* *result is to be injected */
	EVENT_TRIPLE_FAULT, /* shutdown */
};

/*
 * event_combine - an exception arises while first is being delivered: the second alone, a double fault, or
 * shutdown. A first event that is not an exception gives way; an NMI or external interrupt is reported in
 * *deferred, for what its half-done delivery leaves behind.
 */
enum event_outcome event_combine(struct guest_event first, struct guest_event second,
				 struct guest_event *result, struct guest_event *deferred);

/*
 * event_fit_mode - in real mode no error code is pushed (CR0.PE = 0): SDM "VM-Entry Interruption-Information
 * Field" forbids the bit there.
 */
static inline struct guest_event event_fit_mode(struct guest_event event, bool protected_mode)
{
	if (!protected_mode) {
		event.info &= ~EVENT_ERROR_CODE;
		event.error_code = 0;
	}
	return event;
}

#endif
