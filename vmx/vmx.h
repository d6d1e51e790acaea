/* SPDX-License-Identifier: MIT */
/*
 * VT-x, as the rest of the monitor sees it. SDM: "Introduction to Virtual Machine Extensions".
 */
#ifndef SECPOD_VMX_VMX_H
#define SECPOD_VMX_VMX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/handoff.h"
#include "vmm/page_pool.h"

/*
 * vmx_check_cpu - has the calling CPU what SecPod demands? Changes nothing. several_cpus: the machine has
 * more than one. reason, size: receives one line. Also records what all checked CPUs have in
 * common, for vmx_init(). Result: 0, -ENODEV.
 */
int vmx_check_cpu(bool several_cpus, char *reason, size_t size);

/*
 * vmx_init - once, after all CPUs were checked: EPT, MSR bitmap, vCPUs.
 * Result: 0, -ENOMEM, -EINVAL; reason as above.
 */
int vmx_init(const struct secpod_handoff *handoff, struct page_pool *pool, char *reason,
	     size_t size);

/*
 * vmx_launch - enter VMX operation on the calling CPU and return as its guest.
 * index: of the CPU. Result: 0 (in the guest), -EBUSY (VMX locked or already in use), -EINVAL (refused by the
 * CPU; the log names the rule); reason as above. On an error the CPU is as before.
 */
int vmx_launch(uint32_t index, char *reason, size_t size);

/*
 * vmx_unlaunch - called by the guest side of the calling CPU before the seal (SECPOD_OP_SEAL, vmm/entry.S): leave VMX operation.
 * Result: 0, or an exception (#UD) after the seal.
 */
int vmx_unlaunch(void);

#endif
