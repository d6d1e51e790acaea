/* SPDX-License-Identifier: MIT */
/* Where the kernel's code is patched, a line for each place. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "guest-support/secpodctl/commands.h"

static const char *state_name(uint32_t state)
{
	static const char *const names[] = {
		[SECPOD_TEXT_OPEN] = "open",   [SECPOD_TEXT_ORIGINAL] = "original",
		[SECPOD_TEXT_NOP] = "nop",     [SECPOD_TEXT_JUMP] = "jump",
		[SECPOD_TEXT_CALL] = "call",   [SECPOD_TEXT_RETURN] = "return",
		[SECPOD_TEXT_CLEAR] = "clear",
	};
	const char *name = state < sizeof(names) / sizeof(names[0]) ? names[state] : NULL;

	return name ? name : "unknown";
}

static void show(struct report *report, const struct secpod_text_site *site)
{
	const size_t most = sizeof(site->original);
	char original[REPORT_HEX(sizeof(site->original))];

	report_hex(original, site->original, site->length < most ? site->length : most);
	if (!report->json) {
		fprintf(report->out, "%#" PRIx64 "  %-8s  %s\n", site->linear,
			state_name(site->state), original);
		return;
	}
	report_begin(report);
	report_number(report, "number", "", site->number);
	report_address(report, "linear", site->linear);
	report_text(report, "state", "", state_name(site->state), REPORT_PLAIN);
	report_text(report, "original", "", original, REPORT_PLAIN);
	report_end(report);
}

int command_sites(const struct guest *guest, struct report *report, const struct options *options)
{
	struct secpod_sites sites = {0};
	struct secpod_info info;
	int status, error;

	(void)options;
	status = guest_info(guest, &info);
	if (status != STATUS_OK)
		return status;
	if (!(info.features & SECPOD_FEATURE_PAGING)) {
		fputs("secpodctl: kernel code is not guarded: page tables are not delegated\n",
		      stderr);
		return STATUS_FAILED;
	}
	do {
		error = guest->sites(&sites);
		if (error)
			return device_trouble(error);
		for (uint64_t i = 0; i < sites.count && i < SECPOD_TEXT_SITES_MAX; i++) {
			show(report, &sites.site[i]);
			sites.after = sites.site[i].number;
		}
	} while (sites.count);
	return STATUS_OK;
}
