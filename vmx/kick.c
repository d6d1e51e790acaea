/* SPDX-License-Identifier: MIT */
/* The machine's side of ept/invalidate.h: INVEPT, and NMIs that make other CPUs leave the guest. */
#include <inttypes.h>

#include "vmm/apic.h"
#include "vmm/cpu_ops.h"
#include "vmm/panic.h"
#include "vmx/delegation.h"
#include "vmx/insn.h"
#include "vmx/lock.h"
#include "vmx/state.h"

/* Turns of waiting between two broadcasts, and before the machine is given up. */
#define TURNS_PER_BROADCAST (1u << 20)
#define TURNS_LIMIT (1ULL << 34)

static void invalidate_local(void *context)
{
	uint64_t type = this_vcpu()->caps.ept_vpid & EPT_CAP_INVEPT_SINGLE ? INVEPT_SINGLE_CONTEXT
									   : INVEPT_ALL_CONTEXTS;

	(void)context;
	lock_sync(this_vcpu());
	delegation_sync(this_vcpu());
	if (vmx_invept(type, vmx.eptp))
		panic("INVEPT type %" PRIu64 " refused", type);
}

static void kick(void *context, uint32_t index)
{
	struct percpu *target = percpu_of(index);

	(void)context;
	__atomic_store_n(&target->kick_inflight, 1, __ATOMIC_SEQ_CST);
	apic_send_nmi(target->apic_id);
}

/*
 * A guest may have renumbered a local APIC; then the addressed kick goes nowhere, and one to all others that
 * are in the guest does not.
 */
static void kick_everyone(void)
{
	for (uint32_t i = 0; i < vmx.flush.cpus; i++) {
		if (__atomic_load_n(&vmx.flush.cpu[i].in_guest, __ATOMIC_SEQ_CST))
			__atomic_store_n(&percpu_of(i)->kick_inflight, 1, __ATOMIC_SEQ_CST);
	}
	apic_send_nmi_others();
}

static void relax(void *context)
{
	uint64_t turns = ++this_vcpu()->wait_turns;

	(void)context;
	if (turns % TURNS_PER_BROADCAST == 0)
		kick_everyone();
	if (turns > TURNS_LIMIT)
		panic("a CPU does not leave the guest");
	cpu_relax();
}

int vmx_flush_init(void)
{
	const struct ept_flush_ops ops = {invalidate_local, kick, relax, NULL};

	return ept_flush_init(&vmx.flush, vmx.handoff->cpu_count, &ops);
}

void vmx_flush_ept(void)
{
	struct vcpu *vcpu = this_vcpu();

	vcpu->wait_turns = 0;
	ept_flush_map(&vmx.flush, vcpu->cpu->index, &vmx.ept);
}
