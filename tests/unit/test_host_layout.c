/* SPDX-License-Identifier: MIT */
#include "vmm/host_layout.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/addr.h"
#include "vmm/descriptor.h"
#include "vmm/guest_window.h"
#include "vmm/percpu.h"

/*
 * A region as boot/ lays it out: image, hand-off, pool. It is real memory, as the hand-off and what
 * the pool gives out are read and written.
 */
#define REGION_SIZE (4 * SIZE_2M)
#define IMAGE_SIZE 0x30000ULL
#define HANDOFF_OFFSET 0x30000ULL
#define POOL_OFFSET 0x100000ULL
#define APIC_BASE 0xfee00000ULL
#define CPUS 3u

static uint8_t *region;
static struct secpod_handoff *handoff;
static struct page_pool pool;
static struct page_table table;
static struct host_section sections[4];

static int setup(void **state)
{
	uint64_t base;

	(void)state;
	region = aligned_alloc(SIZE_2M, REGION_SIZE);
	if (!region)
		return -1;
	base = virt_to_hpa(region);
	handoff = (struct secpod_handoff *)(region + HANDOFF_OFFSET);
	memset(handoff, 0, sizeof(*handoff));
	handoff->region_base = base;
	handoff->region_size = REGION_SIZE;
	handoff->image_base = base;
	handoff->image_size = IMAGE_SIZE;
	handoff->pool_base = base + POOL_OFFSET;
	handoff->pool_size = REGION_SIZE - POOL_OFFSET;
	handoff->cpu_count = CPUS;
	for (uint32_t i = 0; i < CPUS; i++)
		handoff->cpu[i].apic_id = 2 * i;
	sections[0] = (struct host_section){base, base + 0x10000, PAGE_CODE};
	sections[1] = (struct host_section){base + 0x10000, base + 0x18000, PAGE_RODATA};
	sections[2] = (struct host_section){base + 0x18000, base + 0x18000, PAGE_RODATA};
	sections[3] = (struct host_section){base + 0x18000, base + IMAGE_SIZE, PAGE_DATA};
	if (page_pool_init(&pool, handoff->pool_base, handoff->pool_size))
		return -1;
	return page_table_init(&table, &pool);
}

static int teardown(void **state)
{
	(void)state;
	free(region);
	return 0;
}

static int check(void)
{
	const char *rule = NULL;
	int error = host_layout_check(handoff, sections, 4, APIC_BASE, &rule);

	assert_true((error != 0) == (rule != NULL));
	return error;
}

static void good_geometry_is_accepted(void **state)
{
	(void)state;
	assert_int_equal(check(), 0);
}

static void each_broken_rule_is_refused(void **state)
{
	const struct secpod_handoff good = *handoff;
	const struct {
		uint64_t *field;
		uint64_t value;
	} bad[] = {
		{&handoff->region_size, 0},
		{&handoff->region_size, REGION_SIZE - SIZE_2M}, /* ends in the pool */
		{&handoff->region_size, REGION_SIZE + PAGE_SIZE},
		{&handoff->region_size, UINT64_MAX & ~(SIZE_2M - 1)},
		{&handoff->region_base, good.region_base + PAGE_SIZE},
		{&handoff->region_base, good.region_base + SIZE_2M},
		{&handoff->image_base, good.image_base - PAGE_SIZE},
		{&handoff->image_base, good.image_base + 1},
		{&handoff->image_size, 0},
		{&handoff->image_size, HANDOFF_OFFSET + PAGE_SIZE}, /* into the hand-off */
		{&handoff->image_size, UINT64_MAX & PAGE_MASK},
		{&handoff->image_size, 0x18000}, /* less than its sections */
		{&handoff->pool_base, good.region_base + HANDOFF_OFFSET},
		{&handoff->pool_base, good.region_base},
		{&handoff->pool_size, REGION_SIZE},
		{&handoff->pool_size, 0},
		{&handoff->pool_size, 0x800},
		{&handoff->pool_size, UINT64_MAX & PAGE_MASK},
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		*bad[i].field = bad[i].value;
		assert_int_equal(check(), -EINVAL);
		*handoff = good;
	}
}

static void bad_sections_are_refused(void **state)
{
	uint64_t base = virt_to_hpa(region);
	const struct host_section bad[] = {
		{base + 1, base + 0x10000, PAGE_CODE},
		{base, base + 0x10001, PAGE_CODE},
		{base - PAGE_SIZE, base + 0x10000, PAGE_CODE},
		{base + 0x10000, base, PAGE_CODE},
		{base, base + IMAGE_SIZE + PAGE_SIZE, PAGE_CODE},
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		sections[0] = bad[i];
		assert_int_equal(check(), -EINVAL);
	}
}

