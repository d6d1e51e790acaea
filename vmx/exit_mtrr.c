/* SPDX-License-Identifier: MIT */
/* Writes to MTRRs. SDM: "Memory Type Range Registers (MTRRs)". */
#include <errno.h>

#include "ept/mtrr_regs.h"
#include "secpod/secure_space.h"
#include "vmm/cpu_ops.h"
#include "vmm/log.h"
#include "vmm/msr_safe.h"
#include "vmm/spinlock.h"
#include "vmm/x86.h"
#include "vmx/audit.h"
#include "vmx/exit.h"
#include "vmx/insn.h"
#include "vmx/state.h"

/* Guards the machine's MTRR snapshot while it is changed; never held while waiting for other CPUs. */
static struct spinlock mtrr_lock;
static struct mtrr_state mtrr;

/* This CPU's: each register that IA32_MTRRCAP says is there; which those are the decoder knows. */
static void read_mtrrs(struct mtrr_state *own)
{
	*own = (struct mtrr_state){.physical_bits = vmx.physical_bits};
	own->cap = rdmsr(MSR_MTRRCAP);
	for (uint32_t msr = MSR_MTRR_PHYSBASE0; msr <= MSR_MTRR_DEF_TYPE; msr++) {
		uint64_t *slot = mtrr_msr_slot(own, msr);

		if (slot)
			*slot = rdmsr(msr);
	}
}

void vmx_mtrr_start(struct mtrr_state *initial)
{
	read_mtrrs(initial);
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
 * Would the write give the secure space another memory type on this CPU? Of the CPU's own registers, which need not
 * be those that the last CPU wrote.
 */
static bool retypes_secure_space(uint32_t msr, uint64_t value)
{
	struct mtrr_state next;
	uint64_t *slot;

	read_mtrrs(&next);
	slot = mtrr_msr_slot(&next, msr);
	if (slot)
		*slot = value;
	return secure_space_retyped(&vmx.secure, &next);
}

int exit_write_mtrr(const struct vcpu *vcpu, uint32_t msr, uint64_t value)
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
