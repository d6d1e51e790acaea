/* SPDX-License-Identifier: MIT */
#include "ept/mtrr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ept/mtrr_regs.h"
#include "tests/unit/ept_fixture.h"
#include "tests/unit/mtrr_machines.h"
#include "vmm/addr.h"

/*
 * The reference: one address at a time, straight from the SDM's sections "Range Registers" and
 * "MTRR Precedences", with nothing shared with ept/mtrr.c but the bit names.
 */
static bool ref_legal(uint64_t type)
{
	return type < 7 && type != 2 && type != 3;
}

static uint64_t ref_or_uc(uint64_t type)
{
	return ref_legal(type) ? type : 0;
}

static uint64_t ref_fixed(const struct mtrr_state *m, uint64_t a)
{
	uint64_t byte;

	if (a < 0x80000)
		byte = m->fixed[0] >> (a / 0x10000 * 8);
	else if (a < 0xa0000)
		byte = m->fixed[1] >> ((a - 0x80000) / 0x4000 * 8);
	else if (a < 0xc0000)
		byte = m->fixed[2] >> ((a - 0xa0000) / 0x4000 * 8);
	else
		byte = m->fixed[3 + (a - 0xc0000) / 0x8000] >>
		       ((a - 0xc0000) % 0x8000 / 0x1000 * 8);
	return ref_or_uc(byte & 0xff);
}

static uint64_t ref_type(const struct mtrr_state *m, uint64_t a)
{
	bool found = false, wt = false, other = false;
	uint64_t first = 0;
	uint32_t i, bit;

	if (!(m->def_type >> 11 & 1))
		return 0;
	if (a < 0x100000 && (m->def_type >> 10 & 1) && (m->cap >> 8 & 1))
		return ref_fixed(m, a);
	for (i = 0; i < (m->cap & 0xff) && i < MTRR_MAX_VARIABLE; i++) {
		uint64_t type = ref_or_uc(m->variable[i].base & 0xff);
		bool match = true;

		if (!(m->variable[i].mask >> 11 & 1))
			continue;
		for (bit = 12; bit < m->physical_bits; bit++)
			if ((m->variable[i].mask >> bit & 1) &&
			    (m->variable[i].base >> bit & 1) != (a >> bit & 1))
				match = false;
		if (!match)
			continue;
		if (type == 0)
			return 0;
		wt |= type == 4;
		if (found && type != first)
			other |= !((type == 4 && first == 6) || (type == 6 && first == 4));
		if (!found)
			first = type;
		found = true;
	}
	if (!found)
		return ref_or_uc(m->def_type & 0xff);
	if (other)
		return 0;
	return wt ? 4 : first;
}

static void real_machines_decode_to_their_runs(void **state)
{
	size_t k;

	(void)state;
	for (k = 0; k < MTRR_MACHINES; k++) {
		const struct mtrr_machine *machine = &mtrr_machines[k];
		uint64_t top = 1ULL << machine->physical_bits;
		struct mtrr_state m;
		uint64_t gpa = 0;
		uint32_t i;

		mtrr_machine_load(machine, &m);
		for (i = 0; i < MACHINE_RUNS && gpa < top; i++) {
			uint64_t end = mtrr_machine_run_end(machine, i);
			enum memory_type type;

			if (machine->run[i].end == 0 && machine->repeats)
				break;
			assert_int_equal(mtrr_type(&m, gpa), machine->run[i].type);
			assert_int_equal(mtrr_type(&m, end - PAGE_SIZE), machine->run[i].type);
			assert_int_equal(mtrr_uniform_end(&m, gpa, top, &type), end);
			assert_int_equal(type, machine->run[i].type);
			gpa = end;
		}
		assert_true(gpa == top || (machine->repeats && i > 0));
	}
}