static void an_apic_in_the_region_is_refused(void **state)
{
	const char *rule;

	(void)state;
	assert_int_equal(
		host_layout_check(handoff, sections, 4, virt_to_hpa(region) + SIZE_2M, &rule),
		-EINVAL);
	assert_int_equal(host_layout_check(handoff, sections, 4, APIC_BASE + 1, &rule), -EINVAL);
}

static uint64_t rights_at(uint64_t va)
{
	uint64_t size = 0;
	uint64_t entry = page_table_lookup(&table, va, &size);

	if (!entry)
		return UINT64_MAX;
	/* Everything is mapped where it is. */
	assert_int_equal((entry & PTE_ADDR & ~(size - 1)) + (va & (size - 1)), va);
	return entry & (PTE_RW | PTE_NX | PTE_PCD | PTE_PWT | PTE_US);
}

/* Between hand-off and pool, or nowhere. */
static void a_file_has_memory_of_its_own(void **state)
{
	const uint64_t base = virt_to_hpa(region), room = base + POOL_OFFSET - PAGE_SIZE;
	const struct {
		uint64_t base, size;
		int result;
	} rows[] = {
		{room, PAGE_SIZE, 0},
		{room, 1, 0},
		{0, 0, 0},
		{room + 1, 1, -EINVAL},
		{room, PAGE_SIZE + 1, -EINVAL},
		{base, 1, -EINVAL},
		{base + HANDOFF_OFFSET, 1, -EINVAL},
		{base - PAGE_SIZE, 1, -EINVAL},
		{room, UINT64_MAX, -EINVAL},
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		handoff->file[SECPOD_FILE_LIST].base = rows[i].base;
		handoff->file[SECPOD_FILE_LIST].size = rows[i].size;
		assert_int_equal(check(), rows[i].result);
	}
	handoff->file[SECPOD_FILE_LIST] = (struct secpod_file_place){room, 1};
	handoff->file[SECPOD_FILE_PROFILE] = (struct secpod_file_place){room, 1};
	assert_int_equal(check(), -EINVAL);
	handoff->file[SECPOD_FILE_PROFILE].base = room - PAGE_SIZE;
	assert_int_equal(check(), 0);
	assert_int_equal(host_layout_map(&table, handoff, sections, 4, APIC_BASE), 0);
	assert_int_equal(rights_at(room), PAGE_RODATA);
	assert_int_equal(rights_at(room - PAGE_SIZE), PAGE_RODATA);
}

static void build(void)
{
	assert_int_equal(host_layout_map(&table, handoff, sections, 4, APIC_BASE), 0);
	assert_int_equal(percpu_init(handoff, &pool), 0);
	assert_int_equal(percpu_map(&table), 0);
}

static bool is_guard(uint64_t va)
{
	for (uint32_t i = 0; i < CPUS; i++) {
		const struct percpu *cpu = percpu_of(i);

		if (va == cpu->stack_top - CPU_STACK_SIZE - PAGE_SIZE)
			return true;
		for (uint32_t k = 0; k < IST_COUNT; k++) {
			if (va == cpu->ist_top[k] - IST_STACK_SIZE - PAGE_SIZE)
				return true;
		}
	}
	return false;
}

static void every_page_has_the_rights_of_what_is_in_it(void **state)
{
	uint64_t base = virt_to_hpa(region);
	uint64_t handoff_end = HANDOFF_OFFSET + ((sizeof(*handoff) + PAGE_SIZE - 1) & PAGE_MASK);
	uint32_t guards = 0;

	(void)state;
	build();
	for (uint64_t offset = 0; offset < REGION_SIZE; offset += PAGE_SIZE) {
		uint64_t expected = PAGE_DATA;

		if (offset < 0x10000)
			expected = PAGE_CODE;
		else if (offset < 0x18000)
			expected = PAGE_RODATA;
		else if ((offset >= handoff_end && offset < POOL_OFFSET) || is_guard(base + offset))
			expected = UINT64_MAX;
		guards += is_guard(base + offset);
		assert_int_equal(rights_at(base + offset), expected);
	}
	assert_int_equal(guards, CPUS * (1 + IST_COUNT));
	assert_int_equal(rights_at(base - PAGE_SIZE), UINT64_MAX);
	assert_int_equal(rights_at(base + REGION_SIZE), UINT64_MAX);
	assert_int_equal(rights_at(APIC_BASE), PAGE_DEVICE);
	assert_int_equal(rights_at(APIC_BASE + PAGE_SIZE), UINT64_MAX);
	assert_int_equal(rights_at(0), UINT64_MAX);
}

