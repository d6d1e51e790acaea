/* SPDX-License-Identifier: MIT */
/* Changes of page tables by hypercall, from a guest that asks for anything (secpod/paging/request.h). */
#include "secpod/paging/request.h"
#include "tests/model/model.h"

#define LIST_MAX 8u

static void exchange(struct paging *paging, struct paging_cpu *cpu)
{
	const uint64_t slot = some_slot();

	(void)paging_request_exchange(paging, cpu, slot, guest_value(slot), &this_cpu->saved);
}

static void commit(struct paging *paging, struct paging_cpu *cpu)
{
	const uint64_t slot = some_slot();

	(void)paging_request_commit(paging, cpu, slot, guest_value(slot));
}

/* Where a dirty flag goes: nowhere, or to any bit, of which some are none for that. */
static uint64_t some_saved(void)
{
	return dice(2) ? 0 : 1ULL << dice(64);
}

static void batch(struct paging *paging, struct paging_cpu *cpu)
{
	(void)paging_request_batch(paging, cpu, arena_frame() << PAGE_SHIFT, 1 + dice(LIST_MAX),
				   some_saved());
}

static void protect(struct paging *paging, struct paging_cpu *cpu)
{
	static const uint64_t areas[] = {0, 0x400000, 0x7f0000000000, 0x7ffffffff000 - SIZE_2M};
	const uint64_t begin = areas[dice(4)] + dice(4) * PAGE_SIZE;

	(void)paging_request_protect(paging, cpu, some_root(), begin, begin + (SIZE_4K << dice(20)),
				     some_saved());
}

static void unpin(struct paging *paging, struct paging_cpu *cpu)
{
	const uint64_t root = some_root();

	(void)paging_request_unpin(paging, cpu, root, dice(3) ? 0 : root ^ PAGE_SIZE);
}

static _Thread_local uint64_t left;

static void unpin_left(struct paging *paging, struct paging_cpu *cpu)
{
	(void)paging_request_unpin(paging, cpu, left, 0);
}

/* exit(), with all that this CPU has cached of the address space. */
void op_exit(void)
{
	if (this_cpu->depth > 0)
		return;
	left = this_cpu->cr3;
	for (uint32_t i = 0; i < 4; i++)
		machine_walk();
	machine_load(model.world.swapper);
	machine_load(model.special);
	machine_request(unpin_left);
	for (uint32_t i = 0; i < 4; i++)
		machine_walk();
}

/* A list as batch() may meet it. */
static void write_list(void)
{
	uint64_t words[PT_ENTRIES] = {0};

	for (uint32_t i = 0; i < LIST_MAX; i++) {
		const uint64_t slot = some_slot();

		words[2 * i] = slot | (dice(8) ? dice(2) : dice(8));
		words[2 * i + 1] = guest_value(slot);
	}
	machine_fill(arena_frame(), words);
}

void op_request(void)
{
	static void (*const requests[])(struct paging *, struct paging_cpu *) = {
		exchange, exchange, exchange, commit,  commit,	commit,
		batch,	  batch,    batch,    protect, protect, unpin,
	};

	if (dice(4) == 0)
		write_list();
	machine_request(requests[dice(sizeof(requests) / sizeof(requests[0]))]);
}
