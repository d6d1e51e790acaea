/* SPDX-License-Identifier: MIT */
/* The instructions of VMX, SMX and SMM: undefined on the machine the guest sees, at every privilege
 * level. */
#include "guest-support/include/secpod_abi.h"
#include "tests/guest/instructions.h"
#include "tests/guest/machine.h"
#include "tests/guest/trap.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"

static uint64_t operand[2];

/* A function that executes one instruction, with RAX pointing to the operand, and nothing else that
 * can trap. */
#define INSTRUCTION(function, text)                                                          \
	static void function(void *arg)                                                      \
	{                                                                                    \
		uint64_t rax = (uint64_t)(uintptr_t)arg;                                     \
                                                                                             \
		__asm__ volatile(text : "+a"(rax) : "c"(0), "d"(0) : "rbx", "cc", "memory"); \
	}

INSTRUCTION(do_vmxon, "vmxon (%%rax)")
INSTRUCTION(do_vmxoff, "vmxoff")
INSTRUCTION(do_vmcall, "vmcall")
INSTRUCTION(do_vmlaunch, "vmlaunch")
INSTRUCTION(do_vmresume, "vmresume")
INSTRUCTION(do_vmread, "vmread %%rcx, %%rdx")
INSTRUCTION(do_vmwrite, "vmwrite %%rdx, %%rcx")
INSTRUCTION(do_vmptrld, "vmptrld (%%rax)")
INSTRUCTION(do_vmptrst, "vmptrst (%%rax)")
INSTRUCTION(do_vmclear, "vmclear (%%rax)")
INSTRUCTION(do_invept, "invept (%%rax), %%rcx")
INSTRUCTION(do_invvpid, "invvpid (%%rax), %%rcx")
INSTRUCTION(do_vmfunc, "xor %%eax, %%eax; vmfunc")
INSTRUCTION(do_getsec, "xor %%eax, %%eax; getsec")
INSTRUCTION(do_rsm, "rsm")

static const struct {
	const char *name;
	void (*run)(void *arg);
} instructions[] = {
	{"VMXON", do_vmxon},	   {"VMXOFF", do_vmxoff},     {"VMCALL", do_vmcall},
	{"VMLAUNCH", do_vmlaunch}, {"VMRESUME", do_vmresume}, {"VMREAD", do_vmread},
	{"VMWRITE", do_vmwrite},   {"VMPTRLD", do_vmptrld},   {"VMPTRST", do_vmptrst},
	{"VMCLEAR", do_vmclear},   {"INVEPT", do_invept},     {"INVVPID", do_invvpid},
	{"VMFUNC", do_vmfunc},	   {"GETSEC", do_getsec},     {"RSM", do_rsm},
};

static void undefined_at_cpl_0(void)
{
	for (unsigned int i = 0; i < COUNT_OF(instructions); i++) {
		struct trap trap = trap_catch(instructions[i].run, operand);

		check(trap.vector == VECTOR_UD, "%s gives %u", instructions[i].name, trap.vector);
		check(trap.error_code == 0, "%s pushes error code %lx", instructions[i].name,
		      trap.error_code);
	}
	check(!operand[0] && !operand[1], "an operand is written");
}

static unsigned int user_index;

static void user_code(void)
{
	instructions[user_index].run(operand);
	__asm__ volatile("int3");
}

static void enter_user(void *arg)
{
	(void)arg;
	machine_user(user_code);
}

static void undefined_at_cpl_3(void)
{
	for (user_index = 0; user_index < COUNT_OF(instructions); user_index++) {
		struct trap trap = trap_catch(enter_user, NULL);

		check(trap.vector == VECTOR_UD && (trap.frame.cs & 3) == 3, "%s gives %u at CS %lx",
		      instructions[user_index].name, trap.vector, trap.frame.cs);
	}
}

/* A fault: RIP is the instruction's, whichever it is. */
static void fault_points_to_the_instruction(void)
{
	static const uint8_t vmcall[] = {0x0f, 0x01, 0xc1};
	struct trap trap = trap_catch(do_vmcall, operand);
	const uint8_t *code = (const uint8_t *)(uintptr_t)trap.frame.rip;

	check(trap.vector == VECTOR_UD, "VMCALL gives %u", trap.vector);
	for (unsigned int i = 0; i < sizeof(vmcall); i++)
		check(code[i] == vmcall[i], "byte %u at RIP is %x", i, code[i]);
}

