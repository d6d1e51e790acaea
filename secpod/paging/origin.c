/* SPDX-License-Identifier: MIT */
/* Who has code made, by what is in the page before: nothing else in the page tells it. */
#include <string.h>

#include "guest-support/include/secpod_abi.h"
#include "secpod/paging/internal.h"
#include "vmm/guest_mem.h"

static const uint8_t origin_rule[] = {
	[ORIGIN_MODULE] = SECPOD_RULE_CODE_NEW,
	[ORIGIN_BPF] = SECPOD_RULE_CODE_BPF,
	[ORIGIN_PROBE] = SECPOD_RULE_CODE_PROBE,
	[ORIGIN_TRACE] = SECPOD_RULE_CODE_TRACE,
};

uint8_t origin_rule_of(enum origin origin)
{
	return origin_rule[origin];
}

/*
 * ftrace copies its caller out of the kernel's text, less than that long, to a page of zeros (create_trampoline), and
 * changes nothing in its first bytes. Functions are so aligned (CONFIG_FUNCTION_ALIGNMENT).
 */
#define TRAMPOLINE_MAX 1024u
#define TRAMPOLINE_BEGIN 64u
#define FUNCTION_ALIGNMENT 16u

static bool begins_in(const uint8_t *text, const uint8_t *page)
{
	for (uint32_t at = 0; at < PAGE_SIZE; at += FUNCTION_ALIGNMENT) {
		const uint32_t rest = (uint32_t)PAGE_SIZE - at;

		if (!memcmp(text + at, page, rest < TRAMPOLINE_BEGIN ? rest : TRAMPOLINE_BEGIN))
			return true;
	}
	return false;
}

static bool is_trampoline(const struct paging *paging, struct paging_cpu *cpu)
{
	const uint64_t first = paging->image_gpa >> PAGE_SHIFT;
	const uint64_t count = (paging->image.end - paging->image.begin) >> PAGE_SHIFT;

	for (uint32_t i = TRAMPOLINE_MAX / sizeof(cpu->code[0]); i < PT_ENTRIES; i++) {
		if (cpu->code[i])
			return false;
	}
	for (uint64_t frame = first; frame < first + count; frame++) {
		if (frame_type(&paging->frames, frame) == FRAME_CODE &&
		    !guest_read(frame << PAGE_SHIFT, cpu->room, PAGE_SIZE) &&
		    begins_in(cpu->room, (const uint8_t *)cpu->code))
			return true;
	}
	return false;
}

/*
 * BPF has pages of INT3 that programs are written to later (bpf_prog_pack), kprobes pages of nothing for the
 * instructions they have moved (alloc_insn_page). What modules and ftrace bring is complete.
 */
enum origin origin_of(const struct paging *paging, struct paging_cpu *cpu)
{
	const uint64_t int3 = 0xccccccccccccccccULL;
	const uint64_t *page = cpu->code;

	for (uint32_t i = 1; i < PT_ENTRIES; i++) {
		if (page[i] != page[0])
			return is_trampoline(paging, cpu) ? ORIGIN_TRACE : ORIGIN_MODULE;
	}
	if (page[0] == int3)
		return ORIGIN_BPF;
	return page[0] == 0 ? ORIGIN_PROBE : ORIGIN_MODULE;
}
