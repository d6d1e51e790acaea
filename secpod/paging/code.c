/* SPDX-License-Identifier: MIT */
/*
 * Code comes. At ACTIVATE it is the kernel's image, which is measured and kept; afterwards it comes by the
 * page, read-only before it is measured and measured before it can be executed.
 */
#include <errno.h>

#include "guest-support/include/secpod_abi.h"
#include "secpod/paging/internal.h"
#include "vmm/guest_mem.h"

void code_note(struct paging *paging, uint64_t frame, uint64_t va)
{
	frame_note_place(&paging->frames, frame, va);
}

/* Who has code made, by what is in the page before: nothing else tells it. */
enum origin { ORIGIN_MODULE, ORIGIN_BPF, ORIGIN_PROBE, ORIGIN_FTRACE };

static const uint8_t origin_rule[] = {
	[ORIGIN_MODULE] = SECPOD_RULE_CODE_NEW,
	[ORIGIN_BPF] = SECPOD_RULE_CODE_BPF,
	[ORIGIN_PROBE] = SECPOD_RULE_CODE_PROBE,
	[ORIGIN_FTRACE] = SECPOD_RULE_CODE_FTRACE,
};

static bool is_trampoline(const struct paging *paging, struct paging_cpu *cpu)
{
	for (uint32_t i = 0; i < paging->trampolines; i++) {
		if (!guest_read(paging->trampoline[i], cpu->room, TRAMPOLINE_BYTES) &&
		    trampoline_is_copy((const uint8_t *)cpu->code, cpu->room))
			return true;
	}
	return false;
}

/*
 * Of cpu->code. BPF has pages of INT3 that programs are written to later (bpf_prog_pack), kprobes pages of nothing for
 * the instructions they have moved (alloc_insn_page). What modules and ftrace bring is complete.
 */
static enum origin origin_of(const struct paging *paging, struct paging_cpu *cpu)
{
	const uint64_t *page = cpu->code;
	const uint64_t int3 = 0xccccccccccccccccULL;

	for (uint32_t i = 1; i < PT_ENTRIES; i++) {
		if (page[i] != page[0])
			return is_trampoline(paging, cpu) ? ORIGIN_FTRACE : ORIGIN_MODULE;
	}
	if (page[0] == int3)
		return ORIGIN_BPF;
	return page[0] == 0 ? ORIGIN_PROBE : ORIGIN_MODULE;
}

/*
 * At ACTIVATE BPF has programs in its first page already (ptp_classifier_init): what is behind them is INT3,
 * as it is behind no function.
 */
static bool is_begun(const uint64_t *page)
{
	const uint64_t int3 = 0xccccccccccccccccULL;

	for (uint32_t i = PT_ENTRIES - 8; i < PT_ENTRIES; i++) {
		if (page[i] != int3)
			return false;
	}
	return true;
}

/* Written to later. */
static bool is_fluid(enum origin origin)
{
	return origin == ORIGIN_BPF || origin == ORIGIN_PROBE;
}

/* The functions that ftrace makes its trampolines of, where they lie in the page of the image in cpu->code. */
static void note_trampolines(struct paging *paging, struct paging_cpu *cpu, uint64_t frame)
{
	const uint8_t *page = (const uint8_t *)cpu->code;
	const uint64_t gpa = frame << PAGE_SHIFT;

	for (uint32_t at = 0; at < PAGE_SIZE; at += TRAMPOLINE_ALIGN) {
		const uint8_t *code = page + at;

		if (at + TRAMPOLINE_HEAD > PAGE_SIZE) {
			if (guest_read(gpa + at, cpu->room, TRAMPOLINE_HEAD))
				return;
			code = cpu->room;
		}
		if (trampoline_is_source(code) && paging->trampolines < PAGING_TRAMPOLINES &&
		    frame_word_type(frame_read(&paging->frames, (gpa + at + TRAMPOLINE_BYTES - 1) >>
									PAGE_SHIFT)) == FRAME_CODE)
			paging->trampoline[paging->trampolines++] = gpa + at;
	}
}

