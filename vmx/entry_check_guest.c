/* SPDX-License-Identifier: MIT */
/* SDM "Checks on the Guest State Area", but for the segment registers. */
#include "vmx/entry_check.h"

#include "vmm/addr.h"
#include "vmx/cr_rules.h"
#include "vmx/entry_check_rules.h"

#define SECTION "Checks on Guest Control Registers, Debug Registers, and MSRs: "

/* Bits 5:3, 13 and 63:16 are reserved, whatever the CPU has of the others. */
#define DEBUGCTL_RESERVED (~0xffffULL | 7ULL << 3 | 1ULL << 13)

static const char *check_control_registers(const struct entry_state *s, uint64_t *value)
{
	/* VM entry leaves CD and NW as they are, so it does not judge them. */
	uint64_t exempt = CR0_CD | CR0_NW;

	if (is_unrestricted(s))
		exempt |= CR0_PE | CR0_PG;
	RULE(!(s->caps.cr0_fixed0 & ~s->cr0 & ~exempt), s->cr0,
	     SECTION "CR0 lacks a bit that is fixed to 1 in VMX operation");
	RULE(!(s->cr0 & ~s->caps.cr0_fixed1 & ~exempt), s->cr0,
	     SECTION "CR0 has a bit that is fixed to 0 in VMX operation");
	RULE(!(s->cr0 & CR0_PG) || (s->cr0 & CR0_PE), s->cr0, SECTION "CR0.PG needs CR0.PE");
	RULE(!(s->caps.cr4_fixed0 & ~s->cr4), s->cr4,
	     SECTION "CR4 lacks a bit that is fixed to 1 in VMX operation");
	RULE(!(s->cr4 & ~s->caps.cr4_fixed1), s->cr4,
	     SECTION "CR4 has a bit that is fixed to 0 in VMX operation");
	RULE(!(s->cr4 & CR4_CET) || (s->cr0 & CR0_WP), s->cr0, SECTION "CR4.CET needs CR0.WP");
	if (s->entry & ENTRY_IA32E_GUEST) {
		RULE(s->cr0 & CR0_PG, s->cr0, SECTION "an IA-32e mode guest needs CR0.PG");
		RULE(s->cr4 & CR4_PAE, s->cr4, SECTION "an IA-32e mode guest needs CR4.PAE");
	} else {
		RULE(!(s->cr4 & CR4_PCIDE), s->cr4, SECTION "CR4.PCIDE needs an IA-32e mode guest");
	}
	RULE(is_physical(s, s->cr3), s->cr3, SECTION "CR3 is beyond the physical-address width");
	return NULL;
}

static const char *check_msrs(const struct entry_state *s, uint64_t *value)
{
	bool lma = s->efer & EFER_LMA;

	if (s->entry & ENTRY_LOAD_DEBUG_CONTROLS) {
		RULE(!(s->debugctl & DEBUGCTL_RESERVED), s->debugctl,
		     SECTION "reserved bits of IA32_DEBUGCTL must be 0");
		RULE(!(s->dr7 >> 32), s->dr7, SECTION "bits 63:32 of DR7 must be 0");
	}
	RULE(is_canonical(s, s->sysenter_esp), s->sysenter_esp,
	     SECTION "IA32_SYSENTER_ESP must be canonical");
	RULE(is_canonical(s, s->sysenter_eip), s->sysenter_eip,
	     SECTION "IA32_SYSENTER_EIP must be canonical");
	if (s->entry & ENTRY_LOAD_PAT)
		RULE(is_pat(s->pat), s->pat, SECTION "each byte of IA32_PAT must be a memory type");
	if (s->entry & ENTRY_LOAD_EFER) {
		RULE(!(s->efer & ~EFER_DEFINED), s->efer,
		     SECTION "reserved bits of IA32_EFER must be 0");
		RULE(lma == !!(s->entry & ENTRY_IA32E_GUEST), s->efer,
		     SECTION "EFER.LMA must equal the IA-32e-mode-guest control");
		RULE(!(s->cr0 & CR0_PG) || lma == !!(s->efer & EFER_LME), s->efer,
		     SECTION "EFER.LMA must equal EFER.LME while CR0.PG is 1");
	}
	return NULL;
}

const char *entry_check_guest_registers(const struct entry_state *s, uint64_t *value)
{
	const char *rule = check_control_registers(s, value);

	return rule ? rule : check_msrs(s, value);
}

#undef SECTION
#define SECTION "Checks on Guest Descriptor-Table Registers: "

static const char *check_descriptor_tables(const struct entry_state *s, uint64_t *value)
{
	RULE(is_canonical(s, s->gdtr_base), s->gdtr_base, SECTION "GDTR base must be canonical");
	RULE(is_canonical(s, s->idtr_base), s->idtr_base, SECTION "IDTR base must be canonical");
	RULE(!(s->gdtr_limit >> 16), s->gdtr_limit, SECTION "GDTR limit has 16 bits");
	RULE(!(s->idtr_limit >> 16), s->idtr_limit, SECTION "IDTR limit has 16 bits");
	return NULL;
}