static void real_machines_agree_with_the_reference(void **state)
{
	struct random random = {.state = 3};
	size_t k;

	(void)state;
	for (k = 0; k < MTRR_MACHINES; k++) {
		struct mtrr_state m;
		uint64_t gpa;
		uint32_t i;

		mtrr_machine_load(&mtrr_machines[k], &m);
		for (gpa = 0; gpa < 0x200000; gpa += PAGE_SIZE)
			assert_int_equal(mtrr_type(&m, gpa), ref_type(&m, gpa));
		for (i = 0; i < 20000; i++) {
			gpa = random_next(&random) & ((1ULL << m.physical_bits) - 1) & PAGE_MASK;
			gpa >>= random_below(&random, 16);
			gpa &= PAGE_MASK;
			assert_int_equal(mtrr_type(&m, gpa), ref_type(&m, gpa));
		}
	}
}

static void overlap_follows_the_precedences(void **state)
{
	static const struct {
		enum memory_type a, b, result;
	} rows[] = {
		{MEMORY_UC, MEMORY_UC, MEMORY_UC},
		{MEMORY_UC, MEMORY_WC, MEMORY_UC},
		{MEMORY_UC, MEMORY_WT, MEMORY_UC},
		{MEMORY_UC, MEMORY_WP, MEMORY_UC},
		{MEMORY_UC, MEMORY_WB, MEMORY_UC},
		{MEMORY_WT, MEMORY_WB, MEMORY_WT},
		{MEMORY_WT, MEMORY_WT, MEMORY_WT},
		{MEMORY_WB, MEMORY_WB, MEMORY_WB},
		{MEMORY_WC, MEMORY_WC, MEMORY_WC},
		{MEMORY_WP, MEMORY_WP, MEMORY_WP},
		/* undefined by the SDM: uncacheable is safe */
		{MEMORY_WC, MEMORY_WB, MEMORY_UC},
		{MEMORY_WC, MEMORY_WT, MEMORY_UC},
		{MEMORY_WC, MEMORY_WP, MEMORY_UC},
		{MEMORY_WP, MEMORY_WB, MEMORY_UC},
		{MEMORY_WP, MEMORY_WT, MEMORY_UC},
	};
	struct mtrr_state m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		mtrr_all_wb(&m, 36);
		mtrr_set_range(&m, 0, 0, 2 * SIZE_1G, rows[i].a);
		mtrr_set_range(&m, 9, SIZE_1G, SIZE_1G, rows[i].b);
		assert_int_equal(mtrr_type(&m, SIZE_1G), rows[i].result);
		assert_int_equal(mtrr_type(&m, 0), rows[i].a);
		mtrr_set_range(&m, 0, 0, 2 * SIZE_1G, rows[i].b);
		mtrr_set_range(&m, 9, SIZE_1G, SIZE_1G, rows[i].a);
		assert_int_equal(mtrr_type(&m, SIZE_1G), rows[i].result);
	}
	/* Three at once: WT and WB and WC. */
	mtrr_all_wb(&m, 36);
	mtrr_set_range(&m, 0, 0, SIZE_1G, MEMORY_WT);
	mtrr_set_range(&m, 1, 0, SIZE_1G, MEMORY_WB);
	assert_int_equal(mtrr_type(&m, 0x200000), MEMORY_WT);
	mtrr_set_range(&m, 2, 0, SIZE_1G, MEMORY_WC);
	assert_int_equal(mtrr_type(&m, 0x200000), MEMORY_UC);
}

static void fixed_ranges_count_only_when_present_and_enabled(void **state)
{
	struct mtrr_state m;

	(void)state;
	mtrr_all_wb(&m, 36);
	mtrr_set_fixed(&m, MEMORY_WP);
	assert_int_equal(mtrr_type(&m, 0), MEMORY_WP);
	assert_int_equal(mtrr_type(&m, 0xff000), MEMORY_WP);
	assert_int_equal(mtrr_type(&m, 0x100000), MEMORY_WB);
	/* They hide the variable ranges below 1 MiB, even UC. */
	mtrr_set_range(&m, 0, 0, 0x200000, MEMORY_UC);
	assert_int_equal(mtrr_type(&m, 0xff000), MEMORY_WP);
	assert_int_equal(mtrr_type(&m, 0x100000), MEMORY_UC);

	m.def_type &= ~MTRR_DEF_TYPE_FE;
	assert_int_equal(mtrr_type(&m, 0xff000), MEMORY_UC);
	m.def_type |= MTRR_DEF_TYPE_FE;
	m.cap &= ~MTRRCAP_FIX;
	assert_int_equal(mtrr_type(&m, 0xff000), MEMORY_UC);
}

