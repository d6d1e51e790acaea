/* SPDX-License-Identifier: MIT */
/* RDMSR and WRMSR, and their forms with an immediate, that the bitmap, or its limits, send here. */
#include <errno.h>
#include <inttypes.h>

#include "ept/mtrr_regs.h"
#include "vmm/cpu_ops.h"
#include "vmm/log.h"
#include "vmm/msr_safe.h"
#include "vmm/x86.h"
#include "vmx/advance.h"
#include "vmx/audit.h"
#include "vmx/exit.h"
#include "vmx/guest_state.h"
#include "vmx/insn.h"
#include "vmx/lock.h"
#include "vmx/msr_policy.h"
#include "vmx/state.h"

/* Guards the machine's MTRR snapshot while it is changed; never held while waiting for other CPUs. */
static struct spinlock mtrr_lock;
static struct mtrr_state mtrr;

void vmx_mtrr_start(const struct mtrr_state *initial)
{
	mtrr = *initial;
}

/*
 * SDM "MTRR Maintenance Programming Interface": caches are off and empty while a type changes. The guest's
 * own CR0.CD is a shadow only, so it is done here around the write.
 */
static int write_uncached(uint32_t msr, uint64_t value)
{
	uint64_t cr0 = read_cr0();
	int error;

	write_cr0((cr0 & ~CR0_NW) | CR0_CD);
	wbinvd();
	error = wrmsr_safe(msr, value);
	wbinvd();
	write_cr0(cr0);
	return error;
}

/*
 * While MTRRs are disabled on the way to a new setting (Linux: CD = 1, E = 0, new ranges, E = 1) the map is
 * left as it is: caches are off in the guest's mind, and every type but the final one would be torn
 * down again at once.
 */
static int follow_mtrrs(uint32_t msr, uint64_t value)
{
	uint64_t *slot;
	int result = 0;

	spin_lock(&mtrr_lock);
	slot = mtrr_msr_slot(&mtrr, msr);
	if (slot)
		*slot = value;
	if (mtrr.def_type & MTRR_DEF_TYPE_E || !(vmread(VMCS_CR0_SHADOW) & CR0_CD))
		result = ept_set_mtrr(&vmx.ept, &mtrr);
	spin_unlock(&mtrr_lock);
	if (result == -ENOMEM)
		log_error("MTRR change: pool empty, parts of memory are uncached now");
	return result;
}

/*
 * Would the write give the secure space another memory type? Not asked while MTRRs are disabled on the way
 * to a new setting; it is when they are enabled again.
 */
static bool retypes_secure_space(uint32_t msr, uint64_t value)
{
	const uint64_t end = vmx.secure.base + vmx.secure.size;
	struct mtrr_state next;
	enum memory_type type;
	uint64_t *slot;

	spin_lock(&mtrr_lock);
	next = mtrr;
	spin_unlock(&mtrr_lock);
	slot = mtrr_msr_slot(&next, msr);
	if (slot)
		*slot = value;
	return (next.def_type & MTRR_DEF_TYPE_E) &&
	       (mtrr_uniform_end(&next, vmx.secure.base, end, &type) != end || type != MEMORY_WB);
}

static int write_mtrr(const struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	uint64_t now = 0;
	int error;

	if (!mtrr_write_ok(&mtrr, msr, value))
		return -EPERM;
	if (retypes_secure_space(msr, value)) {
		(void)rdmsr_safe(msr, &now);
		if (audit_refuse(vcpu, SECPOD_RULE_MTRR, value, now, msr, true))
			return -EPERM;
	}
	error = write_uncached(msr, value);
	if (error)
		return error;
	if (follow_mtrrs(msr, value) != 0)
		vmx_flush_ept();
	return 0;
}

/* The third word of a record: which bits, where the rule has one register, else which register. */
static uint64_t rule_detail(uint8_t rule, uint32_t msr, uint64_t bits)
{
	return rule == SECPOD_RULE_EFER ? bits : msr;
}

/*
 * The register policy, on every register it lists. *write: false when the value reaches no register.
 * Result: 0, -EPERM: #GP(0).
 */
static int judge_write(const struct vcpu *vcpu, uint32_t msr, uint64_t value, bool *write)
{
	struct register_context context = {lock_phase(vcpu), &vcpu->pins, 0};
	enum register_id id = register_of_msr(msr);
	struct register_result result;

	*write = true;
	if (id == REGISTER_COUNT)
		return 0;
	/* A register the CPU lacks has no present value; the write will fault by itself. */
	(void)guest_msr_read(msr, &context.present);
	if (register_write(&context, id, value, &result) == VERDICT_ALLOW) {
		*write = result.write;
		return 0;
	}
	if (result.rule == REGISTER_NO_RULE ||
	    audit_refuse(vcpu, result.rule, value, context.present,
			 rule_detail(result.rule, msr, result.bits), result.mandatory))
		return -EPERM;
	return 0;
}

static int write_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	bool write;
	int error = judge_write(vcpu, msr, value, &write);

	if (error || !write)
		return error;
	if (msr_rule_of(msr)->write == MSR_WRITE_MTRR)
		return write_mtrr(vcpu, msr, value);
	error = guest_msr_write(msr, value);
	if (!error && vcpu->locked && register_of_msr(msr) != REGISTER_COUNT)
		register_pins_settle(&vcpu->pins, register_of_msr(msr), value);
	return error;
}

static int read_msr(uint32_t msr, uint64_t *value)
{
	const enum msr_read read = msr_rule_of(msr)->read;
	int error;

	if (read == MSR_READ_REFUSE)
		return -EPERM;
	error = rdmsr_safe(msr, value);
	if (read == MSR_READ_FEATURE_CONTROL)
		*value = feature_control_view(*value);
	else if (read == MSR_READ_CORE_CAPABILITIES)
		*value = core_capabilities_view(*value);
	return error;
}

/* Behind the instruction, or #GP(0). */
static void end(struct vcpu *vcpu, int error)
{
	if (error)
		guest_inject(vcpu, VECTOR_GP, 0);
	else
		guest_advance();
}

void exit_rdmsr(struct vcpu *vcpu)
{
	struct guest_regs *regs = vcpu->regs;
	uint64_t value = 0;
	int error = read_msr((uint32_t)regs->rcx, &value);

	if (!error) {
		regs->rax = (uint32_t)value;
		regs->rdx = value >> 32;
	}
	end(vcpu, error);
}

void exit_wrmsr(struct vcpu *vcpu)
{
	const struct guest_regs *regs = vcpu->regs;

	end(vcpu, write_msr(vcpu, (uint32_t)regs->rcx, regs->rdx << 32 | (uint32_t)regs->rax));
}

/*
 * The forms with an immediate, in 64-bit mode only. No control enables them: they are there on a CPU that has them,
 * and exit by the same bitmap.
 */
static unsigned int immediate_register(void)
{
	return msr_imm_register(vmread32(VMCS_EXIT_INSTRUCTION_INFO));
}

void exit_rdmsr_imm(struct vcpu *vcpu)
{
	uint64_t value = 0;
	int error = read_msr(msr_imm_number(vmread(VMCS_EXIT_QUALIFICATION)), &value);

	if (!error)
		guest_set_gpr(vcpu, immediate_register(), value);
	end(vcpu, error);
}

void exit_wrmsrns_imm(struct vcpu *vcpu)
{
	end(vcpu, write_msr(vcpu, msr_imm_number(vmread(VMCS_EXIT_QUALIFICATION)),
			    guest_gpr(vcpu, immediate_register())));
}
