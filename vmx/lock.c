/* SPDX-License-Identifier: MIT */
#include "vmx/lock.h"

#include <errno.h>
#include <inttypes.h>

#include "vmm/cpu_ops.h"
#include "vmm/guest_mem.h"
#include "vmm/log.h"
#include "vmm/spinlock.h"
#include "vmm/x86.h"
#include "vmx/boot_roots.h"
#include "vmx/delegation.h"
#include "vmx/exit.h"
#include "vmx/guest_state.h"
#include "vmx/guest_walk.h"
#include "vmx/insn.h"
#include "vmx/launch.h"
#include "vmx/msr_policy.h"
#include "vmx/state.h"

static struct spinlock boot_roots_lock;
static struct boot_roots boot_roots;

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

/* Without paging delegation there is nothing more to wait for in CR3 from ACTIVE on. */
static void stop_watching(struct vcpu *vcpu)
{
	if (__atomic_load_n(&vmx.delegating, __ATOMIC_ACQUIRE))
		return;
	vcpu->controls.proc &= ~PROC_CR3_LOAD_EXITING;
	vmwrite(VMCS_PROC_CONTROLS, vcpu->controls.proc);
	if (cr3_targets_clear(&vcpu->cr3_targets))
		vmcs_write_cr3_targets(&vcpu->cr3_targets);
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
	stop_watching(vcpu);
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
		log_warn("the IDT is no page of its own; its contents are only looked at");
		return;
	}
	if (delegation_protect(walk.gpa))
		log_warn("the IDT's page cannot be protected; its contents are only looked at");
	else
		vmx.idt_frame = walk.gpa;
}

/* Asked for too early: what would be pinned protects nothing. */
static int may_lock(void *context)
{
	(void)context;
	return lockable(this_vcpu()) ? 0 : -EPERM;
}

static int on_locked(void *context)
{
	struct vcpu *vcpu = this_vcpu();

	(void)context;
	msr_bitmap_trap(vmx.msr_bitmap, SECPOD_PHASE_LOCKED);
	__atomic_store_n(&vmx.locking, true, __ATOMIC_RELEASE);
	lock_sync(vcpu);
	protect_idt(vcpu);
	/* Each other CPU passes lock_sync() before it enters the guest with the new generation. */
	vmx_flush_ept();
	return 0;
}

/* What may refuse LOCKED comes before what cannot be undone. */
static const struct phase_hook hooks[] = {
	{"registers as they are", NULL, may_lock},
	{"page tables", delegation_activate, delegation_lock},
	{"registers", NULL, on_locked},
	{"kernel code", NULL, delegation_end_text},
};

static bool lock_is_asked_for(void)
{
	return vmx.handoff->config.flags & SECPOD_CFG_LOCK_REQUEST;
}

void lock_init(void)
{
	phase_init(&vmx.phase, hooks, sizeof(hooks) / sizeof(hooks[0]), NULL);
	log_info("lock = %s", lock_is_asked_for() ? "request: LOCKED when the guest asks for it"
						  : "boot: LOCKED when the kernel has booted");
}

enum text_state { TEXT_UNMAPPED, TEXT_WRITABLE, TEXT_READ_ONLY };

/* How the page at gva is mapped for the kernel. Looking only: no flag is set. */
static enum text_state text_state(const struct vcpu *vcpu, uint64_t gva)
{
	static const struct guest_walk_memory memory = {guest_read, guest_write, NULL};
	struct guest_paging paging = guest_paging(vcpu);
	struct guest_walk walk;

	paging.cpl = 0;
	if (!guest_walk(&paging, &memory, gva, WALK_WRITE, &walk))
		return TEXT_WRITABLE;
	return guest_walk(&paging, &memory, gva, 0, &walk) ? TEXT_UNMAPPED : TEXT_READ_ONLY;
}

static enum root_verdict judge_root(uint64_t root, enum text_state text)
{
	const enum user_half half = user_half_of(guest_read, root);
	enum root_verdict verdict;

	spin_lock(&boot_roots_lock);
	verdict = boot_roots_load(&boot_roots, root, half, text == TEXT_READ_ONLY);
	spin_unlock(&boot_roots_lock);
	return verdict;
}

static void step_now(const struct vcpu *vcpu, uint64_t entry)
{
	const bool request = lock_is_asked_for();

	if (phase_advance(&vmx.phase, SECPOD_PHASE_ACTIVE) ||
	    (!request && phase_advance(&vmx.phase, SECPOD_PHASE_LOCKED)))
		return;
	log_info("%s: system-call entry %#" PRIx64 ", %" PRIu64
		 " control-register exits so far on this CPU",
		 request ? "active" : "locked", entry, vcpu->exits[EXIT_REASON_CR_ACCESS]);
}

void lock_watch(struct vcpu *vcpu, uint64_t operand)
{
	const uint64_t root = operand & CR3_ROOT;
	const uint64_t entry = rdmsr(MSR_LSTAR);
	enum text_state text;

	if (phase_current(&vmx.phase) != SECPOD_PHASE_GUEST) {
		stop_watching(vcpu);
		return;
	}
	/* The step to ACTIVE may be under way on another CPU. */
	if (vcpu->delegating)
		return;
	delegation_note_root(root);
	if (!entry)
		return;
	text = text_state(vcpu, entry);
	if (text == TEXT_UNMAPPED)
		return;
	switch (judge_root(root, text)) {
	case ROOT_KERNEL:
		if (cr3_targets_add(&vcpu->cr3_targets, operand))
			vmcs_write_cr3_targets(&vcpu->cr3_targets);
		break;
	case ROOT_USER:
		if (cr3_targets_purge(&vcpu->cr3_targets, root))
			vmcs_write_cr3_targets(&vcpu->cr3_targets);
		break;
	case ROOT_FIRST_USER:
		if (lockable(vcpu))
			step_now(vcpu, entry);
		break;
	case ROOT_WATCH:
		break;
	}
}
