/* SPDX-License-Identifier: MIT */
/*
 * Stores to what the guest may only read: page tables, code, constants. SDM: "EPT Violations",
 * "Exit Qualification for EPT Violations".
 */
#include <errno.h>
#include <string.h>

#include "secpod/rules.h"
#include "vmm/guest_mem.h"
#include "vmm/x86.h"
#include "vmx/advance.h"
#include "vmx/audit.h"
#include "vmx/delegation.h"
#include "vmx/exit.h"
#include "vmx/exit_text.h"
#include "vmx/guest_state.h"
#include "vmx/insn.h"
#include "vmx/state.h"
#include "vmx/store_emulate.h"

static const struct guest_walk_memory looking = {guest_read, guest_write, NULL};

/* One trapped store. */
struct store_exit {
	struct vcpu *vcpu;
	struct guest_paging paging;
	struct store_insn insn;
	enum frame_type type;
	uint64_t gva;
	bool refused; /* by a rule, which is on record */
};

static uint64_t apply(void *operand, uint64_t old)
{
	return store_change_apply(operand, old);
}

static int update_table(void *context, uint64_t gpa, const struct store_change *change,
			uint64_t *old)
{
	struct store_exit *s = context;
	struct store_change copy = *change;
	int error = paging_store(&vmx.paging, s->vcpu->paging, gpa, apply, &copy, old);

	s->refused = error == -EPERM;
	return error;
}

static int update_code(void *context, uint64_t gpa, const struct store_change *change,
		       uint64_t *old)
{
	struct store_exit *s = context;

	return text_update(s->vcpu, gpa, change, old, &s->refused);
}

static int read_source(void *context, uint64_t gva, void *to, size_t len)
{
	const struct store_exit *s = context;
	struct guest_walk walk;

	return guest_read_linear(&s->paging, &looking, gva, to, len, 0, &walk);
}

static int locate(void *context, uint64_t gva, uint64_t *gpa)
{
	const struct store_exit *s = context;
	struct guest_walk walk;
	int error = guest_walk(&s->paging, &looking, gva, WALK_WRITE, &walk);

	if (error)
		return error;
	*gpa = walk.gpa;
	/* The other page is judged by what it is, not by what this one is. */
	return frame_type(&vmx.paging.frames, walk.gpa >> PAGE_SHIFT) == s->type ? 0 : -EPERM;
}

/* The bytes at RIP, as many as can be had. */
static size_t fetch(const struct store_exit *s, uint64_t rip, uint8_t *bytes)
{
	struct guest_walk walk;
	size_t in_page = PAGE_SIZE - (rip & ~PAGE_MASK);

	if (!guest_read_linear(&s->paging, &looking, rip, bytes, STORE_INSN_MAX, 0, &walk))
		return STORE_INSN_MAX;
	if (in_page >= STORE_INSN_MAX ||
	    guest_read_linear(&s->paging, &looking, rip, bytes, in_page, 0, &walk))
		return 0;
	return in_page;
}

static int decode(struct store_exit *s, uint64_t rip)
{
	uint8_t bytes[STORE_INSN_MAX];
	size_t len;
	enum code_size code =
		code_size_of(vmread32(VMCS_GUEST_CS_RIGHTS), vmread(VMCS_GUEST_EFER) & EFER_LMA);

	s->paging = guest_paging(s->vcpu);
	len = fetch(s, rip, bytes);
	return len ? store_decode(bytes, len, code, &s->insn) : -EAGAIN;
}

static int emulate(struct store_exit *s, uint64_t gpa, uint64_t rip)
{
	const bool table = frame_is_table(s->type);
	struct guest_regs *regs = s->vcpu->regs;
	struct store_registers registers = {
		.gpr = &regs->rax,
		.rip = rip,
		.rflags = s->paging.rflags,
	};
	const struct store_target target = {s->gva, gpa, !table};
	const struct store_memory memory = {read_source, table ? update_table : update_code, locate,
					    s};
	const uint64_t rsp = vmread(VMCS_GUEST_RSP);
	int result;

	if (s->insn.segment == SEG_FS)
		registers.fs_base = vmread(VMCS_GUEST_FS_BASE);
	if (s->insn.segment == SEG_GS)
		registers.gs_base = vmread(VMCS_GUEST_GS_BASE);
	regs->rsp_unused = rsp;
	result = store_emulate(&s->insn, &registers, &target, &memory);
	if (regs->rsp_unused != rsp)
		vmwrite(VMCS_GUEST_RSP, regs->rsp_unused);
	if (result == 0 || result == STORE_PARTIAL)
		guest_stored(registers.rip, registers.rflags);
	return result;
}

static void refuse(struct store_exit *s, uint8_t rule, uint64_t gpa, uint64_t detail,
		   bool mandatory)
{
	if (s->refused || audit_refuse(s->vcpu, rule, gpa, s->gva, detail, mandatory))
		guest_inject(s->vcpu, VECTOR_GP, 0);
}

static void store(struct store_exit *s, uint64_t gpa)
{
	const uint64_t rip = vmread(VMCS_GUEST_RIP);
	const bool table = frame_is_table(s->type);
	int result;

	/* The delivery of an event writes its frame there: no instruction to carry out. */
	if (s->vcpu->event.info & EVENT_VALID) {
		refuse(s, SECPOD_RULE_PT_STORE, gpa, 0, true);
		return;
	}
	result = decode(s, rip);
	if (!result && s->paging.cpl != 0)
		result = -EACCES;
	if (!result && !table && !text_is_poke(s->vcpu, gpa, s->gva, rip, s->paging.rflags)) {
		refuse(s, SECPOD_RULE_CODE_STORE, gpa, rip, true);
		return;
	}
	if (!result)
		result = emulate(s, gpa, rip);
	switch (result) {
	case 0:
	case STORE_PARTIAL:
	case -EAGAIN:
	case -ENOENT:
		return;
	default:
		refuse(s, table ? SECPOD_RULE_PT_STORE : SECPOD_RULE_CODE_STORE, gpa,
		       (uint64_t)-result, true);
	}
}

bool delegation_violation(struct vcpu *vcpu, uint64_t gpa, uint64_t qualification)
{
	const uint64_t frame = gpa >> PAGE_SHIFT;
	struct store_exit s = {
		.vcpu = vcpu,
		.type = frame_type(&vmx.paging.frames, frame),
		.gva = vmread(VMCS_GUEST_LINEAR_ADDRESS),
	};

	if (s.type == FRAME_SECURE)
		return false;
	if (qualification & EPT_QUAL_FETCH)
		return delegation_fetch(vcpu, gpa, qualification);
	if (s.type == FRAME_NONE || s.type == FRAME_OUTSIDE)
		return false;
	if (!(qualification & EPT_QUAL_WRITE))
		return false;
	if (!(qualification & EPT_QUAL_LINEAR_VALID)) {
		refuse(&s, SECPOD_RULE_PT_STORE, gpa, qualification, true);
		return true;
	}
	if (!(qualification & EPT_QUAL_TRANSLATED)) {
		if (frame_is_table(s.type) && paging_flag_update(&vmx.paging, gpa) == -EFAULT)
			refuse(&s, SECPOD_RULE_PT_STORE, gpa, qualification, true);
		return true;
	}
	/* A page table no longer: somebody else's memory by now, written for the first time. */
	if (frame_is_table(s.type) && paging_settle(&vmx.paging, vcpu->paging, frame) == 0)
		return true;
	store(&s, gpa);
	return true;
}
