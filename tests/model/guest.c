/* SPDX-License-Identifier: MIT */
/*
 * What a hostile guest does, one small thing at a time: some of it builds address spaces as Linux would, so
 * that there is something to attack, the rest attacks it.
 */
#include <string.h>

#include "tests/model/model.h"
#include "vmm/guest_mem.h"

static uint64_t slot_of(uint64_t frame, uint64_t index)
{
	return (frame << PAGE_SHIFT) + index * sizeof(uint64_t);
}

/* ---- stores: each as one of the instructions that Linux uses */

static uint64_t set_to(void *operand, uint64_t old)
{
	(void)old;
	return *(uint64_t *)operand;
}

static uint64_t and_with(void *operand, uint64_t old)
{
	return old & *(uint64_t *)operand;
}

static uint64_t or_with(void *operand, uint64_t old)
{
	return old | *(uint64_t *)operand;
}

static void store_some(uint64_t slot)
{
	static const uint64_t bits[] = {PTE_P, PTE_RW, PTE_US, PTE_A, PTE_D, PTE_PS, PTE_NX};
	uint64_t value = bits[dice(sizeof(bits) / sizeof(bits[0]))];

	switch (dice(8)) {
	case 0:
		machine_store(slot, or_with, &value);
		return;
	case 1:
		value = ~value;
		machine_store(slot, and_with, &value);
		return;
	default:
		value = guest_value(slot);
		machine_store(slot, set_to, &value);
	}
}

/* XCHG with nothing: the entry may come back, here or elsewhere. */
static void take_out(uint64_t slot)
{
	uint64_t nothing = 0;

	this_cpu->saved = pw_peek(slot);
	machine_store(slot, set_to, &nothing);
}

/* ---- where */

static uint64_t some_index(uint64_t frame)
{
	uint64_t index = dice(PT_ENTRIES);

	if (dice(3) == 0)
		return index;
	if (dice(2))
		return dice(2) ? dice(4) : PT_KERNEL_FIRST - 2 + dice(4);
	/* One that is in use. */
	for (uint32_t i = 0; i < PT_ENTRIES; i++) {
		if (pw_peek(slot_of(frame, (index + i) % PT_ENTRIES)) & PTE_P)
			return (index + i) % PT_ENTRIES;
	}
	return index;
}

uint64_t some_slot(void)
{
	const uint64_t frame =
		dice(4) ? arena_frame() : model.kernel_table[dice(model.kernel_tables)];

	return slot_of(frame, some_index(frame));
}

uint64_t some_root(void)
{
	if (dice(8) == 0)
		return model.world.swapper;
	if (dice(32) == 0)
		return model.special;
	return (ARENA_FIRST + dice(ARENA_ROOTS)) << PAGE_SHIFT;
}

static uint64_t some_address(bool *kernel)
{
	static const uint64_t user[] = {0, 0x400000, 0x7f0000000000, 0x7ffffffff000 - SIZE_2M};
	static const uint64_t upper[] = {PW_MODULES,   PW_MODULES + 8 * SIZE_2M,
					 PW_VMALLOC,   PW_VMALLOC + SIZE_2M,
					 PW_DIRECT,    PW_IMAGE,
					 PW_CPU_ENTRY, 0xffff888000000000};

	*kernel = dice(3) == 0;
	if (*kernel)
		return upper[dice(sizeof(upper) / sizeof(upper[0]))] + dice(4) * PAGE_SIZE;
	return user[dice(sizeof(user) / sizeof(user[0]))] + dice(2) * SIZE_2M + dice(4) * PAGE_SIZE;
}

/*
 * As pw_slot(), through what may be no page table at all.
 */
static uint64_t find_slot(uint64_t root, uint64_t address, uint32_t level)
{
	uint64_t table = root;

	for (uint32_t at = PT_LEVELS;; at--) {
		const uint64_t slot =
			slot_of(table >> PAGE_SHIFT, address >> pte_shift(at) & (PT_ENTRIES - 1));
		uint64_t entry;

		if (!guest_range_ok(slot, sizeof(entry)))
			return 0;
		entry = pw_peek(slot);
		if (at == level)
			return slot;
		if (!pte_is_table(entry, at))
			return 0;
		table = entry & PTE_ADDR;
	}
}

