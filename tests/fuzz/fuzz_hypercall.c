/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls with hostile arguments. The input is a list of calls; after each of them holds what
 * must hold whatever the caller wanted. A write outside the guest's RAM stops the program in
 * hypercall_world.c. Page tables are those of paging_world.c, a machine that is used for many inputs:
 * each leaves it as it was, as far as the rules let it; else there is a new one.
 */
#include <stdlib.h>
#include <string.h>

#include "secpod/paging/request.h"
#include "tests/unit/hypercall_world.h"
#include "tests/unit/paging_world.h"
#include "vmm/guest_mem.h"

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

/* Kernel tables, and those of a process, all of them targets; the process's come last. */
#define TARGETS_MAX 64u
#define CHECK_INTERVAL 256u
#define USER_VA 0x400000ULL

static struct paging_world paging;
static struct {
	uint64_t kernel_frames; /* behind them, frames are the inputs' */
	uint64_t target[TARGETS_MAX];
	uint32_t kernel_targets;
	uint32_t targets;
	uint64_t kernel[TARGETS_MAX][PT_ENTRIES]; /* entries of the kernel's, as they were */
	uint64_t list;
	uint32_t inputs;
	bool open;
} machine;

static void hold(bool condition)
{
	if (!condition)
		abort();
}

static bool is_error(int64_t result)
{
	static const int64_t errors[] = {SECPOD_EPERM,	SECPOD_EIO,    SECPOD_ENOMEM,
					 SECPOD_EFAULT, SECPOD_EBUSY,  SECPOD_EINVAL,
					 SECPOD_ENOSYS, SECPOD_ENOENT, SECPOD_EAGAIN};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (result == -errors[i])
			return true;
	return false;
}

static void open_machine(void)
{
	struct paging_world *w = &paging;

	pw_start(w);
	machine.targets = 0;
	for (uint64_t frame = 0; frame < PW_FRAMES; frame++) {
		if (!frame_is_table(frame_type(&w->paging.frames, frame)))
			continue;
		hold(machine.targets < TARGETS_MAX / 2);
		memcpy(machine.kernel[machine.targets], w->ram + (frame << PAGE_SHIFT), PAGE_SIZE);
		machine.target[machine.targets++] = frame << PAGE_SHIFT;
	}
	machine.kernel_targets = machine.targets;
	machine.kernel_frames = w->next_frame;
	machine.open = true;
}

/* A process with pages of three kinds; not loaded when the input says so. */
static void start_process(bool loaded)
{
	struct paging_world *w = &paging;
	const uint64_t root = pw_process(w);

	machine.list = pw_frame(w) << PAGE_SHIFT;
	for (uint64_t i = 0; i < 3; i++)
		hold(!pw_map(w, 0, root, USER_VA + i * SIZE_2M + i * PAGE_SIZE,
			     pw_frame(w) << PAGE_SHIFT | PW_USER_RW, 1, PW_USER_TABLE));
	hold(!pw_load(w, 0, root));
	machine.targets = machine.kernel_targets;
	for (uint64_t frame = machine.kernel_frames; frame < w->next_frame; frame++)
		machine.target[machine.targets++] = frame << PAGE_SHIFT;
	machine.target[machine.targets++] = PW_SECURE_BASE;
	machine.target[machine.targets++] = PW_IMAGE_GPA;
	machine.target[machine.targets++] = PW_DEVICE;
	if (!loaded)
		hold(!pw_load(w, 0, w->swapper));
}

/* The kernel's entries as they were, no process, no frame of one. Result: it has come to that. */
static bool end_process(void)
{
	struct paging_world *w = &paging;

	for (uint32_t i = 0; i < machine.kernel_targets; i++) {
		for (uint32_t j = 0; j < PT_ENTRIES; j++) {
			const uint64_t slot = machine.target[i] + j * sizeof(uint64_t);

			if (pw_peek(slot) != machine.kernel[i][j] &&
			    pw_poke(w, 0, slot, machine.kernel[i][j]))
				return false;
		}
	}
	/* Not to be taken back. */
	for (uint64_t i = 0; i < w->paging.shown_pages; i++) {
		if (w->paging.shown[i])
			return false;
	}
	if (pw_load(w, 0, w->swapper))
		return false;
	paging_roots_trim(&w->paging, &w->cpu[0]);
	for (uint64_t frame = machine.kernel_frames; frame < w->next_frame; frame++) {
		const uint64_t gpa = frame << PAGE_SHIFT;

		/* Roots first: they are not referenced, and keep the others. */
		if (frame_type(&w->paging.frames, frame) == FRAME_L4)
			(void)paging_request_unpin(&w->paging, &w->cpu[0], gpa, 0);
	}
	for (uint32_t level = 0; level <= PT_LEVELS; level++) {
		paging_flush(&w->paging);
		retire_sweep(&w->paging, &w->cpu[0], ~0u);
	}
	for (uint64_t frame = machine.kernel_frames; frame < w->next_frame; frame++) {
		if (frame_type(&w->paging.frames, frame) != FRAME_NONE)
			return false;
	}
	w->next_frame = machine.kernel_frames;
	return true;
}

static bool is_request(uint32_t number)
{
	return number == SECPOD_CALL_SETUP ||
	       (number >= SECPOD_CALL_PT_SET && number <= SECPOD_CALL_UNPIN);
}

static uint64_t some_target(uint64_t word)
{
	return machine.target[(word >> PAGE_SHIFT) % machine.targets];
}

static uint64_t some_slot(uint64_t word)
{
	return some_target(word) + (word & ~PAGE_MASK);
}

static uint64_t some_entry(uint64_t word)
{
	return some_target(word) | (word & (~PAGE_MASK | PTE_NX));
}

