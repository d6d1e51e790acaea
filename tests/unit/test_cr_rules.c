/* SPDX-License-Identifier: MIT */
#include "vmx/cr_rules.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vmx_machines.h"
#include "vmm/x86.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define GP (-EPERM)

/* A CPU that has every CR4 bit there is. */
#define CR4_ALL (CR4_PASSED | CR4_TRAPPED | CR4_SHADOWED | CR4_HIDDEN)

static struct guest_mode mode_of(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	struct vmx_capabilities caps = bochs_skylake_x();

	return (struct guest_mode){
		.cr0 = cr0 | CR0_ET,
		.cr4 = cr4,
		.efer = efer,
		.cr0_fixed0 = caps.cr0_fixed0,
		.cr0_fixed1 = caps.cr0_fixed1,
		.cr4_fixed0 = caps.cr4_fixed0,
		.cr4_fixed1 = CR4_ALL,
	};
}

#define REAL 0ULL
#define PROT CR0_PE
#define PAGED (CR0_PE | CR0_PG | CR0_WP)
#define LME EFER_LME
#define LONG (EFER_LME | EFER_LMA)

/* SDM "MOV—Move to/from Control Registers", protected-mode exceptions, for CR0. */
static void cr0_writes_follow_the_rules(void **state)
{
	static const struct {
		const char *rule;
		uint64_t cr0, cr4, efer;
		bool cs_long, tss16;
		uint64_t value;
		int result;
	} rows[] = {
		{"protected mode is entered", REAL, 0, 0, false, false, PROT, 0},
		{"protected mode is left", PROT, 0, 0, false, false, REAL, 0},
		{"reserved high bit", PROT, 0, 0, false, false, PROT | 1ULL << 32, GP},
		{"highest bit", PAGED, CR4_PAE, LONG, true, false, PAGED | 1ULL << 63, GP},
		{"PG without PE", REAL, 0, 0, false, false, CR0_PG, GP},
		{"PE cleared under paging", PAGED, 0, 0, false, false, CR0_PG | CR0_WP, GP},
		{"NW without CD", PROT, 0, 0, false, false, PROT | CR0_NW, GP},
		{"NW with CD", PROT, 0, 0, false, false, PROT | CR0_NW | CR0_CD, 0},
		{"CD alone", PAGED, CR4_PAE, LONG, true, false, PAGED | CR0_CD, 0},
		{"WP cleared with CET", PAGED, CR4_PAE | CR4_CET, LONG, true, false, PROT | CR0_PG,
		 GP},
		{"WP cleared without CET", PAGED, CR4_PAE, LONG, true, false, PROT | CR0_PG, 0},
		{"32-bit paging on", PROT, 0, 0, false, false, PAGED, 0},
		{"PAE paging on", PROT, CR4_PAE, 0, false, false, PAGED, 0},
		{"IA-32e on", PROT, CR4_PAE, LME, false, false, PAGED, 0},
		{"IA-32e on straight from real mode", REAL, CR4_PAE, LME, false, false, PAGED, 0},
		{"IA-32e on without PAE", PROT, 0, LME, false, false, PAGED, GP},
		{"IA-32e on with CS.L", PROT, CR4_PAE, LME, true, false, PAGED, GP},
		{"IA-32e on with a 16-bit TSS", PROT, CR4_PAE, LME, false, true, PAGED, GP},
		{"paging on with a 16-bit TSS", PROT, CR4_PAE, 0, false, true, PAGED, 0},
		{"IA-32e off from 64-bit code", PAGED, CR4_PAE, LONG, true, false, PROT, GP},
		{"IA-32e off from compatibility mode", PAGED, CR4_PAE, LONG, false, false, PROT, 0},
		{"IA-32e off with PCIDE", PAGED, CR4_PAE | CR4_PCIDE, LONG, false, false, PROT, GP},
		{"32-bit paging off", PAGED, 0, 0, false, false, PROT, 0},
		{"paging and protection off at once", PAGED, 0, 0, false, false, REAL, 0},
		{"nothing changed in 64-bit mode", PAGED, CR4_PAE | CR4_PCIDE, LONG, true, false,
		 PAGED, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct guest_mode mode = mode_of(rows[i].cr0, rows[i].cr4, rows[i].efer);
		struct cr_result result;

		mode.cs_long = rows[i].cs_long;
		mode.tss_16bit_busy = rows[i].tss16;
		if (cr0_write(&mode, rows[i].value, &result) != rows[i].result)
			fail_msg("%s: not %d", rows[i].rule, rows[i].result);
	}
}

static void cr0_ignores_reserved_low_bits_and_keeps_et(void **state)
{
	struct guest_mode mode = mode_of(PAGED, CR4_PAE, LONG);
	struct cr_result result;

	(void)state;
	mode.cs_long = true;
	assert_int_equal(cr0_write(&mode, 0xffffffff, &result), 0);
	assert_int_equal(result.shadow, PAGED | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE |
						CR0_AM | CR0_NW | CR0_CD);
	assert_int_equal(cr0_write(&mode, PAGED, &result), 0);
	assert_int_equal(result.shadow, PAGED | CR0_ET);
}

static void cr0_runs_with_caches_on_and_ne_set(void **state)
{
	struct guest_mode mode = mode_of(PAGED, CR4_PAE, LONG);
	struct cr_result result;

	(void)state;
	mode.cs_long = true;
	assert_int_equal(cr0_write(&mode, PAGED | CR0_CD | CR0_NW, &result), 0);
	assert_int_equal(result.real & (CR0_CD | CR0_NW), 0);
	assert_int_equal(result.shadow & (CR0_CD | CR0_NW), CR0_CD | CR0_NW);
	assert_true(result.real & CR0_NE);
	assert_false(result.shadow & CR0_NE);
	/* Unrestricted guest: PE and PG are the guest's. */
	mode = mode_of(REAL, 0, 0);
	assert_int_equal(cr0_write(&mode, 0, &result), 0);
	assert_int_equal(result.real & (CR0_PE | CR0_PG), 0);
}

static void efer_lma_follows_paging(void **state)
{
	struct guest_mode mode = mode_of(PROT, CR4_PAE, LME | EFER_NXE);
	struct cr_result result;

	(void)state;
	assert_int_equal(cr0_write(&mode, PAGED, &result), 0);
	assert_int_equal(result.efer, LONG | EFER_NXE);
	mode = mode_of(PAGED, CR4_PAE, LONG | EFER_NXE);
	assert_int_equal(cr0_write(&mode, PROT, &result), 0);
	assert_int_equal(result.efer, LME | EFER_NXE);
	mode = mode_of(PROT, CR4_PAE, EFER_NXE);
	assert_int_equal(cr0_write(&mode, PAGED, &result), 0);
	assert_int_equal(result.efer, EFER_NXE);
}

/* SDM "PDPTE Registers" */
static void cr0_loads_pdptes_when_pae_paging_starts_or_caching_changes(void **state)
{
	static const struct {
		uint64_t cr0, cr4, efer, value;
		bool load;
	} rows[] = {
		{PROT, CR4_PAE, 0, PAGED, true},
		{PAGED, CR4_PAE, 0, PAGED | CR0_CD, true},
		{PAGED | CR0_CD, CR4_PAE, 0, PAGED | CR0_CD | CR0_NW, true},
		{PAGED, CR4_PAE, 0, PAGED | CR0_TS, false},
		{PAGED, CR4_PAE, 0, CR0_PE | CR0_PG, false},
		{PAGED, CR4_PAE, 0, PROT, false},
		{PROT, 0, 0, PAGED, false},
		{PROT, CR4_PAE, LME, PAGED, false},
		{PAGED, CR4_PAE, LONG, PAGED | CR0_CD, false},
		{PROT, CR4_PAE, 0, PROT | CR0_CD, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct guest_mode mode = mode_of(rows[i].cr0, rows[i].cr4, rows[i].efer);
		struct cr_result result;

		assert_int_equal(cr0_write(&mode, rows[i].value, &result), 0);
		if (result.load_pdptes != rows[i].load)
			fail_msg("row %zu: load_pdptes is %d", i, result.load_pdptes);
	}
}

static void cr4_writes_follow_the_rules(void **state)
{
	static const struct {
		const char *rule;
		uint64_t cr0, cr4, efer, value;
		int result;
	} rows[] = {
		{"PAE on under 32-bit paging", PAGED, 0, 0, CR4_PAE, 0},
		{"PAE off under PAE paging", PAGED, CR4_PAE, 0, 0, 0},
		{"PAE off in IA-32e mode", PAGED, CR4_PAE, LONG, 0, GP},
		{"PAE off with LME only", PROT, CR4_PAE, LME, 0, 0},
		{"PCIDE outside IA-32e mode", PAGED, CR4_PAE, 0, CR4_PAE | CR4_PCIDE, GP},
		{"PCIDE in IA-32e mode", PAGED, CR4_PAE, LONG, CR4_PAE | CR4_PCIDE, 0},
		{"CET without WP", PROT, 0, 0, CR4_CET, GP},
		{"CET with WP", PROT | CR0_WP, 0, 0, CR4_CET, 0},
		{"VMXE", PAGED, CR4_PAE, LONG, CR4_PAE | CR4_VMXE, GP},
		{"SMXE", PAGED, CR4_PAE, LONG, CR4_PAE | CR4_SMXE, GP},
		{"LA57", PROT, 0, 0, CR4_LA57, GP},
		{"KL", PAGED, CR4_PAE, LONG, CR4_PAE | CR4_KL, GP},
		{"UINTR", PAGED, CR4_PAE, LONG, CR4_PAE | CR4_UINTR, GP},
		{"FRED", PAGED, CR4_PAE, LONG, CR4_PAE | CR4_FRED, GP},
		{"reserved bit 15", PROT, 0, 0, X86_BIT(15), GP},
		{"reserved bit 26", PROT, 0, 0, X86_BIT(26), GP},
		{"reserved bit 63", PROT, 0, 0, X86_BIT(63), GP},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct guest_mode mode = mode_of(rows[i].cr0, rows[i].cr4, rows[i].efer);
		struct cr_result result;

		if (cr4_write(&mode, rows[i].value, &result) != rows[i].result)
			fail_msg("%s: not %d", rows[i].rule, rows[i].result);
	}
}

static void cr4_bits_the_cpu_lacks_are_refused(void **state)
{
	struct guest_mode mode = mode_of(PROT | CR0_WP, 0, 0);
	struct cr_result result;

	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++) {
		uint64_t value = 1ULL << bit;

		mode.cr4_fixed1 = CR4_ALL & ~value;
		assert_int_equal(cr4_write(&mode, value, &result), GP);
	}
}

static void cr4_shadow_hides_vmxe(void **state)
{
	struct guest_mode mode = mode_of(PAGED, CR4_PAE, LONG);
	struct cr_result result;

	(void)state;
	assert_int_equal(cr4_write(&mode, CR4_PAE | CR4_PGE, &result), 0);
	assert_int_equal(result.shadow, CR4_PAE | CR4_PGE);
	assert_int_equal(result.real, CR4_PAE | CR4_PGE | CR4_VMXE);
	assert_int_equal(result.efer, LONG);
	assert_false(result.load_pdptes);
}

static void cr4_loads_pdptes_under_pae_paging(void **state)
{
	static const struct {
		uint64_t cr0, cr4, efer, value;
		bool load;
	} rows[] = {
		{PAGED, 0, 0, CR4_PAE, true},
		{PAGED, CR4_PAE, 0, CR4_PAE | CR4_PGE, true},
		{PAGED, CR4_PAE, 0, CR4_PAE | CR4_PSE, true},
		{PAGED, CR4_PAE, 0, CR4_PAE | CR4_SMEP, true},
		{PAGED, CR4_PAE, 0, CR4_PAE | CR4_TSD, false},
		{PAGED, CR4_PAE, 0, 0, false},
		{PROT, 0, 0, CR4_PAE, false},
		{PAGED, CR4_PAE, LONG, CR4_PAE | CR4_PGE, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct guest_mode mode = mode_of(rows[i].cr0, rows[i].cr4, rows[i].efer);
		struct cr_result result;

		assert_int_equal(cr4_write(&mode, rows[i].value, &result), 0);
		if (result.load_pdptes != rows[i].load)
			fail_msg("row %zu: load_pdptes is %d", i, result.load_pdptes);
	}
}

/* Whatever the guest writes: either #GP, or registers that VM entry accepts. */
static void hostile_values_give_gp_or_a_register_vm_entry_accepts(void **state)
{
	const uint64_t exempt = CR0_PE | CR0_PG;

	(void)state;
	srand(2);
	for (unsigned int round = 0; round < 200000; round++) {
		struct guest_mode mode = mode_of((uint32_t)rand(), (uint64_t)rand() & CR4_PASSED,
						 (uint64_t)rand() & (LONG | EFER_NXE));
		uint64_t value = (uint64_t)(uint32_t)rand() << (rand() % 34) ^ (uint64_t)rand();
		struct cr_result result;

		mode.cs_long = rand() & 1;
		mode.tss_16bit_busy = rand() & 1;
		if (!cr0_write(&mode, value, &result)) {
			bool long_mode = result.efer & EFER_LMA;

			assert_int_equal(mode.cr0_fixed0 & ~result.real & ~exempt, 0);
			assert_int_equal(result.real & ~mode.cr0_fixed1, 0);
			assert_false((result.real & CR0_PG) && !(result.real & CR0_PE));
			if (!(mode.cr0 & CR0_PG) && (result.real & CR0_PG))
				assert_int_equal(long_mode, !!(mode.efer & (EFER_LME | EFER_LMA)));
			if (!(result.real & CR0_PG) && (mode.cr0 & CR0_PG))
				assert_false(long_mode);
		}
		if (!cr4_write(&mode, value, &result)) {
			assert_int_equal(mode.cr4_fixed0 & ~result.real, 0);
			assert_int_equal(result.real & ~mode.cr4_fixed1, 0);
			assert_int_equal(result.shadow & CR4_HIDDEN, 0);
		}
	}
}

/* SDM "MOV—Move to/from Control Registers": CR3 in IA-32e mode and outside. */
static void cr3_writes_follow_the_rules(void **state)
{
	static const struct {
		const char *rule;
		uint64_t cr4, efer, value;
		bool lam;
		int result;
		uint64_t loaded;
		bool flush;
	} rows[] = {
		{"a table", CR4_PAE, LONG, 0x1000, false, 0, 0x1000, true},
		{"with a PCID", CR4_PAE | CR4_PCIDE, LONG, 0x1005, false, 0, 0x1005, true},
		{"keeping its translations", CR4_PAE | CR4_PCIDE, LONG, 0x1005 | 1ULL << 63, false,
		 0, 0x1005, false},
		{"bit 63 without PCIDs", CR4_PAE, LONG, 0x1000 | 1ULL << 63, false, GP, 0, false},
		{"first bit above MAXPHYADDR", CR4_PAE | CR4_PCIDE, LONG, 1ULL << 40, false, GP, 0,
		 false},
		{"last bit below it", CR4_PAE, LONG, 1ULL << 39, false, 0, 1ULL << 39, true},
		{"LAM the CPU lacks", CR4_PAE, LONG, 1ULL << 61, false, GP, 0, false},
		{"LAM", CR4_PAE, LONG, 3ULL << 61 | 0x1000, true, 0, 3ULL << 61 | 0x1000, true},
		{"bit 60 with LAM", CR4_PAE, LONG, 1ULL << 60, true, GP, 0, false},
		{"32 bits outside IA-32e mode", CR4_PAE, 0, 1ULL << 63 | 0x1000, false, 0, 0x1000,
		 true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct guest_mode mode = mode_of(PAGED, rows[i].cr4, rows[i].efer);
		struct cr3_result result;

		if (cr3_write(&mode, rows[i].value, 40, rows[i].lam, &result) != rows[i].result)
			fail_msg("%s", rows[i].rule);
		if (rows[i].result)
			continue;
		if (result.value != rows[i].loaded || result.flush != rows[i].flush ||
		    result.load_pdptes != !(rows[i].efer & EFER_LMA))
			fail_msg("%s: wrong effect", rows[i].rule);
	}
}

static void lmsw_sets_but_does_not_clear_pe(void **state)
{
	(void)state;
	assert_int_equal(lmsw_value(PAGED | CR0_TS, 0), PAGED);
	assert_int_equal(lmsw_value(0, 0xffff), CR0_PE | CR0_MP | CR0_EM | CR0_TS);
	assert_int_equal(lmsw_value(CR0_NE | CR0_ET, 1), CR0_NE | CR0_ET | CR0_PE);
	assert_int_equal(lmsw_value(CR0_PE | CR0_MP | CR0_EM, 0x8), CR0_PE | CR0_TS);
}

static void pdptes_have_their_reserved_bits_checked_when_present(void **state)
{
	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++) {
		uint64_t other = 1ULL << bit;
		bool reserved = bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) || bit >= 40;

		assert_int_equal(pdpte_valid(1 | other, 40), !reserved);
		if (bit != 0)
			assert_true(pdpte_valid(other, 40));
	}
	assert_true(pdpte_valid(0, 40));
	assert_true(pdpte_valid(1ULL << 51 | 1, 52));
	assert_false(pdpte_valid(1ULL << 52 | 1, 52));
	assert_true(pdpte_valid(1ULL << 31 | 1, 32));
	assert_false(pdpte_valid(1ULL << 32 | 1, 32));
}

/* SDM "XSETBV—Set Extended Control Register", bit by bit. */
static bool slow_xcr0_ok(uint64_t value, uint64_t supported)
{
	bool bit[64];

	for (unsigned int i = 0; i < 64; i++) {
		bit[i] = value >> i & 1;
		if (bit[i] && !(supported >> i & 1))
			return false;
	}
	if (!bit[0])
		return false;
	if (bit[2] && !bit[1])
		return false;
	if (bit[3] != bit[4])
		return false;
	if (bit[5] != bit[6] || bit[6] != bit[7])
		return false;
	if (bit[5] && !bit[2])
		return false;
	return bit[17] == bit[18];
}

static void xcr0_agrees_with_the_reference_in_all_combinations(void **state)
{
	static const unsigned int bits[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 18, 63};
	/* Nothing; x87 and SSE; AVX; AVX-512 server; with MPX; AMX server; everything. */
	static const uint64_t supported[] = {0, 0x3, 0x7, 0x2e7, 0x2ff, 0x602e7, ~0ULL};

	(void)state;
	for (size_t s = 0; s < COUNT_OF(supported); s++) {
		for (uint32_t n = 0; n < 1u << COUNT_OF(bits); n++) {
			uint64_t value = 0;

			for (size_t i = 0; i < COUNT_OF(bits); i++)
				value |= (uint64_t)(n >> i & 1) << bits[i];
			if (xcr0_write_ok(0, value, supported[s]) !=
			    slow_xcr0_ok(value, supported[s]))
				fail_msg("XCR0 %#llx, supported %#llx", (unsigned long long)value,
					 (unsigned long long)supported[s]);
		}
	}
}

static void only_xcr0_exists(void **state)
{
	(void)state;
	assert_true(xcr0_write_ok(0, 7, 7));
	assert_false(xcr0_write_ok(1, 7, 7));
	assert_false(xcr0_write_ok(0xffffffff, 7, 7));
}

/* SDM "Memory Types That Can Be Encoded With PAT": 2, 3 and all from 8 on are reserved. */
static void pat_has_a_memory_type_in_each_byte(void **state)
{
	const uint64_t power_on = 0x0007040600070406;

	(void)state;
	assert_true(pat_write_ok(power_on));
	assert_true(pat_write_ok(0x0407050600070106)); /* Linux */
	for (unsigned int byte = 0; byte < 8; byte++) {
		for (unsigned int type = 0; type < 0x100; type++) {
			const uint64_t value =
				(power_on & ~(0xffULL << 8 * byte)) | (uint64_t)type << 8 * byte;

			assert_int_equal(pat_write_ok(value), type <= 7 && type != 2 && type != 3);
		}
	}
}

static void efer_keeps_lma_and_under_paging_lme(void **state)
{
	const uint64_t long_mode = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
	uint64_t result;

	(void)state;
	assert_int_equal(efer_write(CR0_PE | CR0_PG, long_mode, long_mode & ~EFER_NXE, &result), 0);
	assert_int_equal(result, long_mode & ~EFER_NXE);
	/* A written LMA is ignored. */
	assert_int_equal(efer_write(CR0_PE | CR0_PG, long_mode, EFER_LME, &result), 0);
	assert_int_equal(result, EFER_LME | EFER_LMA);
	assert_int_equal(efer_write(CR0_PE, 0, EFER_LME | EFER_LMA, &result), 0);
	assert_int_equal(result, EFER_LME);
	/* LME changes without paging only, whichever way. */
	assert_int_equal(efer_write(CR0_PE, EFER_LME, 0, &result), 0);
	assert_int_equal(result, 0);
	assert_int_equal(efer_write(CR0_PE | CR0_PG, long_mode, EFER_NXE, &result), -EPERM);
	assert_int_equal(efer_write(CR0_PE | CR0_PG, 0, EFER_LME, &result), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cr0_writes_follow_the_rules),
		cmocka_unit_test(cr0_ignores_reserved_low_bits_and_keeps_et),
		cmocka_unit_test(cr0_runs_with_caches_on_and_ne_set),
		cmocka_unit_test(efer_lma_follows_paging),
		cmocka_unit_test(cr0_loads_pdptes_when_pae_paging_starts_or_caching_changes),
		cmocka_unit_test(cr4_writes_follow_the_rules),
		cmocka_unit_test(cr4_bits_the_cpu_lacks_are_refused),
		cmocka_unit_test(cr4_shadow_hides_vmxe),
		cmocka_unit_test(cr4_loads_pdptes_under_pae_paging),
		cmocka_unit_test(hostile_values_give_gp_or_a_register_vm_entry_accepts),
		cmocka_unit_test(cr3_writes_follow_the_rules),
		cmocka_unit_test(lmsw_sets_but_does_not_clear_pe),
		cmocka_unit_test(pdptes_have_their_reserved_bits_checked_when_present),
		cmocka_unit_test(xcr0_agrees_with_the_reference_in_all_combinations),
		cmocka_unit_test(only_xcr0_exists),
		cmocka_unit_test(pat_has_a_memory_type_in_each_byte),
		cmocka_unit_test(efer_keeps_lma_and_under_paging_lme),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
