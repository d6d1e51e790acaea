/* SPDX-License-Identifier: MIT */
#include "boot/volumes.h"

#include <string.h>

static EFI_GUID volume_guid = SIMPLE_FILE_SYSTEM_PROTOCOL;
static EFI_GUID path_guid = DEVICE_PATH_PROTOCOL;

/* Type of signature in a hard-drive node: the GUID of a GPT partition. */
#define SIGNATURE_GUID 2u

static EFI_LOADED_IMAGE *own_loaded_image(void)
{
	EFI_GUID guid = LOADED_IMAGE_PROTOCOL;

	return protocol_on(own_image, &guid);
}

EFI_HANDLE own_volume(void)
{
	EFI_LOADED_IMAGE *image = own_loaded_image();

	if (image == NULL || protocol_on(image->DeviceHandle, &volume_guid) == NULL)
		return NULL;
	return image->DeviceHandle;
}

void volumes_list(struct volumes *volumes)
{
	EFI_HANDLE own = own_volume();

	*volumes = (struct volumes){0};
	if (EFI_ERROR(boot_services->LocateHandleBuffer(ByProtocol, &volume_guid, NULL,
							&volumes->count, &volumes->handles))) {
		*volumes = (struct volumes){0};
		return;
	}
	for (UINTN i = 0; i < volumes->count; i++) {
		if (volumes->handles[i] != own)
			continue;
		memmove(&volumes->handles[1], &volumes->handles[0], i * sizeof(own));
		volumes->handles[0] = own;
	}
}

void volumes_put(struct volumes *volumes)
{
	memory_put(volumes->handles);
}

void volumes_connect(void)
{
	static bool connected;
	EFI_HANDLE *handles;
	UINTN count;

	if (connected ||
	    EFI_ERROR(boot_services->LocateHandleBuffer(AllHandles, NULL, NULL, &count, &handles)))
		return;
	connected = true;
	for (UINTN i = 0; i < count; i++)
		boot_services->ConnectController(handles[i], NULL, NULL, TRUE);
	memory_put(handles);
}

const uint8_t *volume_path(EFI_HANDLE volume)
{
	const uint8_t *path = protocol_on(volume, &path_guid);

	return path != NULL && device_path_size(path, DEVICE_PATH_MAX) != 0 ? path : NULL;
}

EFI_HANDLE volume_by_guid(const uint8_t guid[16])
{
	EFI_HANDLE found = NULL;
	struct volumes volumes;

	volumes_connect();
	volumes_list(&volumes);
	for (UINTN i = 0; i < volumes.count && found == NULL; i++) {
		const uint8_t *path = volume_path(volumes.handles[i]);
		struct partition_id id;

		if (path != NULL && device_path_last_partition(path, &id) &&
		    id.signature_type == SIGNATURE_GUID &&
		    memcmp(id.signature, guid, sizeof(id.signature)) == 0)
			found = volumes.handles[i];
	}
	volumes_put(&volumes);
	return found;
}

static bool complete(const uint8_t *short_path, struct full_path *out)
{
	struct partition_id wanted, id;
	size_t skip = device_path_first_partition(short_path, &wanted);
	struct volumes volumes;

	out->size = 0;
	if (skip == 0)
		return false;
	volumes_list(&volumes);
	for (UINTN i = 0; i < volumes.count && out->size == 0; i++) {
		const uint8_t *path = volume_path(volumes.handles[i]);

		if (path != NULL && device_path_last_partition(path, &id) &&
		    partition_equal(&id, &wanted))
			out->size = device_path_append(out->bytes, sizeof(out->bytes), path,
						       short_path + skip);
	}
	volumes_put(&volumes);
	return out->size != 0;
}

bool volume_complete(const uint8_t *short_path, struct full_path *out)
{
	if (complete(short_path, out))
		return true;
	volumes_connect();
	return complete(short_path, out);
}

bool volume_file_path(EFI_HANDLE volume, const CHAR16 *name, struct full_path *out)
{
	uint8_t file[2 * DEVICE_PATH_FILE_MAX];
	const uint8_t *path = volume_path(volume);

	out->size = 0;
	if (path != NULL && device_path_from_file(file, sizeof(file), name) != 0)
		out->size = device_path_append(out->bytes, sizeof(out->bytes), path, file);
	return out->size != 0;
}

bool volume_has_file(EFI_HANDLE volume, const CHAR16 *name)
{
	EFI_FILE_IO_INTERFACE *files = protocol_on(volume, &volume_guid);
	EFI_FILE_HANDLE root, file;
	EFI_STATUS status;

	if (files == NULL || EFI_ERROR(files->OpenVolume(files, &root)))
		return false;
	status = root->Open(root, &file, (CHAR16 *)(uintptr_t)name, EFI_FILE_MODE_READ, 0);
	if (!EFI_ERROR(status))
		file->Close(file);
	root->Close(root);
	return !EFI_ERROR(status);
}

bool path_is_own(const struct full_path *path)
{
	EFI_LOADED_IMAGE *image = own_loaded_image();
	EFI_DEVICE_PATH *rest = (EFI_DEVICE_PATH *)(uintptr_t)path->bytes;
	uint16_t name[DEVICE_PATH_FILE_MAX], own_name[DEVICE_PATH_FILE_MAX];
	EFI_HANDLE volume;

	if (image == NULL || image->FilePath == NULL ||
	    EFI_ERROR(boot_services->LocateDevicePath(&volume_guid, &rest, &volume)) ||
	    volume != image->DeviceHandle ||
	    device_path_size((const uint8_t *)image->FilePath, DEVICE_PATH_MAX) == 0)
		return false;
	return device_path_file(path->bytes, name, DEVICE_PATH_FILE_MAX) != 0 &&
	       device_path_file((const uint8_t *)image->FilePath, own_name, DEVICE_PATH_FILE_MAX) !=
		       0 &&
	       file_name_equal(name, own_name);
}
