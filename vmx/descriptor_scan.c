/* SPDX-License-Identifier: MIT */
#include "vmx/descriptor_scan.h"

#include <inttypes.h>
#include <string.h>

#include "vmm/cpu_ops.h"
#include "vmm/guest_mem.h"
#include "vmm/log.h"
#include "vmx/audit.h"
#include "vmx/delegation.h"
#include "vmx/guest_state.h"
#include "vmx/guest_walk.h"
#include "vmx/insn.h"
#include "vmx/state.h"

/* Bytes of a table that are looked at at a time; a whole GDT as far as it is noted. */
#define PIECE GDT_NOTED_BYTES
#define NO_FRAME (~0ULL)

/* Looking only: no accessed flag is set. */
static const struct guest_walk_memory memory = {guest_read, delegation_write, NULL};

/* The IDT is everybody's; the first CPU that notes its tables notes this one for all. */
static struct {
	bool claimed;
	uint32_t bytes; /* 0: not noted yet */
	uint8_t noted[IDT_BYTES];
} idt;

/* One look of one CPU. */
struct look {
	const struct vcpu *vcpu;
	struct guest_paging paging;
};

static int read_table(const struct guest_paging *paging, uint64_t gva, void *to, uint32_t bytes)
{
	struct guest_walk walk;

	return guest_read_linear(paging, &memory, gva, to, bytes, WALK_IMPLICIT, &walk);
}

/* Frame behind a linear address; NO_FRAME: none. */
static uint64_t frame_of(const struct guest_paging *paging, uint64_t gva)
{
	struct guest_walk walk;

	return guest_walk(paging, &memory, gva, WALK_IMPLICIT, &walk) ? NO_FRAME
								      : walk.gpa & PAGE_MASK;
}

/* Past the page tables' rights, which forbid writing. Byte by byte: the eight may lie on two pages. */
static void put_back(const struct look *look, uint64_t gva, uint64_t value)
{
	const uint8_t *bytes = (const uint8_t *)&value;
	struct guest_walk walk;

	for (uint32_t i = 0; i < sizeof(value); i++) {
		if (!guest_walk(&look->paging, &memory, gva + i, WALK_IMPLICIT, &walk))
			(void)delegation_write(walk.gpa, &bytes[i], 1);
	}
}

/* bytes at gva are one table, or a piece of one; noted: what they held. */
static void compare(const struct look *look, enum descriptor_register table, uint64_t gva,
		    uint8_t *noted, uint32_t bytes)
{
	struct descriptor_change change;
	uint8_t now[PIECE];

	if (read_table(&look->paging, gva, now, bytes))
		return;
	for (uint32_t from = 0; descriptor_next_change(table, noted, now, bytes, from, &change);
	     from = change.offset + (uint32_t)sizeof(change.now)) {
		const uint64_t at = gva + change.offset;
		const struct breach breach = {
			.rule = SECPOD_RULE_DESCRIPTOR_TABLE,
			.found = true,
			.detail = {at, change.now, DESCRIPTOR_CONTENTS | table, change.locked},
		};

		if (audit_breach(look->vcpu, &breach))
			put_back(look, at, change.locked);
		else
			memcpy(&noted[change.offset], &change.now, sizeof(change.now));
	}
}

/* Its page is read-only for the guest from LOCK on (vmx/lock.c): only another one behind its address is looked at. */
static void compare_idt(const struct look *look)
{
	uint64_t base = vmread(VMCS_GUEST_IDTR_BASE);
	uint32_t bytes = __atomic_load_n(&idt.bytes, __ATOMIC_ACQUIRE);

	if (vmx.idt_frame && frame_of(&look->paging, base) == vmx.idt_frame)
		return;
	for (uint32_t at = 0; at < bytes; at += PIECE)
		compare(look, DESCRIPTOR_IDTR, base + at, &idt.noted[at],
			bytes - at < PIECE ? bytes - at : PIECE);
}

static void note_idt(const struct guest_paging *paging)
{
	uint32_t bytes = vmread32(VMCS_GUEST_IDTR_LIMIT) + 1;

	if (__atomic_exchange_n(&idt.claimed, true, __ATOMIC_ACQ_REL))
		return;
	if (bytes > IDT_BYTES)
		bytes = IDT_BYTES;
	if (!read_table(paging, vmread(VMCS_GUEST_IDTR_BASE), idt.noted, bytes))
		__atomic_store_n(&idt.bytes, bytes, __ATOMIC_RELEASE);
	else
		__atomic_store_n(&idt.claimed, false, __ATOMIC_RELEASE);
}

