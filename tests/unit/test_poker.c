/* SPDX-License-Identifier: MIT */
/* Whose stores to code are patches: learned from the first one, and nobody else's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "secpod/text/poker.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define ROOT 0x1234000ULL
#define WINDOW 0x7e0a12345010ULL
#define COPY 0xffffffff81c00040ULL
#define FILL 0xffffffff81c01200ULL

static const struct poke measured = {ROOT, WINDOW, COPY, false, false},
			 fluid = {ROOT, WINDOW, COPY, false, true},
			 filled = {ROOT, WINDOW, FILL, false, true};

static bool is_known(struct poker *poker, struct poke poke)
{
	return poker_is_known(poker, &poke);
}

static struct poker taught(void)
{
	struct poker poker = {0};

	assert_true(is_known(&poker, measured));
	return poker;
}

static void the_first_store_teaches(void **state)
{
	struct poker poker = taught();
	struct poke other = measured;

	(void)state;
	assert_int_equal(poker.root, ROOT);
	assert_true(is_known(&poker, measured));
	assert_true(is_known(&poker, fluid));
	/* Another instruction of the same function, another window. */
	other.rip += 0x80;
	other.va += 0x3000;
	assert_true(is_known(&poker, other));
	other.rip = COPY - 0x80;
	assert_true(is_known(&poker, other));
}

static void nobody_else_passes(void **state)
{
	struct poker poker = taught();
	struct poke others[] = {measured, measured, measured, measured, measured, measured, filled};

	(void)state;
	others[0].root += 0x1000;
	others[1].rip += 512;
	others[2].rip -= 513;
	others[3].interrupts = true;
	others[4].va = 1ULL << 47;
	others[5].va = ~0xfffULL;
	others[6].fluid = false;
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		const struct poker before = poker;

		if (is_known(&poker, others[i]))
			fail_msg("store %zu", i);
		assert_memory_equal(&poker, &before, sizeof(before));
	}
}

static void what_can_be_no_patch_teaches_nothing(void **state)
{
	struct poke wrong[] = {measured, measured, fluid, fluid};
	static const struct poker none;
	struct poker poker = none;

	(void)state;
	wrong[0].interrupts = true;
	wrong[1].va = ~0xfffULL;
	wrong[2].interrupts = true;
	wrong[3].va = ~0xfffULL;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		assert_false(is_known(&poker, wrong[i]));
		assert_memory_equal(&poker, &none, sizeof(none));
	}
}

/* BPF may give code back, or a kprobe move an instruction, before the first patch. */
static void fluid_code_does_not_teach_who_patches(void **state)
{
	static const struct poker none;
	struct poker poker = none;

	(void)state;
	assert_true(is_known(&poker, filled));
	assert_true(is_known(&poker, fluid));
	assert_memory_equal(&poker, &none, sizeof(none));
	assert_true(is_known(&poker, measured));
	assert_int_equal(poker.rip[POKER_COPY], COPY);
	assert_int_equal(poker.rip[POKER_FILL], 0);
}

static void memset_is_learned_for_fluid_code_only(void **state)
{
	struct poker poker = taught();
	struct poke other = filled;

	(void)state;
	assert_true(is_known(&poker, filled));
	assert_true(is_known(&poker, filled));
	assert_true(is_known(&poker, fluid));
	other.fluid = false;
	assert_false(is_known(&poker, other));
	other = filled;
	other.rip += 0x1000;
	assert_false(is_known(&poker, other));
	other = filled;
	other.root += 0x1000;
	assert_false(is_known(&poker, other));
}

/* Of a profile: the first store must be of these, and teaches where only. */
static void what_is_given_need_not_be_learned(void **state)
{
	static const struct poker none;
	struct poke first = measured, last = measured, before = measured, behind = measured;
	struct poke fill = filled;
	struct poker poker = none, given;

	(void)state;
	poker_give(&poker, POKER_COPY, COPY, 0x100);
	poker_give(&poker, POKER_FILL, FILL, 0x80);
	given = poker;
	before.rip = COPY - 1;
	behind.rip = COPY + 0x100;
	last.rip = COPY + 0xff;
	assert_false(is_known(&poker, before));
	assert_false(is_known(&poker, behind));
	before.fluid = true;
	assert_false(is_known(&poker, before));
	fill.rip = FILL + 0x80;
	assert_false(is_known(&poker, fill));
	assert_memory_equal(&poker, &given, sizeof(given));
	assert_true(is_known(&poker, last));
	assert_int_equal(poker.root, ROOT);
	assert_true(is_known(&poker, first));
	assert_true(is_known(&poker, filled));
	first.root += 0x1000;
	assert_false(is_known(&poker, first));
	assert_int_equal(poker.rip[POKER_COPY] | poker.rip[POKER_FILL], 0);
}

/* A profile that comes later. */
static void what_is_given_takes_the_place_of_what_was_learned(void **state)
{
	struct poker poker = taught();

	(void)state;
	assert_true(is_known(&poker, filled));
	poker_give(&poker, POKER_COPY, COPY + 0x1000, 0x100);
	assert_false(is_known(&poker, measured));
	assert_true(is_known(&poker, filled));
	poker_give(&poker, POKER_FILL, FILL + 0x1000, 0x100);
	assert_false(is_known(&poker, filled));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_store_teaches),
		cmocka_unit_test(nobody_else_passes),
		cmocka_unit_test(what_can_be_no_patch_teaches_nothing),
		cmocka_unit_test(fluid_code_does_not_teach_who_patches),
		cmocka_unit_test(memset_is_learned_for_fluid_code_only),
		cmocka_unit_test(what_is_given_need_not_be_learned),
		cmocka_unit_test(what_is_given_takes_the_place_of_what_was_learned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
