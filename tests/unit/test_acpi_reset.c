/* SPDX-License-Identifier: MIT */
#include "vmm/acpi_reset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* A firmware's memory: 64 KiB at a physical address above 4 GiB minus something. */
#define MEMORY_BASE 0x7fff0000ULL
#define MEMORY_SIZE 0x10000u
#define RSDP (MEMORY_BASE + 0x100)
#define RSDT (MEMORY_BASE + 0x1000)
#define XSDT (MEMORY_BASE + 0x2000)
#define FADT (MEMORY_BASE + 0x3000)
#define OTHER (MEMORY_BASE + 0x4000)

/* Offsets of the ACPI specification. */
#define TABLE_LENGTH 4
#define TABLE_CHECKSUM 9
#define TABLE_ENTRIES 36
#define FADT_LENGTH 276u
#define FADT_FLAGS 112
#define FADT_RESET 116
#define FADT_RESET_VALUE 128
#define RSDP_CHECKSUM 8
#define RSDP_REVISION 15
#define RSDP_RSDT 16
#define RSDP_XSDT 24
#define RSDP_EXTENDED_CHECKSUM 32

static uint8_t memory[MEMORY_SIZE];
static uint32_t reads;

static uint8_t *at(uint64_t hpa)
{
	return memory + (hpa - MEMORY_BASE);
}

static int read_memory(void *context, uint64_t hpa, void *to, uint64_t length)
{
	(void)context;
	assert_true(++reads < 100000);
	if (hpa < MEMORY_BASE || hpa - MEMORY_BASE >= MEMORY_SIZE ||
	    length > MEMORY_SIZE - (hpa - MEMORY_BASE))
		return -EFAULT;
	memcpy(to, at(hpa), length);
	return 0;
}

static const struct acpi_reader reader = {read_memory, NULL};

static void put(uint64_t hpa, uint64_t value, size_t size)
{
	memcpy(at(hpa), &value, size);
}

static void fix_checksum(uint64_t hpa, uint32_t length, uint32_t offset)
{
	uint8_t sum = 0;

	put(hpa + offset, 0, 1);
	for (uint32_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + *at(hpa + i));
	put(hpa + offset, (uint8_t)-sum, 1);
}

static void seal_table(uint64_t hpa)
{
	uint32_t length;

	memcpy(&length, at(hpa + TABLE_LENGTH), sizeof(length));
	fix_checksum(hpa, length, TABLE_CHECKSUM);
}

static void seal_rsdp(void)
{
	fix_checksum(RSDP, 20, RSDP_CHECKSUM);
	fix_checksum(RSDP, 36, RSDP_EXTENDED_CHECKSUM);
}

static void table(uint64_t hpa, const char *signature, uint32_t length)
{
	memcpy(at(hpa), signature, 4);
	put(hpa + TABLE_LENGTH, length, 4);
	seal_table(hpa);
}

static int setup(void **state)
{
	(void)state;
	reads = 0;
	memset(memory, 0, sizeof(memory));
	memcpy(at(RSDP), "RSD PTR ", 8);
	put(RSDP + RSDP_REVISION, 2, 1);
	put(RSDP + RSDP_RSDT, RSDT, 4);
	put(RSDP + 20, 36, 4);
	put(RSDP + RSDP_XSDT, XSDT, 8);
	seal_rsdp();
	put(RSDT + TABLE_ENTRIES, OTHER, 4);
	put(RSDT + TABLE_ENTRIES + 4, FADT, 4);
	table(RSDT, "RSDT", TABLE_ENTRIES + 8);
	put(XSDT + TABLE_ENTRIES, OTHER, 8);
	put(XSDT + TABLE_ENTRIES + 8, FADT, 8);
	table(XSDT, "XSDT", TABLE_ENTRIES + 16);
	table(OTHER, "APIC", 100);
	put(FADT + FADT_FLAGS, 1u << 10, 4);
	put(FADT + FADT_RESET, 1 | 8 << 8, 4); /* I/O space, 8 bits */
	put(FADT + FADT_RESET + 4, 0xcf9, 8);
	put(FADT + FADT_RESET_VALUE, 0x0f, 1);
	table(FADT, "FACP", FADT_LENGTH);
	return 0;
}

static int find(struct acpi_reset *reset)
{
	*reset = (struct acpi_reset){0};
	return acpi_find_reset(&reader, RSDP, reset);
}

static void the_register_is_found_through_the_xsdt(void **state)
{
	struct acpi_reset reset;

	(void)state;
	put(RSDT, 0, 4); /* must not matter */
	assert_int_equal(find(&reset), 0);
	assert_int_equal(reset.port, 0xcf9);
	assert_int_equal(reset.value, 0x0f);
}