static void each_fixed_piece_has_its_own_byte(void **state)
{
	static const uint64_t legal[] = {0, 1, 4, 5, 6};
	struct random random = {.state = 4};
	struct mtrr_state m;
	uint32_t round, i, piece;

	(void)state;
	for (round = 0; round < 200; round++) {
		uint64_t gpa;

		mtrr_all_wb(&m, 36);
		m.def_type |= MTRR_DEF_TYPE_FE;
		for (i = 0; i < MTRR_FIXED_COUNT; i++)
			for (piece = 0; piece < 8; piece++)
				m.fixed[i] |= legal[random_below(&random, 5)] << (piece * 8);
		for (gpa = 0; gpa < 0x100000; gpa += PAGE_SIZE)
			assert_int_equal(mtrr_type(&m, gpa), ref_type(&m, gpa));
	}
}

static void disabled_mtrrs_make_everything_uncacheable(void **state)
{
	enum memory_type type;
	struct mtrr_state m;

	(void)state;
	mtrr_pc(&m, 36);
	m.def_type &= ~MTRR_DEF_TYPE_E;
	assert_int_equal(mtrr_type(&m, 0), MEMORY_UC);
	assert_int_equal(mtrr_type(&m, SIZE_1G), MEMORY_UC);
	assert_int_equal(mtrr_uniform_end(&m, 0, 64 * SIZE_1G, &type), 64 * SIZE_1G);
	assert_int_equal(type, MEMORY_UC);
}

static void reserved_types_count_as_uncacheable(void **state)
{
	struct mtrr_state m;

	(void)state;
	mtrr_all_wb(&m, 36);
	m.def_type = MTRR_DEF_TYPE_E | 7;
	assert_int_equal(mtrr_type(&m, SIZE_1G), MEMORY_UC);
	m.def_type = MTRR_DEF_TYPE_E | 0xff;
	assert_int_equal(mtrr_type(&m, SIZE_1G), MEMORY_UC);
	m.def_type = MTRR_DEF_TYPE_E | MTRR_DEF_TYPE_FE | MEMORY_WB;
	m.fixed[0] = 0x0203070806060606;
	assert_int_equal(mtrr_type(&m, 0x30000), MEMORY_WB);
	assert_int_equal(mtrr_type(&m, 0x40000), MEMORY_UC);
	assert_int_equal(mtrr_type(&m, 0x70000), MEMORY_UC);
	mtrr_set_range(&m, 0, 0, 2 * SIZE_1G, MEMORY_WB);
	m.variable[1] = m.variable[0];
	m.variable[1].base = 3;
	assert_int_equal(mtrr_type(&m, SIZE_1G), MEMORY_UC);
}

static void registers_beyond_vcnt_are_ignored(void **state)
{
	struct mtrr_state m;

	(void)state;
	mtrr_all_wb(&m, 36);
	mtrr_set_range(&m, 8, 0, 2 * SIZE_1G, MEMORY_UC);
	m.cap = (m.cap & ~MTRRCAP_VCNT) | 8;
	assert_int_equal(mtrr_type(&m, SIZE_1G), MEMORY_WB);
	m.cap |= 9;
	assert_int_equal(mtrr_type(&m, SIZE_1G), MEMORY_UC);
	m.cap |= MTRRCAP_VCNT; /* more than the snapshot holds */
	assert_int_equal(mtrr_type(&m, SIZE_1G), MEMORY_UC);
	assert_null(mtrr_msr_slot(&m, MSR_MTRR_PHYSBASE0 + 2 * MTRR_MAX_VARIABLE));
}