/* ---- operations */

static void op_store(void)
{
	store_some(some_slot());
}

static void op_take_out(void)
{
	take_out(some_slot());
}

static void op_put_back(void)
{
	machine_store(some_slot(), set_to, &this_cpu->saved);
}

/* What leads to an address, one level more than there is: as a page fault would. */
static void op_map(void)
{
	bool kernel;
	const uint64_t root = some_root(), address = some_address(&kernel);

	for (uint32_t level = PT_LEVELS; level > 0; level--) {
		const uint64_t slot = find_slot(root, address, level);
		uint64_t value;

		if (!slot)
			return;
		if (level > 1 && (pw_peek(slot) & PTE_P))
			continue;
		value = level == 1 || dice(8) == 0
				? guest_value(slot)
				: arena_frame() << PAGE_SHIFT |
					  (kernel ? PW_KERNEL_TABLE : PW_USER_TABLE);
		machine_store(slot, set_to, &value);
		return;
	}
}

/* munmap(), or the end of a process, from the leaves up. */
static void op_unmap(void)
{
	bool kernel;
	const uint64_t root = some_root(), address = some_address(&kernel);
	uint32_t level = 1 + (uint32_t)dice(PT_LEVELS);
	uint64_t slot = 0;

	for (; level <= PT_LEVELS && !slot; level++)
		slot = find_slot(root, address, level);
	if (slot && !(kernel && dice(8)))
		take_out(slot);
}

/* Memory of another use: zero, or a page table as it might be linked next, or a trap. */
static void op_recycle(void)
{
	const uint64_t frame = arena_frame();
	uint64_t words[PT_ENTRIES] = {0};

	if (dice(2)) {
		for (uint64_t left = 1 + dice(4); left > 0; left--) {
			const uint64_t index = dice(8) ? dice(4) : dice(PT_ENTRIES);

			words[index] = guest_value(slot_of(frame, index));
		}
	}
	machine_fill(frame, words);
}

/* fork(): a root with the kernel's upper half, or the half that user mode has of it. */
static void op_new_root(void)
{
	const uint64_t frame = ARENA_FIRST + dice(ARENA_ROOTS);
	const uint64_t from =
		model.isolated && frame % 2 ? model.world.swapper + PAGE_SIZE : model.world.swapper;
	uint64_t words[PT_ENTRIES] = {0};

	for (uint32_t i = PT_KERNEL_FIRST; i < PT_ENTRIES; i++)
		words[i] = pw_peek(from + i * sizeof(uint64_t));
	for (uint64_t left = dice(3); left > 0; left--) {
		const uint64_t index = dice(2) ? 0 : 254 + dice(2);

		words[index] =
			arena_frame() << PAGE_SHIFT | PW_USER_TABLE | (frame % 2 ? 0 : PTE_NX);
	}
	if (dice(8) == 0)
		words[dice(PT_ENTRIES)] = guest_value(slot_of(frame, 0));
	machine_fill(frame, words);
}

/* With page-table isolation: an entry of the lower half as Linux sets or clears it in both roots; or else one of them. */
static void op_pair(void)
{
	const uint64_t frame = (ARENA_FIRST + dice(ARENA_ROOTS)) & ~1ULL;
	const uint64_t index = dice(4) ? dice(2) * 254 : LDT_REMAP_INDEX;
	const uint64_t slot = slot_of(frame, index), now = pw_peek(slot);
	uint64_t value = now & PTE_P && dice(2) ? 0 : guest_value(slot);

	if (dice(4) == 0)
		value = now;
	if (dice(8))
		machine_store(slot + PAGE_SIZE, set_to, &value);
	if (value && index < PT_KERNEL_FIRST)
		value |= PTE_NX;
	if (dice(8))
		machine_store(slot, set_to, &value);
}

