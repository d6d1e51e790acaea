/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls with hostile arguments. The input is a list of calls; after each of them holds what
 * must hold whatever the caller wanted. A write outside the guest's RAM stops the program in
 * hypercall_world.c.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/hypercall_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One call of the input. */
struct fuzzed_call {
	uint64_t argument[4];
	uint64_t rax;
	uint8_t number; /* with PLAIN */
	uint8_t flags;
	uint8_t answer;
	uint8_t cpl;
} __attribute__((packed));

#define PLAIN 0x80u	   /* rax is the number with the prefix */
#define SMALL 0x40u	   /* arguments are cut to the size of RAM: they hit more often */
#define ANSWER 0x20u	   /* the answer to a refusal is set */
#define RECORDS_MASK 0x1fu /* records written before the call */

static void hold(bool condition)
{
	if (!condition)
		abort();
}

static bool is_error(int64_t result)
{
	static const int64_t errors[] = {SECPOD_EPERM, SECPOD_EIO,    SECPOD_ENOMEM, SECPOD_EFAULT,
					 SECPOD_EBUSY, SECPOD_EINVAL, SECPOD_ENOSYS};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (result == -errors[i])
			return true;
	return false;
}

static void check_counts(const struct hypercall_world *world)
{
	struct audit_counts counts;

	audit_log_count(&world->log, &counts);
	hold(counts.read + counts.lost <= counts.written);
	hold(counts.written - counts.read - counts.lost <= WORLD_LOG_CAPACITY);
}

static void make_call(struct hypercall_world *world, const struct fuzzed_call *fuzzed)
{
	const struct secpod_record other = {.rule = SECPOD_RULE_CR0};
	uint64_t mask = fuzzed->flags & SMALL ? WORLD_RAM * 2 - 1 : UINT64_MAX;
	struct hypercall call = {
		.rax = fuzzed->flags & PLAIN ? SECPOD_HYPERCALL | fuzzed->number : fuzzed->rax,
		.rdi = fuzzed->argument[0] & mask,
		.rsi = fuzzed->argument[1] & mask,
		.rdx = fuzzed->argument[2] & mask,
		.r10 = fuzzed->argument[3] & mask,
		.from = {.cpl = fuzzed->cpl & 3},
	};
	const struct hypercall before = call;
	uint32_t phase = phase_current(&world->phase);
	uint64_t refused = audit_log_rule_count(&world->log, SECPOD_RULE_HYPERCALL);
	uint64_t written = world->bytes_written;
	enum hypercall_result result;

	for (uint32_t i = 0; i < (fuzzed->flags & RECORDS_MASK); i++)
		audit_log_append(&world->log, &other);
	if (fuzzed->flags & ANSWER)
		world->policy.answer[SECPOD_RULE_HYPERCALL] = fuzzed->answer % SECPOD_ANSWER_COUNT;
	result = hypercall(&world->hypercalls, &call);
	refused = audit_log_rule_count(&world->log, SECPOD_RULE_HYPERCALL) - refused;
	written = world->bytes_written - written;

	hold(phase_current(&world->phase) >= phase);
	hold(phase_current(&world->phase) <= SECPOD_PHASE_LOCKED);
	hold(world->activated <= 1 && world->locked <= world->activated);
	hold(call.rdi == before.rdi && call.rsi == before.rsi && call.rdx == before.rdx &&
	     call.r10 == before.r10);
	if (result == HYPERCALL_UNDEFINED) {
		hold(call.rax == before.rax && refused == 0 && written == 0);
		hold(before.from.cpl != 0 || before.rax >> 16 != SECPOD_HYPERCALL >> 16);
	} else if ((int64_t)call.rax < 0) {
		hold(is_error((int64_t)call.rax) && written == 0);
		hold(refused == policy_records(&world->policy, SECPOD_RULE_HYPERCALL));
		hold((result == HYPERCALL_PANIC) ==
		     (world->policy.answer[SECPOD_RULE_HYPERCALL] == SECPOD_ANSWER_PANIC));
	} else {
		hold(result == HYPERCALL_DONE && refused == 0 && written <= SECPOD_SIZE_MAX);
		hold(call.rax == 0 || written != 0);
	}
	check_counts(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hypercall_world world;
	struct fuzzed_call fuzzed;

	hypercall_world_open(&world);
	for (; size >= sizeof(fuzzed); data += sizeof(fuzzed), size -= sizeof(fuzzed)) {
		memcpy(&fuzzed, data, sizeof(fuzzed));
		make_call(&world, &fuzzed);
	}
	hypercall_world_close(&world);
	return 0;
}
