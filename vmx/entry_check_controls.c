/* SPDX-License-Identifier: MIT */
/* SDM "Checks on VMX Controls". */
#include "vmx/entry_check.h"

#include "vmm/addr.h"
#include "vmx/entry_check_rules.h"
#include "vmx/event.h"

#define SECTION "VM-Execution Control Fields: "

static const char *check_execution_words(const struct entry_state *s, uint64_t *value)
{
	RULE(!((uint32_t)s->caps.pin & ~s->pin), s->pin,
	     SECTION "pin-based controls lack a bit the CPU insists on");
	RULE(!(s->pin & ~(s->caps.pin >> 32)), s->pin,
	     SECTION "pin-based controls have a bit the CPU does not know");
	RULE(!((uint32_t)s->caps.proc & ~s->proc), s->proc,
	     SECTION "primary processor-based controls lack a bit the CPU insists on");
	RULE(!(s->proc & ~(s->caps.proc >> 32)), s->proc,
	     SECTION "primary processor-based controls have a bit the CPU does not know");
	if (s->proc & PROC_SECONDARY_CONTROLS) {
		RULE(!((uint32_t)s->caps.proc2 & ~s->proc2), s->proc2,
		     SECTION "secondary processor-based controls lack a bit the CPU insists on");
		RULE(!(s->proc2 & ~(s->caps.proc2 >> 32)), s->proc2,
		     SECTION "secondary processor-based controls have a bit the CPU does not know");
	}
	RULE(s->cr3_target_count <=
		     (s->caps.misc >> VMX_MISC_CR3_TARGETS_SHIFT & VMX_MISC_CR3_TARGETS_MASK),
	     s->cr3_target_count, SECTION "CR3-target count is more than the CPU supports");
	return NULL;
}

static bool is_page(const struct entry_state *s, uint64_t address)
{
	return !(address & ~PAGE_MASK) && is_physical(s, address);
}

static const char *check_execution_addresses(const struct entry_state *s, uint64_t *value)
{
	if (s->proc & PROC_IO_BITMAPS) {
		RULE(is_page(s, s->io_bitmap_a), s->io_bitmap_a,
		     SECTION "I/O bitmap A must be a page within the physical-address width");
		RULE(is_page(s, s->io_bitmap_b), s->io_bitmap_b,
		     SECTION "I/O bitmap B must be a page within the physical-address width");
	}
	if (s->proc & PROC_MSR_BITMAPS)
		RULE(is_page(s, s->msr_bitmap), s->msr_bitmap,
		     SECTION "MSR bitmap must be a page within the physical-address width");
	return NULL;
}

/* Controls that may be 1 only together with, or only without, another. */
static const char *check_execution_dependencies(const struct entry_state *s, uint64_t *value)
{
	const uint64_t proc2 = secondary_controls(s);
	const uint64_t needs_tpr_shadow =
		PROC2_X2APIC_MODE | PROC2_APIC_REGISTERS | PROC2_INTERRUPT_DELIVERY;
	const uint64_t needs_ept = PROC2_UNRESTRICTED_GUEST | PROC2_PML | PROC2_MODE_BASED_EXECUTE |
				   PROC2_SUB_PAGE | PROC2_PT_GUEST_PHYSICAL;

	RULE((s->pin & PIN_NMI_EXITING) || !(s->pin & PIN_VIRTUAL_NMIS), s->pin,
	     SECTION "virtual NMIs need NMI exiting");
	RULE((s->pin & PIN_VIRTUAL_NMIS) || !(s->proc & PROC_NMI_WINDOW), s->proc,
	     SECTION "NMI-window exiting needs virtual NMIs");
	RULE((s->proc & PROC_TPR_SHADOW) || !(proc2 & needs_tpr_shadow), proc2,
	     SECTION
	     "x2APIC mode, APIC-register virtualization and virtual-interrupt delivery need "
	     "the TPR shadow");
	RULE(!(proc2 & PROC2_X2APIC_MODE) || !(proc2 & PROC2_VIRTUAL_APIC), proc2,
	     SECTION "x2APIC mode excludes virtualized APIC accesses");
	RULE(!(proc2 & PROC2_INTERRUPT_DELIVERY) || (s->pin & PIN_EXTERNAL_INTERRUPT_EXITING),
	     s->pin, SECTION "virtual-interrupt delivery needs external-interrupt exiting");
	if (s->pin & PIN_POSTED_INTERRUPTS) {
		RULE(proc2 & PROC2_INTERRUPT_DELIVERY, proc2,
		     SECTION "posted interrupts need virtual-interrupt delivery");
		RULE(s->exit & EXIT_ACK_INTERRUPT, s->exit,
		     SECTION "posted interrupts need interrupts acknowledged at exit");
	}
	RULE(!(proc2 & PROC2_VPID) || s->vpid, s->vpid, SECTION "VPID must not be 0");
	RULE((proc2 & PROC2_EPT) || !(proc2 & needs_ept), proc2,
	     SECTION
	     "unrestricted guest, PML, mode-based execute control, sub-page permissions and "
	     "guest-physical PT addresses need EPT");
	return NULL;
}

