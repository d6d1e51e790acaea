/* SPDX-License-Identifier: MIT */
/* Writes to CR0 and CR4 that change a trapped, shadowed or hidden bit. */
#include <errno.h>

#include "vmm/guest_mem.h"
#include "vmm/log.h"
#include "vmm/panic.h"
#include "vmm/x86.h"
#include "vmx/cr_rules.h"
#include "vmx/advance.h"
#include "vmx/audit.h"
#include "vmx/delegation.h"
#include "vmx/exit.h"
#include "vmx/guest_state.h"
#include "vmx/insn.h"
#include "vmx/lock.h"
#include "vmx/state.h"

#define PDPTE_COUNT 4u
#define PAE_CR3_BASE 0xffffffe0ULL /* SDM "PAE Paging": CR3 bits 31:5 */

static struct guest_mode read_mode(const struct vcpu *vcpu)
{
	uint32_t tr = vmread32(VMCS_GUEST_TR_RIGHTS);
	const uint32_t busy_16bit_tss = 3;

	return (struct guest_mode){
		.cr0 = guest_cr0(vcpu),
		.cr4 = guest_cr4(vcpu),
		.efer = vmread(VMCS_GUEST_EFER),
		.cs_long = vmread32(VMCS_GUEST_CS_RIGHTS) & SEGMENT_L,
		.tss_16bit_busy = (tr & SEGMENT_TYPE) == busy_16bit_tss,
		.cr0_fixed0 = vcpu->caps.cr0_fixed0,
		.cr0_fixed1 = vcpu->caps.cr0_fixed1,
		.cr4_fixed0 = vcpu->caps.cr4_fixed0,
		.cr4_fixed1 = vcpu->caps.cr4_fixed1,
	};
}

/* SDM "PDPTE Registers": with EPT the guest's PDPTEs are VMCS fields, loaded by whoever makes the move. */
static int load_pdptes(const struct vcpu *vcpu, uint64_t cr3)
{
	uint64_t pdpte[PDPTE_COUNT];
	int error = guest_read(cr3 & PAE_CR3_BASE, pdpte, sizeof(pdpte));

	if (error)
		return error;
	for (unsigned int i = 0; i < PDPTE_COUNT; i++) {
		if (!pdpte_valid(pdpte[i], vcpu->caps.physical_bits))
			return -EPERM;
	}
	for (unsigned int i = 0; i < PDPTE_COUNT; i++)
		vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, pdpte[i]);
	return 0;
}

static void flush_guest_tlb(void)
{
	vmx_invvpid(INVVPID_SINGLE_CONTEXT, VMX_GUEST_VPID);
}

/* The policy first, so that what it refuses is on record; then the CPU's own rules. */
static bool policy_refuses(const struct vcpu *vcpu, enum register_id id, uint8_t rule,
			   uint64_t present, uint64_t value)
{
	const struct register_context context = {lock_phase(vcpu), &vcpu->pins, present};
	struct register_result result;

	if (register_write(&context, id, value, &result) == VERDICT_ALLOW)
		return false;
	return result.rule == REGISTER_NO_RULE ||
	       audit_refuse(vcpu, rule, value, present, result.bits, result.mandatory);
}

static int write_cr0(struct vcpu *vcpu, uint64_t value)
{
	uint32_t entry = vcpu->controls.entry & ~ENTRY_IA32E_GUEST;
	struct guest_mode mode;
	struct cr_result result;

	if (policy_refuses(vcpu, REGISTER_CR0, SECPOD_RULE_CR0, guest_cr0(vcpu), value))
		return -EPERM;
	mode = read_mode(vcpu);
	if (cr0_write(&mode, value, &result) ||
	    (result.load_pdptes && load_pdptes(vcpu, vmread(VMCS_GUEST_CR3))))
		return -EPERM;
	if (vcpu->delegating && (value & ~mode.cr0 & CR0_PG)) {
		int error = delegation_paging_on(vcpu, result.efer);

		if (error)
			return error;
	}
	vmwrite(VMCS_GUEST_CR0, result.real);
	vmwrite(VMCS_CR0_SHADOW, result.shadow);
	vmwrite(VMCS_GUEST_EFER, result.efer);
	/* Kept equal to EFER.LMA; SDM "Checks on Guest Control Registers, Debug Registers, and MSRs". */
	if (result.efer & EFER_LMA)
		entry |= ENTRY_IA32E_GUEST;
	vcpu->controls.entry = entry;
	vmwrite(VMCS_ENTRY_CONTROLS, entry);
	/* SDM "Operations that Invalidate TLBs": a change of PG; PE and WP the CPU looks up afresh too. */
	if ((value ^ mode.cr0) & (CR0_PG | CR0_WP | CR0_PE))
		flush_guest_tlb();
	return 0;
}

