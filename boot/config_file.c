/* SPDX-License-Identifier: MIT */
#include "boot/config_file.h"

#include "boot/firmware.h"
#include "secpod/text/code_list.h"

/* More than this many lines of complaints would only scroll the first ones away. */
#define MAX_SHOWN 10u

static void show(void *context, unsigned int line, const char *problem)
{
	unsigned int *shown = context;

	if (++*shown > MAX_SHOWN)
		return;
	if (line != 0)
		say("secpod.conf line %u: %s", line, problem);
	else
		say("secpod.conf: %s", problem);
}

/* name: within our own volume */
static EFI_STATUS open_file(CHAR16 *name, EFI_FILE_HANDLE *file)
{
	EFI_GUID image_guid = LOADED_IMAGE_PROTOCOL;
	EFI_GUID volume_guid = SIMPLE_FILE_SYSTEM_PROTOCOL;
	EFI_LOADED_IMAGE *image = protocol_on(own_image, &image_guid);
	EFI_FILE_IO_INTERFACE *volume =
		image ? protocol_on(image->DeviceHandle, &volume_guid) : NULL;
	EFI_FILE_HANDLE root;
	EFI_STATUS status;

	/* Loaded from the network or from memory: then there is no volume of our own. */
	if (volume == NULL)
		return EFI_NOT_FOUND;
	status = volume->OpenVolume(volume, &root);
	if (EFI_ERROR(status))
		return status;
	status = root->Open(root, file, name, EFI_FILE_MODE_READ, 0);
	root->Close(root);
	return status;
}

void config_file_read(struct config *config)
{
	CHAR16 name[] = u"\\EFI\\secpod\\secpod.conf";
	/* One byte more than is accepted, so that a longer file is seen to be one. */
	UINTN size = CONFIG_MAX_SIZE + 1;
	char *text = NULL;
	unsigned int shown = 0;
	EFI_FILE_HANDLE file;
	EFI_STATUS status;

	config_defaults(config);
	status = open_file(name, &file);
	if (status == EFI_NOT_FOUND) {
		say("no secpod.conf; the defaults are used");
		return;
	}
	if (!EFI_ERROR(status)) {
		text = memory_get(size);
		status = text ? file->Read(file, &size, text) : EFI_OUT_OF_RESOURCES;
		file->Close(file);
	}
	if (EFI_ERROR(status))
		say("secpod.conf cannot be read (%s); the defaults are used", status_text(status));
	else if (config_parse(text, size, config, show, &shown) > MAX_SHOWN)
		say("secpod.conf: %u problems in all", shown);
	memory_put(text);
}

struct config_list config_file_list(const struct config *config)
{
	CHAR16 name[] = u"\\EFI\\secpod\\code.list";
	struct config_list list = {NULL, 0};
	UINTN size = CODE_LIST_SIZE_MAX + 1;
	EFI_FILE_HANDLE file;
	EFI_STATUS status;

	if (config->listed == 0)
		return list;
	status = open_file(name, &file);
	if (!EFI_ERROR(status)) {
		list.bytes = memory_get(size);
		status = list.bytes ? file->Read(file, &size, list.bytes) : EFI_OUT_OF_RESOURCES;
		file->Close(file);
	}
	if (!EFI_ERROR(status) && size > CODE_LIST_SIZE_MAX)
		status = EFI_BAD_BUFFER_SIZE;
	if (EFI_ERROR(status))
		say("code.list cannot be read (%s); no code is listed", status_text(status));
	else
		list.size = size;
	return list;
}
