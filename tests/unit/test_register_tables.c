/* SPDX-License-Identifier: MIT */
/*
 * The class of every bit of every register, in the SDM's numbers and not in the tables' names: a bit
 * that gets into another class, or a register that comes to the list, has to be written down here too.
 */
#include "secpod/register_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define BIT(n) (1ULL << (n))
#define BITS(low, high) (((BIT((high) - (low)) << 1) - 1) << (low))
#define ALL (~0ULL)
#define NO_MSR 0xffffffffu

struct expected {
	enum register_id id;
	uint32_t first, last;
	/* What is in none of them is reserved. */
	uint64_t passed, shadowed, hidden, pinned, forbidden;
};

#define IS_PASSED .passed = ALL
#define IS_SHADOWED .shadowed = ALL
#define IS_HIDDEN .hidden = ALL
#define IS_PINNED .pinned = ALL
#define IS_FORBIDDEN .forbidden = ALL

static const struct expected expected[] = {
	/* clang-format off */
	{REGISTER_CR0, NO_MSR, NO_MSR,
	 .pinned = BIT(0) | BIT(16) | BIT(31),    /* PE, WP, PG */
	 .shadowed = BIT(5) | BIT(29) | BIT(30),  /* NE, NW, CD */
	 .passed = BITS(1, 3) | BIT(4) | BITS(6, 15) | BITS(17, 28)}, /* MP, EM, TS; ET; AM; none */
	{REGISTER_CR4, NO_MSR, NO_MSR,
	 .pinned = BIT(5) | BIT(11) | BIT(16) | BIT(17) | /* PAE, UMIP, FSGSBASE, PCIDE */
		   BIT(20) | BIT(21) | BIT(22) | BIT(23) | BIT(24) | /* SMEP, SMAP, PKE, CET, PKS */
		   BIT(27) | BIT(28),                     /* LASS, LAM_SUP */
	 .hidden = BIT(12) | BIT(13) | BIT(14) | /* LA57, VMXE, SMXE */
		   BIT(19) | BIT(25) | BIT(32),  /* KL, UINTR, FRED */
	 .passed = BITS(0, 4) | BITS(6, 10) | BIT(18)}, /* VME to PSE, MCE to OSXMMEXCPT, OSXSAVE */
	{REGISTER_XCR0, NO_MSR, NO_MSR, .passed = BITS(0, 7) | BIT(9) | BITS(17, 19)},
	{REGISTER_EFER, 0xc0000080, 0xc0000080,
	 .pinned = BIT(0) | BIT(8) | BIT(11), /* SCE, LME, NXE */
	 .shadowed = BIT(10),                 /* LMA */
	 .hidden = BIT(12)},                  /* SVME */
	{REGISTER_XSS, 0xda0, 0xda0,
	 .hidden = BIT(8) | BIT(10) | BIT(14),                     /* PT, PASID, UINTR */
	 .passed = BIT(11) | BIT(12) | BIT(13) | BIT(15) | BIT(16)}, /* CET_U, CET_S, HDC, LBR, HWP */
	{REGISTER_STAR, 0xc0000081, 0xc0000081, IS_PINNED},
	{REGISTER_LSTAR, 0xc0000082, 0xc0000082, IS_PINNED},
	{REGISTER_CSTAR, 0xc0000083, 0xc0000083, IS_PINNED},
	{REGISTER_FMASK, 0xc0000084, 0xc0000084, IS_PINNED},
	{REGISTER_SYSENTER_CS, 0x174, 0x174, IS_PINNED},
	{REGISTER_SYSENTER_ESP, 0x175, 0x175, IS_PINNED},
	{REGISTER_SYSENTER_EIP, 0x176, 0x176, IS_PINNED},
	{REGISTER_PAT, 0x277, 0x277, IS_PINNED},
	{REGISTER_APIC_BASE, 0x1b, 0x1b,
	 .forbidden = BITS(12, 51),
	 .passed = BIT(8) | BIT(10) | BIT(11)}, /* BSP, x2APIC, enable */
	{REGISTER_MISC_ENABLE, 0x1a0, 0x1a0,
	 .forbidden = BIT(34), /* XD disable */
	 .pinned = BIT(22),    /* CPUID limit */
	 .passed = ~(BIT(34) | BIT(22))},
	{REGISTER_DEBUGCTL, 0x1d9, 0x1d9,
	 .hidden = BITS(6, 10), /* TR, BTS, BTINT, BTS_OFF_OS, BTS_OFF_USR */
	 .passed = BITS(0, 2) | BITS(11, 15)},
	{REGISTER_DS_AREA, 0x600, 0x600, IS_HIDDEN},
	{REGISTER_PEBS_ENABLE, 0x3f1, 0x3f1, IS_HIDDEN},
	{REGISTER_PEBS_BASE, 0x3f4, 0x3f5, IS_HIDDEN},
	{REGISTER_DEBUG_INTERFACE, 0xc80, 0xc80, IS_FORBIDDEN},
	{REGISTER_RTIT, 0x560, 0x58f, IS_HIDDEN},
	{REGISTER_HW_FEEDBACK, 0x17d0, 0x17d1, IS_HIDDEN},
	{REGISTER_RAR, 0xed, 0xf0, IS_HIDDEN},
	{REGISTER_TME, 0x981, 0x984, IS_FORBIDDEN},
	{REGISTER_FEATURE_CONTROL, 0x3a, 0x3a, IS_FORBIDDEN},
	{REGISTER_SMM_MONITOR_CTL, 0x9b, 0x9b, IS_HIDDEN},
	{REGISTER_VMX, 0x480, 0x493, IS_HIDDEN},
	{REGISTER_HYPERVISOR, 0x40000000, 0x400000ff, IS_HIDDEN},
	{REGISTER_MICROCODE, 0x79, 0x79, IS_SHADOWED},
	{REGISTER_MTRR_VARIABLE, 0x200, 0x23f, IS_PASSED},
	{REGISTER_MTRR_FIXED, 0x250, 0x26f, IS_PASSED},
	{REGISTER_MTRR_DEF_TYPE, 0x2ff, 0x2ff, IS_PASSED},
	{REGISTER_SPEC_CTRL, 0x48, 0x48, IS_PASSED},
	{REGISTER_CET, 0x6a0, 0x6a8, IS_PASSED},
	{REGISTER_PKRS, 0x6e1, 0x6e1, IS_PASSED},
	{REGISTER_PERF_GLOBAL_CTRL, 0x38f, 0x38f, IS_PASSED},
	{REGISTER_TSC_DEADLINE, 0x6e0, 0x6e0, IS_PASSED},
	{REGISTER_X2APIC, 0x800, 0x8ff, IS_PASSED},
	{REGISTER_SEGMENT_BASE, 0xc0000100, 0xc0000102, IS_PASSED},
	{REGISTER_TSC_AUX, 0xc0000103, 0xc0000103, IS_PASSED},
	/* clang-format on */
};

