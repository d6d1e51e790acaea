/* SPDX-License-Identifier: MIT */
#include "vmx/vmx.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "vmm/boot_calls.h"
#include "vmm/cpu_ops.h"
#include "vmm/log.h"
#include "vmm/msr_safe.h"
#include "vmm/x86.h"
#include "vmx/audit.h"
#include "vmx/capabilities.h"
#include "vmx/delegation.h"
#include "vmx/cr_rules.h"
#include "vmx/dump.h"
#include "vmx/insn.h"
#include "vmx/launch.h"
#include "vmx/lock.h"
#include "vmx/exit.h"
#include "vmx/guest_state.h"
#include "vmx/msr_policy.h"
#include "vmx/state.h"

struct vmx_state vmx;

/* What all CPUs checked so far have in common; combined with atomic operations, CPUs are checked at once. */
static uint64_t common_ept_vpid = ~0ULL;
static uint64_t common_proc2 = ~0ULL;
static uint32_t common_physical_bits = 64;

static uint64_t read_or_zero(uint32_t msr)
{
	uint64_t value;

	return rdmsr_safe(msr, &value) ? 0 : value;
}

static void read_true(uint64_t basic, uint32_t plain, uint32_t true_msr, uint64_t *value)
{
	*value = read_or_zero(basic & VMX_BASIC_TRUE_CONTROLS ? true_msr : plain);
}

/*
 * Reads only: nothing on this CPU is changed. Each register is read only where the one before says that it
 * exists, because on the firmware's IDT a refused RDMSR is not caught.
 */
static void read_capabilities(struct vmx_capabilities *caps)
{
	struct cpuid_result features = cpuid(CPUID_FEATURES, 0);
	struct cpuid_result extended = cpuid(CPUID_EXTENDED_FEATURES, 0);
	const uint32_t nx = 1u << 20;
	const uint32_t lam = 1u << 26;

	*caps = (struct vmx_capabilities){
		.intel_vmx = features.ecx & CPUID_1_ECX_VMX,
		.hypervisor = features.ecx & CPUID_1_ECX_HYPERVISOR,
		.nx = extended.edx & nx,
		.mtrr = features.edx & CPUID_1_EDX_MTRR,
		.xsave = features.ecx & CPUID_1_ECX_XSAVE,
		.lam = cpuid(CPUID_MAX_BASIC, 0).eax >= CPUID_STRUCTURED &&
		       cpuid(CPUID_STRUCTURED, 0).eax >= 1 &&
		       (cpuid(CPUID_STRUCTURED, 1).eax & lam),
		.physical_bits = cpuid(CPUID_ADDRESS_SIZES, 0).eax & 0xff,
	};
	/* The VMX registers exist only on a CPU that has VMX. */
	if (!caps->intel_vmx)
		return;
	caps->feature_control = read_or_zero(MSR_FEATURE_CONTROL);
	caps->basic = read_or_zero(MSR_VMX_BASIC);
	read_true(caps->basic, MSR_VMX_PINBASED_CTLS, MSR_VMX_TRUE_PINBASED_CTLS, &caps->pin);
	read_true(caps->basic, MSR_VMX_PROCBASED_CTLS, MSR_VMX_TRUE_PROCBASED_CTLS, &caps->proc);
	read_true(caps->basic, MSR_VMX_EXIT_CTLS, MSR_VMX_TRUE_EXIT_CTLS, &caps->exit);
	read_true(caps->basic, MSR_VMX_ENTRY_CTLS, MSR_VMX_TRUE_ENTRY_CTLS, &caps->entry);
	if (caps->proc >> 32 & PROC_SECONDARY_CONTROLS)
		caps->proc2 = read_or_zero(MSR_VMX_PROCBASED_CTLS2);
	/* SDM "VPID and EPT Capabilities": without both, the register does not exist. */
	if (caps->proc2 >> 32 & (PROC2_EPT | PROC2_VPID))
		caps->ept_vpid = read_or_zero(MSR_VMX_EPT_VPID_CAP);
	caps->misc = read_or_zero(MSR_VMX_MISC);
	caps->cr0_fixed0 = read_or_zero(MSR_VMX_CR0_FIXED0);
	caps->cr0_fixed1 = read_or_zero(MSR_VMX_CR0_FIXED1);
	caps->cr4_fixed0 = read_or_zero(MSR_VMX_CR4_FIXED0);
	caps->cr4_fixed1 = read_or_zero(MSR_VMX_CR4_FIXED1);
}

