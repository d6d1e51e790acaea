/* SPDX-License-Identifier: MIT */
/*
 * What the files of the entry check share: the way a rule is written, and the notions that rules of
 * several sections use.
 */
#ifndef SECPOD_VMX_ENTRY_CHECK_RULES_H
#define SECPOD_VMX_ENTRY_CHECK_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/x86.h"
#include "vmx/entry_check.h"

/*
 * One rule, in a function with `uint64_t *value` that returns `const char *`: unless holds, return
 * text and hand out the offending value.
 */
#define RULE(holds, offending, text)          \
	do {                                  \
		if (!(holds)) {               \
			*value = (offending); \
			return (text);        \
		}                             \
	} while (0)

/* SDM "Canonical Addressing"; the width is that of the CPU, whatever the paging mode. */
static inline uint32_t linear_bits(const struct entry_state *s)
{
	return s->caps.cr4_fixed1 & CR4_LA57 ? 57u : 48u;
}

static inline bool is_canonical(const struct entry_state *s, uint64_t address)
{
	uint32_t unused = 64u - linear_bits(s);

	return (uint64_t)((int64_t)(address << unused) >> unused) == address;
}

static inline bool is_physical(const struct entry_state *s, uint64_t address)
{
	return address >> s->caps.physical_bits == 0;
}

/* SDM "IA32_PAT MSR": each of the eight bytes holds one of the encoded memory types. */
static inline bool is_pat(uint64_t pat)
{
	const uint32_t types = 1u << 0 | 1u << 1 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7;

	for (unsigned int i = 0; i < 8; i++) {
		uint8_t type = (uint8_t)(pat >> (8 * i));

		if (type > 7 || !(types & 1u << type))
			return false;
	}
	return true;
}

#define EFER_DEFINED (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

/* The secondary controls count as 0 unless they are activated. */
static inline uint64_t secondary_controls(const struct entry_state *s)
{
	return s->proc & PROC_SECONDARY_CONTROLS ? s->proc2 : 0;
}

static inline bool is_unrestricted(const struct entry_state *s)
{
	return secondary_controls(s) & PROC2_UNRESTRICTED_GUEST;
}

/* "Checks on VMX Controls" */
const char *entry_check_controls(const struct entry_state *s, uint64_t *value);
/* "Checks on Guest Segment Registers" */
const char *entry_check_segments(const struct entry_state *s, uint64_t *value);
/* The other sections of "Checks on the Guest State Area" */
const char *entry_check_guest_registers(const struct entry_state *s, uint64_t *value);
const char *entry_check_guest_rest(const struct entry_state *s, uint64_t *value);

#endif