/* insmod and rmmod: memory is written, made read-only, executed, and memory again. */
static void op_module(void)
{
	static const uint64_t bits[] = {PW_KERNEL_RW, PW_KERNEL_RO, PW_KERNEL_RX, 0};
	const uint64_t slot = find_slot(
		model.world.swapper, PW_MODULES + dice(2) * 8 * SIZE_2M + dice(4) * PAGE_SIZE, 1);
	const uint64_t page = (ARENA_FIRST + ARENA_ROOTS + dice(4)) << PAGE_SHIFT;
	uint64_t value = bits[dice(4)];

	if (!slot)
		return;
	if (value)
		value |= dice(2) ? page : pw_peek(slot) & PTE_ADDR;
	machine_store(slot, set_to, &value);
}

/* set_memory_*(): a large page of the kernel in pieces, and in one piece again. */
static void op_split(void)
{
	const uint64_t areas[] = {PW_DIRECT, PW_VMALLOC};
	const uint64_t area = areas[dice(2)], number = 1 + dice(12);
	const uint64_t slot = find_slot(model.world.swapper, area + number * SIZE_2M, 2);
	const uint64_t leaf = number * SIZE_2M | (dice(2) ? PW_KERNEL_RW : PW_KERNEL_RO);
	const uint64_t frame = arena_frame();
	uint64_t words[PT_ENTRIES], value = leaf | PTE_PS;

	if (!slot)
		return;
	if (pte_is_leaf(pw_peek(slot), 2) && dice(4)) {
		for (uint32_t i = 0; i < PT_ENTRIES; i++)
			words[i] = leaf + i * PAGE_SIZE;
		if (dice(3) == 0)
			words[dice(PT_ENTRIES)] = guest_value(slot_of(frame, 0));
		machine_fill(frame, words);
		value = frame << PAGE_SHIFT | PW_KERNEL_TABLE;
	} else if (pw_peek(slot) & PTE_P) {
		value = 0;
	}
	machine_store(slot, set_to, &value);
}

static void op_access(void)
{
	bool kernel;

	machine_access(some_address(&kernel) | 1);
}

/* A table is unlinked and its memory used again, while this CPU still has it cached. */
static void op_tear_down(void)
{
	bool kernel;
	const uint64_t address = some_address(&kernel), root = this_cpu->cr3;
	const uint32_t level = 2 + (uint32_t)dice(PT_LEVELS - 1);
	uint64_t slot, entry, value = 0;

	machine_access(address | 1);
	slot = find_slot(root, address, level);
	entry = slot ? pw_peek(slot) : 0;
	if (!pte_is_table(entry, level))
		return;
	take_out(slot);
	if (dice(2))
		machine_settle(pte_table_frame(entry));
	else
		machine_store(slot_of(pte_table_frame(entry), dice(4)), set_to, &value);
	machine_walk();
	machine_reuse();
}

static void op_load(void)
{
	machine_load(dice(16) ? some_root() : arena_frame() << PAGE_SHIFT);
}

static void op_settle(void)
{
	machine_settle(dice(16) ? arena_frame() : dice(PW_FRAMES + 2));
}

/* The CPU's own flags, where a page walk that has been going on for long finds the entry changed. */
static void op_flags(void)
{
	const uint64_t slot = some_slot();

	if (!(frame_read(&model.world.paging.frames, slot >> PAGE_SHIFT) & FRAME_LOCKED))
		(void)paging_flag_update(&model.world.paging, slot);
}

static const struct {
	void (*run)(void);
	uint32_t weight;
} operations[] = {
	{op_store, 20},	     {op_take_out, 8}, {op_put_back, 4},   {op_map, 24},
	{op_unmap, 8},	     {op_recycle, 8},  {op_new_root, 2},   {op_load, 5},
	{op_settle, 2},	     {op_flags, 2},    {machine_walk, 40}, {machine_switch, 2},
	{machine_reuse, 16}, {op_module, 8},   {op_access, 16},	   {op_tear_down, 3},
	{op_split, 4},	     {op_request, 12}, {op_exit, 2},	   {op_pair, 4},
};

void guest_step(void)
{
	uint64_t total = 0, at;

	for (uint32_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		total += operations[i].weight;
	at = dice(total);
	for (uint32_t i = 0;; at -= operations[i++].weight) {
		if (at < operations[i].weight) {
			operations[i].run();
			break;
		}
	}
	__atomic_fetch_add(&model.operations, 1u, __ATOMIC_RELAXED);
}
