/* SPDX-License-Identifier: MIT */
#include "vmm/serial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void exact_rates_have_a_divisor(void **state)
{
	(void)state;
	assert_int_equal(serial_divisor(115200), 1);
	assert_int_equal(serial_divisor(57600), 2);
	assert_int_equal(serial_divisor(38400), 3);
	assert_int_equal(serial_divisor(9600), 12);
	assert_int_equal(serial_divisor(50), 2304);
	assert_int_equal(serial_divisor(2), 57600);
}

static void other_rates_have_none(void **state)
{
	static const uint32_t rates[] = {0, 1, 7, 110000, 115201, 230400, UINT32_MAX};

	(void)state;
	for (uint32_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		assert_int_equal(serial_divisor(rates[i]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_rates_have_a_divisor),
		cmocka_unit_test(other_rates_have_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
