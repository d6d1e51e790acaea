/* SPDX-License-Identifier: MIT */
/* Out of long mode, through every paging mode and real mode, and back: each step in and out exits.
 */
#include "tests/guest/machine.h"
#include "tests/guest/mode_switch.h"
#include "tests/guest/payload.h"
#include "tests/guest/trap.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"

#define GATE_32 0x8e00ULL /* present interrupt gate of 32 bits */
#define INT_VECTOR 0x40u
#define MAGIC 0x5ec0d1e5u
#define NO_TRAP 0xffffffffu
/* Real-mode interrupts push FLAGS, CS and IP. */
#define REAL_FRAME 6u

static uint8_t *pages;
static uint32_t results[RESULT_COUNT];

static uint64_t *parameter(unsigned int n)
{
	return (uint64_t *)(void *)(pages + MODE_PARAMETERS) + n;
}

static uint64_t offset_of(const char *label)
{
	return (uintptr_t)label - (uintptr_t)mode_switch;
}

static uint64_t far_to(const char *label, uint64_t base, uint64_t selector)
{
	return (base + offset_of(label)) | selector << 32;
}

static void table_register(unsigned int n, unsigned int offset, uint16_t limit)
{
	struct pseudo_descriptor *table = (void *)parameter(n);

	*table = (struct pseudo_descriptor){limit, (uint64_t)(uintptr_t)pages + offset};
}

static void build_gdt(void)
{
	uint64_t *gdt = (void *)(pages + MODE_GDT);
	uint64_t base = (uint64_t)(uintptr_t)pages << 16;

	gdt[0] = 0;
	gdt[MODE_CODE64 / 8] = 0x00af9b000000ffff;
	gdt[MODE_DATA / 8] = 0x00cf93000000ffff;
	gdt[MODE_CODE32 / 8] = 0x00cf9b000000ffff;
	gdt[MODE_CODE16 / 8] = 0x00009b000000ffff | base;
	gdt[MODE_DATA16 / 8] = 0x000093000000ffff | base;
	table_register(MODE_GDTR, MODE_GDT, MODE_DATA16 + 7);
}

static void set_gate(unsigned int vector, const char *handler)
{
	uint64_t entry = (uint64_t)(uintptr_t)pages + offset_of(handler);
	uint64_t *idt = (void *)(pages + MODE_IDT);

	idt[vector] =
		(entry & 0xffff) | (uint64_t)MODE_CODE32 << 16 | GATE_32 << 32 | entry >> 16 << 48;
}

static void set_real_vector(unsigned int vector, const char *handler)
{
	uint32_t *ivt = (void *)(pages + MODE_IVT);

	ivt[vector] = (uint32_t)offset_of(handler) | (uint32_t)(uintptr_t)pages >> 4 << 16;
}

static void build_idts(void)
{
	set_gate(VECTOR_UD, mode_ud32);
	set_gate(VECTOR_GP, mode_gp32);
	set_gate(VECTOR_PF, mode_pf32);
	table_register(MODE_IDTR32, MODE_IDT, 32 * 8 - 1);
	set_real_vector(VECTOR_UD, mode_ud16);
	set_real_vector(VECTOR_GP, mode_gp16);
	set_real_vector(INT_VECTOR, mode_int16);
	table_register(MODE_IDTR_REAL, MODE_IVT, (INT_VECTOR + 1) * 4 - 1);
}

static uint32_t address(const void *page)
{
	return (uint32_t)(uintptr_t)page;
}

/* Identity for the first 4 MiB (32-bit) or 2 MiB (PAE), once more at MODE_ALIAS, and nothing else.
 */
static void build_page_tables(uint32_t *pd, uint64_t *pdpt, uint64_t *pae_pd)
{
	pd[0] = PTE_PS | PTE_P | PTE_RW;
	pd[MODE_ALIAS >> 22] = PTE_PS | PTE_P | PTE_RW;
	/* The page tables themselves lie higher: the code changes a PDPTE. */
	pd[address(pdpt) >> 22] = (address(pdpt) & 0xffc00000) | PTE_PS | PTE_P | PTE_RW;
	pae_pd[0] = PTE_PS | PTE_P | PTE_RW;
	pdpt[MODE_ALIAS >> 30] = address(pae_pd) | PTE_P;
	pdpt[MODE_ALIAS_2 >> 30] = 0;
	pdpt[0] = address(pae_pd) | PTE_P;
	pae_pd[address(pdpt) >> 21 & 511] = (address(pdpt) & 0xffe00000) | PTE_PS | PTE_P | PTE_RW;
	*parameter(MODE_PD) = address(pd);
	*parameter(MODE_PDPT) = address(pdpt);
	*parameter(MODE_ALIAS_PDPTE) = address(pae_pd) | PTE_P;
}

