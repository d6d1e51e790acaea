/* SPDX-License-Identifier: MIT */
/* Instructions that exit, as the guest experiences them. */
#include "tests/guest/instructions.h"

static const struct payload_case *const cases[] = {cpuid_cases, msr_cases,  control_cases,
						   vmx_cases,	step_cases, NULL};

const struct payload payload = {"instructions", cases, NULL};