/*
 * SDM "VMX-Preemption Timer": counts down in the guest, also while it is halted, at the TSC's rate
 * divided by a power of two.
 */
static void set_timer(const struct vcpu *vcpu)
{
	uint64_t count = vmx.handoff->config.descriptor_scan >>
			 (vcpu->caps.misc & VMX_MISC_PREEMPTION_TIMER_RATE);

	vmwrite(VMCS_GUEST_PREEMPTION_TIMER, count < UINT32_MAX ? count : UINT32_MAX);
}

static void start_timer(struct vcpu *vcpu)
{
	if (!vmx.handoff->config.descriptor_scan || vcpu->controls.pin & PIN_PREEMPTION_TIMER)
		return;
	if (!(vcpu->caps.pin >> 32 & PIN_PREEMPTION_TIMER)) {
		log_warn("descriptor-scan: CPU %" PRIu32
			 " has no VMX-preemption timer; its tables are looked at at exits only",
			 vcpu->cpu->index);
		return;
	}
	vcpu->controls.pin |= PIN_PREEMPTION_TIMER;
	vmwrite(VMCS_PIN_CONTROLS, vcpu->controls.pin);
	/* Without it the count starts anew at each entry; then frequent exits are what makes it look. */
	if (vcpu->caps.exit >> 32 & EXIT_SAVE_PREEMPTION_TIMER) {
		vcpu->controls.exit |= EXIT_SAVE_PREEMPTION_TIMER;
		vmwrite(VMCS_EXIT_CONTROLS, vcpu->controls.exit);
	}
	set_timer(vcpu);
}

void descriptor_scan_note(struct vcpu *vcpu)
{
	struct descriptor_contents *contents = &vcpu->contents;
	const struct guest_paging paging = guest_paging(vcpu);
	uint32_t bytes = vmread32(VMCS_GUEST_GDTR_LIMIT) + 1;

	if (bytes > GDT_NOTED_BYTES) {
		log_warn("the GDT of CPU %" PRIu32 " has %" PRIu32
			 " bytes; the first %u are watched",
			 vcpu->cpu->index, bytes, GDT_NOTED_BYTES);
		bytes = GDT_NOTED_BYTES;
	}
	if (read_table(&paging, vmread(VMCS_GUEST_GDTR_BASE), contents->gdt, bytes) ||
	    read_table(&paging, vmread(VMCS_GUEST_TR_BASE), contents->tss, TSS64_BYTES))
		return;
	contents->gdt_bytes = bytes;
	note_idt(&paging);
	start_timer(vcpu);
}

/* Apart, so that exits at which nobody looks need no room for it. */
static __attribute__((noinline)) void look_now(struct vcpu *vcpu)
{
	const struct look look = {vcpu, guest_paging(vcpu)};

	compare(&look, DESCRIPTOR_GDTR, vmread(VMCS_GUEST_GDTR_BASE), vcpu->contents.gdt,
		vcpu->contents.gdt_bytes);
	compare(&look, DESCRIPTOR_TR, vmread(VMCS_GUEST_TR_BASE), vcpu->contents.tss, TSS64_BYTES);
	compare_idt(&look);
}

void descriptor_scan(struct vcpu *vcpu)
{
	/* A CPU that is coming up has other tables on the way; a new one is noted when it has its own. */
	if (!vcpu->locked || !descriptor_settled(&vcpu->descriptors) ||
	    !policy_records(&vmx.policy, SECPOD_RULE_DESCRIPTOR_TABLE))
		return;
	if (!vcpu->contents.gdt_bytes)
		descriptor_scan_note(vcpu);
	else if (descriptor_look_due(&vcpu->look, rdtsc()))
		look_now(vcpu);
}

void descriptor_scan_often(struct vcpu *vcpu)
{
	vcpu->often_left = DESCRIPTOR_SCAN_OFTEN;
	descriptor_scan(vcpu);
}

void exit_preemption_timer(struct vcpu *vcpu)
{
	set_timer(vcpu);
	vcpu->look.passed = DESCRIPTOR_LOOK_EXITS;
}