/* SDM "Extended-Page-Table Pointer (EPTP)" */
#define EPTP_TYPE 7u
#define EPTP_WALK_SHIFT 3u
#define EPTP_WALK 7u
#define EPTP_WALK_4 3u /* levels, less one */
#define EPTP_ACCESSED_DIRTY (1ULL << 6)
#define EPTP_SHADOW_STACK (1ULL << 7)
#define EPTP_RESERVED 0xf00ULL

static const char *check_ept_pointer(const struct entry_state *s, uint64_t *value)
{
	uint64_t eptp = s->ept_pointer;
	uint64_t type = eptp & EPTP_TYPE;

	if (!(secondary_controls(s) & PROC2_EPT))
		return NULL;
	RULE((type == 0 && (s->caps.ept_vpid & EPT_CAP_UC)) ||
		     (type == 6 && (s->caps.ept_vpid & EPT_CAP_WB)),
	     eptp, SECTION "EPTP names a memory type the CPU does not take");
	RULE((eptp >> EPTP_WALK_SHIFT & EPTP_WALK) == EPTP_WALK_4 &&
		     (s->caps.ept_vpid & EPT_CAP_WALK_4),
	     eptp, SECTION "EPTP must ask for a 4-level walk");
	RULE(!(eptp & EPTP_ACCESSED_DIRTY) || (s->caps.ept_vpid & EPT_CAP_ACCESSED_DIRTY), eptp,
	     SECTION "EPTP asks for accessed and dirty flags the CPU does not have");
	RULE(!(eptp & EPTP_SHADOW_STACK) || (s->caps.ept_vpid & EPT_CAP_SHADOW_STACK), eptp,
	     SECTION "EPTP asks for shadow-stack rights the CPU does not have");
	RULE(!(eptp & EPTP_RESERVED), eptp, SECTION "reserved bits of EPTP must be 0");
	RULE(is_physical(s, eptp), eptp, SECTION "EPTP is beyond the physical-address width");
	return NULL;
}

#define MSR_ENTRY_SIZE 16u /* SDM "Format of an MSR Entry", bytes */

/* The area of an MSR list: 16-byte aligned, first and last byte within the physical-address width.
 */
static bool is_msr_area(const struct entry_state *s, uint64_t address, uint64_t count)
{
	return !(address & (MSR_ENTRY_SIZE - 1)) && is_physical(s, address) &&
	       is_physical(s, address + count * MSR_ENTRY_SIZE - 1);
}

#undef SECTION
#define SECTION "VM-Exit Control Fields: "

static const char *check_exit_controls(const struct entry_state *s, uint64_t *value)
{
	RULE(!((uint32_t)s->caps.exit & ~s->exit), s->exit,
	     SECTION "VM-exit controls lack a bit the CPU insists on");
	RULE(!(s->exit & ~(s->caps.exit >> 32)), s->exit,
	     SECTION "VM-exit controls have a bit the CPU does not know");
	RULE((s->pin & PIN_PREEMPTION_TIMER) || !(s->exit & EXIT_SAVE_PREEMPTION_TIMER), s->exit,
	     SECTION "saving of the preemption timer needs the timer activated");
	if (s->exit_msr_store_count)
		RULE(is_msr_area(s, s->exit_msr_store_address, s->exit_msr_store_count),
		     s->exit_msr_store_address,
		     SECTION
		     "MSR-store area must be aligned and within the physical-address width");
	if (s->exit_msr_load_count)
		RULE(is_msr_area(s, s->exit_msr_load_address, s->exit_msr_load_count),
		     s->exit_msr_load_address,
		     SECTION "MSR-load area must be aligned and within the physical-address width");
	return NULL;
}

