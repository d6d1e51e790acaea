// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The image of a hibernated kernel is loaded by another kernel, over everything, through page tables of its own:
 * SecPod refuses that, in the middle of it. So it is refused before it begins.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/suspend.h>

#include "secpod.h"

static int on_power(struct notifier_block *block, unsigned long event, void *data)
{
	if (event != PM_HIBERNATION_PREPARE && event != PM_RESTORE_PREPARE)
		return NOTIFY_DONE;
	pr_warn("secpod: no hibernation under SecPod\n");
	return notifier_from_errno(-EPERM);
}

static struct notifier_block block = {.notifier_call = on_power};

int power_start(void)
{
	return register_pm_notifier(&block);
}

void power_stop(void)
{
	unregister_pm_notifier(&block);
}
