// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include <linux/module.h>

#include "secpod.h"

/* In the order in which they start. From redirect_start() on nothing may fail: it cannot be undone. */
static const struct part {
	int (*start)(void);
	void (*stop)(void);
} parts[] = {
	{counters_start, counters_stop},
	{log_start, log_stop},
	{profile_start, profile_stop},
	{power_start, power_stop},
	{kexec_start, kexec_stop},
	{names_start, names_stop},
	{delegate_start, delegate_stop},
	{redirect_start, redirect_stop},
	/* Through it somebody asks for LOCK at once, behind which SecPod refuses what the others ask for. */
	{device_start, device_stop},
};

static void stop_from(size_t count)
{
	while (count--)
		parts[count].stop();
}

static int __init secpod_init(void)
{
	int error = secpod_find();

	for (size_t i = 0; !error && i < ARRAY_SIZE(parts); i++) {
		error = parts[i].start();
		if (error)
			stop_from(i);
	}
	return error;
}

static void __exit secpod_exit(void)
{
	stop_from(ARRAY_SIZE(parts));
}

module_init(secpod_init);
module_exit(secpod_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("SecPod: log, counters and delegation by request");