static void each_bit_is_in_its_class(void **state)
{
	uint64_t seen = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		const struct expected *e = &expected[i];
		const struct register_row *row = &register_rows[e->id];
		const uint64_t want[CLASS_COUNT] = {
			[CLASS_PASSED] = e->passed,
			[CLASS_SHADOWED] = e->shadowed,
			[CLASS_HIDDEN] = e->hidden,
			[CLASS_PINNED] = e->pinned,
			[CLASS_FORBIDDEN] = e->forbidden,
			[CLASS_RESERVED] =
				~(e->passed | e->shadowed | e->hidden | e->pinned | e->forbidden),
		};

		assert_false(seen >> e->id & 1);
		seen |= BIT(e->id);
		if (row->first != e->first || row->last != e->last)
			fail_msg("%s: MSRs %#x to %#x", row->name, row->first, row->last);
		for (unsigned int kind = 0; kind < CLASS_COUNT; kind++) {
			uint64_t got = register_class_bits(e->id, (enum register_class)kind);

			if (got != want[kind])
				fail_msg("%s: class %u is %#lx and should be %#lx", row->name, kind,
					 (unsigned long)got, (unsigned long)want[kind]);
		}
	}
	/* No register is left out. */
	assert_int_equal(seen, REGISTER_COUNT == 64 ? ALL : BIT(REGISTER_COUNT) - 1);
}