static bool prepare_pages(void)
{
	uint64_t base;

	pages = machine_low_pages();
	if (!check(pages != NULL, "no pages below 1 MiB"))
		return false;
	base = (uint64_t)(uintptr_t)pages;
	for (unsigned int i = 0; i < MODE_STACK; i++)
		pages[i] = 0;
	for (uint64_t i = 0; i < offset_of(mode_switch_end); i++)
		pages[i] = (uint8_t)mode_switch[i];
	check(offset_of(mode_switch_end) <= MODE_PARAMETERS, "the code has %lu bytes",
	      offset_of(mode_switch_end));
	build_gdt();
	build_idts();
	*parameter(MODE_FAR_COMPAT) = far_to(mode_compat, base, MODE_CODE32);
	*parameter(MODE_FAR_16) = far_to(mode_16, 0, MODE_CODE16);
	*parameter(MODE_FAR_REAL) = offset_of(mode_real) | base >> 4 << 16;
	*parameter(MODE_FAR_32) = far_to(mode_32, base, MODE_CODE32);
	*parameter(MODE_FAR_64) = far_to(mode_64, base, MODE_CODE64);
	*parameter(MODE_MAGIC) = MAGIC;
	return true;
}

static void tour(void)
{
	uint32_t *pd = machine_page();
	uint64_t *pdpt = machine_page();
	uint64_t *pae_pd = machine_page();
	const volatile uint32_t *found;

	if (!prepare_pages())
		return;
	/* One page directory serves the first GiB. */
	if (!check(!(address(pdpt) >> 30), "the page tables lie above 1 GiB"))
		return;
	build_page_tables(pd, pdpt, pae_pd);
	((void (*)(void))(uintptr_t)pages)();
	found = (const volatile uint32_t *)(const void *)(pages + MODE_RESULTS);
	for (unsigned int i = 0; i < RESULT_COUNT; i++)
		results[i] = found[i];
}

struct expectation {
	const char *name;
	unsigned int result;
	uint32_t mask;
	uint32_t value;
};

static void compare(const struct expectation *rows, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		check((results[rows[i].result] & rows[i].mask) == rows[i].value, "%s: %x, not %x",
		      rows[i].name, results[rows[i].result], rows[i].value);
}

#define ALL 0xffffffffu
#define PE_PG ((uint32_t)(CR0_PE | CR0_PG))

static void compatibility_and_unpaged(void)
{
	uint32_t signature = cpuid(CPUID_HYPERVISOR_FIRST, 0).ebx;
	const struct expectation rows[] = {
		{"CPUID in compatibility mode", RESULT_COMPAT_SIGNATURE, ALL, signature},
		{"EFER without paging", RESULT_UNPAGED_EFER, EFER_LME | EFER_LMA, EFER_LME},
		{"CPUID without paging", RESULT_UNPAGED_SIGNATURE, ALL, signature},
		{"CR0 without paging", RESULT_UNPAGED_CR0, PE_PG, CR0_PE},
		{"VMCALL without paging", RESULT_UNPAGED_VMCALL, ALL, VECTOR_UD},
	};

	compare(rows, COUNT_OF(rows));
}

static void paging_32(void)
{
	uint32_t signature = cpuid(CPUID_HYPERVISOR_FIRST, 0).ebx;
	const struct expectation rows[] = {
		{"CR0", RESULT_32_CR0, PE_PG, PE_PG},
		{"CR4", RESULT_32_CR4, CR4_PAE | CR4_PSE, CR4_PSE},
		{"CR3", RESULT_32_CR3, ALL, (uint32_t)*parameter(MODE_PD)},
		{"alias", RESULT_32_ALIAS, ALL, MAGIC},
		{"access to the hole", RESULT_32_FAULT, ALL, VECTOR_PF},
		{"error code", RESULT_32_FAULT_ERROR, ALL, 2},
		{"CR2", RESULT_32_FAULT_CR2, ALL, MODE_HOLE},
		{"CPUID", RESULT_32_SIGNATURE, ALL, signature},
		{"VMCALL", RESULT_32_VMCALL, ALL, VECTOR_UD},
	};

	compare(rows, COUNT_OF(rows));
}