/* Arguments that mean something: page tables of this machine, and what could be in them. */
static void make_request(struct hypercall *call, uint32_t number)
{
	struct secpod_pt_op *op = (struct secpod_pt_op *)(paging.ram + machine.list);

	switch (number) {
	case SECPOD_CALL_PT_BATCH:
		if (frame_type(&paging.paging.frames, machine.list >> PAGE_SHIFT) != FRAME_NONE)
			break;
		for (uint32_t i = 0; i < 8; i++) {
			op[i].slot = (some_slot(call->rdi >> 3 * i) & ~7ULL) | (call->r10 >> i & 1);
			op[i].value = some_entry(call->rdx >> 5 * i);
		}
		call->rdi = machine.list;
		call->rsi %= 10;
		call->rdx = call->rdx & 1 ? 1ULL << (call->rdx >> 1) % 64 : 0;
		call->r10 = 0;
		return;
	case SECPOD_CALL_WRPROTECT:
		call->rdi = some_target(call->rdi);
		call->rsi = call->rsi % (1ULL << 32) & PAGE_MASK;
		call->rdx = call->rdx % (1ULL << 48) & PAGE_MASK;
		call->r10 = call->r10 & 1 ? 1ULL << (call->r10 >> 1) % 64 : 0;
		return;
	case SECPOD_CALL_SETUP:
		call->rdi &= 1;
		call->rsi = some_target(call->rsi);
		break;
	case SECPOD_CALL_UNPIN:
		call->rdi = some_target(call->rdi);
		call->rsi = call->rsi & 1 ? some_target(call->rsi) : 0;
		break;
	default:
		call->rdi = some_slot(call->rdi);
		call->rsi = some_entry(call->rsi);
	}
	call->rdx = 0;
	call->r10 = 0;
}

/* The entry that an error must leave as it is; 0 where there is none to look at. */
static uint64_t entry_of(const struct hypercall *call, uint32_t number)
{
	const bool one = number >= SECPOD_CALL_PT_SET && number <= SECPOD_CALL_PT_COMMIT;

	return one && call->rdi % 8 == 0 && guest_range_ok(call->rdi, 8) ? call->rdi : 0;
}

/* Is this error one of the caller's, and so on record? */
static bool is_malformed(const struct hypercall_world *world, uint32_t number, int64_t error)
{
	if (error == -SECPOD_EPERM)
		return !is_request(number) || phase_current(&world->phase) < SECPOD_PHASE_ACTIVE;
	return error == -SECPOD_EFAULT || error == -SECPOD_EINVAL || error == -SECPOD_ENOSYS;
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
		.cpl = fuzzed->cpl & 3,
		.paging = &paging.cpu[0],
	};
	const uint32_t number = (uint32_t)call.rax & SECPOD_HYPERCALL_NUMBER;
	struct hypercall before;
	uint64_t slot, entry;
	uint32_t phase = phase_current(&world->phase);
	uint64_t refused = audit_log_rule_count(&world->log, SECPOD_RULE_HYPERCALL);
	uint64_t written = world->bytes_written;
	enum hypercall_result result;

	if ((fuzzed->flags & SMALL) && is_request(number))
		make_request(&call, number);
	before = call;
	slot = entry_of(&call, number);
	entry = slot ? pw_peek(slot) : 0;
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
	hold(call.rdi == before.rdi && call.rsi == before.rsi && call.r10 == before.r10);
	hold(call.rdx == before.rdx || (number == SECPOD_CALL_PT_XCHG && call.rax == 0));
	if (result == HYPERCALL_UNDEFINED) {
		hold(call.rax == before.rax && refused == 0 && written == 0);
		hold(before.cpl != 0 || before.rax >> 16 != SECPOD_HYPERCALL >> 16);
	} else if ((int64_t)call.rax < 0) {
		const bool malformed = is_malformed(world, number, (int64_t)call.rax);

		hold(is_error((int64_t)call.rax) && written == 0);
		hold(refused ==
		     (malformed && policy_records(&world->policy, SECPOD_RULE_HYPERCALL)));
		hold((result == HYPERCALL_PANIC) ==
		     (malformed &&
		      world->policy.answer[SECPOD_RULE_HYPERCALL] == SECPOD_ANSWER_PANIC));
		hold(!slot || pw_peek(slot) == entry);
	} else if (is_request(number)) {
		hold(result == HYPERCALL_DONE && refused == 0 && written == 0);
		hold(number != SECPOD_CALL_PT_SET || pw_peek(slot) == before.rsi);
		hold(number != SECPOD_CALL_PT_XCHG || call.rdx == entry);
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

	if (!machine.open)
		open_machine();
	hypercall_world_open(&world);
	/* As many linear addresses as SMALL leaves are code; names are the inputs'. */
	world.module_end = WORLD_RAM;
	paging.paging.names.count = 0;
	world.hypercalls.paging = &paging.paging;
	start_process(size % 2);
	/* Most of what a request can meet lies behind these steps. */
	if (size & 2) {
		hold(!phase_advance(&world.phase, SECPOD_PHASE_ACTIVE));
		hold(!phase_advance(&world.phase, SECPOD_PHASE_LOCKED));
	}
	for (; size >= sizeof(fuzzed); data += sizeof(fuzzed), size -= sizeof(fuzzed)) {
		memcpy(&fuzzed, data, sizeof(fuzzed));
		make_call(&world, &fuzzed);
	}
	hypercall_world_close(&world);
	machine.inputs++;
	if (machine.inputs % CHECK_INTERVAL == 0)
		pw_check(&paging);
	if (!end_process()) {
		pw_check(&paging);
		pw_close(&paging);
		machine.open = false;
	}
	return 0;
}
