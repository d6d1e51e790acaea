/* SPDX-License-Identifier: MIT */
#ifndef SECPOD_BOOT_CONFIG_FILE_H
#define SECPOD_BOOT_CONFIG_FILE_H

#include "boot/config.h"

/*
 * config_file_read - read \EFI\secpod\secpod.conf from the volume SecPod was loaded from. Problems
 * are shown on the console; where the file is missing or cannot be read the defaults hold.
 */
void config_file_read(struct config *config);

#endif
