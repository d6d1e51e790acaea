/* SPDX-License-Identifier: MIT */
/* CPUID. */
#include "guest-support/include/secpod_abi.h"
#include "tests/guest/instructions.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"
#include "vmx/vmcs.h"

static void signature(void)
{
	struct cpuid_result leaf = cpuid(SECPOD_CPUID_SIGNATURE, 0);
	struct cpuid_result version = cpuid(SECPOD_CPUID_VERSION, 0);

	if (!payload_under_secpod()) {
		skip("native");
		return;
	}
	check(leaf.eax >= SECPOD_CPUID_VERSION && leaf.eax <= SECPOD_CPUID_STATS,
	      "highest hypervisor leaf is %x", leaf.eax);
	check(version.eax == (SECPOD_ABI_MAJOR << 16 | SECPOD_ABI_MINOR), "version leaf: %x",
	      version.eax);
	check(version.ecx == SECPOD_PHASE_GUEST, "phase is %u", version.ecx);
}

static void hidden_features(void)
{
	struct cpuid_result features = cpuid(CPUID_FEATURES, 0);
	struct cpuid_result structured = cpuid(CPUID_STRUCTURED, 0);

	if (!payload_under_secpod()) {
		skip("native");
		return;
	}
	check(features.ecx & CPUID_1_ECX_HYPERVISOR, "no hypervisor bit");
	check(!(features.ecx & CPUID_1_ECX_VMX), "VMX is shown");
	check(!(features.ecx & CPUID_1_ECX_SMX), "SMX is shown");
	check(!(structured.ebx & CPUID_7_EBX_PT), "Processor Trace is shown");
	check(!(structured.ecx & CPUID_7_ECX_LA57), "LA57 is shown");
	check(!(structured.ecx & CPUID_7_ECX_KL), "key locker is shown");
}

static void osxsave_mirrors_cr4(void)
{
	uint64_t cr4 = read_cr4();

	if (!(cpuid(CPUID_FEATURES, 0).ecx & CPUID_1_ECX_XSAVE)) {
		skip("no XSAVE");
		return;
	}
	write_cr4(cr4 & ~CR4_OSXSAVE);
	check(!(cpuid(CPUID_FEATURES, 0).ecx & CPUID_1_ECX_OSXSAVE), "set with CR4.OSXSAVE clear");
	write_cr4(cr4 | CR4_OSXSAVE);
	check(cpuid(CPUID_FEATURES, 0).ecx & CPUID_1_ECX_OSXSAVE, "clear with CR4.OSXSAVE set");
	write_cr4(cr4);
}

static void all_leaves_answer(void)
{
	static const uint32_t strange[] = {0x20000000, 0x3fffffff, 0x40000002, 0x4000000f,
					   0x40000011, 0x4fffffff, 0x50000000, 0x7fffffff,
					   0x8fffffff, 0xffffffff};
	uint32_t basic = cpuid(CPUID_MAX_BASIC, 0).eax;
	uint32_t extended = cpuid(CPUID_MAX_EXTENDED, 0).eax;

	check(basic >= 0xd && basic < 0x100, "highest basic leaf is %x", basic);
	check(extended >= 0x80000008 && extended < 0x80000100, "highest extended leaf is %x",
	      extended);
	for (uint32_t leaf = 0; leaf <= basic; leaf++) {
		for (uint32_t subleaf = 0; subleaf < 20; subleaf++)
			cpuid(leaf, subleaf);
		cpuid(leaf, 0xffffffff);
	}
	for (uint32_t leaf = CPUID_MAX_EXTENDED; leaf <= extended; leaf++)
		cpuid(leaf, 0);
	for (unsigned int i = 0; i < COUNT_OF(strange); i++)
		cpuid(strange[i], 0);
}

static void unused_hypervisor_leaves_are_zero(void)
{
	static const uint32_t leaves[] = {0x40000002, 0x40000003, 0x4000000f,
					  0x40000011, 0x40000100, 0x4fffffff};

	if (!payload_under_secpod()) {
		skip("native");
		return;
	}
	for (unsigned int i = 0; i < COUNT_OF(leaves); i++) {
		struct cpuid_result leaf = cpuid(leaves[i], 0);

		check(!leaf.eax && !leaf.ebx && !leaf.ecx && !leaf.edx, "leaf %x is not zero",
		      leaves[i]);
	}
}

