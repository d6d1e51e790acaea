/* SPDX-License-Identifier: MIT */
#include "vmm/ex_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "vmm/addr.h"

/* One object, so that "code" lies at known distances before and behind the table. */
static struct {
	uint8_t before[64];
	struct ex_entry entry[3];
	uint8_t behind[64];
} image;

static int32_t distance(const void *from, const void *to)
{
	return (int32_t)((intptr_t)to - (intptr_t)from);
}

static void add(uint32_t i, const void *fault, const void *fixup)
{
	image.entry[i].fault = distance(&image.entry[i].fault, fault);
	image.entry[i].fixup = distance(&image.entry[i].fixup, fixup);
}

static int setup(void **state)
{
	(void)state;
	add(0, &image.before[3], &image.before[9]);
	add(1, &image.behind[0], &image.before[0]);
	add(2, &image.before[40], &image.behind[63]);
	return 0;
}

static uint64_t find(uint64_t rip)
{
	return ex_table_find(&image.entry[0], &image.entry[3], rip);
}

static void each_entry_is_found_by_its_instruction(void **state)
{
	(void)state;
	assert_int_equal(find(virt_to_hpa(&image.before[3])), virt_to_hpa(&image.before[9]));
	assert_int_equal(find(virt_to_hpa(&image.behind[0])), virt_to_hpa(&image.before[0]));
	assert_int_equal(find(virt_to_hpa(&image.before[40])), virt_to_hpa(&image.behind[63]));
}

static void other_addresses_are_not_found(void **state)
{
	(void)state;
	assert_int_equal(find(virt_to_hpa(&image.before[2])), 0);
	assert_int_equal(find(virt_to_hpa(&image.before[4])), 0);
	assert_int_equal(find(virt_to_hpa(&image.before[9])), 0);
	assert_int_equal(find(0), 0);
	assert_int_equal(find(UINT64_MAX), 0);
}

static void an_empty_table_has_nothing(void **state)
{
	(void)state;
	assert_int_equal(
		ex_table_find(&image.entry[0], &image.entry[0], virt_to_hpa(&image.before[3])), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_entry_is_found_by_its_instruction, setup),
		cmocka_unit_test_setup(other_addresses_are_not_found, setup),
		cmocka_unit_test_setup(an_empty_table_has_nothing, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
