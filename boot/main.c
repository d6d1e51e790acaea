/* SPDX-License-Identifier: MIT */
/*
 * secpod.efi: read the configuration, start the monitor on every CPU or say why not, start the
 * operating system's loader. What runs after monitor_start() runs as the guest.
 */
#include "boot/attempts.h"
#include "boot/chain.h"
#include "boot/config_file.h"
#include "boot/cpus.h"
#include "boot/firmware.h"
#include "boot/monitor.h"
#include "boot/skip.h"
#include "vmm/handoff.h"

#define HALT_POLL_US 1000000u

/* Called by GNU-EFI's start-up code. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

/* On the image handle of a running SecPod, so that a copy of it knows. */
static const EFI_GUID marker_guid = {
	0x5ec9d0d1, 0x7b1c, 0x4d0e, {0x9a, 0x5f, 0x53, 0x65, 0x63, 0x50, 0x6f, 0x65}};

/*
 * A boot entry may lead back here through any number of loaders; SecPod must not start the first
 * one again, and so on for ever.
 */
static bool already_running(void)
{
	EFI_GUID marker = marker_guid;
	UINTN size = 0;

	return boot_services->LocateHandle(ByProtocol, &marker, NULL, &size, NULL) ==
	       EFI_BUFFER_TOO_SMALL;
}

static void set_marker(void)
{
	EFI_GUID marker = marker_guid;
	EFI_HANDLE handle = own_image;

	boot_services->InstallProtocolInterface(&handle, &marker, EFI_NATIVE_INTERFACE, NULL);
}

static void clear_marker(void)
{
	EFI_GUID marker = marker_guid;

	boot_services->UninstallProtocolInterface(own_image, &marker, NULL);
}

static void halt(void)
{
	say("halted (on-failure = halt)");
	boot_services->SetWatchdogTimer(0, WATCHDOG_CODE, 0, NULL);
	for (;;)
		boot_services->Stall(HALT_POLL_US);
}

/* Does the user want SecPod in this boot? */
static bool wanted(const struct config *config)
{
	if (!config->enabled) {
		say("not started: secpod = off");
		return false;
	}
	if (skip_requested(config->skip_key, config->skip_timeout)) {
		say("not started: the skip key was pressed");
		return false;
	}
	return attempts_allowed(config->boot_attempts);
}

static bool start_monitor(const struct config *config)
{
	char reason[SECPOD_REASON_LEN];
	struct config_files files;
	bool started;

	if (!cpus_precheck(reason, sizeof(reason))) {
		say("not started: %s", reason);
		return false;
	}
	attempts_count();
	config_files_read(config, &files);
	started = monitor_start(config, &files);
	config_files_release(&files);
	if (!started)
		attempts_withdraw();
	return started;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	struct config config;
	EFI_STATUS status;

	firmware_init(image, table);
	if (already_running()) {
		say("this is another copy of SecPod; back to the first");
		return EFI_ALREADY_STARTED;
	}
	set_marker();
	say("version " SECPOD_VERSION);
	config_file_read(&config);
	if (wanted(&config) && !start_monitor(&config) &&
	    config.on_failure == CONFIG_ON_FAILURE_HALT)
		halt();
	status = chain_next(&config);
	clear_marker();
	return status;
}
