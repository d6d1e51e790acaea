/* SPDX-License-Identifier: MIT */
#include "vmx/entry_check.h"

#include <stddef.h>

#include "vmx/entry_check_rules.h"

/* clang-format off */
#define FIELD(encoding, member) {encoding, offsetof(struct entry_state, member)}
/* clang-format on */
#define SEGMENT_FIELDS(number, name)                                     \
	FIELD(VMCS_GUEST_##name, segment[number].selector),              \
		FIELD(VMCS_GUEST_##name##_BASE, segment[number].base),   \
		FIELD(VMCS_GUEST_##name##_LIMIT, segment[number].limit), \
		FIELD(VMCS_GUEST_##name##_RIGHTS, segment[number].rights)

const struct entry_field entry_fields[] = {
	FIELD(VMCS_PIN_CONTROLS, pin),
	FIELD(VMCS_PROC_CONTROLS, proc),
	FIELD(VMCS_PROC_CONTROLS2, proc2),
	FIELD(VMCS_EXIT_CONTROLS, exit),
	FIELD(VMCS_ENTRY_CONTROLS, entry),
	FIELD(VMCS_CR3_TARGET_COUNT, cr3_target_count),
	FIELD(VMCS_IO_BITMAP_A, io_bitmap_a),
	FIELD(VMCS_IO_BITMAP_B, io_bitmap_b),
	FIELD(VMCS_MSR_BITMAP, msr_bitmap),
	FIELD(VMCS_VPID, vpid),
	FIELD(VMCS_EPT_POINTER, ept_pointer),
	FIELD(VMCS_EXIT_MSR_STORE_COUNT, exit_msr_store_count),
	FIELD(VMCS_EXIT_MSR_STORE_ADDRESS, exit_msr_store_address),
	FIELD(VMCS_EXIT_MSR_LOAD_COUNT, exit_msr_load_count),
	FIELD(VMCS_EXIT_MSR_LOAD_ADDRESS, exit_msr_load_address),
	FIELD(VMCS_ENTRY_MSR_LOAD_COUNT, entry_msr_load_count),
	FIELD(VMCS_ENTRY_MSR_LOAD_ADDRESS, entry_msr_load_address),
	FIELD(VMCS_ENTRY_INTERRUPTION_INFO, event_info),
	FIELD(VMCS_ENTRY_EXCEPTION_ERROR, event_error_code),
	FIELD(VMCS_ENTRY_INSTRUCTION_LENGTH, event_instruction_length),
	FIELD(VMCS_HOST_CR0, host_cr0),
	FIELD(VMCS_HOST_CR3, host_cr3),
	FIELD(VMCS_HOST_CR4, host_cr4),
	FIELD(VMCS_HOST_PAT, host_pat),
	FIELD(VMCS_HOST_EFER, host_efer),
	FIELD(VMCS_HOST_ES, host_selector[SEG_ES]),
	FIELD(VMCS_HOST_CS, host_selector[SEG_CS]),
	FIELD(VMCS_HOST_SS, host_selector[SEG_SS]),
	FIELD(VMCS_HOST_DS, host_selector[SEG_DS]),
	FIELD(VMCS_HOST_FS, host_selector[SEG_FS]),
	FIELD(VMCS_HOST_GS, host_selector[SEG_GS]),
	FIELD(VMCS_HOST_TR, host_selector[SEG_TR]),
	FIELD(VMCS_HOST_FS_BASE, host_fs_base),
	FIELD(VMCS_HOST_GS_BASE, host_gs_base),
	FIELD(VMCS_HOST_TR_BASE, host_tr_base),
	FIELD(VMCS_HOST_GDTR_BASE, host_gdtr_base),
	FIELD(VMCS_HOST_IDTR_BASE, host_idtr_base),
	FIELD(VMCS_HOST_SYSENTER_ESP, host_sysenter_esp),
	FIELD(VMCS_HOST_SYSENTER_EIP, host_sysenter_eip),
	FIELD(VMCS_HOST_RIP, host_rip),
	FIELD(VMCS_GUEST_CR0, cr0),
	FIELD(VMCS_GUEST_CR3, cr3),
	FIELD(VMCS_GUEST_CR4, cr4),
	FIELD(VMCS_GUEST_DR7, dr7),
	FIELD(VMCS_GUEST_DEBUGCTL, debugctl),
	FIELD(VMCS_GUEST_PAT, pat),
	FIELD(VMCS_GUEST_EFER, efer),
	FIELD(VMCS_GUEST_SYSENTER_ESP, sysenter_esp),
	FIELD(VMCS_GUEST_SYSENTER_EIP, sysenter_eip),
	SEGMENT_FIELDS(SEG_ES, ES),
	SEGMENT_FIELDS(SEG_CS, CS),
	SEGMENT_FIELDS(SEG_SS, SS),
	SEGMENT_FIELDS(SEG_DS, DS),
	SEGMENT_FIELDS(SEG_FS, FS),
	SEGMENT_FIELDS(SEG_GS, GS),
	SEGMENT_FIELDS(SEG_LDTR, LDTR),
	SEGMENT_FIELDS(SEG_TR, TR),
	FIELD(VMCS_GUEST_GDTR_BASE, gdtr_base),
	FIELD(VMCS_GUEST_GDTR_LIMIT, gdtr_limit),
	FIELD(VMCS_GUEST_IDTR_BASE, idtr_base),
	FIELD(VMCS_GUEST_IDTR_LIMIT, idtr_limit),
	FIELD(VMCS_GUEST_RIP, rip),
	FIELD(VMCS_GUEST_RFLAGS, rflags),
	FIELD(VMCS_GUEST_ACTIVITY, activity),
	FIELD(VMCS_GUEST_INTERRUPTIBILITY, interruptibility),
	FIELD(VMCS_GUEST_PENDING_DEBUG, pending_debug),
	FIELD(VMCS_LINK_POINTER, link_pointer),
	FIELD(VMCS_GUEST_PDPTE0, pdpte[0]),
	FIELD(VMCS_GUEST_PDPTE1, pdpte[1]),
	FIELD(VMCS_GUEST_PDPTE2, pdpte[2]),
	FIELD(VMCS_GUEST_PDPTE3, pdpte[3]),
	{ENTRY_FIELD_END, 0},
};

#define SECTION "Checks on Host Control Registers, MSRs, and SSP: "

static const char *check_host_registers(const struct entry_state *s, uint64_t *value)
{
	RULE(!(s->caps.cr0_fixed0 & ~s->host_cr0), s->host_cr0,
	     SECTION "CR0 lacks a bit that is fixed to 1 in VMX operation");
	RULE(!(s->host_cr0 & ~s->caps.cr0_fixed1), s->host_cr0,
	     SECTION "CR0 has a bit that is fixed to 0 in VMX operation");
	RULE(!(s->caps.cr4_fixed0 & ~s->host_cr4), s->host_cr4,
	     SECTION "CR4 lacks a bit that is fixed to 1 in VMX operation");
	RULE(!(s->host_cr4 & ~s->caps.cr4_fixed1), s->host_cr4,
	     SECTION "CR4 has a bit that is fixed to 0 in VMX operation");
	RULE(!(s->host_cr4 & CR4_CET) || (s->host_cr0 & CR0_WP), s->host_cr0,
	     SECTION "CR4.CET needs CR0.WP");
	RULE(is_physical(s, s->host_cr3), s->host_cr3,
	     SECTION "CR3 is beyond the physical-address width");
	RULE(is_canonical(s, s->host_sysenter_esp), s->host_sysenter_esp,
	     SECTION "IA32_SYSENTER_ESP must be canonical");
	RULE(is_canonical(s, s->host_sysenter_eip), s->host_sysenter_eip,
	     SECTION "IA32_SYSENTER_EIP must be canonical");
	if (s->exit & EXIT_LOAD_PAT)
		RULE(is_pat(s->host_pat), s->host_pat,
		     SECTION "each byte of IA32_PAT must be a memory type");
	if (s->exit & EXIT_LOAD_EFER) {
		const uint64_t long_mode = EFER_LMA | EFER_LME;
		uint64_t wanted = s->exit & EXIT_HOST_ADDRESS_SPACE_SIZE ? long_mode : 0;

		RULE(!(s->host_efer & ~EFER_DEFINED), s->host_efer,
		     SECTION "reserved bits of IA32_EFER must be 0");
		RULE((s->host_efer & long_mode) == wanted, s->host_efer,
		     SECTION
		     "LMA and LME of IA32_EFER must equal the host-address-space-size control");
	}
	return NULL;
}

#undef SECTION
#define SECTION "Checks on Host Segment and Descriptor-Table Registers: "

static const char *check_host_segments(const struct entry_state *s, uint64_t *value)
{
	const uint64_t rpl_and_ti = 7;

	for (unsigned int i = 0; i < SEG_COUNT; i++)
		RULE(!(s->host_selector[i] & rpl_and_ti), s->host_selector[i],
		     SECTION "RPL and TI of every selector must be 0");
	RULE(s->host_selector[SEG_CS], s->host_selector[SEG_CS], SECTION "CS must not be 0");
	RULE(s->host_selector[SEG_TR], s->host_selector[SEG_TR], SECTION "TR must not be 0");
	RULE(is_canonical(s, s->host_fs_base), s->host_fs_base,
	     SECTION "FS base must be canonical");
	RULE(is_canonical(s, s->host_gs_base), s->host_gs_base,
	     SECTION "GS base must be canonical");
	RULE(is_canonical(s, s->host_tr_base), s->host_tr_base,
	     SECTION "TR base must be canonical");
	RULE(is_canonical(s, s->host_gdtr_base), s->host_gdtr_base,
	     SECTION "GDTR base must be canonical");
	RULE(is_canonical(s, s->host_idtr_base), s->host_idtr_base,
	     SECTION "IDTR base must be canonical");
	return NULL;
}

#undef SECTION
#define SECTION "Checks Related to Address-Space Size: "

static const char *check_address_space(const struct entry_state *s, uint64_t *value)
{
	/* The monitor runs in 64-bit mode, and so it must be when it comes back. */
	RULE(s->exit & EXIT_HOST_ADDRESS_SPACE_SIZE, s->exit,
	     SECTION "a 64-bit host needs the host-address-space-size control");
	RULE(s->host_cr4 & CR4_PAE, s->host_cr4, SECTION "a 64-bit host needs CR4.PAE");
	RULE(is_canonical(s, s->host_rip), s->host_rip, SECTION "host RIP must be canonical");
	return NULL;
}

const char *entry_check(const struct entry_state *state, uint64_t *value)
{
	static const char *(*const sections[])(const struct entry_state *s, uint64_t *value) = {
		entry_check_controls,	check_host_registers,	     check_host_segments,
		check_address_space,	entry_check_guest_registers, entry_check_segments,
		entry_check_guest_rest,
	};

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		const char *rule = sections[i](state, value);

		if (rule)
			return rule;
	}
	return NULL;
}
