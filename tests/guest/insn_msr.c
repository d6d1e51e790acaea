/* SPDX-License-Identifier: MIT */
/* RDMSR and WRMSR, inside and outside the MSR bitmap. */
#include "tests/guest/access.h"
#include "tests/guest/instructions.h"
#include "tests/guest/trap.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"

#define NON_CANONICAL 0x0001000000000000ULL

/* Registers the guest's machine does not have: #GP(0) either way. */
static void absent_registers_fault(void)
{
	static const struct {
		uint32_t first, last;
	} absent[] = {
		{MSR_VMX_BASIC, MSR_VMX_LAST},
		{0x9b, 0x9b}, /* IA32_SMM_MONITOR_CTL */
		{MSR_RTIT_OUTPUT_BASE, MSR_RTIT_OUTPUT_BASE + 1},
		{0x570, 0x572}, /* IA32_RTIT_CTL, STATUS, CR3_MATCH */
		{MSR_HW_FEEDBACK_PTR, MSR_HW_FEEDBACK_CONFIG},
		{0x40000000, 0x40000003},
		{0x400000ff, 0x400000ff},
	};

	if (!payload_under_secpod()) {
		skip("native");
		return;
	}
	for (unsigned int i = 0; i < COUNT_OF(absent); i++) {
		for (uint32_t msr = absent[i].first; msr <= absent[i].last; msr++) {
			uint64_t value;

			check(try_rdmsr(msr, &value) == VECTOR_GP, "RDMSR %x does not fault", msr);
			check(try_wrmsr(msr, 0) == VECTOR_GP, "WRMSR %x does not fault", msr);
		}
	}
}

/*
 * A register no CPU has gets the CPU's own answer, whether the bitmap covers it (no exit) or not
 * (the monitor asks the CPU): #GP on a real one; emulators can be told to ignore such accesses.
 */
static void unknown_registers_answer_alike(void)
{
	static const uint32_t outside[] = {0x2000,     0x3fffffff, 0x50000000,
					   0xbfffffff, 0xc0002000, 0xfffffffe};
	const uint32_t inside = 0x1ffe;
	uint64_t value;
	uint32_t read = try_rdmsr(inside, &value);
	uint32_t write = try_wrmsr(inside, 0);

	check(read == VECTOR_GP || (read == TRAP_NONE && !value), "inside: read gives %u", read);
	for (unsigned int i = 0; i < COUNT_OF(outside); i++) {
		check(try_rdmsr(outside[i], &value) == read, "RDMSR %x differs from RDMSR inside",
		      outside[i]);
		check(try_wrmsr(outside[i], 0) == write, "WRMSR %x differs from WRMSR inside",
		      outside[i]);
	}
	payload_note("an unknown MSR gives %s", read == VECTOR_GP ? "#GP" : "0");
}

static void feature_control_is_locked_off(void)
{
	uint64_t value, again;

	if (!payload_under_secpod()) {
		skip("native");
		return;
	}
	check(try_rdmsr(MSR_FEATURE_CONTROL, &value) == TRAP_NONE, "RDMSR faults");
	check(value & FEATURE_CONTROL_LOCK, "not locked: %lx", value);
	check(!(value & (FEATURE_CONTROL_VMX | FEATURE_CONTROL_VMX_IN_SMX)), "VMX on: %lx", value);
	check(try_wrmsr(MSR_FEATURE_CONTROL, value) == VECTOR_GP, "WRMSR does not fault");
	check(try_wrmsr(MSR_FEATURE_CONTROL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX) ==
		      VECTOR_GP,
	      "WRMSR with VMX does not fault");
	try_rdmsr(MSR_FEATURE_CONTROL, &again);
	check(again == value, "changed to %lx", again);
}

static void apic_base_does_not_move(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	check(try_wrmsr(MSR_APIC_BASE, base) == TRAP_NONE, "the same value faults");
	if (!payload_under_secpod()) {
		skip("native: it would move");
		return;
	}
	check(try_wrmsr(MSR_APIC_BASE, base + 0x1000) == VECTOR_GP,
	      "a page further does not fault");
	check(try_wrmsr(MSR_APIC_BASE, (base & 0xfff) | 0x100000) == VECTOR_GP,
	      "1 MiB does not fault");
	check(try_wrmsr(MSR_APIC_BASE, base | 1ULL << 52) == VECTOR_GP,
	      "a reserved bit does not fault");
	check(rdmsr(MSR_APIC_BASE) == base, "changed to %lx", rdmsr(MSR_APIC_BASE));
}

static void microcode_trigger_is_ignored(void)
{
	uint64_t before, after;

	if (!payload_under_secpod()) {
		skip("native");
		return;
	}
	try_rdmsr(MSR_BIOS_SIGN_ID, &before);
	/* No update lies at this address: loading it would fault, or hang. */
	check(try_wrmsr(MSR_BIOS_UPDT_TRIG, NON_CANONICAL) == TRAP_NONE, "WRMSR faults");
	try_rdmsr(MSR_BIOS_SIGN_ID, &after);
	check(before == after, "revision %lx became %lx", before, after);
}

static void addresses_must_be_canonical(void)
{
	static const uint32_t msrs[] = {MSR_SYSENTER_ESP,  MSR_SYSENTER_EIP, MSR_LSTAR,
					MSR_CSTAR,	   MSR_FS_BASE,	     MSR_GS_BASE,
					MSR_KERNEL_GS_BASE};

	for (unsigned int i = 0; i < COUNT_OF(msrs); i++) {
		uint64_t before = rdmsr(msrs[i]);

		check(try_wrmsr(msrs[i], NON_CANONICAL) == VECTOR_GP,
		      "MSR %x takes a non-canonical value", msrs[i]);
		check(rdmsr(msrs[i]) == before, "MSR %x changed", msrs[i]);
	}
}

