/* SPDX-License-Identifier: MIT */
/*
 * INIT and SIPI. Linux sends the SIPI right behind the INIT: nothing here may be slow, print, or wait.
 * SDM: "Processor State Following Power-up, Reset, or INIT", "MP Initialization Protocol".
 */
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"
#include "vmx/cr_rules.h"
#include "vmx/audit.h"
#include "vmx/delegation.h"
#include "vmx/exit.h"
#include "vmx/insn.h"
#include "vmx/state.h"

#define RESET_CS 0xf000u
#define RESET_CS_BASE 0xffff0000ULL
#define RESET_IP 0xfff0ULL
#define REAL_MODE_LIMIT 0xffffu
#define RIGHTS_CODE (SEGMENT_P | SEGMENT_S | 0xbu) /* present, code, readable, accessed */
#define RIGHTS_DATA (SEGMENT_P | SEGMENT_S | 0x3u) /* present, data, writable, accessed */
#define RIGHTS_LDT (SEGMENT_P | 0x2u)
#define RIGHTS_TSS (SEGMENT_P | 0xbu)	/* busy, as VM entry demands */
#define CR0_INIT_KEPT (CR0_CD | CR0_NW) /* unchanged by INIT */

static void write_segment(enum segment segment, uint16_t selector, uint64_t base, uint32_t limit,
			  uint32_t rights)
{
	uint32_t step = VMCS_SEGMENT_STEP * segment;

	vmwrite(VMCS_GUEST_ES + step, selector);
	vmwrite(VMCS_GUEST_ES_BASE + step, base);
	vmwrite(VMCS_GUEST_ES_LIMIT + step, limit);
	vmwrite(VMCS_GUEST_ES_RIGHTS + step, rights);
}

static void reset_segments(void)
{
	static const enum segment data[] = {SEG_ES, SEG_SS, SEG_DS, SEG_FS, SEG_GS};

	write_segment(SEG_CS, RESET_CS, RESET_CS_BASE, REAL_MODE_LIMIT, RIGHTS_CODE);
	for (unsigned int i = 0; i < sizeof(data) / sizeof(data[0]); i++)
		write_segment(data[i], 0, 0, REAL_MODE_LIMIT, RIGHTS_DATA);
	write_segment(SEG_LDTR, 0, 0, REAL_MODE_LIMIT, RIGHTS_LDT);
	write_segment(SEG_TR, 0, 0, REAL_MODE_LIMIT, RIGHTS_TSS);
	vmwrite(VMCS_GUEST_GDTR_BASE, 0);
	vmwrite(VMCS_GUEST_GDTR_LIMIT, REAL_MODE_LIMIT);
	vmwrite(VMCS_GUEST_IDTR_BASE, 0);
	vmwrite(VMCS_GUEST_IDTR_LIMIT, REAL_MODE_LIMIT);
}

static void reset_control_registers(struct vcpu *vcpu)
{
	const struct guest_mode mode = {
		.cr0_fixed0 = vcpu->caps.cr0_fixed0,
		.cr0_fixed1 = vcpu->caps.cr0_fixed1,
		.cr4_fixed0 = vcpu->caps.cr4_fixed0,
		.cr4_fixed1 = vcpu->caps.cr4_fixed1,
	};
	uint64_t cr0 = (vmread(VMCS_CR0_SHADOW) & CR0_INIT_KEPT) | CR0_ET;

	vmwrite(VMCS_GUEST_CR0, cr0_real(&mode, cr0));
	vmwrite(VMCS_CR0_SHADOW, cr0);
	vmwrite(VMCS_GUEST_CR3, 0);
	vmwrite(VMCS_GUEST_CR4, cr4_real(&mode, 0));
	vmwrite(VMCS_CR4_SHADOW, 0);
	vmwrite(VMCS_GUEST_EFER, 0);
	vcpu->controls.entry &= ~ENTRY_IA32E_GUEST;
	vmwrite(VMCS_ENTRY_CONTROLS, vcpu->controls.entry);
	write_cr2(0);
}

void exit_init(struct vcpu *vcpu)
{
	bool boot_processor = rdmsr(MSR_APIC_BASE) & APIC_BASE_BSP;

	reset_control_registers(vcpu);
	delegation_reset(vcpu);
	reset_segments();
	write_dr0(0);
	write_dr1(0);
	write_dr2(0);
	write_dr3(0);
	write_dr6(DR6_INIT);
	vmwrite(VMCS_GUEST_DR7, DR7_INIT);
	vmwrite(VMCS_GUEST_DEBUGCTL, 0);
	vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED1);
	vmwrite(VMCS_GUEST_RIP, RESET_IP);
	vmwrite(VMCS_GUEST_RSP, 0);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmwrite(VMCS_GUEST_PENDING_DEBUG, 0);
	*vcpu->regs = (struct guest_regs){.rdx = cpuid(CPUID_FEATURES, 0).eax};
	vcpu->nmi_queued = 0;
	if (vcpu->locked)
		descriptor_pins_init(&vcpu->descriptors);

	/* The boot processor runs its reset vector after INIT; the others wait for a SIPI. */
	vcpu->waiting_for_sipi = !boot_processor;
	vmwrite(VMCS_GUEST_ACTIVITY, boot_processor ? ACTIVITY_ACTIVE : ACTIVITY_WAIT_SIPI);
	vmx_invvpid(INVVPID_SINGLE_CONTEXT, VMX_GUEST_VPID);
}

/*
 * After LOCKED a CPU starts only where one was started before: its first instructions run without
 * paging, so the page they are on is as good as the kernel.
 */
static bool start_page_ok(const struct vcpu *vcpu, uint8_t page)
{
	uint8_t bit = (uint8_t)(1u << page % 8);

	if (phase_current(&vmx.phase) != SECPOD_PHASE_LOCKED) {
		__atomic_fetch_or(&vmx.start_pages[page / 8], bit, __ATOMIC_RELAXED);
		return true;
	}
	return (__atomic_load_n(&vmx.start_pages[page / 8], __ATOMIC_RELAXED) & bit) ||
	       !audit_refuse(vcpu, SECPOD_RULE_CPU_START, page, vcpu->cpu->index, 0, false);
}

void exit_sipi(struct vcpu *vcpu)
{
	uint8_t page = (uint8_t)vmread(VMCS_EXIT_QUALIFICATION);

	/* Written, not trusted: an emulator is known to save other values here at a SIPI exit. */
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_WAIT_SIPI);
	if (!start_page_ok(vcpu, page))
		return;
	write_segment(SEG_CS, (uint16_t)(page << 8), (uint64_t)page << PAGE_SHIFT, REAL_MODE_LIMIT,
		      RIGHTS_CODE);
	vmwrite(VMCS_GUEST_RIP, 0);
	vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	vcpu->waiting_for_sipi = false;
}
