/* SPDX-License-Identifier: MIT */
#include "boot/firmware.h"

#include <stdarg.h>

#include "boot/text.h"

/* Two lines of an 80-column console. */
#define LINE_LENGTH 160

EFI_SYSTEM_TABLE *system_table;
EFI_BOOT_SERVICES *boot_services;
EFI_RUNTIME_SERVICES *runtime_services;
EFI_HANDLE own_image;

void firmware_init(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	system_table = table;
	boot_services = table->BootServices;
	runtime_services = table->RuntimeServices;
	own_image = image;
}

void say(const char *format, ...)
{
	static const char prefix[] = "SecPod: ";
	SIMPLE_TEXT_OUTPUT_INTERFACE *console = system_table->ConOut;
	char line[LINE_LENGTH];
	CHAR16 wide[sizeof(prefix) + LINE_LENGTH + sizeof("\r\n")];
	size_t used = 0;
	va_list arguments;

	if (console == NULL)
		return;
	va_start(arguments, format);
	text_vformat(line, sizeof(line), format, arguments);
	va_end(arguments);
	for (const char *c = prefix; *c != '\0'; c++)
		wide[used++] = (CHAR16)*c;
	for (const char *c = line; *c != '\0'; c++)
		wide[used++] = (CHAR16)*c;
	wide[used++] = '\r';
	wide[used++] = '\n';
	wide[used] = 0;
	console->OutputString(console, wide);
}

const char *status_text(EFI_STATUS status)
{
	static const struct {
		EFI_STATUS status;
		const char *text;
	} names[] = {
		{EFI_SUCCESS, "Success"},
		{EFI_LOAD_ERROR, "Load Error"},
		{EFI_INVALID_PARAMETER, "Invalid Parameter"},
		{EFI_UNSUPPORTED, "Unsupported"},
		{EFI_BAD_BUFFER_SIZE, "Bad Buffer Size"},
		{EFI_BUFFER_TOO_SMALL, "Buffer Too Small"},
		{EFI_NOT_READY, "Not Ready"},
		{EFI_DEVICE_ERROR, "Device Error"},
		{EFI_WRITE_PROTECTED, "Write Protected"},
		{EFI_OUT_OF_RESOURCES, "Out of Resources"},
		{EFI_VOLUME_CORRUPTED, "Volume Corrupted"},
		{EFI_NO_MEDIA, "No Media"},
		{EFI_MEDIA_CHANGED, "Media Changed"},
		{EFI_NOT_FOUND, "Not Found"},
		{EFI_ACCESS_DENIED, "Access Denied"},
		{EFI_NO_RESPONSE, "No Response"},
		{EFI_TIMEOUT, "Timeout"},
		{EFI_NOT_STARTED, "Not Started"},
		{EFI_ALREADY_STARTED, "Already Started"},
		{EFI_ABORTED, "Aborted"},
		{EFI_SECURITY_VIOLATION, "Security Violation"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].status == status)
			return names[i].text;
	return "unknown error";
}

void *memory_get(size_t size)
{
	void *memory;

	if (EFI_ERROR(boot_services->AllocatePool(EfiLoaderData, size, &memory)))
		return NULL;
	return memory;
}

void memory_put(void *memory)
{
	if (memory != NULL)
		boot_services->FreePool(memory);
}

void *protocol_on(EFI_HANDLE handle, const EFI_GUID *protocol)
{
	EFI_GUID guid = *protocol;
	void *interface;

	if (handle == NULL || EFI_ERROR(boot_services->HandleProtocol(handle, &guid, &interface)))
		return NULL;
	return interface;
}

void *protocol_anywhere(const EFI_GUID *protocol)
{
	EFI_GUID guid = *protocol;
	void *interface;

	if (EFI_ERROR(boot_services->LocateProtocol(&guid, NULL, &interface)))
		return NULL;
	return interface;
}
