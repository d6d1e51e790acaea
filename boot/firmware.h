/* SPDX-License-Identifier: MIT */
/*
 * The firmware as the rest of boot/ sees it: its tables, its console, its memory. Boot CPU only, up
 * to ExitBootServices().
 */
#ifndef SECPOD_BOOT_FIRMWARE_H
#define SECPOD_BOOT_FIRMWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efi.h>

extern EFI_SYSTEM_TABLE *system_table;
extern EFI_BOOT_SERVICES *boot_services;
extern EFI_RUNTIME_SERVICES *runtime_services;
extern EFI_HANDLE own_image;

/* UEFI: "the application's watchdog codes 0x0000 to 0xffff are reserved for the firmware". */
#define WATCHDOG_CODE 0x10000u

void firmware_init(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

/* say - one line on the firmware's console, after "SecPod: ". Formats as text_format(). */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* status_text - the UEFI name of a status code, as "Not Found". */
const char *status_text(EFI_STATUS status);

/* memory_get - size bytes of EfiLoaderData, NULL when there are none. */
void *memory_get(size_t size);

/* memory_put - give them back; NULL is let pass. */
void memory_put(void *memory);

/* protocol_on - the interface of protocol on a handle, NULL when it has none. */
void *protocol_on(EFI_HANDLE handle, const EFI_GUID *protocol);

/* protocol_anywhere - the first interface of protocol in the system, NULL when there is none. */
void *protocol_anywhere(const EFI_GUID *protocol);

#endif
