/* SPDX-License-Identifier: MIT */
/*
 * The first contents of a VMCS: the guest is whatever runs on this CPU now, the host is the monitor.
 * SDM: "Virtual Machine Control Structures".
 */
#include <errno.h>

#include "vmm/cpu_ops.h"
#include "vmm/host.h"
#include "vmm/x86.h"
#include "vmx/cr_rules.h"
#include "vmx/insn.h"
#include "vmx/launch.h"
#include "vmx/state.h"

#define SELECTOR_RPL_TI 7u
#define SELECTOR_TI 4u
#define RIGHTS_BUSY_TSS (SEGMENT_P | 0xbu)
#define NO_LINK_POINTER (~0ULL)
#define ALL_LEAVES (~0ULL) /* of ENCLS, ENCLV */

/* Power-on value of IA32_PAT, and what the monitor's own page tables mean by their type bits. */
#define PAT_POWER_ON 0x0007040600070406ULL

bool vmcs_write_cr3_targets(const struct cr3_targets *targets)
{
	bool ok = vmwrite(VMCS_CR3_TARGET_COUNT, targets->count);

	for (uint32_t i = 0; i < targets->count; i++)
		ok &= vmwrite(VMCS_CR3_TARGET0 + VMCS_CR3_TARGET_STEP * i, targets->value[i]);
	return ok;
}

static bool write_controls(const struct vcpu *vcpu)
{
	const struct vmx_controls *controls = &vcpu->controls;
	bool ok = true;

	ok &= vmwrite(VMCS_PIN_CONTROLS, controls->pin);
	ok &= vmwrite(VMCS_PROC_CONTROLS, controls->proc);
	ok &= vmwrite(VMCS_PROC_CONTROLS2, controls->proc2);
	ok &= vmwrite(VMCS_EXIT_CONTROLS, controls->exit);
	ok &= vmwrite(VMCS_ENTRY_CONTROLS, controls->entry);
	/* See exit_event.c for why these two exit. */
	ok &= vmwrite(VMCS_EXCEPTION_BITMAP, 1u << VECTOR_DB | 1u << VECTOR_AC);
	ok &= vmwrite(VMCS_PF_ERROR_MASK, 0);
	ok &= vmwrite(VMCS_PF_ERROR_MATCH, 0);
	ok &= vmcs_write_cr3_targets(&vcpu->cr3_targets);
	ok &= vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 0);
	ok &= vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	ok &= vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	ok &= vmwrite(VMCS_ENTRY_INTERRUPTION_INFO, 0);
	ok &= vmwrite(VMCS_MSR_BITMAP, virt_to_hpa(vmx.msr_bitmap));
	ok &= vmwrite(VMCS_EPT_POINTER, vmx.eptp);
	ok &= vmwrite(VMCS_VPID, VMX_GUEST_VPID);
	if (controls->proc2 & PROC2_XSAVES)
		ok &= vmwrite(VMCS_XSS_EXITING_BITMAP, 0);
	if (controls->proc2 & PROC2_ENCLS_EXITING)
		ok &= vmwrite(VMCS_ENCLS_EXITING_BITMAP, ALL_LEAVES);
	if (controls->proc2 & PROC2_ENCLV_EXITING)
		ok &= vmwrite(VMCS_ENCLV_EXITING_BITMAP, ALL_LEAVES);
	ok &= vmwrite(VMCS_LINK_POINTER, NO_LINK_POINTER);
	return ok;
}

