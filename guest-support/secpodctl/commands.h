/* SPDX-License-Identifier: MIT */
/* The commands of secpodctl(8), one function each; their results are its exit statuses. */
#ifndef SECPODCTL_COMMANDS_H
#define SECPODCTL_COMMANDS_H

#include "guest-support/secpodctl/guest.h"
#include "guest-support/secpodctl/report.h"

enum exit_status {
	STATUS_OK = 0,	      /* and, of status and selftest: protected */
	STATUS_FAILED = 1,    /* what was asked for could not be done */
	STATUS_USAGE = 2,     /* the command line is not one of secpodctl's */
	STATUS_ABSENT = 3,    /* SecPod is not there */
	STATUS_UNLOCKED = 4,  /* it is, but its protection is not LOCKED */
	STATUS_NO_DEVICE = 5, /* it is, but /dev/secpod is not (module secpod), or not for us */
	STATUS_MISSING = 6, /* check: something SecPod needs is missing; selftest: not protected */
};

struct options {
	bool follow;	      /* log -f */
	uint32_t watch;	      /* stats --watch: seconds, 0: once */
	uint32_t watch_turns; /* and so many times, 0: for ever */
};

int command_status(const struct guest *guest, struct report *report, const struct options *options);
int command_policy(const struct guest *guest, struct report *report, const struct options *options);
int command_stats(const struct guest *guest, struct report *report, const struct options *options);
int command_log(const struct guest *guest, struct report *report, const struct options *options);
int command_sites(const struct guest *guest, struct report *report, const struct options *options);
int command_lock(const struct guest *guest, struct report *report, const struct options *options);
int command_check(const struct guest *guest, struct report *report, const struct options *options);
int command_selftest(const struct guest *guest, struct report *report,
		     const struct options *options);

/* ---- shared by them */

const char *phase_name(uint32_t phase);
const char *answer_name(uint32_t answer);
const char *rule_name(uint32_t rule);

/* What is said, and the exit status, when the device answered with this negative errno. */
int device_trouble(int error);
/* What is said when SecPod is not there: the exit status. */
int absent(void);
/* What SecPod says of itself. Result: STATUS_OK, or the exit status, and it is said why. */
int guest_info(const struct guest *guest, struct secpod_info *info);

#endif
