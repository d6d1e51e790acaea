/* SPDX-License-Identifier: MIT */
/*
 * Starting what comes next: the configured image, else the firmware's further boot entries, else
 * the well-known loaders.
 */
#ifndef SECPOD_BOOT_CHAIN_H
#define SECPOD_BOOT_CHAIN_H

#include "boot/config.h"
#include "boot/firmware.h"

/*
 * chain_next - start one image after the other until one does not come back.
 * Result: when all came back or none could be started: the status of the last that ran, or
 * EFI_NOT_FOUND.
 */
EFI_STATUS chain_next(const struct config *config);

#endif
