/* SPDX-License-Identifier: MIT */
/*
 * Maps small enough to try them all: the very sources of ept/ with tables of two entries. For each tree of three
 * levels below one half of the root, whatever is in the other half, each range and each right; and for each
 * pair of memory types with one border. Each store that a CPU may see leaves each page what it was or makes it
 * what it is to be.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

/* What is said of tables of 512 entries. */
#define _Static_assert(condition, what) struct of_real_tables

#define EPT_TABLE_BITS 1u

#include "vmm/page_pool.h"

static void seen_store(uint64_t *at, uint64_t value);

#define __atomic_store_n(at, value, order) seen_store(at, value)

#include "ept/ept_lazy.c"
#include "ept/ept_map.c"
#include "ept/ept_protect.c"
#include "ept/ept_tables.c"
#include "ept/ept_types.c"

#undef __atomic_store_n

#define PAGES 8u
#define NEW_TABLES 16u

struct page {
	uint64_t hpa;
	uint64_t rights;
	enum memory_type type;
};

typedef uint64_t table_page[PAGE_SIZE / sizeof(uint64_t)];

static _Alignas(PAGE_SIZE) table_page pml4, pdpt, pd[2], pt[4], new_table[NEW_TABLES];
static _Alignas(PAGE_SIZE) table_page ring[EPT_ZOMBIE_PAGES], dummy;
static bool taken[NEW_TABLES];
static struct page_pool pool;
static struct ept ept;
static struct page before[PAGES], wanted[PAGES];
static bool watched;
static bool coarse; /* memory may become UC, for want of tables */

/* ---- what ept/ stands on */

void *page_pool_alloc(struct page_pool *from)
{
	if (!from->free_count)
		return NULL;
	for (uint32_t i = 0; i < NEW_TABLES; i++) {
		if (taken[i])
			continue;
		taken[i] = true;
		from->free_count--;
		memset(new_table[i], 0, EPT_ENTRIES * sizeof(uint64_t));
		return new_table[i];
	}
	return NULL;
}

int page_pool_free(struct page_pool *to, void *page)
{
	const uint64_t i = (uint64_t)((table_page *)page - new_table);

	assert_true(i < NEW_TABLES && taken[i]);
	taken[i] = false;
	to->free_count++;
	return 0;
}

/* Memory is WB up to a border, which is all that these registers say. */
static enum memory_type type_of(const struct mtrr_state *mtrr, uint64_t gpa)
{
	return gpa < mtrr->def_type ? MEMORY_WB : MEMORY_UC;
}

uint64_t mtrr_uniform_end(const struct mtrr_state *mtrr, uint64_t gpa, uint64_t limit,
			  enum memory_type *type)
{
	*type = type_of(mtrr, gpa);
	return gpa < mtrr->def_type && mtrr->def_type < limit ? mtrr->def_type : limit;
}

bool mtrr_same_map(const struct mtrr_state *a, const struct mtrr_state *b)
{
	return a->def_type == b->def_type;
}

/* ---- what a CPU finds */

static struct page page_at(uint64_t gpa)
{
	const uint64_t *table = ept.root;
	uint32_t level = EPT_PML4;
	uint64_t entry = table[ept_level_index(gpa, level)];
	struct page page = {0};

	while (ept_is_table(entry, level)) {
		table = ept_table_of(entry);
		level--;
		entry = table[ept_level_index(gpa, level)];
	}
	if (!entry)
		return page;
	assert_true(ept_leaf_allowed(&ept, level));
	assert_int_equal(!!(entry & EPT_ENTRY_LARGE), level > EPT_PT);
	page.hpa = (entry & EPT_ENTRY_ADDRESS) + (gpa & (ept_level_size(level) - 1));
	page.rights = entry & EPT_ENTRY_RIGHTS;
	page.type = ept_leaf_type(entry);
	return page;
}

static bool same(const struct page *a, const struct page *b)
{
	return a->hpa == b->hpa && a->rights == b->rights && a->type == b->type;
}

/* What it is to be, or that with the type which is never wrong. */
static bool is_wanted(const struct page *now, const struct page *next)
{
	return same(now, next) || (coarse && now->rights && now->hpa == next->hpa &&
				   now->rights == next->rights && now->type == MEMORY_UC);
}

static void seen_store(uint64_t *at, uint64_t value)
{
	*at = value;
	if (!watched)
		return;
	for (uint32_t i = 0; i < PAGES; i++) {
		const struct page now = page_at(i * PAGE_SIZE);

		assert_true(same(&now, &before[i]) || is_wanted(&now, &wanted[i]));
	}
}

