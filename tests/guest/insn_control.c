/* SPDX-License-Identifier: MIT */
/* Control registers, XCR0 and the cache instructions. SDM: "MOV—Move to/from Control Registers". */
#include "tests/guest/access.h"
#include "tests/guest/instructions.h"
#include "tests/guest/machine.h"
#include "tests/guest/trap.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"

static void cr0_bad_values_fault(void)
{
	uint64_t cr0 = read_cr0();
	const uint64_t bad[] = {
		cr0 | 1ULL << 32,
		cr0 | 1ULL << 63,
		(cr0 & ~CR0_CD) | CR0_NW,
		cr0 & ~CR0_PE,
		cr0 & ~CR0_PG, /* from 64-bit code */
		cr0 & ~(CR0_PE | CR0_PG),
	};

	for (unsigned int i = 0; i < COUNT_OF(bad); i++) {
		check(try_write_cr0(bad[i]) == VECTOR_GP, "%lx does not fault", bad[i]);
		check(read_cr0() == cr0, "%lx changed CR0 to %lx", bad[i], read_cr0());
	}
}

static void cr0_bits_read_back(void)
{
	static const uint64_t toggled[] = {CR0_MP, CR0_EM, CR0_TS, CR0_NE, CR0_WP, CR0_AM, CR0_CD};
	uint64_t cr0 = read_cr0();

	for (unsigned int i = 0; i < COUNT_OF(toggled); i++) {
		write_cr0(cr0 ^ toggled[i]);
		cpuid(0, 0);
		check(read_cr0() == (cr0 ^ toggled[i]), "bit %lx: CR0 is %lx", toggled[i],
		      read_cr0());
		write_cr0(cr0);
		check(read_cr0() == cr0, "bit %lx back: CR0 is %lx", toggled[i], read_cr0());
	}
	write_cr0(cr0 | CR0_CD | CR0_NW);
	check((read_cr0() & (CR0_CD | CR0_NW)) == (CR0_CD | CR0_NW), "CD and NW: CR0 is %lx",
	      read_cr0());
	wbinvd();
	write_cr0(cr0);
	check(read_cr0() == cr0, "CD and NW back: CR0 is %lx", read_cr0());
}

static void cr0_reserved_low_bits_are_ignored(void)
{
	uint64_t cr0 = read_cr0();

	write_cr0(cr0 | 1ULL << 7 | 1ULL << 17 | 1ULL << 28);
	check(read_cr0() == cr0, "CR0 is %lx", read_cr0());
	write_cr0(cr0 & ~CR0_ET);
	check(read_cr0() == cr0, "ET can be cleared: CR0 is %lx", read_cr0());
}

static uint64_t smsw(void)
{
	uint64_t value;

	__asm__ volatile("smsw %0" : "=r"(value));
	return value;
}

static void lmsw_and_clts(void)
{
	uint64_t cr0 = read_cr0();

	check(smsw() == (uint32_t)cr0 || smsw() == cr0, "SMSW reads %lx of CR0 %lx", smsw(), cr0);
	__asm__ volatile("lmsw %w0" : : "r"(0xfff0 | CR0_PE | CR0_TS) : "memory");
	check(read_cr0() == ((cr0 & ~(CR0_MP | CR0_EM)) | CR0_TS), "LMSW made CR0 %lx", read_cr0());
	__asm__ volatile("clts" : : : "memory");
	check(read_cr0() == (cr0 & ~(CR0_MP | CR0_EM | CR0_TS)), "CLTS made CR0 %lx", read_cr0());
	/* PE cannot be cleared. */
	__asm__ volatile("lmsw %w0" : : "r"(0) : "memory");
	check(read_cr0() & CR0_PE, "LMSW cleared PE");
	write_cr0(cr0);
}

static void write_byte(void *where)
{
	*(volatile uint8_t *)where = 1;
}