int code_note_fluid(struct paging *paging, struct paging_cpu *cpu, uint64_t frame)
{
	int error;

	if (frame_type(&paging->frames, frame) != FRAME_CODE_DYN)
		return 0;
	error = guest_read(frame << PAGE_SHIFT, cpu->code, PAGE_SIZE);
	if (!error && (is_begun(cpu->code) || is_fluid(origin_of(paging, cpu))))
		frame_mark(&paging->frames, frame, FRAME_FLUID);
	return error;
}

static int measure_page(struct paging *paging, struct paging_cpu *cpu, uint64_t va)
{
	const uint64_t gpa = paging->image_gpa + (va - paging->image.begin);
	const uint64_t begin = __builtin_ia32_rdtsc();
	int error;

	if (frame_type(&paging->frames, gpa >> PAGE_SHIFT) != FRAME_CODE)
		return 0;
	error = guest_read(gpa, cpu->code, PAGE_SIZE);
	if (error)
		return error;
	text_measure(&paging->text, va, cpu->code);
	paging->stats.measuring += __builtin_ia32_rdtsc() - begin;
	note_trampolines(paging, cpu, gpa >> PAGE_SHIFT);
	return 0;
}

int code_measure_image(struct paging *paging, struct paging_cpu *cpu)
{
	const struct paging_range *image = &paging->image;
	int error = text_measure_begin(&paging->text, image->begin, image->end - image->begin);

	for (uint64_t va = image->begin; !error && va < image->end; va += PAGE_SIZE)
		error = measure_page(paging, cpu, va);
	if (!error)
		profile_activate(paging);
	return error;
}

static bool is_listed(const struct paging *paging, struct paging_cpu *cpu, uint8_t rule)
{
	return (paging->listed & 1ULL << rule) &&
	       code_list_has(&paging->code_list, (const uint8_t *)cpu->code, cpu->room);
}

/* It cannot be written any more, nor be executed yet. */
static int examine(struct paging *paging, struct paging_cpu *cpu, uint64_t frame, uint64_t va)
{
	uint8_t digest[SHA256_BYTES];
	enum origin origin;
	uint8_t rule;
	int error = guest_read(frame << PAGE_SHIFT, cpu->code, PAGE_SIZE);

	if (error)
		return error;
	origin = origin_of(paging, cpu);
	rule = origin_rule[origin];
	if (!is_listed(paging, cpu, rule)) {
		sha256(cpu->code, PAGE_SIZE, digest);
		if (paging->ops.refuse(paging->ops.context, rule, frame << PAGE_SHIFT,
				       sha256_first(digest), va))
			return -ENOEXEC;
	}
	if (is_fluid(origin))
		frame_mark(&paging->frames, frame, FRAME_FLUID);
	text_forget(&paging->text, va);
	code_name_forget(&paging->names, va);
	return 0;
}

int code_admit(struct paging *paging, struct paging_cpu *cpu, const struct pte_place *place,
	       uint64_t frame)
{
	int error;

	if (!guest_range_ok(frame << PAGE_SHIFT, PAGE_SIZE))
		return -EFAULT;
	/* Another CPU has just made something of it. */
	if (frame_claim(&paging->frames, frame, FRAME_CODE_LEVEL, frame_place_of(place->va)))
		return -EAGAIN;
	error = paging_protect(paging, frame, FRAME_CODE_DYN);
	if (error >= 0) {
		paging_flush(paging);
		error = examine(paging, cpu, frame, place->va);
	}
	if (error < 0) {
		(void)paging_protect(paging, frame, FRAME_NONE);
		frame_unclaim(&paging->frames, frame);
		return error;
	}
	frame_admit(&paging->frames, frame);
	return 0;
}
