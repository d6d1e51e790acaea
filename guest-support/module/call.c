// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/processor.h>

#include "secpod.h"

int secpod_find(void)
{
	u32 highest, signature[3], version, features, phase, zero;

	/* CPUID of the hypervisor's leaves is defined only where this bit is set. */
	if (!boot_cpu_has(X86_FEATURE_HYPERVISOR))
		goto absent;
	cpuid(SECPOD_CPUID_SIGNATURE, &highest, &signature[0], &signature[1], &signature[2]);
	if (memcmp(signature, SECPOD_SIGNATURE, sizeof(signature)) ||
	    highest < SECPOD_CPUID_VERSION)
		goto absent;
	cpuid(SECPOD_CPUID_VERSION, &version, &features, &phase, &zero);
	if (version >> 16 != SECPOD_ABI_MAJOR || (version & 0xffff) < SECPOD_ABI_MINOR) {
		pr_err("secpod: this module is for ABI %u.%u or a later %u, SecPod has %u.%u\n",
		       SECPOD_ABI_MAJOR, SECPOD_ABI_MINOR, SECPOD_ABI_MAJOR, version >> 16,
		       version & 0xffff);
		return -ENODEV;
	}
	if (!(features & SECPOD_FEATURE_HYPERCALL)) {
		pr_err("secpod: SecPod does not answer hypercalls\n");
		return -ENODEV;
	}
	return 0;
absent:
	pr_info("secpod: this kernel does not run under SecPod\n");
	return -ENODEV;
}

long secpod_call(u32 number, u64 a, u64 b, u64 c, u64 d)
{
	return secpod_ask(number, a, b, c, d);
}

/* A structure of the ABI by way of a buffer that the monitor can be told the address of. */
static int get(u32 number, void *to, size_t size)
{
	void *buffer = (void *)__get_free_page(GFP_KERNEL);
	long result;

	if (!buffer)
		return -ENOMEM;
	result = secpod_call(number, virt_to_phys(buffer), PAGE_SIZE, 0, 0);
	if (result >= 0 && (size_t)result < size)
		result = -EIO;
	if (result >= 0)
		memcpy(to, buffer, size);
	free_page((unsigned long)buffer);
	return result < 0 ? (int)result : 0;
}

int secpod_get_info(struct secpod_info *info)
{
	return get(SECPOD_CALL_INFO, info, sizeof(*info));
}

int secpod_get_stats(struct secpod_stats *stats)
{
	return get(SECPOD_CALL_STATS, stats, sizeof(*stats));
}
