/* SPDX-License-Identifier: MIT */
/*
 * The volumes the firmware can read files from, SecPod's own file among them.
 */
#ifndef SECPOD_BOOT_VOLUMES_H
#define SECPOD_BOOT_VOLUMES_H

#include "boot/device_path.h"
#include "boot/firmware.h"

struct volumes {
	EFI_HANDLE *handles; /* SecPod's own volume first, when it has one */
	UINTN count;
};

/* A complete device path, as LoadImage() wants it. */
struct full_path {
	uint8_t bytes[DEVICE_PATH_MAX];
	size_t size;
};

/* volumes_list - all volumes now; give them back with volumes_put(). No memory: an empty list. */
void volumes_list(struct volumes *volumes);
void volumes_put(struct volumes *volumes);

/* volumes_connect - have the firmware look for devices it has left alone so far, once. */
void volumes_connect(void);

/* own_volume - the volume SecPod was loaded from, NULL when it came from elsewhere. */
EFI_HANDLE own_volume(void);

/* volume_path - the checked device path of a volume, NULL when it has none. */
const uint8_t *volume_path(EFI_HANDLE volume);

/* volume_by_guid - the volume on the GPT partition with this GUID, NULL when there is none. */
EFI_HANDLE volume_by_guid(const uint8_t guid[16]);

/*
 * volume_complete - a short-form path (UEFI specification, "Hard Drive"), completed with the
 * volume's own path.
 * Result: false when no volume is the one meant, or the path is too long.
 */
bool volume_complete(const uint8_t *short_path, struct full_path *out);

/* volume_file_path - the path of a file on a volume. Result: false when it is too long. */
bool volume_file_path(EFI_HANDLE volume, const CHAR16 *name, struct full_path *out);

/* volume_has_file - can the file be opened? */
bool volume_has_file(EFI_HANDLE volume, const CHAR16 *name);

/* path_is_own - does a complete path lead to the file that SecPod was loaded from? */
bool path_is_own(const struct full_path *path);

#endif
