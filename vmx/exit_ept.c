/* SPDX-License-Identifier: MIT */
/* EPT violations: the secure space, and address space that is mapped at first use. */
#include <errno.h>
#include <inttypes.h>

#include "vmm/panic.h"
#include "vmm/x86.h"
#include "vmx/audit.h"
#include "vmx/delegation.h"
#include "vmx/exit.h"
#include "vmx/insn.h"
#include "vmx/state.h"

static uint32_t access_of(uint64_t qualification)
{
	uint32_t access = 0;

	if (qualification & EPT_QUAL_READ)
		access |= SECURE_READ;
	if (qualification & EPT_QUAL_WRITE)
		access |= SECURE_WRITE;
	if (qualification & EPT_QUAL_FETCH)
		access |= SECURE_FETCH;
	return access;
}

/* Mandatory: what is done about it does not depend on the answer. */
static void put_on_record(const struct vcpu *vcpu, uint64_t gpa, uint32_t access, uint64_t linear)
{
	(void)audit_refuse(vcpu, SECPOD_RULE_SECURE_SPACE, gpa, access, linear, true);
}

/* SDM "Information About NMI Unblocking Due to IRET": the IRET will be executed again. */
static void restore_nmi_blocking(const struct vcpu *vcpu)
{
	if (!(vcpu->event.info & EVENT_VALID))
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
			vmread(VMCS_GUEST_INTERRUPTIBILITY) | BLOCKING_BY_NMI);
}

static bool in_locked_idt(uint64_t gpa)
{
	return vmx.idt_frame && (gpa & PAGE_MASK) == vmx.idt_frame;
}

/* A store to the locked IDT. Result: false: policy lets it pass, and the page is the guest's again. */
static bool idt_write_refused(const struct vcpu *vcpu, uint64_t gpa)
{
	const uint64_t base = vmread(VMCS_GUEST_IDTR_BASE);
	const struct breach breach = {
		.rule = SECPOD_RULE_DESCRIPTOR_TABLE,
		.detail = {base + (gpa & ~PAGE_MASK), vmread(VMCS_GUEST_IDTR_LIMIT),
			   DESCRIPTOR_IDTR, base},
	};

	if (audit_breach(vcpu, &breach))
		return true;
	/* In this order: another CPU's store that was trapped before finds either the mark or the right. */
	delegation_unprotect(gpa & PAGE_MASK);
	vmx.idt_frame = 0;
	return false;
}

static __attribute__((noinline)) void touch_secure_space(struct vcpu *vcpu, uint64_t gpa,
							 uint64_t qualification)
{
	const uint32_t access = access_of(qualification);
	bool record;
	enum secure_answer answer =
		secure_space_access(&vmx.secure, &vmx.ept, gpa, access, &record);

	if (record)
		put_on_record(vcpu, gpa, access,
			      qualification & EPT_QUAL_LINEAR_VALID
				      ? vmread(VMCS_GUEST_LINEAR_ADDRESS)
				      : 0);
	if (answer == SECURE_REFUSE)
		guest_inject(vcpu, VECTOR_GP, 0);
}

bool operand_refused(struct vcpu *vcpu, uint64_t gpa, uint32_t access, uint64_t linear)
{
	if (secure_space_contains(&vmx.secure, gpa))
		put_on_record(vcpu, gpa, access, linear);
	else if (access == SECURE_WRITE && in_locked_idt(gpa))
		return idt_write_refused(vcpu, gpa);
	else if (access == SECURE_WRITE)
		delegation_operand(vcpu, gpa, linear);
	return true;
}

void exit_ept_violation(struct vcpu *vcpu)
{
	uint64_t gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS);
	uint64_t qualification = vmread(VMCS_EXIT_QUALIFICATION);
	int result;

	if (qualification & EPT_QUAL_NMI_UNBLOCKING)
		restore_nmi_blocking(vcpu);
	if (secure_space_contains(&vmx.secure, gpa)) {
		touch_secure_space(vcpu, gpa, qualification);
		return;
	}

	if (in_locked_idt(gpa) && (qualification & EPT_QUAL_WRITE)) {
		if (idt_write_refused(vcpu, gpa))
			guest_inject(vcpu, VECTOR_GP, 0);
		return;
	}

	if (delegation_violation(vcpu, gpa, qualification))
		return;

	result = ept_map_lazy(&vmx.ept, gpa);
	if (result == EPT_FLUSH_NEEDED)
		vmx_flush_ept();
	if (result >= 0)
		return;
	if (result == -ENOENT && violation_is_over(gpa, qualification))
		return;
	if (result == -ENOENT)
		result = delegation_settle(vcpu, gpa);
	if (result == 0)
		return;
	/*
	 * Above the 48 bits that four levels of EPT translate, or more of such space than the pool has tables
	 * for: nothing Linux uses, but the guest can name it.
	 */
	if (result == -ENOMEM || gpa >= vmx.ept.limit) {
		guest_inject(vcpu, VECTOR_GP, 0);
		return;
	}
	panic("EPT violation at %#" PRIx64 ", qualification %#" PRIx64 ": %d", gpa, qualification,
	      result);
}

void exit_ept_misconfig(struct vcpu *vcpu)
{
	(void)vcpu;
	panic("EPT misconfiguration at %#" PRIx64, vmread(VMCS_GUEST_PHYSICAL_ADDRESS));
}
