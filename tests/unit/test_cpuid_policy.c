/* SPDX-License-Identifier: MIT */
#include "vmx/cpuid_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "guest-support/include/secpod_abi.h"
#include "vmm/x86.h"
#include "vmx/vmcs.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define ALL ((struct cpuid_regs){~0u, ~0u, ~0u, ~0u})
#define BIT(n) (1u << (n))

/* What is in force for one question. */
struct cpuid_context {
	uint32_t proc2;
	uint32_t max_basic, max_extended; /* 0: larger than any leaf asked for */
	bool guest_osxsave;
	bool guest_pke;
	bool stats;
	uint32_t phase;
};

static const struct cpuid_context nothing_enabled;
static const struct cpuid_context all_enabled = {.proc2 = ~0u,
						 .guest_osxsave = true,
						 .guest_pke = true,
						 .stats = true,
						 .phase = SECPOD_PHASE_GUEST};

static void build(struct cpuid_policy *policy, const struct cpuid_context *context)
{
	const struct cpuid_machine machine = {
		.proc2 = context->proc2,
		.max_basic = context->max_basic ? context->max_basic : 0x3fffffff,
		.max_extended = context->max_extended ? context->max_extended : ~0u,
		.stats = context->stats,
	};

	cpuid_policy_build(policy, &machine);
}

static struct cpuid_regs filtered(uint32_t leaf, uint32_t subleaf,
				  const struct cpuid_context *context, struct cpuid_regs regs)
{
	const struct cpuid_regs *keep;
	struct cpuid_policy policy;
	uint64_t cr4 =
		(context->guest_osxsave ? CR4_OSXSAVE : 0) | (context->guest_pke ? CR4_PKE : 0);

	build(&policy, context);
	if (!cpuid_is_basic(&policy, leaf) && cpuid_is_hypervisor(leaf)) {
		cpuid_hypervisor_leaf(&policy, leaf, context->phase, &regs);
		return regs;
	}
	leaf = cpuid_resolve(&policy, leaf);
	keep = cpuid_keep(&policy, leaf, subleaf);
	regs = (struct cpuid_regs){regs.eax & keep->eax, regs.ebx & keep->ebx, regs.ecx & keep->ecx,
				   regs.edx & keep->edx};
	if (cpuid_mirrors_cr4(leaf))
		regs.ecx = cpuid_mirror_cr4(leaf, subleaf, cr4, regs.ecx);
	return regs;
}

/* The bits that a CPU with everything must not show, by leaf; with and without the secondary
 * controls. */
