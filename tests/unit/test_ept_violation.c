/* SPDX-License-Identifier: MIT */
#include "vmx/ept_violation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ept/ept.h"
#include "vmx/vmcs.h"

#define BOTH (EPT_EXEC | EPT_EXEC_USER)
#define TRANSLATED (EPT_QUAL_LINEAR_VALID | EPT_QUAL_TRANSLATED)
#define RW (EPT_READ | EPT_WRITE)

static void a_fetch_wants_what_was_not_there(void **state)
{
	static const struct {
		const char *name;
		uint64_t qualification;
		bool mbec;
		bool advanced;
		uint32_t wants;
	} rows[] = {
		{"no mbec", 0, false, false, EPT_EXEC},
		{"no mbec, bit 6 undefined", EPT_QUAL_CAN_EXEC_USER, false, false, EPT_EXEC},
		{"no mbec, bit 9", TRANSLATED | EPT_QUAL_USER_LINEAR, false, true, EPT_EXEC},
		{"supervisor's is missing", EPT_QUAL_CAN_EXEC_USER, true, false, EPT_EXEC},
		{"user's is missing", EPT_QUAL_CAN_EXEC, true, false, EPT_EXEC_USER},
		{"both are missing", 0, true, false, BOTH},
		{"neither is", EPT_QUAL_CAN_EXEC | EPT_QUAL_CAN_EXEC_USER, true, false, BOTH},
		{"supervisor's address", TRANSLATED, true, true, EPT_EXEC},
		{"user's address", TRANSLATED | EPT_QUAL_USER_LINEAR, true, true, EPT_EXEC_USER},
		{"not announced", TRANSLATED | EPT_QUAL_USER_LINEAR, true, false, BOTH},
		{"page walk", EPT_QUAL_LINEAR_VALID | EPT_QUAL_USER_LINEAR, true, true, BOTH},
		{"no address", EPT_QUAL_TRANSLATED | EPT_QUAL_USER_LINEAR, true, true, BOTH},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (ept_fetch_wants(EPT_QUAL_FETCH | rows[i].qualification, rows[i].mbec,
				    rows[i].advanced) != rows[i].wants)
			fail_msg("%s", rows[i].name);
	}
}

static void it_is_over_when_what_was_wanted_is_there(void **state)
{
	const uint64_t kernel = EPT_QUAL_FETCH | TRANSLATED;
	const uint64_t user = kernel | EPT_QUAL_USER_LINEAR;
	const struct {
		const char *name;
		uint64_t qualification;
		uint32_t rights;
		bool mbec;
		bool over;
	} rows[] = {
		{"read", EPT_QUAL_READ, EPT_READ, true, true},
		{"read of nothing", EPT_QUAL_READ, EPT_NONE, true, false},
		{"write", EPT_QUAL_WRITE, RW, true, true},
		{"write of read-only", EPT_QUAL_WRITE, EPT_READ | BOTH, true, false},
		{"both of read-only", EPT_QUAL_READ | EPT_QUAL_WRITE, EPT_READ, true, false},
		{"no access", 0, EPT_RWX, true, false},
		{"kernel's fetch of code", kernel, EPT_READ | EPT_EXEC, true, true},
		{"kernel's fetch of data", kernel, RW | EPT_EXEC_USER, true, false},
		{"kernel's fetch of constants", kernel, EPT_READ, true, false},
		{"user's fetch of data", user, RW | EPT_EXEC_USER, true, true},
		{"user's fetch of code", user, EPT_READ | EPT_EXEC, true, false},
		{"fetch without mbec", user, EPT_READ | EPT_EXEC, false, true},
		{"fetch without mbec, of constants", user, EPT_READ | EPT_EXEC_USER, false, false},
		/* It comes again, and then it is known which one it wants. */
		{"unknown", EPT_QUAL_FETCH, RW | EPT_EXEC_USER, true, true},
		{"unknown, none there", EPT_QUAL_FETCH, RW, true, false},
		{"known by what was there", EPT_QUAL_FETCH | EPT_QUAL_CAN_EXEC_USER,
		 RW | EPT_EXEC_USER, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (ept_violation_is_over(rows[i].qualification, rows[i].rights, rows[i].mbec,
					  true) != rows[i].over)
			fail_msg("%s", rows[i].name);
	}
}

/* No right ever makes a finished access unfinished, and none at all never finishes one. */
static void more_rights_never_hurt(void **state)
{
	(void)state;
	for (uint64_t qualification = 0; qualification < 1u << 10; qualification++) {
		for (uint32_t bits = 0; bits < 16; bits++) {
			const uint32_t rights = (bits & 7) | (bits & 8 ? EPT_EXEC_USER : 0);

			for (uint32_t flags = 0; flags < 4; flags++) {
				if (!ept_violation_is_over(qualification, rights, flags & 1,
							   flags & 2))
					continue;
				assert_int_not_equal(rights, EPT_NONE);
				assert_true(ept_violation_is_over(qualification, EPT_RWX, flags & 1,
								  flags & 2));
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fetch_wants_what_was_not_there),
		cmocka_unit_test(it_is_over_when_what_was_wanted_is_there),
		cmocka_unit_test(more_rights_never_hurt),
	};

	return cmocka_run_group_tests_name("ept_violation", tests, NULL, NULL);
}
