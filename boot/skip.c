/* SPDX-License-Identifier: MIT */
#include "boot/skip.h"

#include "boot/config.h"
#include "boot/firmware.h"

#define POLL_MS 10u
#define US_PER_MS 1000u
/* A stuck key or a noisy line must not keep us here. */
#define MAX_QUEUED 64u

static uint32_t fold(uint32_t key)
{
	return key >= CONFIG_KEY(0, 'A') && key <= CONFIG_KEY(0, 'Z') ? key - 'A' + 'a' : key;
}

static bool queued(SIMPLE_INPUT_INTERFACE *console, uint32_t key)
{
	EFI_INPUT_KEY pressed;

	for (unsigned int i = 0; i < MAX_QUEUED; i++) {
		if (EFI_ERROR(console->ReadKeyStroke(console, &pressed)))
			return false;
		if (fold(CONFIG_KEY(pressed.ScanCode, pressed.UnicodeChar)) == key)
			return true;
	}
	return false;
}

bool skip_requested(uint32_t key, uint32_t timeout)
{
	SIMPLE_INPUT_INTERFACE *console = system_table->ConIn;

	if (key == 0 || console == NULL)
		return false;
	for (uint32_t waited = 0;; waited += POLL_MS) {
		if (queued(console, key))
			return true;
		if (waited >= timeout)
			return false;
		boot_services->Stall((UINTN)POLL_MS * US_PER_MS);
	}
}