static void write_protection_takes_effect(void)
{
	uint64_t cr0 = read_cr0();
	uint64_t page = (uint64_t)(uintptr_t)machine_page();
	void *read_only = machine_window(0, page, PTE_P);
	struct trap trap;

	write_cr0(cr0 | CR0_WP);
	trap = trap_catch(write_byte, read_only);
	check(trap.vector == VECTOR_PF && trap.error_code == 3, "WP set: trap %u, error code %lx",
	      trap.vector, trap.error_code);
	write_cr0(cr0 & ~CR0_WP);
	check(trap_catch(write_byte, read_only).vector == TRAP_NONE, "WP clear: still a fault");
	write_cr0(cr0 | CR0_WP);
	check(trap_catch(write_byte, read_only).vector == VECTOR_PF, "WP set again: no fault");
	write_cr0(cr0);
}

static void cr4_bad_values_fault(void)
{
	static const struct {
		uint64_t bit;
		bool native; /* also without SecPod, on any CPU */
	} bad[] = {
		{CR4_VMXE, false},   {CR4_SMXE, false},	  {CR4_KL, false},     {CR4_UINTR, false},
		{CR4_FRED, false},   {CR4_LA57, true},	  {X86_BIT(15), true}, {X86_BIT(26), true},
		{X86_BIT(33), true}, {X86_BIT(63), true},
	};
	uint64_t cr4 = read_cr4();

	for (unsigned int i = 0; i < COUNT_OF(bad); i++) {
		if (!bad[i].native && !payload_under_secpod())
			continue;
		check(try_write_cr4(cr4 | bad[i].bit) == VECTOR_GP, "bit %lx does not fault",
		      bad[i].bit);
		check(read_cr4() == cr4, "bit %lx changed CR4 to %lx", bad[i].bit, read_cr4());
	}
	check(try_write_cr4(cr4 & ~CR4_PAE) == VECTOR_GP, "PAE can be cleared in long mode");
	check(read_cr4() == cr4, "CR4 is %lx", read_cr4());
	if (payload_under_secpod())
		check(!(cr4 & CR4_VMXE), "VMXE reads as 1");
}

static void cr4_bits_read_back(void)
{
	static const uint64_t toggled[] = {CR4_VME, CR4_PVI, CR4_TSD, CR4_DE,	      CR4_PSE,
					   CR4_MCE, CR4_PGE, CR4_PCE, CR4_OSXMMEXCPT, CR4_OSFXSR};
	uint64_t cr4 = read_cr4();

	for (unsigned int i = 0; i < COUNT_OF(toggled); i++) {
		write_cr4(cr4 ^ toggled[i]);
		cpuid(0, 0);
		check(read_cr4() == (cr4 ^ toggled[i]), "bit %lx: CR4 is %lx", toggled[i],
		      read_cr4());
		write_cr4(cr4);
		check(read_cr4() == cr4, "bit %lx back: CR4 is %lx", toggled[i], read_cr4());
	}
}

static void pcide_and_cr3(void)
{
	const uint64_t pcid = 5;
	uint64_t cr3 = read_cr3();
	uint64_t cr4 = read_cr4();

	check(try_write_cr3(cr3 | 1ULL << 62) == VECTOR_GP, "CR3 bit 62 does not fault");
	if (!(cpuid(CPUID_FEATURES, 0).ecx & CPUID_1_ECX_PCID)) {
		check(try_write_cr4(cr4 | CR4_PCIDE) == VECTOR_GP,
		      "PCIDE without PCID does not fault");
		return;
	}
	check(try_write_cr3(cr3 | CR3_NOFLUSH) == VECTOR_GP, "bit 63 without PCIDE does not fault");
	check(try_write_cr4(cr4 | CR4_PCIDE) == TRAP_NONE, "PCIDE cannot be set");
	check(try_write_cr3(cr3 | pcid) == TRAP_NONE, "PCID 5 faults");
	check(read_cr3() == (cr3 | pcid), "CR3 is %lx", read_cr3());
	check(try_write_cr3(cr3 | CR3_NOFLUSH) == TRAP_NONE, "bit 63 with PCIDE faults");
	check(read_cr3() == cr3, "CR3 is %lx", read_cr3());
	write_cr3(cr3 | pcid);
	cpuid(0, 0);
	check(read_cr3() == (cr3 | pcid), "CR3 is %lx after an exit", read_cr3());
	write_cr3(cr3);
	write_cr4(cr4);
}