static int write_cr4(struct vcpu *vcpu, uint64_t value)
{
	struct guest_mode mode;
	struct cr_result result;

	if (policy_refuses(vcpu, REGISTER_CR4, SECPOD_RULE_CR4, guest_cr4(vcpu), value))
		return -EPERM;
	mode = read_mode(vcpu);
	if (cr4_write(&mode, value, &result) ||
	    (result.load_pdptes && load_pdptes(vcpu, vmread(VMCS_GUEST_CR3))))
		return -EPERM;
	vmwrite(VMCS_GUEST_CR4, result.real);
	vmwrite(VMCS_CR4_SHADOW, result.shadow);
	flush_guest_tlb();
	return 0;
}

static int write_cr3(struct vcpu *vcpu, uint64_t value)
{
	struct guest_mode mode = read_mode(vcpu);
	struct cr3_result result;

	if (cr3_write(&mode, value, vcpu->caps.physical_bits, vcpu->caps.lam, &result))
		return -EPERM;
	/* PDPTEs come from the new root, and are checked before it is loaded. */
	if (result.load_pdptes && load_pdptes(vcpu, result.value))
		return -EPERM;
	lock_watch(vcpu, value);
	if (vcpu->delegating) {
		int error = delegation_load(vcpu, value);

		if (error)
			return error;
	}
	vmwrite(VMCS_GUEST_CR3, result.value);
	if (result.flush)
		vmx_invvpid(vcpu->caps.ept_vpid & EPT_CAP_INVVPID_RETAIN_GLOBALS
				    ? INVVPID_RETAIN_GLOBALS
				    : INVVPID_SINGLE_CONTEXT,
			    VMX_GUEST_VPID);
	return 0;
}

void exit_cr_access(struct vcpu *vcpu)
{
	uint64_t qualification = vmread(VMCS_EXIT_QUALIFICATION);
	unsigned int number = qualification & CR_QUAL_NUMBER;
	unsigned int type = qualification >> CR_QUAL_TYPE_SHIFT & CR_QUAL_TYPE;
	unsigned int source = qualification >> CR_QUAL_REGISTER_SHIFT & CR_QUAL_REGISTER;
	uint64_t value = guest_gpr(vcpu, source);
	int error;

	/* MOV takes 32 bits outside 64-bit mode. */
	if (!(vmread32(VMCS_GUEST_CS_RIGHTS) & SEGMENT_L) || !(vmread(VMCS_GUEST_EFER) & EFER_LMA))
		value = (uint32_t)value;

	if (number == 0 && type == CR_QUAL_TYPE_TO_CR)
		error = write_cr0(vcpu, value);
	else if (number == 0 && type == CR_QUAL_TYPE_LMSW)
		error = write_cr0(vcpu,
				  lmsw_value(guest_cr0(vcpu),
					     (uint16_t)(qualification >> CR_QUAL_LMSW_SHIFT)));
	else if (number == 0 && type == CR_QUAL_TYPE_CLTS)
		error = write_cr0(vcpu, guest_cr0(vcpu) & ~CR0_TS);
	else if (number == 3 && type == CR_QUAL_TYPE_TO_CR)
		error = write_cr3(vcpu, value);
	else if (number == 4 && type == CR_QUAL_TYPE_TO_CR)
		error = write_cr4(vcpu, value);
	else
		panic("control-register exit that no control asks for: CR%u, type %u", number,
		      type);

	if (error && error != -EAGAIN)
		guest_inject(vcpu, VECTOR_GP, 0);
	else if (!error)
		guest_advance();
}
