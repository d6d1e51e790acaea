/* SPDX-License-Identifier: MIT */
#include "boot/attempts.h"

#include "boot/firmware.h"

/* SecPod's own vendor GUID, for all its variables. */
static const EFI_GUID vendor_guid = {
	0x5ec9d0d1, 0x7b1c, 0x4d0e, {0x9a, 0x5f, 0x53, 0x65, 0x63, 0x50, 0x6f, 0x64}};

#define ATTRIBUTES \
	(EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)

static CHAR16 variable_name[] = u"SecPodBootAttempts";

static bool counting;
static uint32_t earlier; /* unconfirmed boots before this one */

/* A variable of another form was not written by us and not by a confirmation: it counts nothing. */
static uint32_t read_counter(void)
{
	EFI_GUID guid = vendor_guid;
	uint32_t value = 0;
	UINTN size = sizeof(value);
	UINT32 attributes = 0;
	EFI_STATUS status =
		runtime_services->GetVariable(variable_name, &guid, &attributes, &size, &value);

	if (status == EFI_NOT_FOUND)
		return 0;
	if (EFI_ERROR(status) || size != sizeof(value) || attributes != ATTRIBUTES) {
		say("the variable SecPodBootAttempts is not a counter; it is started again");
		/* A variable keeps its attributes: only a new one gets the right ones. */
		runtime_services->SetVariable(variable_name, &guid, 0, 0, NULL);
		return 0;
	}
	return value;
}

static void write_counter(uint32_t value)
{
	EFI_GUID guid = vendor_guid;
	EFI_STATUS status = runtime_services->SetVariable(variable_name, &guid, ATTRIBUTES,
							  value != 0 ? sizeof(value) : 0, &value);

	if (EFI_ERROR(status) && status != EFI_NOT_FOUND)
		say("the boot attempt cannot be counted (%s)", status_text(status));
}

bool attempts_allowed(uint32_t limit)
{
	if (limit == 0)
		return true;
	earlier = read_counter();
	counting = earlier < limit;
	if (!counting)
		say("not started: %u boots were not confirmed (boot-attempts = %u)", earlier,
		    limit);
	return counting;
}

void attempts_count(void)
{
	if (counting)
		write_counter(earlier + 1);
}

void attempts_withdraw(void)
{
	if (counting)
		write_counter(earlier);
}
