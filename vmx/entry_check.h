/* SPDX-License-Identifier: MIT */
/*
 * The CPU's VM-entry checks done over again in software, to name the rule behind a failed VM entry.
 * Pure: a function of field values. SDM: "VM Entries"; each text begins with the title of the
 * section that holds the rule.
 *
 * Not judged: what lies in memory behind a field (MSR-load areas, the VMCS a link pointer refers
 * to), and the controls of features that build_word() never turns on (their fields may not exist).
 */
#ifndef SECPOD_VMX_ENTRY_CHECK_H
#define SECPOD_VMX_ENTRY_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "vmx/capabilities.h"
#include "vmx/vmcs.h"

#define ENTRY_PDPTES 4u

struct entry_segment {
	uint64_t selector;
	uint64_t base;
	uint64_t limit;
	uint64_t rights;
};

/* One VM entry: the VMCS fields that are checked, and the CPU they are checked by. */
struct entry_state {
	struct vmx_capabilities caps; /* filled by the caller; all else by way of entry_fields */

	uint64_t pin;
	uint64_t proc;
	uint64_t proc2;
	uint64_t exit;
	uint64_t entry;
	uint64_t cr3_target_count;
	uint64_t io_bitmap_a;
	uint64_t io_bitmap_b;
	uint64_t msr_bitmap;
	uint64_t vpid;
	uint64_t ept_pointer;
	uint64_t exit_msr_store_count;
	uint64_t exit_msr_store_address;
	uint64_t exit_msr_load_count;
	uint64_t exit_msr_load_address;
	uint64_t entry_msr_load_count;
	uint64_t entry_msr_load_address;
	uint64_t event_info;
	uint64_t event_error_code;
	uint64_t event_instruction_length;

	uint64_t host_cr0;
	uint64_t host_cr3;
	uint64_t host_cr4;
	uint64_t host_pat;
	uint64_t host_efer;
	uint64_t host_selector[SEG_COUNT]; /* no LDTR: that element stays 0 */
	uint64_t host_fs_base;
	uint64_t host_gs_base;
	uint64_t host_tr_base;
	uint64_t host_gdtr_base;
	uint64_t host_idtr_base;
	uint64_t host_sysenter_esp;
	uint64_t host_sysenter_eip;
	uint64_t host_rip;

	uint64_t cr0;
	uint64_t cr3;
	uint64_t cr4;
	uint64_t dr7;
	uint64_t debugctl;
	uint64_t pat;
	uint64_t efer;
	uint64_t sysenter_esp;
	uint64_t sysenter_eip;
	struct entry_segment segment[SEG_COUNT];
	uint64_t gdtr_base;
	uint64_t gdtr_limit;
	uint64_t idtr_base;
	uint64_t idtr_limit;
	uint64_t rip;
	uint64_t rflags;
	uint64_t activity;
	uint64_t interruptibility;
	uint64_t pending_debug;
	uint64_t link_pointer;
	uint64_t pdpte[ENTRY_PDPTES];
};

struct entry_field {
	uint32_t field;	 /* VMCS encoding, or ENTRY_FIELD_END */
	uint32_t offset; /* of the uint64_t in struct entry_state, bytes */
};

#define ENTRY_FIELD_END 0xffffffffu

/*
 * How struct entry_state is filled from the current VMCS. All fields exist on every CPU that
 * vmx_capabilities_check() accepts.
 */
extern const struct entry_field entry_fields[];

/*
 * entry_check - text of the first rule that state breaks, in the order of the SDM, or NULL.
 * value: receives the offending value.
 */
const char *entry_check(const struct entry_state *state, uint64_t *value);

#endif
