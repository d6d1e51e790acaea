/* SPDX-License-Identifier: MIT */
#include "vmx/dump.h"

#include <inttypes.h>
#include <stddef.h>

#include "secpod/text/text_lines.h"
#include "vmm/cpu_ops.h"
#include "vmm/panic.h"
#include "vmx/entry_check.h"
#include "vmx/insn.h"
#include "vmx/state.h"

/* SDM "VM Instruction Error Numbers" */
static const char *const instruction_errors[] = {
	[0] = "no VMCS to report the error in",
	[1] = "VMCALL in VMX root operation",
	[2] = "VMCLEAR with invalid physical address",
	[3] = "VMCLEAR with VMXON pointer",
	[4] = "VMLAUNCH with non-clear VMCS",
	[5] = "VMRESUME with non-launched VMCS",
	[6] = "VMRESUME after VMXOFF",
	[7] = "VM entry with invalid control field(s)",
	[8] = "VM entry with invalid host-state field(s)",
	[9] = "VMPTRLD with invalid physical address",
	[10] = "VMPTRLD with VMXON pointer",
	[11] = "VMPTRLD with incorrect VMCS revision identifier",
	[12] = "VMREAD/VMWRITE of unsupported VMCS component",
	[13] = "VMWRITE to read-only VMCS component",
	[15] = "VMXON executed in VMX root operation",
	[26] = "VM entry with events blocked by MOV SS",
	[28] = "invalid operand to INVEPT/INVVPID",
};

const char *dump_instruction_error(uint32_t number)
{
	const char *text = NULL;

	if (number < sizeof(instruction_errors) / sizeof(instruction_errors[0]))
		text = instruction_errors[number];
	return text ? text : "unknown";
}

void dump_guest(enum log_level level)
{
	const struct vcpu *vcpu = this_vcpu();
	const struct guest_regs *r;

	if (!vcpu || !vcpu->cpu->launched) {
		log_at(level, "no VM exit on this CPU yet");
		return;
	}
	r = vcpu->regs;
	log_at(level,
	       "exit reason %#" PRIx32 ", qualification %#" PRIx64 ", instruction length %" PRIu32,
	       vmread32(VMCS_EXIT_REASON), vmread(VMCS_EXIT_QUALIFICATION),
	       vmread32(VMCS_EXIT_INSTRUCTION_LENGTH));
	log_at(level,
	       "gpa %#" PRIx64 ", gva %#" PRIx64 ", interruption %#" PRIx32
	       ", IDT vectoring %#" PRIx32,
	       vmread(VMCS_GUEST_PHYSICAL_ADDRESS), vmread(VMCS_GUEST_LINEAR_ADDRESS),
	       vmread32(VMCS_EXIT_INTERRUPTION_INFO), vmread32(VMCS_IDT_VECTORING_INFO));
	log_at(level,
	       "CS:RIP %#" PRIx64 ":%#" PRIx64 " RSP %#" PRIx64 " RFLAGS %#" PRIx64
	       " activity %" PRIu32,
	       vmread(VMCS_GUEST_CS), vmread(VMCS_GUEST_RIP), vmread(VMCS_GUEST_RSP),
	       vmread(VMCS_GUEST_RFLAGS), vmread32(VMCS_GUEST_ACTIVITY));
	log_at(level, "RAX %#" PRIx64 " RBX %#" PRIx64 " RCX %#" PRIx64 " RDX %#" PRIx64, r->rax,
	       r->rbx, r->rcx, r->rdx);
	log_at(level, "RSI %#" PRIx64 " RDI %#" PRIx64 " RBP %#" PRIx64 " R8 %#" PRIx64, r->rsi,
	       r->rdi, r->rbp, r->r8);
	log_at(level, "R9 %#" PRIx64 " R10 %#" PRIx64 " R11 %#" PRIx64 " R12 %#" PRIx64, r->r9,
	       r->r10, r->r11, r->r12);
	log_at(level, "R13 %#" PRIx64 " R14 %#" PRIx64 " R15 %#" PRIx64 " CR2 %#" PRIx64, r->r13,
	       r->r14, r->r15, read_cr2());
	log_at(level, "CR0 %#" PRIx64 " CR3 %#" PRIx64 " CR4 %#" PRIx64 " EFER %#" PRIx64,
	       vmread(VMCS_GUEST_CR0), vmread(VMCS_GUEST_CR3), vmread(VMCS_GUEST_CR4),
	       vmread(VMCS_GUEST_EFER));
}

static void print_error(const char *line)
{
	log_error("%s", line);
}

void dump_for_panic(void)
{
	dump_guest(LOG_ERROR);
	/* A CPU that is stopped may have the lock. */
	text_tell(&vmx.paging.text, text_site_peek, print_error);
}

void dump_entry_rule(const struct vcpu *vcpu)
{
	struct entry_state state = {0};
	const char *rule;
	uint64_t value = 0;

	for (const struct entry_field *field = entry_fields; field->field != ENTRY_FIELD_END;
	     field++)
		*(uint64_t *)(void *)((uint8_t *)&state + field->offset) = vmread_any(field->field);
	state.caps = vcpu->caps;
	rule = entry_check(&state, &value);
	if (rule)
		log_error("VM entry: %s (value %#" PRIx64 ")", rule, value);
	else
		log_error("VM entry: no rule known to the monitor is broken");
}

void dump_entry_failure(struct vcpu *vcpu)
{
	dump_entry_rule(vcpu);
	panic("VM entry failed, reason %#" PRIx32 ", qualification %#" PRIx64,
	      vmread32(VMCS_EXIT_REASON), vmread(VMCS_EXIT_QUALIFICATION));
}