static void paging_pae(void)
{
	uint32_t signature = cpuid(CPUID_HYPERVISOR_FIRST, 0).ebx;
	const struct expectation rows[] = {
		{"CR0", RESULT_PAE_CR0, PE_PG, PE_PG},
		{"CR4", RESULT_PAE_CR4, CR4_PAE, CR4_PAE},
		{"CPUID", RESULT_PAE_SIGNATURE, ALL, signature},
		{"alias", RESULT_PAE_ALIAS, ALL, MAGIC},
		{"PDPTE changed in memory", RESULT_PAE_OLD_PDPTE, ALL, VECTOR_PF},
		{"CR0.CD set", RESULT_PAE_CD_FAULT, ALL, NO_TRAP},
		{"PDPTE loaded by CR0.CD", RESULT_PAE_CD_ALIAS, ALL, MAGIC},
		{"PDPTE cleared, loaded by CR3", RESULT_PAE_CR3_FAULT, ALL, VECTOR_PF},
		{"PDPTE loaded by CR4.PGE", RESULT_PAE_PGE_ALIAS, ALL, MAGIC},
	};

	compare(rows, COUNT_OF(rows));
}

static void bad_pdptes_are_refused(void)
{
	const struct expectation rows[] = {
		{"by CR3", RESULT_PAE_BAD_CR3, ALL, VECTOR_GP},
		{"by CR0.CD", RESULT_PAE_BAD_CD, ALL, VECTOR_GP},
		{"CR0 behind it", RESULT_PAE_BAD_CD_CR0, CR0_CD | CR0_PG, CR0_PG},
		{"by CR0.PG", RESULT_PAE_BAD_PG, ALL, VECTOR_GP},
		{"CR0 behind it", RESULT_PAE_BAD_PG_CR0, CR0_PG, 0},
	};

	compare(rows, COUNT_OF(rows));
}

static void real_mode(void)
{
	uint32_t signature = cpuid(CPUID_HYPERVISOR_FIRST, 0).ebx;
	const struct expectation rows[] = {
		{"CR0", RESULT_REAL_CR0, PE_PG, 0},
		{"CPUID", RESULT_REAL_SIGNATURE, ALL, signature},
		{"INT 0x40", RESULT_REAL_INT, ALL, 1},
		{"VMCALL", RESULT_REAL_VMCALL, ALL, VECTOR_UD},
		{"SP behind VMCALL", RESULT_REAL_VMCALL_SP, ALL, MODE_STACK - REAL_FRAME},
		{"CR0.NW without CD", RESULT_REAL_CR0_FAULT, ALL, VECTOR_GP},
		{"CR0 behind LMSW", RESULT_LMSW_CR0, PE_PG, CR0_PE},
	};
	const struct expectation under_secpod[] = {
		{"RDMSR", RESULT_REAL_RDMSR, ALL, VECTOR_GP},
		{"SP behind RDMSR", RESULT_REAL_RDMSR_SP, ALL, MODE_STACK - REAL_FRAME},
	};

	compare(rows, COUNT_OF(rows));
	if (payload_under_secpod())
		compare(under_secpod, COUNT_OF(under_secpod));
}

static void back_in_long_mode(void)
{
	const struct expectation rows[] = {
		{"PG with LME and without PAE", RESULT_LONG_NO_PAE, ALL, VECTOR_GP},
		{"EFER", RESULT_LONG_EFER, EFER_LME | EFER_LMA, EFER_LME | EFER_LMA},
	};

	compare(rows, COUNT_OF(rows));
	cpuid(0, 0);
	check(read_cr0() == *parameter(MODE_SAVED_CR0), "CR0 is %lx", read_cr0());
	check(read_cr3() == *parameter(MODE_SAVED_CR3), "CR3 is %lx", read_cr3());
	check(read_cr4() == *parameter(MODE_SAVED_CR4), "CR4 is %lx", read_cr4());
}

/* What was found the first time is found again: nothing of the way back is left over. */
static void again(void)
{
	static uint32_t first[RESULT_COUNT];

	for (unsigned int i = 0; i < RESULT_COUNT; i++)
		first[i] = results[i];
	for (unsigned int turn = 0; turn < 3; turn++) {
		tour();
		for (unsigned int i = 0; i < RESULT_COUNT; i++)
			check(results[i] == first[i] || i == RESULT_32_CR3,
			      "turn %u, result %u: %x, not %x", turn, i, results[i], first[i]);
	}
}

static const struct payload_case mode_cases[] = {
	{"tour", tour},
	{"unpaged", compatibility_and_unpaged},
	{"paging-32", paging_32},
	{"paging-pae", paging_pae},
	{"bad-pdptes", bad_pdptes_are_refused},
	{"real", real_mode},
	{"long", back_in_long_mode},
	{"again", again},
	{NULL, NULL},
};

static const struct payload_case *const cases[] = {mode_cases, NULL};

const struct payload payload = {"modes", cases, NULL};
