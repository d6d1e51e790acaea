/* SPDX-License-Identifier: MIT */
/*
 * /dev/secpod, made by the module secpod.ko: what a program in the guest asks of SecPod, as
 * hypercalls are for the kernel alone. Needs what opening the device needs (root by default), and
 * grants nothing that code at CPL 0 could not have without it.
 *
 * read(): whole records of the audit log (struct secpod_record), in the order of their numbers, as
 * many as there is room for; each open file gets every record that came since the module was
 * loaded, as far as the module still has it (a gap in the numbers: it has not). It waits for the
 * first one; with O_NONBLOCK it fails with EAGAIN instead. Room for less than one record: EINVAL.
 * poll(): readable when there is a record that was not read.
 */
#ifndef SECPOD_DEVICE_H
#define SECPOD_DEVICE_H

#include "secpod_abi.h"

#ifdef __KERNEL__
#include <linux/ioctl.h>
#else
#include <sys/ioctl.h>
#endif

#define SECPOD_DEVICE "/dev/secpod"

/* The hypercalls INFO and STATS, as they are. */
#define SECPOD_IOC_INFO _IOR('S', 0x00, struct secpod_info)
#define SECPOD_IOC_STATS _IOR('S', 0x01, struct secpod_stats)
/* ACTIVATE and LOCK; the result is 0 or what the hypercall refused with. */
#define SECPOD_IOC_ACTIVATE _IO('S', 0x02)
#define SECPOD_IOC_LOCK _IO('S', 0x03)
/* TEXT_SITES: those behind after, count of them, at most SECPOD_TEXT_SITES_MAX; 0: there is no other. */
struct secpod_sites {
	uint64_t after;
	uint64_t count;
	struct secpod_text_site site[SECPOD_TEXT_SITES_MAX];
};
#define SECPOD_IOC_SITES _IOWR('S', 0x04, struct secpod_sites)

#endif
