/* SPDX-License-Identifier: MIT */
#ifndef SECPOD_BOOT_CONFIG_FILE_H
#define SECPOD_BOOT_CONFIG_FILE_H

#include "boot/config.h"

/*
 * config_file_read - read \EFI\secpod\secpod.conf from the volume SecPod was loaded from. Problems
 * are shown on the console; where the file is missing or cannot be read the defaults hold.
 */
void config_file_read(struct config *config);

/* config_file_list - \EFI\secpod\code.list beside it, if the configuration asks for one. */
struct config_list {
	void *bytes; /* give back with memory_put() */
	size_t size; /* 0: there is none, which has been said */
};
struct config_list config_file_list(const struct config *config);

#endif