static bool write_host(const struct vcpu *vcpu)
{
	const struct percpu *cpu = vcpu->cpu;
	const uint64_t cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	/* MCE: a machine check in root mode is reported rather than a shutdown. */
	uint64_t cr4 = CR4_PAE | CR4_MCE | CR4_VMXE;
	bool ok = true;

	if (vcpu->caps.xsave)
		cr4 |= CR4_OSXSAVE; /* XSETBV on the guest's behalf */
	ok &= vmwrite(VMCS_HOST_CR0,
		      vmx_cr_fixed(cr0, vcpu->caps.cr0_fixed0, vcpu->caps.cr0_fixed1));
	ok &= vmwrite(VMCS_HOST_CR3, host_cr3());
	ok &= vmwrite(VMCS_HOST_CR4,
		      vmx_cr_fixed(cr4, vcpu->caps.cr4_fixed0, vcpu->caps.cr4_fixed1));
	ok &= vmwrite(VMCS_HOST_PAT, PAT_POWER_ON);
	ok &= vmwrite(VMCS_HOST_EFER, EFER_LME | EFER_LMA | EFER_NXE);
	ok &= vmwrite(VMCS_HOST_CS, HOST_CS_SELECTOR);
	ok &= vmwrite(VMCS_HOST_SS, HOST_SS_SELECTOR);
	ok &= vmwrite(VMCS_HOST_DS, 0);
	ok &= vmwrite(VMCS_HOST_ES, 0);
	ok &= vmwrite(VMCS_HOST_FS, 0);
	ok &= vmwrite(VMCS_HOST_GS, 0);
	ok &= vmwrite(VMCS_HOST_TR, HOST_TR_SELECTOR);
	ok &= vmwrite(VMCS_HOST_FS_BASE, 0);
	ok &= vmwrite(VMCS_HOST_GS_BASE, virt_to_hpa(cpu));
	ok &= vmwrite(VMCS_HOST_TR_BASE, virt_to_hpa(cpu->tss));
	ok &= vmwrite(VMCS_HOST_GDTR_BASE, virt_to_hpa(cpu->gdt));
	ok &= vmwrite(VMCS_HOST_IDTR_BASE, host_idt_base());
	ok &= vmwrite(VMCS_HOST_SYSENTER_CS, 0);
	ok &= vmwrite(VMCS_HOST_SYSENTER_ESP, 0);
	ok &= vmwrite(VMCS_HOST_SYSENTER_EIP, 0);
	ok &= vmwrite(VMCS_HOST_RSP, cpu->stack_top);
	ok &= vmwrite(VMCS_HOST_RIP, virt_to_hpa(vmx_exit_entry));
	return ok;
}

static bool write_guest_control_registers(const struct vcpu *vcpu)
{
	const struct guest_mode fixed = {
		.cr0_fixed0 = vcpu->caps.cr0_fixed0,
		.cr0_fixed1 = vcpu->caps.cr0_fixed1,
		.cr4_fixed0 = vcpu->caps.cr4_fixed0,
		.cr4_fixed1 = vcpu->caps.cr4_fixed1,
	};
	uint64_t cr0 = vcpu->launch_cr0;
	uint64_t cr4 = vcpu->launch_cr4;
	bool ok = true;

	ok &= vmwrite(VMCS_CR0_MASK, CR0_GUEST_HOST_MASK);
	ok &= vmwrite(VMCS_CR0_SHADOW, cr0);
	ok &= vmwrite(VMCS_GUEST_CR0, cr0_real(&fixed, cr0));
	ok &= vmwrite(VMCS_GUEST_CR3, read_cr3());
	ok &= vmwrite(VMCS_CR4_MASK, vcpu->cr4_mask);
	ok &= vmwrite(VMCS_CR4_SHADOW, cr4);
	ok &= vmwrite(VMCS_GUEST_CR4, cr4_real(&fixed, cr4));
	ok &= vmwrite(VMCS_GUEST_DR7, read_dr7());
	ok &= vmwrite(VMCS_GUEST_EFER, rdmsr(MSR_EFER));
	ok &= vmwrite(VMCS_GUEST_PAT, rdmsr(MSR_PAT));
	ok &= vmwrite(VMCS_GUEST_DEBUGCTL, rdmsr(MSR_DEBUGCTL));
	ok &= vmwrite(VMCS_GUEST_SYSENTER_CS, rdmsr(MSR_SYSENTER_CS));
	ok &= vmwrite(VMCS_GUEST_SYSENTER_ESP, rdmsr(MSR_SYSENTER_ESP));
	ok &= vmwrite(VMCS_GUEST_SYSENTER_EIP, rdmsr(MSR_SYSENTER_EIP));
	return ok;
}

