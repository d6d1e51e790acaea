/* SPDX-License-Identifier: MIT */
/*
 * The ACPI tables of the emulated machine, whose firmware publishes none. Layouts: ACPI specification 5.0,
 * "ACPI Software Programming Model".
 */
#ifndef SECPOD_TESTS_ACPI_TABLES_H
#define SECPOD_TESTS_ACPI_TABLES_H

#include <stdint.h>

#define TABLES_MAX_CPUS 16u

struct __attribute__((packed)) acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
};
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI System Description Table Header");

/**
 * tables_fadt(), tables_madt(), tables_dsdt() - one complete table, checksum included
 * @apic_id: initial APIC ids, the boot CPU's first
 * @cpus: their number, at most TABLES_MAX_CPUS
 *
 * The result is in static memory; the header tells its length. Where FADT points to the DSDT is left
 * to the firmware's ACPI table protocol.
 */
const struct acpi_header *tables_fadt(void);
const struct acpi_header *tables_madt(const uint32_t *apic_id, uint32_t cpus);
const struct acpi_header *tables_dsdt(void);

#endif