/* Registers the CPU does not switch at VM exits: the monitor must leave them alone. */
static void registers_survive_exits(void)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
	} rows[] = {
		{MSR_STAR, 0x0023001000000000},
		{MSR_LSTAR, 0x00001234567890a0},
		{MSR_CSTAR, 0x00001234567890b0},
		{MSR_FMASK, 0x47700},
		{MSR_KERNEL_GS_BASE, 0x0000555500000000},
		{MSR_FS_BASE, 0x0000666600000000},
		{MSR_GS_BASE, 0x0000777700000000},
		{MSR_SYSENTER_CS, 0x10},
		{MSR_SYSENTER_ESP, 0x0000111100000000},
		{MSR_SYSENTER_EIP, 0x0000222200000000},
		{MSR_PAT, 0x0007010600070106},
	};
	uint64_t saved[COUNT_OF(rows)];

	for (unsigned int i = 0; i < COUNT_OF(rows); i++) {
		saved[i] = rdmsr(rows[i].msr);
		wrmsr(rows[i].msr, rows[i].value);
	}
	for (unsigned int i = 0; i < 10; i++)
		cpuid(i, 0);
	wbinvd();
	for (unsigned int i = 0; i < COUNT_OF(rows); i++) {
		uint64_t value = rdmsr(rows[i].msr);

		check(value == rows[i].value, "MSR %x is %lx", rows[i].msr, value);
		wrmsr(rows[i].msr, saved[i]);
	}
}

static void efer_follows_the_rules(void)
{
	uint64_t efer = rdmsr(MSR_EFER);

	check((efer & (EFER_LME | EFER_LMA)) == (EFER_LME | EFER_LMA), "EFER is %lx in long mode",
	      efer);
	check(try_wrmsr(MSR_EFER, efer | 1ULL << 63) == VECTOR_GP, "a reserved bit does not fault");
	check(try_wrmsr(MSR_EFER, efer & ~EFER_LME) == VECTOR_GP, "LME cleared under paging");
	check(try_wrmsr(MSR_EFER, efer ^ EFER_SCE) == TRAP_NONE, "SCE cannot be changed");
	cpuid(0, 0);
	check(rdmsr(MSR_EFER) == (efer ^ EFER_SCE), "EFER is %lx after an exit", rdmsr(MSR_EFER));
	wrmsr(MSR_EFER, efer);
}

static void mtrrs_can_be_written(void)
{
	uint64_t count = rdmsr(MSR_MTRRCAP) & 0xff;
	uint64_t def_type = rdmsr(MSR_MTRR_DEF_TYPE);
	uint32_t last = MSR_MTRR_PHYSBASE0 + 2 * (uint32_t)(count - 1);
	uint64_t base, mask;

	check(count > 0 && count <= 32, "%lu variable ranges", count);
	base = rdmsr(last);
	mask = rdmsr(last + 1);
	check(try_wrmsr(MSR_MTRR_DEF_TYPE, def_type) == TRAP_NONE, "the same default type faults");
	check(try_wrmsr(MSR_MTRR_DEF_TYPE, (def_type & ~0xffULL) | 2) == VECTOR_GP,
	      "default type 2 does not fault");
	check(try_wrmsr(last, 3) == VECTOR_GP, "range type 3 does not fault");
	check(rdmsr(MSR_MTRR_DEF_TYPE) == def_type && rdmsr(last) == base,
	      "a refused write is made");
	if (mask & 1 << 11) {
		skip("all variable ranges are in use");
		return;
	}
	/* 16 MiB of address space nobody uses, uncached, for a moment. */
	wrmsr(last, 0xd0000000);
	wrmsr(last + 1, 0xfff000000 | 1 << 11);
	check(rdmsr(last) == 0xd0000000, "base reads %lx", rdmsr(last));
	check(rdmsr(last + 1) == (0xfff000000 | 1 << 11), "mask reads %lx", rdmsr(last + 1));
	wrmsr(last + 1, mask);
	wrmsr(last, base);
}

/* ECX alone selects, and both result registers are cleared above bit 31. */
static void registers_of_the_instruction(void)
{
	uint64_t rax = ~0ULL, rdx = ~0ULL;

	__asm__ volatile("rdmsr"
			 : "+a"(rax), "+d"(rdx)
			 : "c"(0xdeadbeef00000000 | MSR_FEATURE_CONTROL));
	check(!(rax >> 32 | rdx >> 32), "intercepted: an upper half is not zero");
	rax = rdx = ~0ULL;
	__asm__ volatile("rdmsr" : "+a"(rax), "+d"(rdx) : "c"(0xdeadbeef00000000 | MSR_PAT));
	check(!(rax >> 32 | rdx >> 32), "not intercepted: an upper half is not zero");
	check((rdx << 32 | rax) == rdmsr(MSR_PAT), "PAT reads otherwise");
}

const struct payload_case msr_cases[] = {
	{"msr-absent", absent_registers_fault},
	{"msr-unknown", unknown_registers_answer_alike},
	{"msr-feature-control", feature_control_is_locked_off},
	{"msr-apic-base", apic_base_does_not_move},
	{"msr-microcode", microcode_trigger_is_ignored},
	{"msr-canonical", addresses_must_be_canonical},
	{"msr-survive-exits", registers_survive_exits},
	{"msr-efer", efer_follows_the_rules},
	{"msr-mtrr", mtrrs_can_be_written},
	{"msr-operands", registers_of_the_instruction},
	{NULL, NULL},
};
