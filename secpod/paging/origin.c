/* SPDX-License-Identifier: MIT */
/* Who has code made, by what is in the page before: nothing else in the page tells it. */
#include "guest-support/include/secpod_abi.h"
#include "secpod/paging/internal.h"

static const uint8_t origin_rule[] = {
	[ORIGIN_MODULE] = SECPOD_RULE_CODE_NEW,
	[ORIGIN_BPF] = SECPOD_RULE_CODE_BPF,
	[ORIGIN_PROBE] = SECPOD_RULE_CODE_PROBE,
};

uint8_t origin_rule_of(enum origin origin)
{
	return origin_rule[origin];
}

/*
 * BPF has pages of INT3 that programs are written to later (bpf_prog_pack), kprobes pages of nothing for the
 * instructions they have moved (alloc_insn_page). What modules and ftrace bring is complete.
 */
enum origin origin_of(const uint64_t *page)
{
	const uint64_t int3 = 0xccccccccccccccccULL;

	for (uint32_t i = 1; i < PT_ENTRIES; i++) {
		if (page[i] != page[0])
			return ORIGIN_MODULE;
	}
	if (page[0] == int3)
		return ORIGIN_BPF;
	return page[0] == 0 ? ORIGIN_PROBE : ORIGIN_MODULE;
}