static void the_register_is_found_through_the_rsdt(void **state)
{
	struct acpi_reset reset;

	(void)state;
	put(RSDP + RSDP_REVISION, 0, 1);
	put(RSDP + RSDP_XSDT, 0x123, 8);
	seal_rsdp();
	assert_int_equal(find(&reset), 0);
	assert_int_equal(reset.port, 0xcf9);
	/* Revision 2 without an XSDT. */
	put(RSDP + RSDP_REVISION, 2, 1);
	put(RSDP + RSDP_XSDT, 0, 8);
	seal_rsdp();
	assert_int_equal(find(&reset), 0);
}

static void no_tables_is_an_error(void **state)
{
	struct acpi_reset reset;

	(void)state;
	assert_int_equal(acpi_find_reset(&reader, 0, &reset), -ENOENT);
	assert_int_equal(acpi_find_reset(&reader, 0x1000, &reset), -EFAULT);
	assert_int_equal(acpi_find_reset(&reader, UINT64_MAX, &reset), -EFAULT);
	assert_int_equal(acpi_find_reset(&reader, MEMORY_BASE + MEMORY_SIZE - 4, &reset), -EFAULT);
}

static void registers_that_are_no_byte_port_are_refused(void **state)
{
	struct acpi_reset reset;
	static const struct {
		uint64_t offset, value;
		size_t size;
		int result;
	} bad[] = {
		{FADT_FLAGS, 0, 4, -ENOENT},
		{FADT_RESET, 0, 1, -ENOTSUP},	   /* memory space */
		{FADT_RESET, 2, 1, -ENOTSUP},	   /* PCI configuration space */
		{FADT_RESET + 1, 16, 1, -ENOTSUP}, /* width */
		{FADT_RESET + 2, 1, 1, -ENOTSUP},  /* offset */
		{FADT_RESET + 4, 0, 8, -ENOTSUP},
		{FADT_RESET + 4, 0x10000, 8, -ENOTSUP},
		{FADT_RESET + 4, 0x1000000000cf9, 8, -ENOTSUP},
		{TABLE_LENGTH, 116, 4, -ENOENT}, /* ACPI 1.0 */
		{TABLE_LENGTH, 128, 4, -ENOENT}, /* one byte short */
	};

	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setup(state);
		put(FADT + bad[i].offset, bad[i].value, bad[i].size);
		seal_table(FADT);
		assert_int_equal(find(&reset), bad[i].result);
		assert_int_equal(reset.port, 0);
	}
}

static void a_wrong_byte_anywhere_is_noticed(void **state)
{
	static const uint64_t places[] = {RSDP, RSDP + 19, RSDP + 35, XSDT, XSDT + 37, FADT + 200};
	struct acpi_reset reset;

	(void)state;
	for (uint32_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		*at(places[i]) ^= 0x40;
		assert_int_equal(find(&reset), -EINVAL);
		*at(places[i]) ^= 0x40;
	}
	assert_int_equal(find(&reset), 0);
}

static void hostile_lengths_end(void **state)
{
	static const uint32_t lengths[] = {0, 1, 35, 0x10001, 0x7fffffff, 0xffffffff};
	static const uint64_t tables[] = {XSDT, FADT};
	struct acpi_reset reset;

	for (uint32_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		for (uint32_t k = 0; k < 2; k++) {
			setup(state);
			put(tables[k] + TABLE_LENGTH, lengths[i], 4);
			assert_int_equal(find(&reset), -EINVAL);
		}
	}
	/* A believable length that runs out of memory. */
	setup(state);
	put(XSDT + TABLE_LENGTH, 0x10000, 4);
	assert_int_equal(find(&reset), -EFAULT);
}

static void entries_that_lead_nowhere_are_passed_over(void **state)
{
	struct acpi_reset reset;

	(void)state;
	put(XSDT + TABLE_ENTRIES, UINT64_MAX - 3, 8);
	seal_table(XSDT);
	assert_int_equal(find(&reset), 0);
	put(XSDT + TABLE_ENTRIES + 8, 0, 8);
	seal_table(XSDT);
	assert_int_equal(find(&reset), -ENOENT);
}

static void a_root_table_of_the_other_kind_is_refused(void **state)
{
	struct acpi_reset reset;

	(void)state;
	put(RSDP + RSDP_XSDT, RSDT, 8);
	seal_rsdp();
	assert_int_equal(find(&reset), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_register_is_found_through_the_xsdt, setup),
		cmocka_unit_test_setup(the_register_is_found_through_the_rsdt, setup),
		cmocka_unit_test_setup(no_tables_is_an_error, setup),
		cmocka_unit_test_setup(registers_that_are_no_byte_port_are_refused, setup),
		cmocka_unit_test_setup(a_wrong_byte_anywhere_is_noticed, setup),
		cmocka_unit_test_setup(hostile_lengths_end, setup),
		cmocka_unit_test_setup(entries_that_lead_nowhere_are_passed_over, setup),
		cmocka_unit_test_setup(a_root_table_of_the_other_kind_is_refused, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