/* LAR and LSL read the descriptor as the CPU would; a null or bad selector is unusable. */
static uint32_t selector_rights(uint16_t selector)
{
	uint64_t rights;
	bool valid;

	if (!(selector & ~SELECTOR_RPL_TI))
		return SEGMENT_UNUSABLE;
	__asm__("lar %2, %0" : "=r"(rights), "=@ccz"(valid) : "r"((uint64_t)selector));
	return valid ? (uint32_t)(rights >> 8) & 0xf0ffu : SEGMENT_UNUSABLE;
}

static uint32_t selector_limit(uint16_t selector)
{
	uint64_t limit = 0;

	if (selector & ~SELECTOR_RPL_TI)
		__asm__("lsl %1, %0" : "+r"(limit) : "r"((uint64_t)selector) : "cc");
	return (uint32_t)limit;
}

/* Base of a system descriptor (16 bytes in IA-32e mode) of the GDT. */
static uint64_t system_base(uint16_t selector, const struct pseudo_descriptor *gdtr)
{
	uint32_t offset = selector & ~SELECTOR_RPL_TI;
	const uint64_t *descriptor;

	if (!offset || selector & SELECTOR_TI || offset + 15u > gdtr->limit)
		return 0;
	descriptor = (const uint64_t *)hpa_to_virt(gdtr->base + offset);
	return (descriptor[0] >> 16 & 0xffffff) | (descriptor[0] >> 56) << 24 | descriptor[1] << 32;
}

static bool write_guest_segment(enum segment segment, uint16_t selector, uint64_t base)
{
	uint32_t step = VMCS_SEGMENT_STEP * segment;
	bool ok = true;

	ok &= vmwrite(VMCS_GUEST_ES + step, selector);
	ok &= vmwrite(VMCS_GUEST_ES_BASE + step, base);
	ok &= vmwrite(VMCS_GUEST_ES_LIMIT + step, selector_limit(selector));
	ok &= vmwrite(VMCS_GUEST_ES_RIGHTS + step, selector_rights(selector));
	return ok;
}

static bool write_guest_segments(void)
{
	struct pseudo_descriptor gdtr = read_gdtr();
	struct pseudo_descriptor idtr = read_idtr();
	uint16_t tr = read_tr();
	bool ok = true;

	/* Bases of ES, CS, SS and DS do not count in 64-bit mode. */
	ok &= write_guest_segment(SEG_ES, read_es(), 0);
	ok &= write_guest_segment(SEG_CS, read_cs(), 0);
	ok &= write_guest_segment(SEG_SS, read_ss(), 0);
	ok &= write_guest_segment(SEG_DS, read_ds(), 0);
	ok &= write_guest_segment(SEG_FS, read_fs(), rdmsr(MSR_FS_BASE));
	ok &= write_guest_segment(SEG_GS, read_gs(), rdmsr(MSR_GS_BASE));
	ok &= write_guest_segment(SEG_LDTR, read_ldtr(), system_base(read_ldtr(), &gdtr));
	ok &= write_guest_segment(SEG_TR, tr, system_base(tr, &gdtr));
	/* UEFI leaves TR at 0; VM entry demands a usable busy TSS. */
	if (!(tr & ~SELECTOR_RPL_TI)) {
		ok &= vmwrite(VMCS_GUEST_TR_LIMIT, 0xffff);
		ok &= vmwrite(VMCS_GUEST_TR_RIGHTS, RIGHTS_BUSY_TSS);
	}
	ok &= vmwrite(VMCS_GUEST_GDTR_BASE, gdtr.base);
	ok &= vmwrite(VMCS_GUEST_GDTR_LIMIT, gdtr.limit);
	ok &= vmwrite(VMCS_GUEST_IDTR_BASE, idtr.base);
	ok &= vmwrite(VMCS_GUEST_IDTR_LIMIT, idtr.limit);
	return ok;
}

static bool write_guest_rest(void)
{
	bool ok = true;

	ok &= vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED1);
	ok &= vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	ok &= vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	ok &= vmwrite(VMCS_GUEST_PENDING_DEBUG, 0);
	return ok;
}

int vmcs_setup(struct vcpu *vcpu)
{
	bool ok = write_controls(vcpu);

	ok &= write_host(vcpu);
	ok &= write_guest_control_registers(vcpu);
	ok &= write_guest_segments();
	ok &= write_guest_rest();
	return ok ? 0 : -EINVAL;
}