static void assert_pages(const struct page *pages)
{
	for (uint32_t i = 0; i < PAGES; i++) {
		const struct page now = page_at(i * PAGE_SIZE);

		assert_true(is_wanted(&now, &pages[i]));
	}
}

/* ---- all trees */

#define LEAVES 2u			  /* read-only and with all rights */
#define PT_CODES (LEAVES + 2u)		  /* or a hole, or the dummy frame */
#define TABLES(codes) ((codes) * (codes)) /* of two entries each */
#define PD_CODES (1u + LEAVES + TABLES(PT_CODES))
#define PDPT_CODES (1u + LEAVES + TABLES(PD_CODES))

/* A leaf whose memory is of two types is none: a hole then. */
static uint64_t leaf(uint32_t level, uint64_t gpa, uint32_t code)
{
	const uint64_t rights = code ? EPT_READ : ept_all_rights(&ept);
	enum memory_type type;

	if (mtrr_uniform_end(&ept.mtrr, gpa, gpa + ept_level_size(level), &type) - gpa <
	    ept_level_size(level))
		return 0;
	return ept_leaf_entry(gpa, level, rights, type);
}

static uint64_t pt_entry(uint64_t gpa, uint32_t code)
{
	if (code == 0)
		return 0;
	if (code == 1)
		return ept_leaf_entry(ept.dummy, EPT_PT, EPT_READ, MEMORY_WB);
	return leaf(EPT_PT, gpa, code - 2);
}

static uint64_t pd_entry(uint32_t place, uint32_t code)
{
	const uint64_t gpa = place * ept_level_size(EPT_PD);

	if (code <= LEAVES)
		return code ? leaf(EPT_PD, gpa, code - 1) : 0;
	code -= 1 + LEAVES;
	pt[place][0] = pt_entry(gpa, code % PT_CODES);
	pt[place][1] = pt_entry(gpa + PAGE_SIZE, code / PT_CODES);
	return ept_table_entry(pt[place]);
}

static uint64_t pdpt_entry(uint32_t place, uint32_t code)
{
	if (code <= LEAVES)
		return code ? leaf(EPT_PDPT, place * ept_level_size(EPT_PDPT), code - 1) : 0;
	code -= 1 + LEAVES;
	pd[place][0] = pd_entry(2 * place, code % PD_CODES);
	pd[place][1] = pd_entry(2 * place + 1, code / PD_CODES);
	return ept_table_entry(pd[place]);
}

/* border: of the types; pages: that the pool has. */
static void open_tree(const uint32_t *code, uint64_t border, uint64_t pages)
{
	watched = false;
	coarse = false;
	memset(taken, 0, sizeof(taken));
	pool = (struct page_pool){.free_count = pages, .pages = NEW_TABLES};
	ept = (struct ept){
		.pool = &pool,
		.features = {.page_1g = true, .page_2m = true},
		.root = pml4,
		.limit = PAGES * PAGE_SIZE,
		.eager_limit = PAGES * PAGE_SIZE,
		.dummy = virt_to_hpa(dummy),
		.zombie = {ring[0], ring[1]},
		.mtrr = {.def_type = border},
	};
	pdpt[0] = pdpt_entry(0, code[0]);
	pdpt[1] = pdpt_entry(1, code[1]);
	pml4[0] = ept_table_entry(pdpt);
	for (uint32_t i = 0; i < PAGES; i++)
		wanted[i] = before[i] = page_at(i * PAGE_SIZE);
	watched = true;
}

/* Tables taken are in the tree or wait to be freed: none is lost. */
static void assert_tables(uint64_t pages)
{
	uint64_t new_tables = 0;

	for (uint32_t i = 0; i < NEW_TABLES; i++)
		new_tables += taken[i];
	assert_int_equal(pages - pool.free_count, new_tables);
	assert_int_equal(ept.counts.tables, new_tables - ept.zombie_added);
}

static void each_tree(void (*check)(const uint32_t *code))
{
	/* Of the other half: a hole, a leaf, tables with pages, with leaves, and of both. */
	static const uint32_t others[] = {
		0, 1, 2, 3 + 2 + 19 * 1, 3 + 13 + 19 * 18, 3 + 7 + 19 * 0};

	for (uint32_t i = 0; i < PDPT_CODES; i++) {
		for (uint32_t k = 0; k < 2 * sizeof(others) / sizeof(others[0]); k++) {
			const uint32_t code[2] = {k % 2 ? others[k / 2] : i,
						  k % 2 ? i : others[k / 2]};

			check(code);
		}
	}
}

/* ---- rights */

