/* SPDX-License-Identifier: MIT */
/*
 * Starting the monitor: from its file in the application to every CPU running as the guest.
 */
#ifndef SECPOD_BOOT_MONITOR_H
#define SECPOD_BOOT_MONITOR_H

#include <stdbool.h>

#include "boot/config_file.h"

/*
 * monitor_start - reserve memory, place the monitor and the files, check and launch every CPU.
 * Result: true when all CPUs run under SecPod, for good. false, after one line that says why, when
 * everything is as it was before.
 */
bool monitor_start(const struct config *config, const struct config_files *files);

#endif
