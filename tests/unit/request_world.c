/* SPDX-License-Identifier: MIT */
#include "tests/unit/request_world.h"

struct paging_world world;
struct hypercall_world machine;
uint64_t rdx_after;

int request_world_open(void **state)
{
	(void)state;
	pw_start(&world);
	hypercall_world_open(&machine);
	machine.hypercalls.paging = &world.paging;
	assert_int_equal(phase_advance(&machine.phase, SECPOD_PHASE_ACTIVE), 0);
	assert_int_equal(phase_advance(&machine.phase, SECPOD_PHASE_LOCKED), 0);
	return 0;
}

int request_world_close(void **state)
{
	(void)state;
	pw_check(&world);
	hypercall_world_close(&machine);
	pw_close(&world);
	return 0;
}

int64_t ask(uint32_t number, uint64_t rdi, uint64_t rsi, uint64_t rdx, uint64_t r10)
{
	struct hypercall call = {SECPOD_HYPERCALL | number, rdi, rsi, rdx, r10, 0,
				 &world.cpu[world.own]};

	assert_int_equal(hypercall(&machine.hypercalls, &call), HYPERCALL_DONE);
	assert_true(call.rdi == rdi && call.rsi == rsi && call.r10 == r10);
	rdx_after = call.rdx;
	if (number != SECPOD_CALL_PT_XCHG)
		assert_int_equal(call.rdx, rdx);
	return (int64_t)call.rax;
}

uint64_t malformed(void)
{
	return audit_log_rule_count(&machine.log, SECPOD_RULE_HYPERCALL);
}

enum frame_type type_at(uint64_t gpa)
{
	return frame_type(&world.paging.frames, gpa >> PAGE_SHIFT);
}

bool is_writable(uint64_t gpa)
{
	struct ept_leaf leaf;

	assert_int_equal(ept_lookup(&world.ept.ept, gpa, &leaf), 0);
	return leaf.rights & EPT_WRITE;
}

uint64_t page(void)
{
	return pw_frame(&world) << PAGE_SHIFT;
}

uint64_t running_process(uint32_t cpu)
{
	const uint64_t root = pw_process(&world);

	for (uint64_t va = USER_VA; va <= USER_VA + SIZE_2M; va += SIZE_2M)
		assert_int_equal(
			pw_map(&world, cpu, root, va, page() | PW_USER_RW, 1, PW_USER_TABLE), 0);
	assert_int_equal(pw_load(&world, cpu, root), 0);
	return root;
}
