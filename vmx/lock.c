/* SPDX-License-Identifier: MIT */
#include "vmx/lock.h"

#include <errno.h>
#include <inttypes.h>

#include "vmm/cpu_ops.h"
#include "vmm/guest_mem.h"
#include "vmm/log.h"
#include "vmm/x86.h"
#include "vmx/exit.h"
#include "vmx/guest_state.h"
#include "vmx/guest_walk.h"
#include "vmx/insn.h"
#include "vmx/msr_policy.h"
#include "vmx/state.h"

#define USER_HALF_ENTRIES 256u
#define ENTRY_PRESENT 1u
#define CR3_ROOT 0x000ffffffffff000ULL

/* The machine's pinned registers that are not MSRs, or are MSRs held in the VMCS, as the guest sees them. */
static void note_pins(struct vcpu *vcpu)
{
	for (uint32_t id = 0; id < REGISTER_COUNT; id++) {
		uint64_t value;

		if (register_pinned(id) && !guest_register_value(vcpu, id, &value))
			register_pins_lock(&vcpu->pins, id, value);
	}
	descriptor_lock(vcpu);
}

/* Would pinning what this CPU has now protect anything? */
static bool lockable(struct vcpu *vcpu)
{
	for (uint32_t id = 0; id < REGISTER_COUNT; id++) {
		uint64_t value;

		if (register_pinned(id) && !guest_register_value(vcpu, id, &value) &&
		    !register_lockable(id, value))
			return false;
	}
	return true;
}

/* A CPU that has not started, or is offline behind an INIT: it has nothing of its own to note. */
static void borrow_pins(struct vcpu *vcpu)
{
	for (uint32_t i = 0; i < vmx.handoff->cpu_count; i++) {
		if (vmx.vcpu[i] != vcpu && vmx.vcpu[i]->locked) {
			register_pins_fresh(&vcpu->pins, &vmx.vcpu[i]->pins);
			descriptor_pins_fresh(&vcpu->descriptors, &vmx.vcpu[i]->descriptors);
			return;
		}
	}
}

static void trap_registers(struct vcpu *vcpu)
{
	uint64_t cr4 = guest_cr4(vcpu);

	vcpu->cr4_mask |= register_trap_bits(REGISTER_CR4, SECPOD_PHASE_LOCKED);
	vmwrite(VMCS_CR4_SHADOW, cr4);
	vmwrite(VMCS_CR4_MASK, vcpu->cr4_mask);
	if (vcpu->caps.proc2 >> 32 & PROC2_DESCRIPTOR_TABLE_EXITING) {
		vcpu->controls.proc2 |= PROC2_DESCRIPTOR_TABLE_EXITING;
		vmwrite(VMCS_PROC_CONTROLS2, vcpu->controls.proc2);
	}
	/* Nothing more to wait for in CR3. */
	vcpu->controls.proc &= ~PROC_CR3_LOAD_EXITING;
	vmwrite(VMCS_PROC_CONTROLS, vcpu->controls.proc);
}

void lock_sync(struct vcpu *vcpu)
{
	if (!__atomic_load_n(&vmx.locking, __ATOMIC_ACQUIRE) || vcpu->locked)
		return;
	/* One that is just coming up has not got its values yet. */
	if (lockable(vcpu))
		note_pins(vcpu);
	else
		borrow_pins(vcpu);
	trap_registers(vcpu);
	vcpu->locked = true;
}

uint32_t lock_phase(const struct vcpu *vcpu)
{
	return vcpu->locked ? SECPOD_PHASE_LOCKED : phase_current(&vmx.phase);
}

/*
 * The IDT has a page of its own that Linux never writes after boot: read-only for the guest from here on,
 * whatever address it is written through. (Not so GDT and TSS, see secpod/descriptor_policy.h.)
 */
static void protect_idt(const struct vcpu *vcpu)
{
	static const struct guest_walk_memory memory = {guest_read, guest_write, NULL};
	struct guest_paging paging = guest_paging(vcpu);
	uint64_t base = vmread(VMCS_GUEST_IDTR_BASE);
	struct guest_walk walk;

	paging.cpl = 0;
	if (base & ~PAGE_MASK || vmread(VMCS_GUEST_IDTR_LIMIT) != PAGE_SIZE - 1 ||
	    guest_walk(&paging, &memory, base, 0, &walk)) {
		log_warn("the IDT is no page of its own; its contents are not protected");
		return;
	}
	if (ept_protect(&vmx.ept, walk.gpa, PAGE_SIZE, EPT_READ) >= 0)
		vmx.idt_frame = walk.gpa;
}

static int on_locked(void *context)
{
	struct vcpu *vcpu = this_vcpu();

	(void)context;
	/* Asked for too early: what would be pinned protects nothing. */
	if (!lockable(vcpu))
		return -EPERM;
	msr_bitmap_trap(vmx.msr_bitmap, SECPOD_PHASE_LOCKED);
	__atomic_store_n(&vmx.locking, true, __ATOMIC_RELEASE);
	lock_sync(vcpu);
	protect_idt(vcpu);
	/* Each other CPU passes lock_sync() before it enters the guest with the new generation. */
	vmx_flush_ept();
	return 0;
}

static const struct phase_hook hooks[] = {
	{"registers", NULL, on_locked},
};

void lock_init(void)
{
	phase_init(&vmx.phase, hooks, sizeof(hooks) / sizeof(hooks[0]), NULL);
}

static bool has_user_half(uint64_t cr3)
{
	uint64_t entry[USER_HALF_ENTRIES];

	if (guest_read(cr3 & CR3_ROOT, entry, sizeof(entry)))
		return false;
	for (uint32_t i = 0; i < USER_HALF_ENTRIES; i++) {
		if (entry[i] & ENTRY_PRESENT)
			return true;
	}
	return false;
}

/* Mapped, but not for writing. Looking only: no flag is set. */
static bool is_read_only(const struct vcpu *vcpu, uint64_t gva)
{
	static const struct guest_walk_memory memory = {guest_read, guest_write, NULL};
	struct guest_paging paging = guest_paging(vcpu);
	struct guest_walk walk;

	paging.cpl = 0;
	return guest_walk(&paging, &memory, gva, WALK_WRITE, &walk) == -EFAULT &&
	       (walk.error_code & PF_PRESENT);
}

void lock_watch(struct vcpu *vcpu, uint64_t cr3)
{
	uint64_t entry = rdmsr(MSR_LSTAR);

	/* In this order: thousands of CR3 loads patch text during boot, and fail at the walk. */
	if (!entry || phase_current(&vmx.phase) != SECPOD_PHASE_GUEST ||
	    !is_read_only(vcpu, entry) || !has_user_half(cr3) || !lockable(vcpu))
		return;
	if (phase_advance(&vmx.phase, SECPOD_PHASE_ACTIVE) ||
	    phase_advance(&vmx.phase, SECPOD_PHASE_LOCKED))
		return;
	log_info("locked: system-call entry %#" PRIx64 ", %" PRIu64 " exits so far on this CPU",
		 entry, vcpu->exits[EXIT_REASON_CR_ACCESS]);
}