static void want(uint32_t page, uint64_t rights)
{
	const uint64_t gpa = page * PAGE_SIZE;
	const bool own = before[page].rights && before[page].hpa == gpa;

	wanted[page] = (struct page){0};
	if (rights)
		wanted[page] = (struct page){gpa, rights,
					     own ? before[page].type : type_of(&ept.mtrr, gpa)};
}

static bool loses(void)
{
	bool lost = false;

	for (uint32_t i = 0; i < PAGES; i++)
		lost |= before[i].rights &&
			(before[i].hpa != wanted[i].hpa || (before[i].rights & ~wanted[i].rights));
	return lost;
}

/* Result: tables that were taken. */
static uint64_t protect(const uint32_t *code, uint64_t begin, uint64_t end, uint32_t rights,
			uint64_t pages)
{
	/* In the middle of a page of level 2. */
	open_tree(code, 5 * PAGE_SIZE, pages);
	for (uint64_t i = begin; i < end; i++)
		want((uint32_t)i, rights);
	if (ept_protect(&ept, begin * PAGE_SIZE, (end - begin) * PAGE_SIZE, rights) == -ENOMEM) {
		assert_true(pages < NEW_TABLES);
		assert_pages(before);
		assert_int_equal(pool.free_count, pages);
		return 0;
	}
	assert_pages(wanted);
	assert_tables(pages);
	return pages - pool.free_count;
}

static void check_rights(const uint32_t *code)
{
	static const uint32_t rights[] = {EPT_NONE, EPT_READ, EPT_READ | EPT_WRITE | EPT_EXEC};

	for (uint32_t range = 0; range < PAGES * PAGES * 3; range++) {
		const uint64_t begin = range % PAGES, end = range / PAGES % PAGES + 1;
		const uint32_t right = rights[range / (PAGES * PAGES)];
		uint64_t used;

		if (begin >= end)
			continue;
		used = protect(code, begin, end, right, NEW_TABLES);
		/* And one too few: all or nothing. */
		if (used)
			assert_int_equal(protect(code, begin, end, right, used - 1), 0);
	}
}

static void test_rights_change_in_the_range_only(void **state)
{
	(void)state;
	each_tree(check_rights);
}

static void test_who_loses_something_invalidates(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < PDPT_CODES; i++) {
		for (uint32_t page = 0; page < PAGES; page++) {
			const uint32_t code[2] = {i, 1};
			int result;

			open_tree(code, 5 * PAGE_SIZE, NEW_TABLES);
			want(page, EPT_READ);
			result = ept_protect(&ept, page * PAGE_SIZE, PAGE_SIZE, EPT_READ);
			assert_int_equal(result, loses() ? EPT_FLUSH_NEEDED : 0);
		}
	}
}

/* ---- types */

/* Result: does anything change? */
static bool want_types(const struct mtrr_state *mtrr)
{
	bool changed = false;

	for (uint32_t i = 0; i < PAGES; i++) {
		if (before[i].rights && before[i].hpa == i * PAGE_SIZE)
			wanted[i].type = type_of(mtrr, i * PAGE_SIZE);
		changed |= !same(&wanted[i], &before[i]);
	}
	return changed;
}

static void set_types(const uint32_t *code, uint64_t old, uint64_t next)
{
	const struct mtrr_state mtrr = {.def_type = next * PAGE_SIZE};
	bool changed;
	int result;

	open_tree(code, old * PAGE_SIZE, NEW_TABLES);
	changed = want_types(&mtrr);
	result = ept_set_mtrr(&ept, &mtrr);
	assert_int_equal(result, changed ? EPT_FLUSH_NEEDED : 0);
	assert_pages(wanted);
	assert_tables(NEW_TABLES);
	if (pool.free_count == NEW_TABLES)
		return;
	/* Nothing to split with: some memory has to be UC until there is. */
	open_tree(code, old * PAGE_SIZE, 0);
	(void)want_types(&mtrr);
	coarse = true;
	assert_int_equal(ept_set_mtrr(&ept, &mtrr), -ENOMEM);
	assert_pages(wanted);
	pool.free_count = NEW_TABLES;
	memcpy(before, wanted, sizeof(before));
	assert_int_equal(ept_set_mtrr(&ept, &mtrr), EPT_FLUSH_NEEDED);
	coarse = false;
	assert_pages(wanted);
}

static void check_types(const uint32_t *code)
{
	for (uint32_t borders = 0; borders < (PAGES + 1) * (PAGES + 1); borders++)
		set_types(code, borders % (PAGES + 1), borders / (PAGES + 1));
}

static void test_types_change_and_nothing_else(void **state)
{
	(void)state;
	each_tree(check_types);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights_change_in_the_range_only),
		cmocka_unit_test(test_who_loses_something_invalidates),
		cmocka_unit_test(test_types_change_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
