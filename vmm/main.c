/* SPDX-License-Identifier: MIT */
/*
 * The one file that knows every layer: it answers the calls of the UEFI application, in the order of
 * enum secpod_op.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "vmm/boot_calls.h"
#include "vmm/guest_mem.h"
#include "vmm/handoff.h"
#include "vmm/host.h"
#include "vmm/log.h"
#include "vmm/page_pool.h"
#include "vmm/panic.h"
#include "vmm/reset.h"
#include "vmx/dump.h"
#include "vmx/vmx.h"

/* Called from vmm/entry.S. */
int64_t vmm_main(uint32_t op, struct secpod_handoff *handoff, uint32_t cpu);

_Static_assert(SECPOD_OP_SEAL == ENTRY_OP_SEAL, "vmm/entry.S answers it");

static struct page_pool pool;

static int check_handoff(const struct secpod_handoff *handoff, uint32_t cpu)
{
	if (handoff->magic != SECPOD_HANDOFF_MAGIC || handoff->version != SECPOD_HANDOFF_VERSION ||
	    handoff->size != sizeof(*handoff))
		return -EPROTO;
	if (handoff->cpu_count == 0 || handoff->cpu_count > SECPOD_MAX_CPUS ||
	    cpu >= handoff->cpu_count)
		return -EINVAL;
	return 0;
}

static int init_step(struct secpod_handoff *handoff, const char **step)
{
	int error;

	*step = "memory pool";
	error = page_pool_init(&pool, handoff->pool_base, handoff->pool_size);
	if (error)
		return error;
	*step = "host environment";
	error = host_init(handoff, &pool);
	if (error)
		return error;
	*step = "guest-memory access";
	return guest_mem_init(handoff);
}

static int init(struct secpod_handoff *handoff, char *reason)
{
	const char *step;
	int error;

	log_init(&handoff->config);
	error = init_step(handoff, &step);
	if (error) {
		snprintf(reason, SECPOD_REASON_LEN, "setting up the %s failed (error %d)", step,
			 -error);
		return error;
	}
	panic_init(handoff);
	reset_init(handoff);
	panic_set_dump(dump_for_panic);
	error = vmx_init(handoff, &pool, reason, SECPOD_REASON_LEN);
	if (error)
		return error;
	log_info("monitor at %#" PRIx64 ", %" PRIu64 " KiB code and data, %" PRIu64
		 " KiB reserved, %" PRIu32 " CPUs",
		 handoff->image_base, handoff->image_size >> 10, handoff->region_size >> 10,
		 handoff->cpu_count);
	return 0;
}

int64_t vmm_main(uint32_t op, struct secpod_handoff *handoff, uint32_t cpu)
{
	int error = check_handoff(handoff, cpu);
	struct secpod_cpu *self;

	if (error)
		return error;
	self = &handoff->cpu[cpu];
	switch (op) {
	case SECPOD_OP_CHECK_CPU:
		error = vmx_check_cpu(handoff->cpu_count > 1, self->reason, sizeof(self->reason));
		if (!error)
			self->state = SECPOD_CPU_CHECKED;
		return error;
	case SECPOD_OP_INIT:
		return init(handoff, self->reason);
	case SECPOD_OP_LAUNCH_CPU:
		error = vmx_launch(cpu, self->reason, sizeof(self->reason));
		if (!error)
			self->state = SECPOD_CPU_LAUNCHED;
		return error;
	case SECPOD_OP_UNLAUNCH_CPU:
		if (self->state != SECPOD_CPU_LAUNCHED)
			return 0;
		error = vmx_unlaunch();
		if (!error)
			self->state = SECPOD_CPU_CHECKED;
		return error;
	default:
		/* SECPOD_OP_SEAL never comes here: vmm/entry.S makes it a VMCALL. */
		snprintf(self->reason, sizeof(self->reason), "unknown operation %" PRIu32, op);
		return -EINVAL;
	}
}