static void address_bits_above_maxphyaddr_are_not_compared(void **state)
{
	struct mtrr_state m;

	(void)state;
	mtrr_all_wb(&m, 36);
	mtrr_set_range(&m, 0, SIZE_1G, SIZE_1G, MEMORY_UC);
	m.variable[0].base |= 1ULL << 40;
	m.variable[0].mask |= 0xffULL << 36;
	assert_int_equal(mtrr_type(&m, SIZE_1G), MEMORY_UC);
	assert_int_equal(mtrr_type(&m, 2 * SIZE_1G), MEMORY_WB);
	/* No machine has such addresses; a snapshot with a wrong width must not break anything. */
	m.physical_bits = 200;
	assert_int_equal(mtrr_type(&m, SIZE_1G), MEMORY_WB);
	m.physical_bits = 0;
	assert_int_equal(mtrr_type(&m, SIZE_1G), MEMORY_UC);
}

static void random_state(struct random *random, struct mtrr_state *m, uint32_t bits, bool holes)
{
	static const uint64_t types[] = {0, 1, 4, 5, 6, 6, 6, 0, 2, 7, 0xff};
	uint64_t address = (1ULL << bits) - 1;
	uint32_t i, piece, count = (uint32_t)random_below(random, 11);

	memset(m, 0, sizeof(*m));
	m->physical_bits = bits;
	m->cap = count | (random_below(random, 4) ? MTRRCAP_FIX : 0) | MTRRCAP_WC;
	m->def_type = types[random_below(random, 8)] |
		      (random_below(random, 8) ? MTRR_DEF_TYPE_E : 0) |
		      (random_below(random, 4) ? MTRR_DEF_TYPE_FE : 0);
	for (i = 0; i < MTRR_FIXED_COUNT; i++)
		for (piece = 0; piece < 8; piece++)
			m->fixed[i] |= types[random_below(random, 11)] << (piece * 8);
	for (i = 0; i < count; i++) {
		uint64_t size = 1ULL << (12 + random_below(random, bits - 11));
		uint64_t mask = address & ~(size - 1);

		if (holes)
			mask &= random_next(random) | random_next(random) | random_next(random);
		m->variable[i].base = (random_next(random) & address & PAGE_MASK) |
				      types[random_below(random, 11)];
		/* Often near each other, so that they overlap. */
		if (random_below(random, 2))
			m->variable[i].base &= ~(address << (bits - 6));
		m->variable[i].mask = mask | (random_below(random, 5) ? MTRR_PHYSMASK_VALID : 0);
	}
}

/* Walk all of a 32-bit space in runs; every page of every run has the type told. */
static void walk_all(const struct mtrr_state *m, bool maximal)
{
	const uint64_t top = 1ULL << 32;
	enum memory_type type, last = 99;
	uint64_t gpa = 0;

	while (gpa < top) {
		uint64_t end = mtrr_uniform_end(m, gpa, top, &type);

		if (end <= gpa || end > top || end % PAGE_SIZE != 0)
			fail_msg("run %llx..%llx", (unsigned long long)gpa,
				 (unsigned long long)end);
		if (maximal)
			assert_int_not_equal(type, last);
		last = type;
		for (; gpa < end; gpa += PAGE_SIZE)
			if (ref_type(m, gpa) != type || mtrr_type(m, gpa) != type)
				fail_msg("type of %llx", (unsigned long long)gpa);
	}
}

static void random_contiguous_masks_agree_in_longest_runs(void **state)
{
	struct random random = {.state = 5};
	struct mtrr_state m;
	uint32_t round;

	(void)state;
	for (round = 0; round < 8; round++) {
		random_state(&random, &m, 32, false);
		walk_all(&m, true);
	}
}

static void random_masks_with_holes_agree(void **state)
{
	struct random random = {.state = 6};
	struct mtrr_state m;
	uint32_t round;

	(void)state;
	for (round = 0; round < 8; round++) {
		random_state(&random, &m, 32, true);
		walk_all(&m, false);
	}
}

