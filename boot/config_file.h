/* SPDX-License-Identifier: MIT */
#ifndef SECPOD_BOOT_CONFIG_FILE_H
#define SECPOD_BOOT_CONFIG_FILE_H

#include "boot/config.h"
#include "vmm/handoff.h"

/*
 * config_file_read - read \EFI\secpod\secpod.conf from the volume SecPod was loaded from. Problems
 * are shown on the console; where the file is missing or cannot be read the defaults hold.
 */
void config_file_read(struct config *config);

/* config_files_read - \EFI\secpod\code.list and code.profile beside it, as far as the configuration asks for them. */
struct config_files {
	struct {
		void *bytes;
		size_t size; /* 0: there is none, which has been said */
	} file[SECPOD_FILES];
};
void config_files_read(const struct config *config, struct config_files *files);
void config_files_release(struct config_files *files);

#endif