static void cr8_is_the_guests(void)
{
	uint64_t before, value;

	__asm__ volatile("mov %%cr8, %0\n\t"
			 "mov %2, %%cr8\n\t"
			 "cpuid\n\t"
			 "mov %%cr8, %1\n\t"
			 "mov %0, %%cr8"
			 : "=&S"(before), "=&D"(value)
			 : "r"(9ULL), "a"(0), "c"(0)
			 : "rbx", "rdx", "memory");
	check(value == 9, "CR8 is %lx", value);
}

/* SDM "XSETBV—Set Extended Control Register" */
static void xsetbv_follows_the_rules(void)
{
	uint64_t cr4 = read_cr4();
	uint64_t supported, before;

	if (!(cpuid(CPUID_FEATURES, 0).ecx & CPUID_1_ECX_XSAVE)) {
		skip("no XSAVE");
		return;
	}
	write_cr4(cr4 & ~CR4_OSXSAVE);
	check(try_xsetbv(0, 1) == VECTOR_UD, "no #UD without CR4.OSXSAVE");
	write_cr4(cr4 | CR4_OSXSAVE);
	supported = cpuid(CPUID_XSTATE, 0).eax | (uint64_t)cpuid(CPUID_XSTATE, 0).edx << 32;
	before = xgetbv(0);
	for (uint64_t value = 0; value < 0x400; value++) {
		bool avx512 = value & 0xe0;
		bool good = (value & 1) && !(value & ~supported) && (!(value & 4) || (value & 2)) &&
			    ((value & 0x18) == 0 || (value & 0x18) == 0x18) &&
			    (!avx512 || (value & 0xe4) == 0xe4);
		uint32_t vector = try_xsetbv(0, value);

		check(vector == (good ? TRAP_NONE : VECTOR_GP), "XCR0 %lx gives %u", value, vector);
		if (!good)
			continue;
		check(xgetbv(0) == value, "XCR0 %lx reads back %lx", value, xgetbv(0));
		check(cpuid(CPUID_XSTATE, 0).ebx >= 576, "XCR0 %lx: area of %u bytes", value,
		      cpuid(CPUID_XSTATE, 0).ebx);
	}
	check(try_xsetbv(0, 1ULL << 63 | 1) == VECTOR_GP, "bit 63 does not fault");
	check(try_xsetbv(1, 1) == VECTOR_GP, "XCR1 does not fault");
	check(try_xsetbv(0xffffffff, 1) == VECTOR_GP, "XCR 0xffffffff does not fault");
	check(try_xsetbv(0, before) == TRAP_NONE, "the first value faults");
	write_cr4(cr4);
}

static void invd_loses_nothing(void)
{
	volatile uint64_t *words = machine_page();

	if (!payload_under_secpod()) {
		skip("native: modified lines would be lost");
		return;
	}
	for (uint64_t i = 0; i < 512; i++)
		words[i] = i * 0x0101010101010101;
	__asm__ volatile("invd" : : : "memory");
	for (uint64_t i = 0; i < 512; i++)
		check(words[i] == i * 0x0101010101010101, "word %lu is %lx", i, words[i]);
}

static void wbinvd_works(void)
{
	wbinvd();
}

const struct payload_case control_cases[] = {
	{"cr0-bad-values", cr0_bad_values_fault},
	{"cr0-read-back", cr0_bits_read_back},
	{"cr0-reserved-bits", cr0_reserved_low_bits_are_ignored},
	{"cr0-lmsw-clts", lmsw_and_clts},
	{"cr0-wp", write_protection_takes_effect},
	{"cr4-bad-values", cr4_bad_values_fault},
	{"cr4-read-back", cr4_bits_read_back},
	{"cr3-pcid", pcide_and_cr3},
	{"cr8", cr8_is_the_guests},
	{"xsetbv", xsetbv_follows_the_rules},
	{"invd", invd_loses_nothing},
	{"wbinvd", wbinvd_works},
	{NULL, NULL},
};