static void runs_in_wide_address_spaces_hold_what_they_promise(void **state)
{
	static const uint32_t bits[] = {36, 39, 46, 52};
	struct random random = {.state = 7};
	uint32_t round, i;

	(void)state;
	for (round = 0; round < 2000; round++) {
		uint32_t b = bits[random_below(&random, 4)];
		uint64_t top = 1ULL << b;
		bool holes = random_below(&random, 2);
		enum memory_type type, after;
		struct mtrr_state m;
		uint64_t gpa, end, limit;

		random_state(&random, &m, b, holes);
		gpa = (random_next(&random) & (top - 1) & PAGE_MASK) >>
		      random_below(&random, b - 12);
		gpa &= PAGE_MASK;
		limit = gpa + PAGE_SIZE + (random_next(&random) % (top - gpa) & PAGE_MASK);
		if (limit > top)
			limit = top;
		end = mtrr_uniform_end(&m, gpa, limit, &type);
		assert_true(end > gpa && end <= limit && end % PAGE_SIZE == 0);
		assert_int_equal(type, ref_type(&m, gpa));
		assert_int_equal(ref_type(&m, end - PAGE_SIZE), type);
		for (i = 0; i < 60; i++) {
			uint64_t offset = random_next(&random) % (end - gpa);

			offset >>= random_below(&random, 50);
			assert_int_equal(ref_type(&m, (gpa + offset) & PAGE_MASK), type);
			assert_int_equal(ref_type(&m, (end - 1 - offset) & PAGE_MASK), type);
		}
		if (!holes && end < limit) {
			mtrr_uniform_end(&m, end, limit, &after);
			assert_int_not_equal(after, type);
		}
	}
}

static void msr_slots_follow_the_capabilities(void **state)
{
	struct mtrr_state m;
	uint32_t msr;

	(void)state;
	mtrr_all_wb(&m, 36);
	m.cap = MTRRCAP_FIX | 8;
	assert_ptr_equal(mtrr_msr_slot(&m, 0x2ff), &m.def_type);
	assert_ptr_equal(mtrr_msr_slot(&m, 0x200), &m.variable[0].base);
	assert_ptr_equal(mtrr_msr_slot(&m, 0x201), &m.variable[0].mask);
	assert_ptr_equal(mtrr_msr_slot(&m, 0x20f), &m.variable[7].mask);
	assert_null(mtrr_msr_slot(&m, 0x210));
	assert_ptr_equal(mtrr_msr_slot(&m, 0x250), &m.fixed[0]);
	assert_ptr_equal(mtrr_msr_slot(&m, 0x258), &m.fixed[1]);
	assert_ptr_equal(mtrr_msr_slot(&m, 0x259), &m.fixed[2]);
	for (msr = 0x268; msr <= 0x26f; msr++)
		assert_ptr_equal(mtrr_msr_slot(&m, msr), &m.fixed[3 + msr - 0x268]);
	assert_null(mtrr_msr_slot(&m, 0xfe)); /* IA32_MTRRCAP */
	assert_null(mtrr_msr_slot(&m, 0x1ff));
	assert_null(mtrr_msr_slot(&m, 0x251));
	assert_null(mtrr_msr_slot(&m, 0x257));
	assert_null(mtrr_msr_slot(&m, 0x25a));
	assert_null(mtrr_msr_slot(&m, 0x267));
	assert_null(mtrr_msr_slot(&m, 0x270));
	assert_null(mtrr_msr_slot(&m, 0x277)); /* IA32_PAT */
	assert_null(mtrr_msr_slot(&m, 0));
	assert_null(mtrr_msr_slot(&m, UINT32_MAX));
	m.cap = 0;
	assert_null(mtrr_msr_slot(&m, 0x200));
	assert_null(mtrr_msr_slot(&m, 0x250));
	assert_non_null(mtrr_msr_slot(&m, 0x2ff));
}