#undef SECTION
#define SECTION "VM-Entry Control Fields: "

static bool is_software_event(uint64_t type)
{
	return type == EVENT_TYPE_SOFTWARE_INT || type == EVENT_TYPE_PRIVILEGED_SOFTWARE ||
	       type == EVENT_TYPE_SOFTWARE_EXCEPTION;
}

#define ERROR_CODE_BITS 0xffffULL
#define INSTRUCTION_LENGTH_MAX 15u
#define HARDWARE_VECTOR_MAX 31u

/* "The valid bit (bit 31) in the VM-entry interruption-information field is 1": everything behind
 * it. */
static const char *check_event(const struct entry_state *s, uint64_t *value)
{
	const uint64_t info = s->event_info;
	const uint64_t type = info & EVENT_TYPE_MASK;
	const uint8_t vector = (uint8_t)(info & EVENT_VECTOR);
	const bool error_code = info & EVENT_ERROR_CODE;

	RULE(type != EVENT_TYPE_RESERVED, info, SECTION "interruption type 1 is reserved");
	RULE(type != EVENT_TYPE_OTHER || (s->caps.proc >> 32 & PROC_MONITOR_TRAP), info,
	     SECTION "interruption type 7 needs the monitor trap flag");
	RULE(type != EVENT_TYPE_NMI || vector == VECTOR_NMI, info, SECTION "an NMI has vector 2");
	RULE(type != EVENT_TYPE_HARDWARE || vector <= HARDWARE_VECTOR_MAX, info,
	     SECTION "a hardware exception has a vector of at most 31");
	RULE(type != EVENT_TYPE_OTHER || vector == 0, info,
	     SECTION "a pending monitor trap has vector 0");
	if (type != EVENT_TYPE_HARDWARE)
		RULE(!error_code, info, SECTION "only hardware exceptions deliver an error code");
	else if (is_unrestricted(s) && !(s->cr0 & CR0_PE))
		RULE(!error_code, info, SECTION "no error code is delivered in real mode");
	else if (!(s->caps.basic & VMX_BASIC_ANY_ERROR_CODE))
		RULE(error_code == event_has_error_code(vector), info,
		     SECTION
		     "an error code is delivered for the vectors that have one, and no other");
	RULE(!(info & EVENT_RESERVED), info,
	     SECTION "reserved bits of the interruption information must be 0");
	RULE(!error_code || !(s->event_error_code & ~ERROR_CODE_BITS), s->event_error_code,
	     SECTION "bits 31:16 of the exception error code must be 0");
	if (is_software_event(type)) {
		RULE(s->event_instruction_length <= INSTRUCTION_LENGTH_MAX,
		     s->event_instruction_length,
		     SECTION "the instruction length of a software event is at most 15");
		RULE(s->event_instruction_length || (s->caps.misc & VMX_MISC_ZERO_LENGTH),
		     s->event_instruction_length,
		     SECTION "the CPU takes no software event with instruction length 0");
	}
	return NULL;
}

static const char *check_entry_controls(const struct entry_state *s, uint64_t *value)
{
	const char *rule;

	RULE(!((uint32_t)s->caps.entry & ~s->entry), s->entry,
	     SECTION "VM-entry controls lack a bit the CPU insists on");
	RULE(!(s->entry & ~(s->caps.entry >> 32)), s->entry,
	     SECTION "VM-entry controls have a bit the CPU does not know");
	rule = s->event_info & EVENT_VALID ? check_event(s, value) : NULL;
	if (rule)
		return rule;
	if (s->entry_msr_load_count)
		RULE(is_msr_area(s, s->entry_msr_load_address, s->entry_msr_load_count),
		     s->entry_msr_load_address,
		     SECTION "MSR-load area must be aligned and within the physical-address width");
	RULE(!(s->entry & (ENTRY_TO_SMM | ENTRY_DEACTIVATE_DUAL_MONITOR)), s->entry,
	     SECTION "entry to SMM and the end of dual-monitor treatment are for SMM only");
	return NULL;
}

const char *entry_check_controls(const struct entry_state *s, uint64_t *value)
{
	static const char *(*const parts[])(const struct entry_state *s, uint64_t *value) = {
		check_execution_words, check_execution_addresses, check_execution_dependencies,
		check_ept_pointer,     check_exit_controls,	  check_entry_controls,
	};
	const char *rule = NULL;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !rule; i++)
		rule = parts[i](s, value);
	return rule;
}
