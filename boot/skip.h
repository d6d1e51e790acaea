/* SPDX-License-Identifier: MIT */
#ifndef SECPOD_BOOT_SKIP_H
#define SECPOD_BOOT_SKIP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * skip_requested - was the key that skips SecPod pressed?
 * key: CONFIG_KEY(), 0 for none; timeout: milliseconds to wait for it, 0 to look only at what was
 * pressed before. Other keys pressed meanwhile are lost: firmware has no way to put them back.
 */
bool skip_requested(uint32_t key, uint32_t timeout);

#endif
