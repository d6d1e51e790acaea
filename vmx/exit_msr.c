/* SPDX-License-Identifier: MIT */
/* RDMSR and WRMSR, and their forms with an immediate, that the bitmap, or its limits, send here. */
#include <errno.h>

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

static int do_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	bool write;
	int error = judge_write(vcpu, msr, value, &write);

	if (error || !write)
		return error;
	if (msr_rule_of(msr)->write == MSR_WRITE_MTRR)
		return exit_write_mtrr(vcpu, msr, value);
	error = guest_msr_write(msr, value);
	if (!error && vcpu->locked && register_of_msr(msr) != REGISTER_COUNT)
		register_pins_settle(&vcpu->pins, register_of_msr(msr), value);
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

/* The whole of it, so that the handlers need only jump there. */
static __attribute__((noinline)) void write_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	end(vcpu, do_write(vcpu, msr, value));
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

	write_msr(vcpu, (uint32_t)regs->rcx, regs->rdx << 32 | (uint32_t)regs->rax);
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
	write_msr(vcpu, msr_imm_number(vmread(VMCS_EXIT_QUALIFICATION)),
		  guest_gpr(vcpu, immediate_register()));
}