/* By which rule, and whether its answer can let it pass. One bit of each row that refuses. */
static const struct {
	enum register_id id;
	uint64_t bit;
	uint8_t rule;
	bool mandatory;
} rules[] = {
	{REGISTER_CR0, BIT(0) | BIT(16) | BIT(31), SECPOD_RULE_CR0, false},
	{REGISTER_CR4, BITS(20, 24) | BIT(5) | BIT(11) | BIT(16) | BIT(17) | BIT(27) | BIT(28),
	 SECPOD_RULE_CR4, false},
	{REGISTER_CR4, BIT(12) | BIT(13) | BIT(14) | BIT(19) | BIT(25) | BIT(32), SECPOD_RULE_CR4,
	 true},
	{REGISTER_EFER, BIT(0) | BIT(8) | BIT(11), SECPOD_RULE_EFER, false},
	{REGISTER_EFER, BIT(12), SECPOD_RULE_EFER, true},
	{REGISTER_XSS, BIT(8), SECPOD_RULE_MEMORY_MSR, true},
	{REGISTER_XSS, BIT(10) | BIT(14), SECPOD_RULE_XCR0, true},
	{REGISTER_STAR, ALL, SECPOD_RULE_SYSCALL_MSR, false},
	{REGISTER_LSTAR, ALL, SECPOD_RULE_SYSCALL_MSR, false},
	{REGISTER_CSTAR, ALL, SECPOD_RULE_SYSCALL_MSR, false},
	{REGISTER_FMASK, ALL, SECPOD_RULE_SYSCALL_MSR, false},
	{REGISTER_SYSENTER_CS, ALL, SECPOD_RULE_SYSCALL_MSR, false},
	{REGISTER_SYSENTER_ESP, ALL, SECPOD_RULE_SYSCALL_MSR, false},
	{REGISTER_SYSENTER_EIP, ALL, SECPOD_RULE_SYSCALL_MSR, false},
	{REGISTER_PAT, ALL, SECPOD_RULE_PAT, false},
	{REGISTER_APIC_BASE, BITS(12, 51), SECPOD_RULE_APIC_BASE, true},
	{REGISTER_MISC_ENABLE, BIT(34), SECPOD_RULE_MISC_ENABLE, true},
	{REGISTER_MISC_ENABLE, BIT(22), SECPOD_RULE_MISC_ENABLE, false},
	{REGISTER_DEBUGCTL, BITS(6, 10), SECPOD_RULE_DEBUG_MSR, true},
	{REGISTER_DS_AREA, ALL, SECPOD_RULE_DEBUG_MSR, true},
	{REGISTER_PEBS_ENABLE, ALL, SECPOD_RULE_DEBUG_MSR, true},
	{REGISTER_PEBS_BASE, ALL, SECPOD_RULE_DEBUG_MSR, true},
	{REGISTER_DEBUG_INTERFACE, ALL, SECPOD_RULE_DEBUG_MSR, true},
	{REGISTER_RTIT, ALL, SECPOD_RULE_MEMORY_MSR, true},
	{REGISTER_HW_FEEDBACK, ALL, SECPOD_RULE_MEMORY_MSR, true},
	{REGISTER_RAR, ALL, SECPOD_RULE_MEMORY_MSR, true},
	{REGISTER_TME, ALL, SECPOD_RULE_MEMORY_MSR, true},
	{REGISTER_FEATURE_CONTROL, ALL, SECPOD_RULE_FEATURE_CONTROL, true},
	{REGISTER_SMM_MONITOR_CTL, ALL, SECPOD_RULE_VMX_MSR, true},
	{REGISTER_VMX, ALL, SECPOD_RULE_VMX_MSR, true},
	{REGISTER_HYPERVISOR, ALL, REGISTER_NO_RULE, true},
};

static uint64_t refused_bits(enum register_id id)
{
	return register_class_bits(id, CLASS_HIDDEN) | register_class_bits(id, CLASS_PINNED) |
	       register_class_bits(id, CLASS_FORBIDDEN);
}

static void each_refusal_is_by_its_rule(void **state)
{
	uint64_t seen[REGISTER_COUNT] = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		const enum register_id id = rules[i].id;

		assert_int_equal(seen[id] & rules[i].bit, 0);
		seen[id] |= rules[i].bit;
		for (unsigned int n = 0; n < 64; n++) {
			/* All is zero at LOCK and now: each bit that is set is a change. */
			const struct register_pins pins = {.known = ALL};
			const struct register_context context = {SECPOD_PHASE_LOCKED, &pins, 0};
			struct register_result result;

			if (!(rules[i].bit >> n & 1))
				continue;
			assert_int_equal(register_write(&context, id, BIT(n), &result),
					 VERDICT_REFUSE);
			if (result.rule != rules[i].rule || result.mandatory != rules[i].mandatory)
				fail_msg("%s bit %u: rule %u, mandatory %d", register_rows[id].name,
					 n, result.rule, result.mandatory);
		}
	}
	for (unsigned int id = 0; id < REGISTER_COUNT; id++)
		assert_int_equal(seen[id], refused_bits((enum register_id)id));
}

/* Without them LOCKED would pin a machine on which nothing protects anything. */
static void lock_insists_on_what_protects(void **state)
{
	(void)state;
	for (unsigned int id = 0; id < REGISTER_COUNT; id++) {
		const uint64_t must = id == REGISTER_CR0    ? BIT(0) | BIT(16) | BIT(31)
				      : id == REGISTER_CR4  ? BIT(5)
				      : id == REGISTER_EFER ? BIT(0) | BIT(8) | BIT(11)
							    : 0;

		assert_int_equal(register_rows[id].must, must);
		/* Linux has an entry stack for each CPU there, and nothing else of its own. */
		assert_int_equal(register_rows[id].per_cpu, id == REGISTER_SYSENTER_ESP);
	}
}

/* docs/architecture.md, "Phases": each register with pinned bits in the row of what is held from LOCKED on. */
static void the_documentation_names_what_is_pinned(void **state)
{
	static char text[0x10000];
	FILE *file = fopen("docs/architecture.md", "r");
	char *row, *end;

	(void)state;
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	row = strstr(text, "\n| CR0.PE, ");
	assert_non_null(row);
	end = strstr(row, "| LOCKED |");
	assert_non_null(end);
	*end = '\0';
	for (unsigned int id = 0; id < REGISTER_COUNT; id++) {
		if (register_pinned((enum register_id)id) && !strstr(row, register_rows[id].name))
			fail_msg("docs/architecture.md lacks: %s", register_rows[id].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bit_is_in_its_class),
		cmocka_unit_test(each_refusal_is_by_its_rule),
		cmocka_unit_test(lock_insists_on_what_protects),
		cmocka_unit_test(the_documentation_names_what_is_pinned),
	};

	return cmocka_run_group_tests_name("register_tables", tests, NULL, NULL);
}