/* Upper halves are cleared, every other register and the flags stay. */
static void registers_are_kept(void)
{
	uint64_t rax = 0xffffffff00000000, rbx = ~0ULL, rcx = 0xffffffff00000000, rdx = ~0ULL;
	uint64_t wrong = 0, flags = 0;

	__asm__ volatile(
		"push %%rbp\n\t"
		"mov $0x11, %%esi; mov $0x22, %%edi; mov $0x33, %%ebp; mov $0x88, %%r8d\n\t"
		"mov $0x99, %%r9d; mov $0xaa, %%r10d; mov $0xbb, %%r11d; mov $0xcc, %%r12d\n\t"
		"mov $0xdd, %%r13d; mov $0xee, %%r14d; mov $0xff, %%r15d\n\t"
		"push $0x8d7; popfq\n\t" /* OF SF ZF AF PF CF */
		"cpuid\n\t"
		"pushfq\n\t"
		"sub $0x11, %%rsi; sub $0x22, %%rdi; sub $0x33, %%rbp; sub $0x88, %%r8\n\t"
		"sub $0x99, %%r9; sub $0xaa, %%r10; sub $0xbb, %%r11; sub $0xcc, %%r12\n\t"
		"sub $0xdd, %%r13; sub $0xee, %%r14; sub $0xff, %%r15\n\t"
		"or %%rdi, %%rsi; or %%rbp, %%rsi; or %%r8, %%rsi; or %%r9, %%rsi\n\t"
		"or %%r10, %%rsi; or %%r11, %%rsi; or %%r12, %%rsi; or %%r13, %%rsi\n\t"
		"or %%r14, %%rsi; or %%r15, %%rsi\n\t"
		"pop %%rdi\n\t"
		"pop %%rbp"
		: "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "=&S"(wrong), "=&D"(flags)
		:
		: "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
	check(!(rax >> 32), "RAX is %lx", rax);
	check(!(rbx >> 32), "RBX is %lx", rbx);
	check(!(rcx >> 32), "RCX is %lx", rcx);
	check(!(rdx >> 32), "RDX is %lx", rdx);
	check(!wrong, "a register is not kept");
	check(flags == 0x8d7, "flags are %lx", flags);
}

static void statistics(void)
{
	uint64_t before, after, cpuids_before, cpuids_after;

	if (!payload_statistic(SECPOD_STAT_EXITS, &before)) {
		skip("no statistics");
		return;
	}
	payload_statistic(SECPOD_STAT_EXIT_REASON + EXIT_REASON_CPUID, &cpuids_before);
	for (unsigned int i = 0; i < 100; i++)
		cpuid(0, 0);
	payload_statistic(SECPOD_STAT_EXIT_REASON + EXIT_REASON_CPUID, &cpuids_after);
	payload_statistic(SECPOD_STAT_EXITS, &after);
	check(after >= before + 100, "exits: %lu, then %lu", before, after);
	/* payload_statistic() itself takes two. */
	check(cpuids_after - cpuids_before == 102, "CPUID exits: %lu",
	      cpuids_after - cpuids_before);
	check(!(cpuid(SECPOD_CPUID_STATS, SECPOD_STAT_COUNT).ebx & 1), "an index too high exists");
	check(!(cpuid(SECPOD_CPUID_STATS, 0xffffffff).ebx & 1), "the highest index exists");
}

const struct payload_case cpuid_cases[] = {
	{"cpuid-signature", signature},
	{"cpuid-hidden-features", hidden_features},
	{"cpuid-osxsave", osxsave_mirrors_cr4},
	{"cpuid-all-leaves", all_leaves_answer},
	{"cpuid-unused-leaves", unused_hypervisor_leaves_are_zero},
	{"cpuid-registers", registers_are_kept},
	{"cpuid-statistics", statistics},
	{NULL, NULL},
};
