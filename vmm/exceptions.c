/* SPDX-License-Identifier: MIT */
#include "vmm/exceptions.h"

#include <inttypes.h>

#include "vmm/cpu_ops.h"
#include "vmm/ex_table.h"
#include "vmm/host.h"
#include "vmm/log.h"
#include "vmm/panic.h"
#include "vmm/sections.h"
#include "vmm/x86.h"

#define FIRST_EXTERNAL_VECTOR 32u

/* SDM "Exception and Interrupt Reference". */
static const char *const names[FIRST_EXTERNAL_VECTOR] = {
	[0] = "#DE",  [1] = "#DB",  [2] = "NMI",  [3] = "#BP",	[4] = "#OF",
	[5] = "#BR",  [6] = "#UD",  [7] = "#NM",  [8] = "#DF",	[10] = "#TS",
	[11] = "#NP", [12] = "#SS", [13] = "#GP", [14] = "#PF", [16] = "#MF",
	[17] = "#AC", [18] = "#MC", [19] = "#XM", [20] = "#VE", [21] = "#CP",
};

static const char *name_of(uint64_t vector)
{
	const char *name = vector < FIRST_EXTERNAL_VECTOR ? names[vector] : "external interrupt";

	return name ? name : "reserved exception";
}

/* WRMSR, RDMSR and XSETBV report a value they refuse with #GP, and an absent XSETBV is #UD. */
static uint64_t fixup_of(const struct exception_frame *frame)
{
	if (frame->vector != VECTOR_GP && frame->vector != VECTOR_UD)
		return 0;
	return ex_table_find((const struct ex_entry *)__ex_table_start,
			     (const struct ex_entry *)__ex_table_end, frame->rip);
}

void exception_handle(struct exception_frame *frame)
{
	uint64_t fixup = fixup_of(frame);

	if (fixup) {
		frame->rip = fixup;
		return;
	}
	panic_prepare();
	log_error("RAX %#" PRIx64 " RBX %#" PRIx64 " RCX %#" PRIx64 " RDX %#" PRIx64, frame->rax,
		  frame->rbx, frame->rcx, frame->rdx);
	log_error("RSI %#" PRIx64 " RDI %#" PRIx64 " RBP %#" PRIx64 " RSP %#" PRIx64, frame->rsi,
		  frame->rdi, frame->rbp, frame->rsp);
	log_error("R8 %#" PRIx64 " R9 %#" PRIx64 " R10 %#" PRIx64 " R11 %#" PRIx64, frame->r8,
		  frame->r9, frame->r10, frame->r11);
	log_error("R12 %#" PRIx64 " R13 %#" PRIx64 " R14 %#" PRIx64 " R15 %#" PRIx64, frame->r12,
		  frame->r13, frame->r14, frame->r15);
	log_error("CS %#" PRIx64 " SS %#" PRIx64 " RFLAGS %#" PRIx64 " CR2 %#" PRIx64
		  " CR3 %#" PRIx64,
		  frame->cs, frame->ss, frame->rflags, read_cr2(), read_cr3());
	panic("%s (vector %" PRIu64 ", error code %#" PRIx64 ") in the monitor at RIP %#" PRIx64
	      ", image offset %#" PRIx64,
	      name_of(frame->vector), frame->vector, frame->error_code, frame->rip,
	      frame->rip - host_image_base());
}