static void walk_all(const uint64_t *entries, uint32_t level, uint32_t *leaves)
{
	for (uint32_t i = 0; i < 512; i++) {
		if (!(entries[i] & PTE_P))
			continue;
		assert_false(entries[i] & PTE_US);
		if (level == 1 || entries[i] & PTE_PS) {
			assert_true(!(entries[i] & PTE_RW) || entries[i] & PTE_NX);
			(*leaves)++;
		} else {
			walk_all(hpa_to_virt(entries[i] & PTE_ADDR), level - 1, leaves);
		}
	}
}

static void no_page_is_writable_and_executable_and_none_is_the_users(void **state)
{
	uint32_t leaves = 0;

	(void)state;
	build();
	walk_all(table.root, 4, &leaves);
	/*
	 * The image, the hand-off and the pool's first part in small pages, the CPUs' guards out;
	 * the rest of the pool in three large ones; the APIC.
	 */
	assert_int_equal(leaves, IMAGE_SIZE / PAGE_SIZE +
					 (sizeof(*handoff) + PAGE_SIZE - 1) / PAGE_SIZE +
					 (SIZE_2M - POOL_OFFSET) / PAGE_SIZE -
					 CPUS * (1 + IST_COUNT) + 3 + 1);
}

static void each_cpu_has_an_empty_window_with_a_gap_behind(void **state)
{
	(void)state;
	build();
	for (uint32_t i = 0; i < CPUS; i++) {
		const struct percpu *cpu = percpu_of(i);

		assert_int_equal(cpu->window_va, guest_window_va(i));
		assert_int_equal(*cpu->window_pte, 0);
		*cpu->window_pte = PTE_P | PTE_NX | 0x1000 * i;
		assert_int_equal(page_table_lookup(&table, cpu->window_va, NULL), *cpu->window_pte);
		assert_int_equal(page_table_lookup(&table, cpu->window_va + PAGE_SIZE, NULL), 0);
	}
}

static void cpu_areas_hold_what_the_vmcs_wants(void **state)
{
	(void)state;
	build();
	assert_int_equal(percpu_count(), CPUS);
	assert_null(percpu_of(CPUS));
	for (uint32_t i = 0; i < CPUS; i++) {
		const struct percpu *cpu = percpu_of(i);
		const uint64_t *gdt = cpu->gdt;
		const struct tss64 *tss = cpu->tss;

		assert_ptr_equal(cpu->self, cpu);
		assert_int_equal(cpu->index, i);
		assert_int_equal(cpu->apic_id, 2 * i);
		assert_int_equal(cpu->stack_top % 16, 0);
		assert_int_equal(gdt[HOST_CS_SELECTOR / 8], GDT_CODE64);
		for (uint32_t k = 0; k < IST_COUNT; k++) {
			assert_int_equal(cpu->ist_top[k] % 16, 0);
			assert_int_equal(tss->ist[k], cpu->ist_top[k]);
		}
	}
}

static void impossible_cpu_counts_are_refused(void **state)
{
	(void)state;
	handoff->cpu_count = 0;
	assert_int_equal(percpu_init(handoff, &pool), -EINVAL);
	handoff->cpu_count = SECPOD_MAX_CPUS + 1;
	assert_int_equal(percpu_init(handoff, &pool), -EINVAL);
	/* More CPUs than the pool has room for. */
	handoff->cpu_count = SECPOD_MAX_CPUS;
	assert_int_equal(percpu_init(handoff, &pool), -ENOMEM);
}

static void guard_pages_of_an_unmapped_pool_are_an_error(void **state)
{
	(void)state;
	assert_int_equal(percpu_init(handoff, &pool), 0);
	assert_int_equal(percpu_map(&table), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(good_geometry_is_accepted, setup, teardown),
		cmocka_unit_test_setup_teardown(each_broken_rule_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_has_memory_of_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_sections_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(an_apic_in_the_region_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(every_page_has_the_rights_of_what_is_in_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			no_page_is_writable_and_executable_and_none_is_the_users, setup, teardown),
		cmocka_unit_test_setup_teardown(each_cpu_has_an_empty_window_with_a_gap_behind,
						setup, teardown),
		cmocka_unit_test_setup_teardown(cpu_areas_hold_what_the_vmcs_wants, setup,
						teardown),
		cmocka_unit_test_setup_teardown(impossible_cpu_counts_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(guard_pages_of_an_unmapped_pool_are_an_error, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