static void writes_the_cpu_would_refuse_are_refused(void **state)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
		bool ok;
	} rows[] = {
		{0x2ff, 0, true},
		{0x2ff, 0xc06, true},
		{0x2ff, 0xc02, false}, /* reserved type */
		{0x2ff, 0xc07, false},
		{0x2ff, 0xd06, false},	/* bit 8 */
		{0x2ff, 0xe06, false},	/* bit 9 */
		{0x2ff, 0x1c06, false}, /* bit 12 */
		{0x2ff, 1ULL << 63 | 0xc06, false},
		{0x200, 0xffffff006, true},
		{0x200, 0xffffff002, false},
		{0x200, 0xffffff106, false},  /* bit 8 */
		{0x200, 0x1000000006, false}, /* MAXPHYADDR is 36 */
		{0x201, 0xfffffff800 & 0xfffffffff, true},
		{0x201, 0xffffff000, true}, /* not valid: fine */
		{0x201, 0x555555800, true}, /* holes: the CPU takes them */
		{0x201, 0xffffff801, false},
		{0x201, 0xffffffc00, false}, /* bit 10 */
		{0x201, 0x1000000800, false},
		{0x20f, 0x800, true},
		{0x210, 0, false}, /* VCNT is 8 */
		{0x250, 0x0606060606060606, true},
		{0x250, 0x0606060206060606, false},
		{0x26f, 0x0504010006050401, true},
		{0x26f, 0x0700000000000000, false},
		{0x26f, 0xff00000000000000, false},
		{0x251, 0, false},
		{0xfe, 0x508, false}, /* read-only */
		{0x277, 0, false},
	};
	struct mtrr_state m;
	size_t i;

	(void)state;
	mtrr_all_wb(&m, 36);
	m.cap = MTRRCAP_WC | MTRRCAP_FIX | 8;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (mtrr_write_ok(&m, rows[i].msr, rows[i].value) != rows[i].ok)
			fail_msg("MSR %x, value %llx", rows[i].msr,
				 (unsigned long long)rows[i].value);
	/*
	 * Without write combining the type is a reserved one; without fixed ranges there are no
	 * such MSRs.
	 */
	m.cap = 8;
	assert_false(mtrr_write_ok(&m, 0x2ff, 0xc01));
	assert_false(mtrr_write_ok(&m, 0x200, 1));
	assert_false(mtrr_write_ok(&m, 0x250, 0));
	assert_true(mtrr_write_ok(&m, 0x200, 6));
}

static void same_map_looks_at_what_has_an_effect(void **state)
{
	struct mtrr_state a, b;

	(void)state;
	mtrr_pc(&a, 36);
	b = a;
	assert_true(mtrr_same_map(&a, &b));
	b.variable[5].base = 0x12345006;	   /* not valid */
	b.variable[20].mask = MTRR_PHYSMASK_VALID; /* beyond VCNT */
	assert_true(mtrr_same_map(&a, &b));
	b.variable[5].mask = 0xffffff800;
	assert_false(mtrr_same_map(&a, &b));
	b = a;
	b.fixed[10] = 0;
	assert_false(mtrr_same_map(&a, &b));
	a.def_type &= ~MTRR_DEF_TYPE_FE;
	assert_false(mtrr_same_map(&a, &b));
	b.def_type &= ~MTRR_DEF_TYPE_FE;
	assert_true(mtrr_same_map(&a, &b));
	b.def_type = MTRR_DEF_TYPE_E | MEMORY_WT;
	assert_false(mtrr_same_map(&a, &b));
	b.def_type = MEMORY_WT;
	assert_false(mtrr_same_map(&a, &b));
	a.def_type = MEMORY_WB; /* both off: the rest is moot */
	assert_true(mtrr_same_map(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_machines_decode_to_their_runs),
		cmocka_unit_test(real_machines_agree_with_the_reference),
		cmocka_unit_test(overlap_follows_the_precedences),
		cmocka_unit_test(fixed_ranges_count_only_when_present_and_enabled),
		cmocka_unit_test(each_fixed_piece_has_its_own_byte),
		cmocka_unit_test(disabled_mtrrs_make_everything_uncacheable),
		cmocka_unit_test(reserved_types_count_as_uncacheable),
		cmocka_unit_test(registers_beyond_vcnt_are_ignored),
		cmocka_unit_test(address_bits_above_maxphyaddr_are_not_compared),
		cmocka_unit_test(random_contiguous_masks_agree_in_longest_runs),
		cmocka_unit_test(random_masks_with_holes_agree),
		cmocka_unit_test(runs_in_wide_address_spaces_hold_what_they_promise),
		cmocka_unit_test(msr_slots_follow_the_capabilities),
		cmocka_unit_test(writes_the_cpu_would_refuse_are_refused),
		cmocka_unit_test(same_map_looks_at_what_has_an_effect),
	};

	return cmocka_run_group_tests_name("mtrr", tests, NULL, NULL);
}
