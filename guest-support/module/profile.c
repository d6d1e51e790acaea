// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The profile of this kernel, by which SecPod admits patches of it (secpod-profile(8)): read from
 * /lib/firmware/VERSION/secpod-profile, where DKMS puts it, and handed over if SecPod waits for one. That is so until
 * LOCKED; who locks waits for the device, which comes last.
 */
#include <linux/delay.h>
#include <linux/firmware.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "secpod.h"

#define PROFILE "secpod-profile"
/* While the kernel patches itself. */
#define TRIES 100u
#define INTERVAL_MS 10u

static bool profile = true;
module_param(profile, bool, 0444);
MODULE_PARM_DESC(profile, "hand over the profile of this kernel (default yes)");
MODULE_FIRMWARE(PROFILE);

static long ask(u64 list, size_t size)
{
	long result = -EAGAIN;

	for (unsigned int i = 0; i < TRIES && (result == -EAGAIN || result == -EBUSY); i++) {
		if (i)
			msleep(INTERVAL_MS);
		result = secpod_call(SECPOD_CALL_PROFILE, list, size, 0, 0);
	}
	return result;
}

/* Pages of our own: where the file is read to, and whether it begins with a page, is the kernel's to choose. */
static long hand_over(const void *data, size_t size)
{
	u64 *list = (u64 *)get_zeroed_page(GFP_KERNEL);
	u8 *copy = size ? vmalloc(size) : NULL;
	long result = -ENOMEM;

	BUILD_BUG_ON(SECPOD_PROFILE_MAX / PAGE_SIZE * sizeof(*list) > PAGE_SIZE);
	if (list && copy) {
		memcpy(copy, data, size);
		for (size_t at = 0; at < size; at += PAGE_SIZE)
			list[at / PAGE_SIZE] = (u64)vmalloc_to_pfn(copy + at) << PAGE_SHIFT;
		result = ask(virt_to_phys(list), size);
	}
	vfree(copy);
	free_page((unsigned long)list);
	return result;
}

/* Nothing else depends on it: without a profile SecPod refuses all patches from LOCKED on, which it says itself. */
int profile_start(void)
{
	const struct firmware *file;
	struct secpod_info info;
	const char *what = "there is no " PROFILE;
	long result = secpod_get_info(&info);

	if (result)
		return (int)result;
	if (!profile || !(info.features & SECPOD_FEATURE_PROFILE))
		return 0;
	result = request_firmware_direct(&file, PROFILE, NULL);
	if (!result) {
		what = PROFILE " is not taken";
		result = file->size > SECPOD_PROFILE_MAX ? -EFBIG
							 : hand_over(file->data, file->size);
		release_firmware(file);
	}
	if (result)
		pr_warn("secpod: no profile of this kernel is handed over: %s (error %ld)\n", what,
			result);
	else
		pr_info("secpod: this kernel is patched by its profile from now on\n");
	return 0;
}

/* What holds holds for good. */
void profile_stop(void)
{
}
