/* SPDX-License-Identifier: MIT */
/*
 * Fetches that EPT refuses: of the kernel from what is no code, of user mode from what is not a user's.
 * The judged page tables let neither come about; this is what remains where they were let be otherwise.
 */
#include <errno.h>

#include "secpod/rules.h"
#include "vmm/x86.h"
#include "vmx/audit.h"
#include "vmx/delegation.h"
#include "vmx/ept_violation.h"
#include "vmx/exit.h"
#include "vmx/insn.h"
#include "vmx/state.h"

bool violation_is_over(uint64_t gpa, uint64_t qualification)
{
	struct ept_leaf leaf;

	return !ept_lookup(&vmx.ept, gpa, &leaf) &&
	       ept_violation_is_over(qualification, leaf.rights, vmx.ept.features.mbec,
				     vmx.ept_advanced_info);
}

static bool is_users(uint64_t qualification)
{
	if (!vmx.ept.features.mbec)
		return SEGMENT_DPL(vmread32(VMCS_GUEST_SS_RIGHTS)) != 0;
	return ept_fetch_wants(qualification, true, vmx.ept_advanced_info) == EPT_EXEC_USER;
}

/* What has a type keeps the rights that go with it, whatever policy says. */
static bool is_typed(uint64_t gpa)
{
	const enum frame_type type = frame_type(&vmx.paging.frames, gpa >> PAGE_SHIFT);

	return type != FRAME_NONE && type != FRAME_OUTSIDE;
}

/* Policy lets it pass. Result: 0; -EAGAIN (the guest may try again), -ENOMEM. */
static int grant(uint64_t gpa, uint32_t right)
{
	const uint64_t frame = gpa >> PAGE_SHIFT;
	const bool memory = frame < vmx.paging.frames.count;
	struct ept_leaf leaf;
	int error;

	/* It must not become a page table meanwhile. */
	if (memory && frame_hold(&vmx.paging.frames, frame))
		return -EAGAIN;
	error = ept_lookup(&vmx.ept, gpa, &leaf);
	if (!error)
		error = ept_protect(&vmx.ept, gpa & PAGE_MASK, PAGE_SIZE, leaf.rights | right);
	if (memory)
		frame_release(&vmx.paging.frames, frame);
	return error < 0 ? error : 0;
}

bool delegation_fetch(struct vcpu *vcpu, uint64_t gpa, uint64_t qualification)
{
	const bool users = is_users(qualification);
	struct ept_leaf leaf;

	if (ept_lookup(&vmx.ept, gpa, &leaf) || leaf.rights == EPT_NONE)
		return false;
	/* Another CPU has just made code of it, or a page for user mode. */
	if (violation_is_over(gpa, qualification))
		return true;
	if (audit_refuse(vcpu, users ? SECPOD_RULE_USER_MAP : SECPOD_RULE_KERNEL_FETCH, gpa,
			 vmread(VMCS_GUEST_LINEAR_ADDRESS), qualification, is_typed(gpa)) ||
	    grant(gpa, users ? EPT_EXEC_USER : EPT_EXEC) == -ENOMEM)
		guest_inject(vcpu, VECTOR_GP, 0);
	return true;
}