#undef SECTION
#define SECTION "Checks on Guest RIP, RFLAGS, and SSP: "

static bool is_event(const struct entry_state *s, uint64_t type)
{
	return (s->event_info & EVENT_VALID) && (s->event_info & EVENT_TYPE_MASK) == type;
}

static const char *check_rip_rflags(const struct entry_state *s, uint64_t *value)
{
	bool ia32e = s->entry & ENTRY_IA32E_GUEST;

	if (ia32e && (s->segment[SEG_CS].rights & SEGMENT_L)) {
		/* Bits 63:N must agree with each other, not with bit N-1. */
		uint64_t high = s->rip >> linear_bits(s);

		RULE(high == 0 || high == ~0ULL >> linear_bits(s), s->rip,
		     SECTION "the unused high bits of RIP must be equal");
	} else {
		RULE(!(s->rip >> 32), s->rip, SECTION "RIP has 32 bits outside 64-bit mode");
	}
	RULE(!(s->rflags & RFLAGS_RESERVED), s->rflags,
	     SECTION "reserved bits of RFLAGS must be 0");
	RULE(s->rflags & RFLAGS_FIXED1, s->rflags, SECTION "bit 1 of RFLAGS must be 1");
	RULE(!(s->rflags & RFLAGS_VM) || (!ia32e && (s->cr0 & CR0_PE)), s->rflags,
	     SECTION "RFLAGS.VM needs protected mode outside IA-32e mode");
	RULE(!is_event(s, EVENT_TYPE_EXTERNAL) || (s->rflags & RFLAGS_IF), s->rflags,
	     SECTION "an external interrupt needs RFLAGS.IF");
	return NULL;
}

#undef SECTION
#define SECTION "Checks on Guest Non-Register State: "

static bool activity_supported(const struct entry_state *s)
{
	switch (s->activity) {
	case ACTIVITY_ACTIVE:
		return true;
	case ACTIVITY_HLT:
		return s->caps.misc & VMX_MISC_ACTIVITY_HLT;
	case ACTIVITY_SHUTDOWN:
		return s->caps.misc & VMX_MISC_ACTIVITY_SHUTDOWN;
	case ACTIVITY_WAIT_SIPI:
		return s->caps.misc & VMX_MISC_ACTIVITY_WAIT_SIPI;
	default:
		return false;
	}
}

static bool is_exception(const struct entry_state *s, uint8_t vector)
{
	return is_event(s, EVENT_TYPE_HARDWARE) && (s->event_info & EVENT_VECTOR) == vector;
}

/* May the event be injected into a CPU in this activity state? */
static bool activity_takes_event(const struct entry_state *s)
{
	switch (s->activity) {
	case ACTIVITY_HLT:
		return is_event(s, EVENT_TYPE_EXTERNAL) || is_event(s, EVENT_TYPE_NMI) ||
		       is_event(s, EVENT_TYPE_OTHER) || is_exception(s, VECTOR_DB) ||
		       is_exception(s, VECTOR_MC);
	case ACTIVITY_SHUTDOWN:
		return is_event(s, EVENT_TYPE_NMI) || is_exception(s, VECTOR_MC);
	case ACTIVITY_WAIT_SIPI:
		return false;
	default:
		return true;
	}
}

static const char *check_activity(const struct entry_state *s, uint64_t *value)
{
	const uint64_t blocking = BLOCKING_BY_STI | BLOCKING_BY_MOV_SS;

	RULE(activity_supported(s), s->activity,
	     SECTION "the CPU does not have this activity state");
	RULE(s->activity != ACTIVITY_HLT || !SEGMENT_DPL(s->segment[SEG_SS].rights), s->activity,
	     SECTION "the HLT state needs SS.DPL 0");
	RULE(s->activity == ACTIVITY_ACTIVE || !(s->interruptibility & blocking), s->activity,
	     SECTION "blocking by STI or MOV SS needs the active state");
	RULE(!(s->event_info & EVENT_VALID) || activity_takes_event(s), s->activity,
	     SECTION "this event cannot be injected in this activity state");
	return NULL;
}

