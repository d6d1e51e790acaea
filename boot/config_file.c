/* SPDX-License-Identifier: MIT */
#include "boot/config_file.h"

#include "boot/firmware.h"
#include "secpod/text/code_list.h"
#include "secpod/text/code_profile.h"

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

static const struct {
	const CHAR16 *path;
	UINTN size_max;
	const char *name;
	const char *missing; /* what that means */
} others[SECPOD_FILES] = {
	[SECPOD_FILE_LIST] = {u"\\EFI\\secpod\\code.list", CODE_LIST_SIZE_MAX, "code.list",
			      "no code is listed"},
	[SECPOD_FILE_PROFILE] = {u"\\EFI\\secpod\\code.profile", CODE_PROFILE_SIZE_MAX,
				 "code.profile", "no kernel has a profile"},
};

static bool is_wanted(const struct config *config, uint32_t which)
{
	return which == SECPOD_FILE_PROFILE ? config->code_profile == CONFIG_PROFILE_FILE
					    : config->listed != 0;
}

/* size: of bytes[], one more than is accepted; becomes what the file has. */
static EFI_STATUS read_other(uint32_t which, void *bytes, UINTN *size)
{
	EFI_FILE_HANDLE file;
	EFI_STATUS status = open_file((CHAR16 *)others[which].path, &file);

	if (EFI_ERROR(status))
		return status;
	status = bytes ? file->Read(file, size, bytes) : EFI_OUT_OF_RESOURCES;
	file->Close(file);
	return !EFI_ERROR(status) && *size > others[which].size_max ? EFI_BAD_BUFFER_SIZE : status;
}

void config_files_read(const struct config *config, struct config_files *files)
{
	*files = (struct config_files){0};
	for (uint32_t which = 0; which < SECPOD_FILES; which++) {
		UINTN size = others[which].size_max + 1;
		EFI_STATUS status;

		if (!is_wanted(config, which))
			continue;
		files->file[which].bytes = memory_get(size);
		status = read_other(which, files->file[which].bytes, &size);
		if (EFI_ERROR(status))
			say("%s cannot be read (%s); %s", others[which].name, status_text(status),
			    others[which].missing);
		else
			files->file[which].size = size;
	}
}

void config_files_release(struct config_files *files)
{
	for (uint32_t which = 0; which < SECPOD_FILES; which++)
		memory_put(files->file[which].bytes);
}
