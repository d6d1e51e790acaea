/* SPDX-License-Identifier: MIT */
#include "tests/unit/hypercall_world.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/addr.h"

#define POOL_PAGES 16u

/* As the monitor's own: RAM, the whole of the range, nothing of the secure space, no wrapping. */
static bool is_guest_memory(void *context, uint64_t gpa, uint64_t size)
{
	(void)context;
	return range_ok(gpa, size, WORLD_RAM) &&
	       !ranges_overlap(gpa, size, WORLD_SECURE_BASE, WORLD_SECURE_SIZE);
}

static int read_guest(void *context, uint64_t gpa, void *to, uint64_t size)
{
	const struct hypercall_world *world = context;

	/* Nothing may be read or written that was not asked for before. */
	if (!is_guest_memory(context, gpa, size))
		abort();
	memcpy(to, world->ram + gpa, size);
	return 0;
}

static int write_guest(void *context, uint64_t gpa, const void *from, uint64_t size)
{
	struct hypercall_world *world = context;
	const struct secpod_record other = {.rule = SECPOD_RULE_CR4};

	if (!is_guest_memory(context, gpa, size))
		abort();
	if (world->write_error)
		return world->write_error;
	memcpy(world->ram + gpa, from, size);
	for (; world->appended != 0; world->appended--)
		audit_log_append(&world->log, &other);
	world->bytes_written += size;
	return 0;
}

static void stats(void *context, struct secpod_stats *to)
{
	const struct hypercall_world *world = context;

	to->cpus = 2;
	to->exits = 1234;
	to->pool_free = page_pool_left(&world->pool);
}

static void caller(void *context, struct secpod_record *record)
{
	const struct hypercall_world *world = context;

	*record = world->caller;
}

static int redirect(void *context, uint64_t function, uint64_t stub)
{
	struct hypercall_world *world = context;

	world->redirected[0] = function;
	world->redirected[1] = stub;
	return world->redirect_error;
}

static bool is_module_code(void *context, uint64_t va)
{
	const struct hypercall_world *world = context;

	return va >= world->module_begin && va < world->module_end;
}

static int rearm(void *context, const struct secpod_call_site *calls, uint32_t count)
{
	struct hypercall_world *world = context;

	memcpy(world->rearmed, calls, count * sizeof(*calls));
	world->rearmed_count = count;
	return world->redirect_error;
}

static int profile(void *context, uint64_t list, uint64_t bytes)
{
	struct hypercall_world *world = context;

	world->profile[0] = list;
	world->profile[1] = bytes;
	return world->profile_error;
}

static int on_active(void *context)
{
	struct hypercall_world *world = context;

	world->activated++;
	return world->active_error;
}

static int on_locked(void *context)
{
	struct hypercall_world *world = context;

	world->locked++;
	return 0;
}

static const struct phase_hook hooks[] = {{"world", on_active, on_locked}};

void hypercall_world_open(struct hypercall_world *world)
{
	const struct audit_console console = {0};
	uint8_t answers[SECPOD_POLICY_MAX];

	memset(world, 0, sizeof(*world));
	memset(answers, SECPOD_ANSWER_DENY, sizeof(answers));
	world->ram = calloc(1, WORLD_RAM);
	world->pool_memory = aligned_alloc(PAGE_SIZE, POOL_PAGES * PAGE_SIZE);
	if (!world->ram || !world->pool_memory ||
	    page_pool_init(&world->pool, virt_to_hpa(world->pool_memory), POOL_PAGES * PAGE_SIZE) ||
	    audit_log_init(&world->log, &world->pool, WORLD_LOG_CAPACITY, &console) ||
	    policy_init(&world->policy, answers))
		abort();
	phase_init(&world->phase, hooks, sizeof(hooks) / sizeof(hooks[0]), world);
	world->hypercalls = (struct hypercalls){
		.machine = {world, is_guest_memory, read_guest, write_guest, stats, caller,
			    redirect, rearm, is_module_code, profile},
		.phase = &world->phase,
		.policy = &world->policy,
		.log = &world->log,
		.features = SECPOD_FEATURE_HYPERCALL | SECPOD_FEATURE_AUDIT,
	};
}

void hypercall_world_close(struct hypercall_world *world)
{
	free(world->ram);
	free(world->pool_memory);
}