/* Numbers that could mean something to a hypervisor. */
static void do_vmcall_number(void *arg)
{
	__asm__ volatile("vmcall" : : "a"(*(uint64_t *)arg), "b"(0), "c"(0), "d"(0) : "memory");
}

static void vmcall_numbers_are_unknown(void)
{
	static const uint64_t numbers[] = {0, 1, 0x5ec1ff01, 0x15ec00000, 0x80000000, ~0ULL};

	for (unsigned int i = 0; i < COUNT_OF(numbers); i++) {
		uint64_t number = numbers[i];

		check(trap_catch(do_vmcall_number, &number).vector == VECTOR_UD, "VMCALL %lx",
		      number);
	}
}

/* The numbers by which the boot code left VMX operation and sealed the region are unknown ones now. */
static void boot_calls_end_with_the_seal(void)
{
	static const uint64_t numbers[] = {0x5ec0ff01, 0x5ec0ff02};

	if (!payload_under_secpod()) {
		skip("not under SecPod");
		return;
	}
	for (unsigned int i = 0; i < COUNT_OF(numbers); i++) {
		uint64_t rax = numbers[i];

		__asm__ volatile("vmcall" : "+a"(rax) : : "memory");
		check(rax == (uint64_t)-SECPOD_ENOSYS, "VMCALL %lx gives %lx", numbers[i], rax);
	}
}

/* What CPL 3 may not do stays #GP, what it may works. */
static uint32_t user_eax;

static void user_cpuid(void)
{
	user_eax = cpuid(CPUID_HYPERVISOR_FIRST, 0).eax;
	__asm__ volatile("ud2");
}

static void user_rdmsr(void)
{
	rdmsr(MSR_FEATURE_CONTROL);
}

static void user_wrmsr(void)
{
	wrmsr(0x40000000, 0);
}

static void user_read_cr0(void)
{
	read_cr0();
}

static void user_write_cr4(void)
{
	write_cr4(0);
}

static void user_invd(void)
{
	__asm__ volatile("invd" : : : "memory");
}

static void user_wbinvd(void)
{
	wbinvd();
}

static void user_hlt(void)
{
	__asm__ volatile("hlt");
}

static void user_xsetbv(void)
{
	__asm__ volatile("xsetbv" : : "c"(0), "a"(1), "d"(0));
}

static void enter_user_code(void *code)
{
	machine_user(*(void (*const *)(void))code);
}

static void privileged_instructions_at_cpl_3(void)
{
	static void (*const code[])(void) = {user_rdmsr, user_wrmsr,  user_read_cr0, user_write_cr4,
					     user_invd,	 user_wbinvd, user_hlt,	     user_xsetbv};
	uint64_t cr4 = read_cr4();

	if (cpuid(CPUID_FEATURES, 0).ecx & CPUID_1_ECX_XSAVE)
		write_cr4(cr4 | CR4_OSXSAVE);
	for (unsigned int i = 0; i < COUNT_OF(code); i++) {
		struct trap trap = trap_catch(enter_user_code, (void *)(uintptr_t)&code[i]);
		bool no_xsave = code[i] == user_xsetbv && !(read_cr4() & CR4_OSXSAVE);

		check(trap.vector == (no_xsave ? VECTOR_UD : VECTOR_GP) && !trap.error_code,
		      "instruction %u gives %u", i, trap.vector);
		check((trap.frame.cs & 3) == 3, "instruction %u traps at CS %lx", i, trap.frame.cs);
	}
	write_cr4(cr4);
}

static void cpuid_at_cpl_3(void)
{
	void (*code)(void) = user_cpuid;

	user_eax = ~0u;
	check(trap_catch(enter_user_code, (void *)&code).vector == VECTOR_UD, "CPUID traps");
	check(user_eax == cpuid(CPUID_HYPERVISOR_FIRST, 0).eax, "CPUID gives %x", user_eax);
}

const struct payload_case vmx_cases[] = {
	{"vmx-undefined", undefined_at_cpl_0},
	{"vmx-undefined-user", undefined_at_cpl_3},
	{"vmx-rip", fault_points_to_the_instruction},
	{"vmcall-numbers", vmcall_numbers_are_unknown},
	{"vmcall-boot", boot_calls_end_with_the_seal},
	{"user-privileged", privileged_instructions_at_cpl_3},
	{"user-cpuid", cpuid_at_cpl_3},
	{NULL, NULL},
};
