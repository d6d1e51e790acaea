/* SPDX-License-Identifier: MIT */
#include "vmx/guest_insn.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/addr.h"
#include "vmm/guest_mem.h"
#include "vmm/x86.h"
#include "vmx/vmcs.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- memory: so many pages from guest-physical address 0, opened one at a time */

#define MEMORY_PAGES 16u
static uint8_t *page[MEMORY_PAGES];
static bool is_open;

static uint8_t *at(uint64_t gpa)
{
	return gpa < MEMORY_PAGES * PAGE_SIZE ? page[gpa >> PAGE_SHIFT] + (gpa & ~PAGE_MASK) : NULL;
}

uint64_t *guest_word_open(uint64_t gpa)
{
	assert_false(is_open);
	assert_int_equal(gpa % sizeof(uint64_t), 0);
	is_open = at(gpa) != NULL;
	return (uint64_t *)(void *)at(gpa);
}

void guest_word_close(void)
{
	assert_true(is_open);
	is_open = false;
}

uint64_t guest_word_read(uint64_t gpa)
{
	assert_false(is_open);
	assert_int_equal(gpa % sizeof(uint64_t), 0);
	return at(gpa) ? *(uint64_t *)(void *)at(gpa) : ~0ULL;
}

static void put64(uint64_t gpa, uint64_t value)
{
	memcpy(at(gpa), &value, sizeof(value));
}

static int ram_read(uint64_t gpa, void *to, uint64_t len)
{
	if (!at(gpa))
		return -EFAULT;
	memcpy(to, at(gpa), len);
	return 0;
}

static const struct guest_walk_memory memory = {ram_read, NULL, NULL};

/*
 * The tables: L4 at ROOT, L3 (its second entry a page of 1 GiB at 0), L2 (its second entry a page of
 * 2 MiB at 0), L1 with CODE, and NEXT behind it. Pages are allocated one by one, so that what is read
 * behind the end of one is found.
 */
enum { ROOT = 1, L3, L2, L1, CODE, NEXT };
#define FRAME(number) ((uint64_t)(number) << PAGE_SHIFT)
#define VA 0xffffff8000000000ULL /* L4 511, the others 0 */

static struct guest_paging paging;

static int set_up(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < MEMORY_PAGES; i++) {
		page[i] = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
		assert_non_null(page[i]);
		memset(page[i], 0, PAGE_SIZE);
	}
	for (unsigned int i = 0; i < PAGE_SIZE; i++) {
		page[CODE][i] = (uint8_t)(i | 1);
		page[NEXT][i] = 0xcc;
	}
	put64(FRAME(ROOT) + 511 * 8, FRAME(L3) | PTE_P);
	put64(FRAME(L3), FRAME(L2) | PTE_P);
	put64(FRAME(L3) + 8, PTE_P | PTE_PS);
	put64(FRAME(L2), FRAME(L1) | PTE_P);
	put64(FRAME(L2) + 8, PTE_P | PTE_PS);
	/* Bit 7 is PAT here, the upper ones are not part of the address. */
	put64(FRAME(L1), FRAME(CODE) | PTE_P | PTE_PS | 1ULL << 63 | 1ULL << 52);
	put64(FRAME(L1) + 8, FRAME(NEXT) | PTE_P);
	paging = (struct guest_paging){.cr3 = FRAME(ROOT) | 5, .efer = EFER_LMA};
	is_open = false;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < MEMORY_PAGES; i++)
		free(page[i]);
	assert_false(is_open);
	return 0;
}

/* Size bytes at gva are those at gpa and further in its page, then those at rest; others are 0. */
static void expect_bytes(uint64_t gva, size_t size, uint64_t gpa, uint64_t rest)
{
	const uint64_t in_page = PAGE_SIZE - (gpa & ~PAGE_MASK);
	uint8_t bytes[GUEST_INSN_BYTES];
	uint64_t found;

	memset(bytes, 0xee, sizeof(bytes));
	assert_int_equal(guest_insn_fetch(&paging, &memory, gva, bytes, size, &found), size);
	assert_int_equal(found, gpa);
	for (size_t i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], i >= size	 ? 0
					   : i < in_page ? *at(gpa + i)
							 : *at(rest + i - in_page));
}

static size_t fetched(uint64_t gva, size_t size)
{
	uint8_t bytes[GUEST_INSN_BYTES];
	uint64_t gpa;

	return guest_insn_fetch(&paging, &memory, gva, bytes, size, &gpa);
}

static void test_every_size_and_place(void **state)
{
	(void)state;
	for (size_t size = 1; size <= GUEST_INSN_BYTES; size++) {
		for (uint64_t in_page = 0; in_page < PAGE_SIZE; in_page += in_page == 40 ? 4000 : 1)
			expect_bytes(VA + in_page, size, FRAME(CODE) + in_page, FRAME(NEXT));
	}
	assert_int_equal(fetched(VA, 0), 0);
}

static void test_large_pages(void **state)
{
	(void)state;
	expect_bytes(VA + SIZE_2M + FRAME(CODE) + 3, 15, FRAME(CODE) + 3, 0);
	expect_bytes(VA + SIZE_1G + FRAME(CODE) + 4090, 15, FRAME(CODE) + 4090, FRAME(NEXT));
}

static void test_tables_that_lead_nowhere(void **state)
{
	static const uint64_t slots[] = {FRAME(ROOT) + 511 * 8, FRAME(L3), FRAME(L2), FRAME(L1)};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(slots); i++) {
		const uint64_t entry = guest_word_read(slots[i]);

		put64(slots[i], entry & ~PTE_P);
		assert_int_equal(fetched(VA, 3), 0);
		/* No memory of the guest. */
		put64(slots[i], FRAME(MEMORY_PAGES) | PTE_P);
		assert_int_equal(fetched(VA, 3), 0);
		put64(slots[i], entry);
	}
	paging.cr3 = FRAME(MEMORY_PAGES);
	assert_int_equal(fetched(VA, 3), 0);
}

static void test_second_page_missing(void **state)
{
	(void)state;
	put64(FRAME(L1) + 8, 0);
	assert_int_equal(fetched(VA + PAGE_SIZE - 3, 7), 3);
	assert_int_equal(fetched(VA + PAGE_SIZE - 3, 3), 3);
	put64(FRAME(L1) + 8, FRAME(MEMORY_PAGES) | PTE_P);
	assert_int_equal(fetched(VA + PAGE_SIZE - 1, 2), 1);
}

/* Before paging an address is where it says. */
static void test_without_paging(void **state)
{
	(void)state;
	paging = (struct guest_paging){.physical_bits = 36};
	expect_bytes(FRAME(CODE) + 5, 4, FRAME(CODE) + 5, 0);
	expect_bytes(FRAME(CODE) + 4095, 4, FRAME(CODE) + 4095, FRAME(NEXT));
}

static void test_length_by_exit(void **state)
{
	(void)state;
	assert_int_equal(guest_insn_length(EXIT_REASON_CR_ACCESS, 3, 16), 3);
	assert_int_equal(guest_insn_length(EXIT_REASON_CR_ACCESS, 17, 16), 16);
	assert_int_equal(guest_insn_length(EXIT_REASON_EPT_VIOLATION, 3, 16), 16);
	assert_int_equal(guest_insn_length(EXIT_REASON_SIPI, 3, 16), 0);
	assert_int_equal(guest_insn_length(EXIT_REASON_EXCEPTION_NMI, 3, 16), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_size_and_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_large_pages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tables_that_lead_nowhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_second_page_missing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_without_paging, set_up, tear_down),
		cmocka_unit_test(test_length_by_exit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