static void hidden_bits_are_hidden_and_no_others(void **state)
{
	const uint32_t any = 5; /* a subleaf without a meaning of its own */
	const struct {
		uint32_t leaf, subleaf;
		struct cpuid_regs always;      /* hidden whatever is enabled */
		struct cpuid_regs not_enabled; /* hidden when the secondary control is off */
	} rows[] = {
		{0x0, 0, {0, 0, 0, 0}, {0, 0, 0, 0}},
		{0x1, 0, {0, 0, BIT(2) | BIT(4) | BIT(5) | BIT(6), BIT(21)}, {0, 0, BIT(27), 0}},
		{0x1, any, {0, 0, BIT(2) | BIT(4) | BIT(5) | BIT(6), BIT(21)}, {0, 0, BIT(27), 0}},
		{0x2, 0, {0, 0, 0, 0}, {0, 0, 0, 0}},
		{0x6, 0, {BIT(19) | BIT(23), 0, 0, 0}, {0, 0, 0, 0}},
		{0x7,
		 0,
		 {0, BIT(2) | BIT(25), BIT(16) | BIT(23) | BIT(29) | BIT(30), BIT(1) | BIT(5)},
		 {0, BIT(10), BIT(4) | BIT(5), BIT(18)}},
		{0x7, 1, {BIT(17) | BIT(22) | BIT(27), 0, 0, BIT(15)}, {0, 0, 0, 0}},
		{0x7, 2, {0, 0, 0, 0}, {0, 0, 0, 0}},
		{0xd, 0, {~0xe02ffu, 0, 0, ~0u}, {0, 0, 0, 0}},
		{0xd, 1, {0, 0, ~0x1b800u, ~0u}, {BIT(3), 0, 0, 0}},
		{0xd, 2, {0, 0, 0, 0}, {0, 0, 0, 0}},
		{0x11, 0, {0, 0, 0, 0}, {0, 0, 0, 0}},
		{0x12, 0, {~0u, ~0u, ~0u, ~0u}, {0, 0, 0, 0}},
		{0x12, 2, {~0u, ~0u, ~0u, ~0u}, {0, 0, 0, 0}},
		{0x13, 0, {0, 0, 0, 0}, {0, 0, 0, 0}},
		{0x14, 0, {~0u, ~0u, ~0u, ~0u}, {0, 0, 0, 0}},
		{0x14, 1, {~0u, ~0u, ~0u, ~0u}, {0, 0, 0, 0}},
		{0x19, 0, {~0u, ~0u, ~0u, ~0u}, {0, 0, 0, 0}},
		{0x1b, 0, {0, 0, 0, 0}, {~0u, ~0u, ~0u, ~0u}},
		{0x1f, 0, {0, 0, 0, 0}, {0, 0, 0, 0}},
		{0x80000000, 0, {0, 0, 0, 0}, {0, 0, 0, 0}},
		{0x80000001, 0, {0, 0, 0, 0}, {0, 0, 0, BIT(27)}},
		{0x80000008, 0, {0, 0, 0, 0}, {0, 0, 0, 0}},
		{0xffffffff, 0, {0, 0, 0, 0}, {0, 0, 0, 0}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct cpuid_regs with = filtered(rows[i].leaf, rows[i].subleaf, &all_enabled, ALL);
		struct cpuid_regs without =
			filtered(rows[i].leaf, rows[i].subleaf, &nothing_enabled, ALL);

		assert_int_equal(with.eax, ~rows[i].always.eax);
		assert_int_equal(with.ebx, ~rows[i].always.ebx);
		assert_int_equal(with.ecx, ~rows[i].always.ecx);
		assert_int_equal(with.edx, ~rows[i].always.edx);
		assert_int_equal(without.eax, ~(rows[i].always.eax | rows[i].not_enabled.eax));
		assert_int_equal(without.ebx, ~(rows[i].always.ebx | rows[i].not_enabled.ebx));
		assert_int_equal(without.ecx, ~(rows[i].always.ecx | rows[i].not_enabled.ecx));
		assert_int_equal(without.edx, ~(rows[i].always.edx | rows[i].not_enabled.edx));
	}
}

static void each_instruction_is_shown_by_its_own_control(void **state)
{
	static const struct {
		uint32_t proc2;
		uint32_t leaf, subleaf;
		struct cpuid_regs bit;
	} rows[] = {
		{PROC2_INVPCID, 7, 0, {0, BIT(10), 0, 0}},
		{PROC2_USER_WAIT_PAUSE, 7, 0, {0, 0, BIT(5), 0}},
		{PROC2_PCONFIG, 7, 0, {0, 0, 0, BIT(18)}},
		{PROC2_XSAVES, 0xd, 1, {BIT(3), 0, 0, 0}},
		{PROC2_RDTSCP, 0x80000001, 0, {0, 0, 0, BIT(27)}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct cpuid_context only = {.proc2 = rows[i].proc2};
		struct cpuid_context but = {.proc2 = ~rows[i].proc2};
		struct cpuid_regs shown = filtered(rows[i].leaf, rows[i].subleaf, &only, ALL);
		struct cpuid_regs hidden = filtered(rows[i].leaf, rows[i].subleaf, &but, ALL);

		assert_int_equal(shown.eax & rows[i].bit.eax, rows[i].bit.eax);
		assert_int_equal(shown.ebx & rows[i].bit.ebx, rows[i].bit.ebx);
		assert_int_equal(shown.ecx & rows[i].bit.ecx, rows[i].bit.ecx);
		assert_int_equal(shown.edx & rows[i].bit.edx, rows[i].bit.edx);
		assert_int_equal(hidden.eax & rows[i].bit.eax, 0);
		assert_int_equal(hidden.ebx & rows[i].bit.ebx, 0);
		assert_int_equal(hidden.ecx & rows[i].bit.ecx, 0);
		assert_int_equal(hidden.edx & rows[i].bit.edx, 0);
	}
}

/* SDM: "the data for the highest basic information leaf is returned", with the subleaf asked for. */
static void leaves_beyond_the_highest_are_filtered_as_that_one(void **state)
{
	static const uint32_t beyond[] = {0x20,	      0x21,	  0x3fffffff,
					  0x50000000, 0x7fffffff, 0x80000009,
					  0x80001000, 0xc0000000, 0xffffffff};
	struct cpuid_context context = {.max_extended = 0x80000008};
	struct cpuid_policy policy;

	(void)state;
	for (context.max_basic = 2; context.max_basic < 0x20; context.max_basic++) {
		build(&policy, &context);
		for (uint32_t leaf = 0; leaf < 0x20; leaf++)
			assert_int_equal(cpuid_resolve(&policy, leaf),
					 leaf <= context.max_basic ? leaf : context.max_basic);
		for (size_t i = 0; i < COUNT_OF(beyond); i++)
			assert_int_equal(cpuid_resolve(&policy, beyond[i]), context.max_basic);
		assert_int_equal(cpuid_resolve(&policy, 0x80000000), 0x80000000);
		assert_int_equal(cpuid_resolve(&policy, 0x80000008), 0x80000008);
		for (uint32_t subleaf = 0; subleaf < 3; subleaf++) {
			struct cpuid_regs highest =
				filtered(context.max_basic, subleaf, &context, ALL);
			struct cpuid_regs other = filtered(0x80001000, subleaf, &context, ALL);

			assert_memory_equal(&other, &highest, sizeof(highest));
		}
	}
	/* A CPU whose highest leaf is Processor Trace's, as some were made. */
	context.max_basic = CPUID_PT;
	assert_int_equal(filtered(0x15, 0, &context, ALL).eax, 0);
	assert_int_equal(filtered(0x80000009, 1, &context, ALL).ebx, 0);
}

static void the_highest_leaf_may_be_beyond_the_table(void **state)
{
	const struct cpuid_context context = {.max_basic = 0x24, .max_extended = 0x80000008};
	struct cpuid_policy policy;

	(void)state;
	build(&policy, &context);
	assert_int_equal(cpuid_resolve(&policy, 0x24), 0x24);
	assert_int_equal(cpuid_resolve(&policy, 0x25), 0x24);
	assert_int_equal(cpuid_resolve(&policy, 0x80000009), 0x24);
	assert_int_equal(filtered(0x25, 1, &context, ALL).eax, ~0u);
}

static void state_components_are_those_that_may_be_set(void **state)
{
	const struct cpuid_context context = {.proc2 = ~0u};
	const struct cpuid_regs user = filtered(0xd, 0, &context, ALL);
	const struct cpuid_regs supervisor = filtered(0xd, 1, &context, ALL);

	(void)state;
	assert_true(user.eax & XCR0_AVX);
	assert_true(user.eax & XCR0_PKRU);
	assert_true(supervisor.ecx & XSS_CET_S);
	assert_false(supervisor.ecx & (XSS_PT | XSS_PASID | XSS_UINTR));
}

static void nothing_is_invented(void **state)
{
	static const uint32_t leaves[] = {0,   2,   4,	  6,	7,    0xa,
					  0xb, 0xd, 0x12, 0x14, 0x19, 0x80000001};
	const struct cpuid_context quiet = {.proc2 = ~0u};
	const struct cpuid_regs zero = {0, 0, 0, 0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(leaves); i++) {
		struct cpuid_regs regs = filtered(leaves[i], 0, &quiet, zero);

		assert_memory_equal(&regs, &zero, sizeof(zero));
	}
}

static void hypervisor_bit_is_set(void **state)
{
	struct cpuid_regs regs = filtered(1, 0, &nothing_enabled, (struct cpuid_regs){0, 0, 0, 0});

	(void)state;
	assert_int_equal(regs.ecx, BIT(31));
}

static void osxsave_and_ospke_mirror_the_guests_cr4(void **state)
{
	struct cpuid_context context = {.proc2 = ~0u};
	const struct cpuid_regs zero = {0, 0, 0, 0};

	(void)state;
	for (unsigned int n = 0; n < 4; n++) {
		context.guest_osxsave = n & 1;
		context.guest_pke = n & 2;
		assert_int_equal(!!(filtered(1, 0, &context, zero).ecx & BIT(27)), n & 1);
		assert_int_equal(!!(filtered(1, 0, &context, ALL).ecx & BIT(27)), n & 1);
		assert_int_equal(!!(filtered(7, 0, &context, zero).ecx & BIT(4)), (n & 2) >> 1);
		assert_int_equal(!!(filtered(7, 0, &context, ALL).ecx & BIT(4)), (n & 2) >> 1);
		/* The bit is one of subleaf 0. */
		assert_true(filtered(7, 1, &context, ALL).ecx & BIT(4));
	}
}

static void signature_leaf_names_secpod(void **state)
{
	struct cpuid_context context = {.phase = SECPOD_PHASE_GUEST};
	struct cpuid_regs regs = filtered(0x40000000, 0, &context, ALL);
	char signature[13] = "";

	(void)state;
	memcpy(&signature[0], &regs.ebx, 4);
	memcpy(&signature[4], &regs.ecx, 4);
	memcpy(&signature[8], &regs.edx, 4);
	assert_string_equal(signature, "SecPodSecPod");
	assert_int_equal(regs.eax, SECPOD_CPUID_VERSION);
	context.stats = true;
	assert_int_equal(filtered(0x40000000, 0, &context, ALL).eax, SECPOD_CPUID_STATS);
}

static void version_leaf_tells_abi_features_and_phase(void **state)
{
	struct cpuid_context context = {.phase = SECPOD_PHASE_LOCKED};
	struct cpuid_regs regs = filtered(0x40000001, 7, &context, ALL);

	(void)state;
	assert_int_equal(regs.eax, SECPOD_ABI_MAJOR << 16 | SECPOD_ABI_MINOR);
	assert_int_equal(regs.ebx, SECPOD_FEATURE_HYPERCALL | SECPOD_FEATURE_AUDIT);
	assert_int_equal(regs.ecx, SECPOD_PHASE_LOCKED);
	assert_int_equal(regs.edx, 0);
	context.stats = true;
	assert_true(filtered(0x40000001, 0, &context, ALL).ebx & SECPOD_FEATURE_STATS);
}

static void other_hypervisor_leaves_are_zero_whoever_is_below(void **state)
{
	static const uint32_t leaves[] = {0x40000002, 0x4000000f, 0x40000010, 0x40000011,
					  0x40000100, 0x40010000, 0x4fffffff};
	const struct cpuid_regs zero = {0, 0, 0, 0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(leaves); i++) {
		struct cpuid_regs regs = filtered(leaves[i], 0, &nothing_enabled, ALL);

		assert_memory_equal(&regs, &zero, sizeof(zero));
	}
}

static void hypervisor_range_ends_where_it_should(void **state)
{
	(void)state;
	assert_false(cpuid_is_hypervisor(0x3fffffff));
	assert_true(cpuid_is_hypervisor(0x40000000));
	assert_true(cpuid_is_hypervisor(0x4fffffff));
	assert_false(cpuid_is_hypervisor(0x50000000));
	assert_false(cpuid_is_hypervisor(0x80000000));
	assert_false(cpuid_is_hypervisor(0xc0000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hidden_bits_are_hidden_and_no_others),
		cmocka_unit_test(each_instruction_is_shown_by_its_own_control),
		cmocka_unit_test(leaves_beyond_the_highest_are_filtered_as_that_one),
		cmocka_unit_test(the_highest_leaf_may_be_beyond_the_table),
		cmocka_unit_test(state_components_are_those_that_may_be_set),
		cmocka_unit_test(nothing_is_invented),
		cmocka_unit_test(hypervisor_bit_is_set),
		cmocka_unit_test(osxsave_and_ospke_mirror_the_guests_cr4),
		cmocka_unit_test(signature_leaf_names_secpod),
		cmocka_unit_test(version_leaf_tells_abi_features_and_phase),
		cmocka_unit_test(other_hypervisor_leaves_are_zero_whoever_is_below),
		cmocka_unit_test(hypervisor_range_ends_where_it_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
