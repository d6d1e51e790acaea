/* SPDX-License-Identifier: MIT */
#include "vmx/cr3_targets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmm/x86.h"
#include "vmx/vmcs.h"

#define MISC(count) ((uint64_t)(count) << VMX_MISC_CR3_TARGETS_SHIFT)
/* IA32_VMX_MISC has bits above and below the count that must not be taken for it. */
#define MISC_NOISE (~(VMX_MISC_CR3_TARGETS_MASK << VMX_MISC_CR3_TARGETS_SHIFT))

#define ROOT_A 0x1000ULL
#define ROOT_B 0x2000ULL

/* Does MOV to CR3 with this operand exit? As the CPU compares. */
static bool exits(const struct cr3_targets *targets, uint64_t operand)
{
	for (uint32_t i = 0; i < targets->count; i++) {
		if (targets->value[i] == operand)
			return false;
	}
	return true;
}

static struct cr3_targets targets_of(uint32_t count)
{
	struct cr3_targets targets;

	cr3_targets_init(&targets, MISC(count));
	return targets;
}

static void limit_is_what_cpu_and_vmcs_both_have(void **state)
{
	struct cr3_targets targets;

	(void)state;
	for (uint32_t count = 0; count < 9; count++) {
		cr3_targets_init(&targets, MISC(count) | MISC_NOISE);
		assert_int_equal(targets.limit, count < CR3_TARGETS_MAX ? count : CR3_TARGETS_MAX);
		assert_int_equal(targets.count, 0);
	}
	cr3_targets_init(&targets, MISC(256));
	assert_int_equal(targets.limit, CR3_TARGETS_MAX);
}

static void nothing_passes_on_a_cpu_without_targets(void **state)
{
	struct cr3_targets targets = targets_of(0);

	(void)state;
	assert_false(cr3_targets_add(&targets, ROOT_A));
	assert_int_equal(targets.count, 0);
	assert_false(cr3_targets_purge(&targets, ROOT_A));
}

static void operand_counts_whole(void **state)
{
	struct cr3_targets targets = targets_of(4);

	(void)state;
	assert_true(cr3_targets_add(&targets, ROOT_A | 5));
	assert_false(exits(&targets, ROOT_A | 5));
	assert_true(exits(&targets, ROOT_A));
	assert_true(exits(&targets, ROOT_A | 6));
	assert_true(exits(&targets, ROOT_A | 5 | CR3_NOFLUSH));
	assert_true(cr3_targets_add(&targets, ROOT_A | 5 | CR3_NOFLUSH));
	assert_false(exits(&targets, ROOT_A | 5 | CR3_NOFLUSH));
}

static void adding_twice_changes_nothing(void **state)
{
	struct cr3_targets targets = targets_of(4);

	(void)state;
	assert_true(cr3_targets_add(&targets, ROOT_A));
	assert_false(cr3_targets_add(&targets, ROOT_A));
	assert_int_equal(targets.count, 1);
}

static void oldest_gives_way(void **state)
{
	struct cr3_targets targets = targets_of(3);

	(void)state;
	for (uint64_t operand = 0; operand < 8; operand++) {
		assert_true(cr3_targets_add(&targets, operand));
		assert_int_equal(targets.count, operand < 2 ? operand + 1 : 3);
		for (uint64_t old = 0; old <= operand; old++)
			assert_int_equal(exits(&targets, old), old + 3 <= operand);
	}
}

static void purge_takes_every_operand_of_the_root(void **state)
{
	struct cr3_targets targets = targets_of(4);

	(void)state;
	cr3_targets_add(&targets, ROOT_A | 1);
	cr3_targets_add(&targets, ROOT_B | 2);
	cr3_targets_add(&targets, ROOT_A | 3 | CR3_NOFLUSH | CR3_LAM);
	assert_true(cr3_targets_purge(&targets, ROOT_A));
	assert_int_equal(targets.count, 1);
	assert_false(exits(&targets, ROOT_B | 2));
	assert_false(cr3_targets_purge(&targets, ROOT_A));
	assert_true(cr3_targets_purge(&targets, ROOT_B));
	assert_int_equal(targets.count, 0);
}

static void purge_keeps_the_order_of_the_others(void **state)
{
	struct cr3_targets targets = targets_of(4);

	(void)state;
	/* The set has turned over once and a half. */
	for (uint64_t operand = 1; operand <= 6; operand++)
		cr3_targets_add(&targets, operand << 12);
	/* 3, 4, 5, 6 from the oldest to the newest. */
	assert_true(cr3_targets_purge(&targets, 4ULL << 12));
	cr3_targets_add(&targets, 7ULL << 12);
	cr3_targets_add(&targets, 8ULL << 12);
	assert_true(exits(&targets, 3ULL << 12));
	assert_false(exits(&targets, 5ULL << 12));
	cr3_targets_add(&targets, 9ULL << 12);
	assert_true(exits(&targets, 5ULL << 12));
	assert_false(exits(&targets, 6ULL << 12));
}

static void clear_leaves_nothing(void **state)
{
	struct cr3_targets targets = targets_of(2);

	(void)state;
	assert_false(cr3_targets_clear(&targets));
	for (uint64_t operand = 0; operand < 3; operand++)
		cr3_targets_add(&targets, operand);
	assert_true(cr3_targets_clear(&targets));
	for (uint64_t operand = 0; operand < 3; operand++)
		assert_true(exits(&targets, operand));
	/* And the set works on as a new one. */
	for (uint64_t operand = 0; operand < 3; operand++)
		cr3_targets_add(&targets, operand);
	assert_true(exits(&targets, 0));
	assert_false(exits(&targets, 1));
}

/* Whatever is done, nothing passes that was not added after its last purge, and the limit holds. */
static void random_sequences_keep_to_what_was_added(void **state)
{
	(void)state;
	srand(1);
	for (int run = 0; run < 200; run++) {
		struct cr3_targets targets = targets_of((uint32_t)(rand() % 5));
		bool added[16] = {false};

		for (int step = 0; step < 200; step++) {
			uint32_t what = (uint32_t)rand() % 16;

			/* Four roots with four PCIDs each. */
			if (rand() % 4) {
				bool changed =
					cr3_targets_add(&targets, (what >> 2) << 12 | (what & 3));

				assert_true(!changed || targets.limit);
				added[what] = true;
			} else {
				cr3_targets_purge(&targets, (what >> 2) << 12);
				for (uint32_t i = 0; i < 4; i++)
					added[(what & ~3u) + i] = false;
			}
			assert_true(targets.count <= targets.limit);
			for (uint32_t i = 0; i < 16; i++)
				assert_true(added[i] || exits(&targets, (i >> 2) << 12 | (i & 3)));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limit_is_what_cpu_and_vmcs_both_have),
		cmocka_unit_test(nothing_passes_on_a_cpu_without_targets),
		cmocka_unit_test(operand_counts_whole),
		cmocka_unit_test(adding_twice_changes_nothing),
		cmocka_unit_test(oldest_gives_way),
		cmocka_unit_test(purge_takes_every_operand_of_the_root),
		cmocka_unit_test(purge_keeps_the_order_of_the_others),
		cmocka_unit_test(clear_leaves_nothing),
		cmocka_unit_test(random_sequences_keep_to_what_was_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
