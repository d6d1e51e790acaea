/* SPDX-License-Identifier: MIT */
/*
 * Finds the reset register in the firmware's ACPI tables. ACPI specification: "Root System
 * Description Pointer", "Fixed ACPI Description Table", "Reset Register". Pure; believes no length
 * and no address.
 */
#ifndef SECPOD_VMM_ACPI_RESET_H
#define SECPOD_VMM_ACPI_RESET_H

#include <stdint.h>

/*
 * read: copy length bytes at physical address hpa; 0, or a negative errno value when it is not
 * memory.
 */
struct acpi_reader {
	int (*read)(void *context, uint64_t hpa, void *to, uint64_t length);
	void *context;
};

struct acpi_reset {
	uint16_t port; /* I/O port of the register */
	uint8_t value; /* to be written there */
};

/*
 * acpi_find_reset - rsdp: physical address, 0 for none.
 * Result: 0; -ENOENT (no tables, no FADT, no register announced), -EINVAL (signature, checksum or
 * length wrong), -ENOTSUP (the register is not an 8-bit I/O port), or what read returned.
 */
int acpi_find_reset(const struct acpi_reader *reader, uint64_t rsdp, struct acpi_reset *reset);

#endif
