/* SPDX-License-Identifier: MIT */
/*
 * Exception table: instructions that may fault by design, and where to go on when they do. Entries
 * hold distances from themselves, so that the table needs no relocation.
 */
#ifndef SECPOD_VMM_EX_TABLE_H
#define SECPOD_VMM_EX_TABLE_H

#include <stdint.h>

struct ex_entry {
	int32_t fault; /* from &fault to the instruction */
	int32_t fixup; /* from &fixup to where execution goes on */
};

/* For inline assembler: an entry for the instruction at label fault. */
#define EX_TABLE(fault, fixup)               \
	".pushsection __ex_table, \"a\"\n\t" \
	".balign 4\n\t"                      \
	".long " fault " - .\n\t"            \
	".long " fixup " - .\n\t"            \
	".popsection\n\t"

/* ex_table_find - where a fault at rip continues; 0 when rip is not in [begin, end). */
uint64_t ex_table_find(const struct ex_entry *begin, const struct ex_entry *end, uint64_t rip);

#endif
