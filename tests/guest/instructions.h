/* SPDX-License-Identifier: MIT */
#ifndef SECPOD_TESTS_GUEST_INSTRUCTIONS_H
#define SECPOD_TESTS_GUEST_INSTRUCTIONS_H

#include "tests/guest/payload.h"

extern const struct payload_case cpuid_cases[];	  /* insn_cpuid.c */
extern const struct payload_case msr_cases[];	  /* insn_msr.c */
extern const struct payload_case control_cases[]; /* insn_control.c */
extern const struct payload_case vmx_cases[];	  /* insn_vmx.c */
extern const struct payload_case step_cases[];	  /* insn_step.c */

#endif