static const char *check_interruptibility(const struct entry_state *s, uint64_t *value)
{
	const uint64_t state = s->interruptibility;
	const uint64_t defined = BLOCKING_BY_STI | BLOCKING_BY_MOV_SS | BLOCKING_BY_SMI |
				 BLOCKING_BY_NMI | INTERRUPTIBILITY_ENCLAVE;

	RULE(!(state & ~defined), state, SECTION "reserved bits of interruptibility must be 0");
	RULE(!(state & BLOCKING_BY_STI) || !(state & BLOCKING_BY_MOV_SS), state,
	     SECTION "blocking by STI excludes blocking by MOV SS");
	RULE(!(state & BLOCKING_BY_STI) || (s->rflags & RFLAGS_IF), state,
	     SECTION "blocking by STI needs RFLAGS.IF");
	RULE(!is_event(s, EVENT_TYPE_EXTERNAL) || !(state & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)),
	     state, SECTION "an external interrupt needs no blocking by STI or MOV SS");
	RULE(!is_event(s, EVENT_TYPE_NMI) || !(state & BLOCKING_BY_MOV_SS), state,
	     SECTION "an NMI needs no blocking by MOV SS");
	RULE(!(state & BLOCKING_BY_SMI), state, SECTION "blocking by SMI is for SMM only");
	RULE(!(s->pin & PIN_VIRTUAL_NMIS) || !is_event(s, EVENT_TYPE_NMI) ||
		     !(state & BLOCKING_BY_NMI),
	     state, SECTION "with virtual NMIs an NMI needs no blocking by NMI");
	RULE(!(state & INTERRUPTIBILITY_ENCLAVE) || !(state & BLOCKING_BY_MOV_SS), state,
	     SECTION "enclave interruption excludes blocking by MOV SS");
	return NULL;
}

static const char *check_pending_debug(const struct entry_state *s, uint64_t *value)
{
	const uint64_t pending = s->pending_debug;
	const uint64_t rtm_clear = 0xfffULL | 7ULL << 13;
	bool single_step = (s->rflags & RFLAGS_TF) && !(s->debugctl & DEBUGCTL_BTF);

	RULE(!(pending & PENDING_DEBUG_RESERVED), pending,
	     SECTION "reserved bits of the pending debug exceptions must be 0");
	if ((s->interruptibility & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)) ||
	    s->activity == ACTIVITY_HLT) {
		RULE(!single_step || (pending & PENDING_DEBUG_BS), pending,
		     SECTION "BS must be pending when blocked or halted in a single step");
		RULE(single_step || !(pending & PENDING_DEBUG_BS), pending,
		     SECTION "BS must not be pending when blocked or halted without a single step");
	}
	if (pending & PENDING_DEBUG_RTM) {
		RULE(!(pending & rtm_clear) && (pending & PENDING_DEBUG_ENABLED_BREAKPOINT),
		     pending, SECTION "a pending RTM exception comes with bit 12 and no other");
		RULE(!(s->interruptibility & BLOCKING_BY_MOV_SS), s->interruptibility,
		     SECTION "a pending RTM exception excludes blocking by MOV SS");
	}
	return NULL;
}

static const char *check_link_pointer(const struct entry_state *s, uint64_t *value)
{
	const uint64_t none = ~0ULL;

	RULE(s->link_pointer == none ||
		     (!(s->link_pointer & ~PAGE_MASK) && is_physical(s, s->link_pointer)),
	     s->link_pointer,
	     SECTION "the VMCS link pointer must be all ones, or a page within the "
		     "physical-address width");
	return NULL;
}

#undef SECTION
#define SECTION "Checks on Guest Page-Directory-Pointer-Table Entries: "

static const char *check_pdptes(const struct entry_state *s, uint64_t *value)
{
	/* Without EPT the CPU looks at those in memory. */
	if (!(s->cr0 & CR0_PG) || !(s->cr4 & CR4_PAE) || (s->entry & ENTRY_IA32E_GUEST) ||
	    !(secondary_controls(s) & PROC2_EPT))
		return NULL;
	for (unsigned int i = 0; i < ENTRY_PDPTES; i++)
		RULE(pdpte_valid(s->pdpte[i], s->caps.physical_bits), s->pdpte[i],
		     SECTION "reserved bits of a present entry must be 0");
	return NULL;
}

#undef SECTION
#define SECTION "Checks on Guest Non-Register State: "

/* Left to the CPU by the SDM, hence after all rules that hold everywhere. */
static const char *check_cpu_specific(const struct entry_state *s, uint64_t *value)
{
	RULE(!is_event(s, EVENT_TYPE_NMI) || !(s->interruptibility & BLOCKING_BY_STI),
	     s->interruptibility, SECTION "some CPUs take no NMI while blocking by STI");
	return NULL;
}

const char *entry_check_guest_rest(const struct entry_state *s, uint64_t *value)
{
	static const char *(*const parts[])(const struct entry_state *s, uint64_t *value) = {
		check_descriptor_tables, check_rip_rflags,   check_activity, check_interruptibility,
		check_pending_debug,	 check_link_pointer, check_pdptes,   check_cpu_specific,
	};
	const char *rule = NULL;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !rule; i++)
		rule = parts[i](s, value);
	return rule;
}