int vmx_check_cpu(bool several_cpus, char *reason, size_t size)
{
	struct vmx_capabilities caps;
	uint32_t bits = __atomic_load_n(&common_physical_bits, __ATOMIC_RELAXED);
	int error;

	read_capabilities(&caps);
	error = vmx_capabilities_check(&caps, several_cpus, reason, size);
	if (error)
		return error;
	__atomic_fetch_and(&common_ept_vpid, caps.ept_vpid, __ATOMIC_RELAXED);
	__atomic_fetch_and(&common_proc2, caps.proc2, __ATOMIC_RELAXED);
	while (caps.physical_bits < bits &&
	       !__atomic_compare_exchange_n(&common_physical_bits, &bits, caps.physical_bits, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		continue;
	return 0;
}

static int init_vcpus(struct page_pool *pool)
{
	for (uint32_t i = 0; i < vmx.handoff->cpu_count; i++) {
		struct vcpu *vcpu = page_pool_alloc(pool);
		struct percpu *cpu = percpu_of(i);

		if (!vcpu || !cpu)
			return -ENOMEM;
		vcpu->vmxon_region = page_pool_alloc(pool);
		vcpu->vmcs = page_pool_alloc(pool);
		vcpu->store_cache = page_pool_alloc(pool);
		if (!vcpu->vmxon_region || !vcpu->vmcs || !vcpu->store_cache)
			return -ENOMEM;
		vcpu->cpu = cpu;
		vcpu->flush = &vmx.flush.cpu[i];
		cpu->vcpu = vcpu;
		vcpu->regs = (struct guest_regs *)hpa_to_virt(cpu->stack_top) - 1;
		cpu->exit_frame = vcpu->regs;
		cpu->nmi_window_begin = virt_to_hpa(vmx_window_begin);
		cpu->nmi_window_end = virt_to_hpa(vmx_window_end);
		cpu->nmi_restart = virt_to_hpa(vmx_enter_again);
		vmx.vcpu[i] = vcpu;
	}
	return 0;
}

_Static_assert(sizeof(struct vcpu) <= PAGE_SIZE, "a vCPU is one page");

static int init_ept(struct page_pool *pool)
{
	const struct ept_features features = {
		.page_1g = common_ept_vpid & EPT_CAP_1G,
		.page_2m = common_ept_vpid & EPT_CAP_2M,
		.mbec = vmx_has_mbec(common_proc2),
		.physical_bits = vmx.physical_bits,
	};
	struct mtrr_state mtrr;
	int error;

	vmx_mtrr_start(&mtrr);
	error = ept_init(&vmx.ept, pool, &features, &mtrr, vmx.handoff->ram_top);
	if (error)
		return error;
	vmx.ept_advanced_info = common_ept_vpid & EPT_CAP_ADVANCED_EXIT_INFO;
	vmx.eptp = ept_pointer(&vmx.ept, common_ept_vpid & EPT_CAP_WB);
	return 0;
}

int vmx_init(const struct secpod_handoff *handoff, struct page_pool *pool, char *reason,
	     size_t size)
{
	const char *step = "EPT";
	int error;

	vmx.handoff = handoff;
	vmx.pool = pool;
	vmx.stats = handoff->config.flags & SECPOD_CFG_DEBUG_STATS;
	vmx.physical_bits = common_physical_bits;
	vmx.pages_1g = guest_has_1g_pages();
	vmx.cpuid_machine = (struct cpuid_machine){~0u, ~0u, ~0u, vmx.stats};

	error = init_ept(pool);
	if (!error) {
		step = "secure space";
		error = secure_space_init(&vmx.secure, pool, handoff->region_base,
					  handoff->region_size);
	}
	if (!error) {
		step = "audit log";
		error = audit_init();
	}
	if (!error) {
		step = "MSR bitmap";
		vmx.msr_bitmap = page_pool_alloc(pool);
		error = vmx.msr_bitmap ? 0 : -ENOMEM;
	}
	if (!error) {
		step = "virtual CPUs";
		error = init_vcpus(pool);
	}
	if (!error) {
		step = "EPT invalidation";
		error = vmx_flush_init();
	}
	if (!error && (handoff->config.flags & SECPOD_CFG_DELEGATION)) {
		step = "paging delegation";
		error = delegation_init();
	}
	if (error) {
		snprintf(reason, size, "setting up %s failed (error %d)", step, -error);
		return error;
	}
	msr_bitmap_build(vmx.msr_bitmap);
	msr_bitmap_trap(vmx.msr_bitmap, SECPOD_PHASE_GUEST);
	lock_init();
	exit_vmcall_init();
	return 0;
}

/* SDM "Enabling and Entering VMX Operation" */
static int enable_vmx(struct vcpu *vcpu)
{
	uint64_t control = vcpu->caps.feature_control;

	if (control & FEATURE_CONTROL_LOCK)
		return control & FEATURE_CONTROL_VMX ? 0 : -EBUSY;
	return wrmsr_safe(MSR_FEATURE_CONTROL, control | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX)
		       ? -EBUSY
		       : 0;
}

static uint64_t read_msr(uint32_t msr)
{
	return rdmsr(msr);
}

static void write_msr(uint32_t msr, uint64_t value)
{
	wrmsr(msr, value);
}

static bool has_feature(enum launch_feature feature)
{
	const uint32_t max = cpuid(CPUID_MAX_BASIC, 0).eax;

	switch (feature) {
	case LAUNCH_PT:
		return max >= CPUID_STRUCTURED && (cpuid(CPUID_STRUCTURED, 0).ebx & CPUID_7_EBX_PT);
	case LAUNCH_DS:
		return cpuid(CPUID_FEATURES, 0).edx & CPUID_1_EDX_DS;
	case LAUNCH_PEBS:
		return has_feature(LAUNCH_DS) &&
		       !(rdmsr(MSR_MISC_ENABLE) & MISC_ENABLE_PEBS_UNAVAILABLE);
	case LAUNCH_HFI:
		return max >= CPUID_THERMAL && (cpuid(CPUID_THERMAL, 0).eax & CPUID_6_EAX_HFI);
	case LAUNCH_RAR:
		return max >= CPUID_STRUCTURED &&
		       (cpuid(CPUID_STRUCTURED, 0).edx & CPUID_7_EDX_CORE_CAPABILITIES) &&
		       (rdmsr(MSR_CORE_CAPABILITIES) & CORE_CAPABILITIES_RAR);
	case LAUNCH_XSAVES:
		return max >= CPUID_XSTATE && (cpuid(CPUID_XSTATE, 1).eax & CPUID_D_1_EAX_XSAVES);
	case LAUNCH_ALWAYS:
		break;
	}
	return true;
}

static const struct launch_access launch_access = {has_feature, read_msr, write_msr};

static void restore_control_registers(const struct vcpu *vcpu)
{
	write_cr4(vcpu->launch_cr4);
	write_cr0(vcpu->launch_cr0);
}

static int enter_vmx_operation(struct vcpu *vcpu)
{
	uint32_t revision = (uint32_t)(vcpu->caps.basic & VMX_BASIC_REVISION);
	uint64_t fixed0 = vcpu->caps.cr0_fixed0;
	uint64_t fixed1 = vcpu->caps.cr0_fixed1;

	vcpu->launch_cr0 = read_cr0();
	vcpu->launch_cr4 = read_cr4();
	if (vcpu->launch_cr4 & CR4_VMXE)
		return -EBUSY; /* someone else is in VMX operation on this CPU */
	*(uint32_t *)vcpu->vmxon_region = revision;
	*(uint32_t *)vcpu->vmcs = revision;
	write_cr0(vmx_cr_fixed(vcpu->launch_cr0, fixed0, fixed1));
	write_cr4(vmx_cr_fixed(vcpu->launch_cr4, vcpu->caps.cr4_fixed0, vcpu->caps.cr4_fixed1));
	if (vmx_on(virt_to_hpa(vcpu->vmxon_region))) {
		restore_control_registers(vcpu);
		return -EINVAL;
	}
	return 0;
}

static int launch_here(struct vcpu *vcpu, char *reason, size_t size)
{
	uint64_t vmcs = virt_to_hpa(vcpu->vmcs);
	uint32_t number;

	if (vmx_clear(vmcs) || vmx_load(vmcs)) {
		snprintf(reason, size, "VMCLEAR or VMPTRLD refused");
		return -EINVAL;
	}
	if (vmcs_setup(vcpu)) {
		snprintf(reason, size, "a VMCS field was refused");
		return -EINVAL;
	}
	/* What this CPU cached for other EPTPs and VPIDs, if anyone used them before us. */
	vmx_invept(vcpu->caps.ept_vpid & EPT_CAP_INVEPT_ALL ? INVEPT_ALL_CONTEXTS
							    : INVEPT_SINGLE_CONTEXT,
		   vmx.eptp);
	vmx_invvpid(vcpu->caps.ept_vpid & EPT_CAP_INVVPID_ALL ? INVVPID_ALL_CONTEXTS
							      : INVVPID_SINGLE_CONTEXT,
		    VMX_GUEST_VPID);
	/* In the guest from the next line on, or not at all. */
	vcpu->flush->present = 1;
	__atomic_store_n(&vcpu->flush->in_guest, 1, __ATOMIC_SEQ_CST);
	vcpu->cpu->launched = 1;
	if (vmx_launch_guest() == 0)
		return 0;
	vcpu->cpu->launched = 0;
	vcpu->flush->in_guest = 0;
	vcpu->flush->present = 0;
	number = vmread32(VMCS_INSTRUCTION_ERROR);
	dump_entry_rule(vcpu);
	snprintf(reason, size, "VMLAUNCH failed: error %" PRIu32 ", %s", number,
		 dump_instruction_error(number));
	return -EINVAL;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* CPUs differ on hybrid machines only; what all launched so far have in common counts for each. */
static void share_cpuid(const struct vcpu *vcpu)
{
	struct cpuid_machine *machine = &vmx.cpuid_machine;

	machine->proc2 &= vcpu->controls.proc2;
	machine->max_basic = least(machine->max_basic, cpuid(CPUID_MAX_BASIC, 0).eax);
	machine->max_extended = least(machine->max_extended, cpuid(CPUID_MAX_EXTENDED, 0).eax);
	cpuid_policy_build(&vmx.cpuid, machine);
}

static int launch(struct vcpu *vcpu, char *reason, size_t size)
{
	const char *missing;
	int error;

	read_capabilities(&vcpu->caps);
	if (vmx_controls_build(&vcpu->caps, &vcpu->controls, &missing)) {
		snprintf(reason, size, "VT-x lacks: %s", missing);
		return -EINVAL;
	}
	vmx_share_mbec(&vcpu->controls, vmx.ept.features.mbec);
	share_cpuid(vcpu);
	/* Until LOCKED, CR3 loads tell when the kernel has finished its boot. */
	vcpu->controls.proc |= PROC_CR3_LOAD_EXITING;
	cr3_targets_init(&vcpu->cr3_targets, vcpu->caps.misc);
	vcpu->cr4_mask = CR4_GUEST_HOST_MASK;
	if (enable_vmx(vcpu)) {
		snprintf(reason, size, "IA32_FEATURE_CONTROL cannot be set to allow VMX");
		return -EBUSY;
	}
	error = enter_vmx_operation(vcpu);
	if (error) {
		snprintf(reason, size,
			 error == -EBUSY ? "VMX is already in use on this CPU" : "VMXON refused");
		return error;
	}
	if (vcpu->cpu->index == 0)
		vmx.launch_tsc = rdtsc();
	error = launch_here(vcpu, reason, size);
	if (error) {
		vmx_off();
		restore_control_registers(vcpu);
	}
	return error;
}

int vmx_launch(uint32_t index, char *reason, size_t size)
{
	struct vcpu *vcpu = vmx.vcpu[index];
	int error;

	launch_msrs_clear(&vcpu->launch_msrs, &launch_access);
	error = launch(vcpu, reason, size);
	if (error)
		launch_msrs_restore(&vcpu->launch_msrs, &launch_access);
	return error;
}

int vmx_unlaunch(void)
{
	uint64_t result = BOOT_CALL_UNLAUNCH;

	__asm__ volatile("vmcall" : "+a"(result) : : "memory");
	return (int)result;
}

void vmx_leave_operation(struct vcpu *vcpu)
{
	struct guest_regs regs = *vcpu->regs;
	uint64_t rip = vmread(VMCS_GUEST_RIP);
	uint64_t rsp = vmread(VMCS_GUEST_RSP);
	uint64_t rflags = vmread(VMCS_GUEST_RFLAGS);
	uint64_t cr3 = vmread(VMCS_GUEST_CR3);
	uint64_t efer = vmread(VMCS_GUEST_EFER);
	uint64_t pat = vmread(VMCS_GUEST_PAT);
	struct pseudo_descriptor gdtr = {(uint16_t)vmread(VMCS_GUEST_GDTR_LIMIT),
					 vmread(VMCS_GUEST_GDTR_BASE)};
	struct pseudo_descriptor idtr = {(uint16_t)vmread(VMCS_GUEST_IDTR_LIMIT),
					 vmread(VMCS_GUEST_IDTR_BASE)};
	uint64_t segment[SEG_COUNT];
	uint64_t fs_base = vmread(VMCS_GUEST_FS_BASE);
	uint64_t gs_base = vmread(VMCS_GUEST_GS_BASE);

	for (uint32_t i = 0; i < SEG_COUNT; i++)
		segment[i] = vmread(VMCS_GUEST_ES + VMCS_SEGMENT_STEP * i);
	vcpu->flush->present = 0;
	vmx_clear(virt_to_hpa(vcpu->vmcs));
	vmx_off();

	/* The firmware's tables map this code too: it was called through them. TR stays the monitor's. */
	write_cr3(cr3);
	restore_control_registers(vcpu);
	launch_msrs_restore(&vcpu->launch_msrs, &launch_access);
	wrmsr(MSR_EFER, efer);
	wrmsr(MSR_PAT, pat);
	__asm__ volatile("lgdt %0" : : "m"(gdtr));
	__asm__ volatile("lidt %0" : : "m"(idtr));
	__asm__ volatile("mov %w0, %%es" : : "r"(segment[SEG_ES]));
	__asm__ volatile("mov %w0, %%ss" : : "r"(segment[SEG_SS]));
	__asm__ volatile("mov %w0, %%ds" : : "r"(segment[SEG_DS]));
	__asm__ volatile("mov %w0, %%fs" : : "r"(segment[SEG_FS]));
	__asm__ volatile("mov %w0, %%gs" : : "r"(segment[SEG_GS]));
	__asm__ volatile("pushq %0\n\tlea 1f(%%rip), %%rax\n\tpush %%rax\n\tlretq\n1:"
			 :
			 : "r"(segment[SEG_CS])
			 : "rax", "memory");
	wrmsr(MSR_FS_BASE, fs_base);
	wrmsr(MSR_GS_BASE, gs_base);
	vmx_leave(&regs, rip, rsp, rflags);
}
