/* SPDX-License-Identifier: MIT */
/*
 * Two protocols that GNU-EFI does not declare. UEFI specification "ACPI Protocols"; PI specification volume 2
 * "MP Services Protocol". Only what is called has a prototype.
 */
#ifndef SECPOD_TESTS_ACPI_EFI_EXTRA_H
#define SECPOD_TESTS_ACPI_EFI_EXTRA_H

#include <efi.h>

/* clang-format off */
#define ACPI_TABLE_PROTOCOL_GUID \
	{0xffe06bdd, 0x6107, 0x46a6, {0x7b, 0xb2, 0x5a, 0x9c, 0x7e, 0xc5, 0x27, 0x5c}}
#define MP_SERVICES_PROTOCOL_GUID \
	{0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}}
/* clang-format on */

struct acpi_table_protocol {
	EFI_STATUS(EFIAPI *install)
	(struct acpi_table_protocol *this, const VOID *table, UINTN size, UINTN *key);
	VOID *uninstall;
};

/* StatusFlag of struct processor_info. */
#define PROCESSOR_AS_BSP_BIT 1u

struct processor_info {
	UINT64 processor_id;
	UINT32 status;
	UINT32 package, core, thread;
	/* "Extended Processor Information", filled by newer firmware. */
	UINT32 extended[6];
};

struct mp_services_protocol {
	EFI_STATUS(EFIAPI *get_number)
	(struct mp_services_protocol *this, UINTN *all, UINTN *enabled);
	EFI_STATUS(EFIAPI *get_info)
	(struct mp_services_protocol *this, UINTN number, struct processor_info *info);
	VOID *startup_all;
	/* Without an event the call waits for procedure to return. */
	EFI_STATUS(EFIAPI *startup_this)
	(struct mp_services_protocol *this, VOID(EFIAPI *procedure)(VOID *argument), UINTN number,
	 EFI_EVENT event, UINTN timeout_us, VOID *argument, BOOLEAN *finished);
};

#endif
