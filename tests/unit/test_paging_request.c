/* SPDX-License-Identifier: MIT */
/* Requests for changes of page tables, from the hypercall to the frame table. */
#include "secpod/paging/request.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "tests/unit/hypercall_world.h"
#include "tests/unit/paging_world.h"

#define USER_VA 0x400000ULL
#define USER_END (1ULL << 47)
#define SLOT_SIZE 8u

static struct paging_world world;
static struct hypercall_world machine;
static uint64_t rdx_after;

static int open_world(void **state)
{
	(void)state;
	pw_start(&world);
	hypercall_world_open(&machine);
	machine.hypercalls.paging = &world.paging;
	assert_int_equal(phase_advance(&machine.phase, SECPOD_PHASE_ACTIVE), 0);
	assert_int_equal(phase_advance(&machine.phase, SECPOD_PHASE_LOCKED), 0);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	pw_check(&world);
	hypercall_world_close(&machine);
	pw_close(&world);
	return 0;
}

static int64_t ask(uint32_t number, uint64_t rdi, uint64_t rsi, uint64_t rdx, uint64_t r10)
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

static uint64_t malformed(void)
{
	return audit_log_rule_count(&machine.log, SECPOD_RULE_HYPERCALL);
}

static enum frame_type type_at(uint64_t gpa)
{
	return frame_type(&world.paging.frames, gpa >> PAGE_SHIFT);
}

static bool is_writable(uint64_t gpa)
{
	struct ept_leaf leaf;

	assert_int_equal(ept_lookup(&world.ept.ept, gpa, &leaf), 0);
	return leaf.rights & EPT_WRITE;
}

static uint64_t page(void)
{
	return pw_frame(&world) << PAGE_SHIFT;
}

/* A process with a page at USER_VA and one 2 MiB behind, loaded on a CPU. Result: its root. */
static uint64_t running_process(uint32_t cpu)
{
	const uint64_t root = pw_process(&world);

	for (uint64_t va = USER_VA; va <= USER_VA + SIZE_2M; va += SIZE_2M)
		assert_int_equal(
			pw_map(&world, cpu, root, va, page() | PW_USER_RW, 1, PW_USER_TABLE), 0);
	assert_int_equal(pw_load(&world, cpu, root), 0);
	return root;
}

/* ---- entries */

static void set_makes_an_entry_that_obeys_the_rules(void **state)
{
	const uint64_t root = running_process(0), value = page() | PW_USER_RW;
	const uint64_t slot = pw_slot(root, USER_VA + PAGE_SIZE, 1);
	const uint64_t stores = world.paging.stats.stores;

	(void)state;
	assert_int_equal(ask(SECPOD_CALL_PT_SET, slot, value, 0, 0), 0);
	assert_int_equal(pw_peek(slot), value);
	assert_int_equal(ask(SECPOD_CALL_PT_SET, slot, 0, 0, 0), 0);
	assert_int_equal(pw_peek(slot), 0);
	assert_int_equal(world.paging.stats.stores, stores + 2);
	assert_int_equal(malformed(), 0);
}

static void a_table_comes_and_goes_by_request(void **state)
{
	const uint64_t root = running_process(0), table = page();
	const uint64_t slot = pw_slot(root, USER_VA + SIZE_1G, 3), directory = page();

	(void)state;
	assert_int_equal(pw_poke(&world, 0, directory, table | PW_USER_TABLE), 0);
	assert_int_equal(ask(SECPOD_CALL_PT_SET, slot, directory | PW_USER_TABLE, 0, 0), 0);
	assert_int_equal(type_at(directory), FRAME_L2);
	assert_int_equal(type_at(table), FRAME_L1);
	assert_false(is_writable(table));
	pw_check(&world);
	assert_int_equal(ask(SECPOD_CALL_PT_SET, slot, 0, 0, 0), 0);
	/* Not any more, as soon as somebody asks. */
	assert_int_equal(ask(SECPOD_CALL_PT_SET, directory, 1, 0, 0), -SECPOD_ENOENT);
	assert_int_equal(type_at(directory), FRAME_NONE);
	assert_int_equal(pw_peek(directory), table | PW_USER_TABLE);
}

static void what_a_rule_refuses_is_not_malformed(void **state)
{
	const uint64_t root = running_process(0);
	const uint64_t user = pw_slot(root, USER_VA, 1),
		       kernel = pw_slot(world.swapper, PW_IMAGE, 1);
	const uint64_t vmalloc = pw_slot(world.swapper, PW_VMALLOC, 1);
	const struct {
		uint64_t slot, value;
		uint32_t rule;
	} rows[] = {
		{user, PW_SECURE_BASE | PW_USER_RW, SECPOD_RULE_PT_SECURE},
		{user, PW_IMAGE_GPA | PW_USER_RW, SECPOD_RULE_USER_MAP},
		{user, root | PW_USER_RW, SECPOD_RULE_USER_MAP},
		{user, 1ULL << 45 | PW_USER_RW, SECPOD_RULE_PT_ENTRY},
		{user, PW_IMAGE_GPA | PW_KERNEL_RX, SECPOD_RULE_KERNEL_USER},
		{vmalloc, pw_peek(vmalloc) & ~PTE_NX, SECPOD_RULE_KERNEL_EXEC},
		{vmalloc, root | PW_KERNEL_RW, SECPOD_RULE_TABLE_ALIAS},
		{kernel, 0, SECPOD_RULE_LOCKED_RANGE},
		{pw_slot(root, PW_IMAGE, 4), 0, SECPOD_RULE_KERNEL_TEMPLATE},
		{pw_slot(root, USER_VA, 2), PW_DEVICE | PW_USER_TABLE, SECPOD_RULE_PT_TYPE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint64_t before = pw_peek(rows[i].slot);
		static const uint32_t calls[] = {SECPOD_CALL_PT_SET, SECPOD_CALL_PT_XCHG,
						 SECPOD_CALL_PT_COMMIT};

		for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
			world.last_rule = SECPOD_RULE_COUNT;
			assert_int_equal(ask(calls[c], rows[i].slot, rows[i].value, 0, 0),
					 -SECPOD_EPERM);
			assert_int_equal(world.last_rule, rows[i].rule);
			assert_int_equal(world.last_slot, rows[i].slot);
			assert_int_equal(pw_peek(rows[i].slot), before);
			assert_int_equal(rdx_after, 0);
		}
		pw_check(&world);
	}
	assert_int_equal(malformed(), 0);
}

static void exchange_gives_the_old_entry(void **state)
{
	const uint64_t slot = pw_slot(running_process(0), USER_VA, 1), before = pw_peek(slot);

	(void)state;
	assert_int_equal(ask(SECPOD_CALL_PT_XCHG, slot, 0, 0, 0), 0);
	/* Bit 63 is set in it: no error could be told from it. */
	assert_true(before & PTE_NX);
	assert_int_equal(rdx_after, before);
	assert_int_equal(ask(SECPOD_CALL_PT_XCHG, slot, before, 0, 0), 0);
	assert_int_equal(rdx_after, 0);
	assert_int_equal(pw_peek(slot), before);
}

static void commit_keeps_what_the_cpu_has_set(void **state)
{
	const uint64_t slot = pw_slot(running_process(0), USER_VA, 1);
	const uint64_t clean = (pw_peek(slot) & PTE_ADDR) | PTE_P | PTE_RW | PTE_US | PTE_NX;
	const uint64_t fixed = clean & ~PTE_RW, absent = clean & ~PTE_P, ad = PTE_AD;
	const struct {
		uint64_t old, value, entry;
		int64_t result;
	} rows[] = {
		{clean, clean, clean, 0},
		{clean | PTE_A, clean, clean | PTE_A, 0},
		{clean | ad, clean, clean | ad, 0},
		{clean | ad, clean | ad, clean | ad, 0},
		{clean, clean | ad, clean | ad, 0},
		/* No dirty flag where there is no write access, and the caller is told. */
		{clean | ad, fixed, fixed | PTE_A, SECPOD_COMMIT_DIRTY},
		{clean | PTE_A, fixed, fixed | PTE_A, 0},
		{clean | ad, fixed | PTE_D, fixed | ad, 0},
		{clean | ad, absent, absent, SECPOD_COMMIT_DIRTY},
		{clean | ad, absent | ad, absent | ad, 0},
		{clean | ad, 0, 0, SECPOD_COMMIT_DIRTY},
		/* These bits of an entry that is not present are no flags. */
		{absent | ad, clean, clean, 0},
		{absent | ad, absent, absent, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(ask(SECPOD_CALL_PT_SET, slot, rows[i].old, 0, 0), 0);
		assert_int_equal(ask(SECPOD_CALL_PT_COMMIT, slot, rows[i].value, 0, 0),
				 rows[i].result);
		if (pw_peek(slot) != rows[i].entry)
			fail_msg("row %zu: %#lx", i, (unsigned long)pw_peek(slot));
	}
	assert_int_equal(malformed(), 0);
}

static void slots_that_are_none_change_nothing(void **state)
{
	const uint64_t root = running_process(0), memory = page(), slot = pw_slot(root, USER_VA, 1);
	static const uint32_t calls[] = {SECPOD_CALL_PT_SET, SECPOD_CALL_PT_XCHG,
					 SECPOD_CALL_PT_COMMIT};
	const struct {
		uint64_t slot;
		int64_t result;
		bool malformed;
	} rows[] = {
		{memory, -SECPOD_ENOENT, false},
		{PW_IMAGE_GPA, -SECPOD_ENOENT, false}, /* code */
		{PW_SECURE_BASE, -SECPOD_EFAULT, true},
		{PW_SECURE_BASE + PW_SECURE_SIZE - SLOT_SIZE, -SECPOD_EFAULT, true},
		{PW_DEVICE, -SECPOD_EFAULT, true},
		{PW_RAM, -SECPOD_EFAULT, true},
		{1ULL << 52, -SECPOD_EFAULT, true},
		{1ULL << 63, -SECPOD_EFAULT, true},
		{UINT64_MAX - 7, -SECPOD_EFAULT, true},
		{slot + 1, -SECPOD_EINVAL, true},
		{slot + 4, -SECPOD_EINVAL, true},
		{UINT64_MAX, -SECPOD_EINVAL, true},
	};
	uint64_t expected = 0;

	(void)state;
	assert_int_equal(pw_poke(&world, 0, memory, 77), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
			assert_int_equal(ask(calls[c], rows[i].slot, 0, 0, 0), rows[i].result);
			assert_int_equal(rdx_after, 0);
			expected += rows[i].malformed;
			assert_int_equal(malformed(), expected);
		}
	}
	assert_int_equal(pw_peek(memory), 77);
	assert_int_equal(type_at(memory), FRAME_NONE);
}

static void a_table_in_the_making_is_asked_for_again(void **state)
{
	const uint64_t memory = page();
	const uint32_t info = table_info_alloc(&world.paging.infos, memory >> PAGE_SHIFT);

	(void)state;
	assert_int_equal(frame_claim(&world.paging.frames, memory >> PAGE_SHIFT, 1, info), 0);
	assert_int_equal(ask(SECPOD_CALL_PT_SET, memory, 0, 0, 0), -SECPOD_EAGAIN);
	assert_int_equal(ask(SECPOD_CALL_PT_XCHG, memory, 0, 0, 0), -SECPOD_EAGAIN);
	assert_int_equal(malformed(), 0);
	frame_unclaim(&world.paging.frames, memory >> PAGE_SHIFT);
	table_info_free(&world.paging.infos, info);
}

/* ---- lists */

static uint64_t list;

static void put(uint64_t index, uint64_t slot, uint64_t value)
{
	assert_int_equal(pw_poke(&world, 0, list + index * sizeof(struct secpod_pt_op), slot), 0);
	assert_int_equal(pw_poke(&world, 0, list + index * sizeof(struct secpod_pt_op) + 8, value),
			 0);
}

static void a_list_is_carried_out_in_its_order(void **state)
{
	const uint64_t slot = pw_slot(running_process(0), USER_VA, 1), frame = page();

	(void)state;
	list = page();
	for (uint64_t i = 0; i < SECPOD_BATCH_MAX; i++)
		put(i, slot + i * SLOT_SIZE, frame | PW_USER_RW);
	/* Twice the same slot: the second time with the flags of the first. */
	put(254, slot | SECPOD_PT_OP_COMMIT, frame | PTE_P | PTE_RW | PTE_US | PTE_NX);
	put(255, (slot + SLOT_SIZE) | SECPOD_PT_OP_COMMIT, 0);
	assert_int_equal(ask(SECPOD_CALL_PT_BATCH, list, SECPOD_BATCH_MAX, 0, 0), SECPOD_BATCH_MAX);
	assert_int_equal(pw_peek(slot), frame | PW_USER_RW);
	assert_int_equal(pw_peek(slot + SLOT_SIZE), 0);
	for (uint64_t i = 2; i < 254; i++)
		assert_int_equal(pw_peek(slot + i * SLOT_SIZE), frame | PW_USER_RW);
	assert_int_equal(pw_peek(slot + 254 * SLOT_SIZE), 0);
	assert_int_equal(malformed(), 0);
}

static void a_list_ends_at_its_first_error(void **state)
{
	const uint64_t slot = pw_slot(running_process(0), USER_VA + SIZE_2M, 1), frame = page();
	const uint64_t memory = page();
	const struct {
		uint64_t slot, value;
		int64_t error;
	} rows[] = {
		{slot + 8, PW_IMAGE_GPA | PW_USER_RW, -SECPOD_EPERM},
		{memory, 0, -SECPOD_ENOENT},
		{PW_SECURE_BASE, 0, -SECPOD_EFAULT},
		{(slot + 8) | 2, 0, -SECPOD_EINVAL},
		{(slot + 8) | 7, 0, -SECPOD_EINVAL},
	};

	(void)state;
	list = page();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put(0, slot, frame | PW_USER_RW);
		put(1, rows[i].slot, rows[i].value);
		put(2, slot + 16, frame | PW_USER_RW);
		assert_int_equal(ask(SECPOD_CALL_PT_SET, slot, 0, 0, 0), 0);
		assert_int_equal(ask(SECPOD_CALL_PT_BATCH, list, 3, 0, 0), 1);
		assert_int_equal(pw_peek(slot), frame | PW_USER_RW);
		assert_int_equal(pw_peek(slot + 16), 0);
		assert_int_equal(ask(SECPOD_CALL_PT_BATCH, list + 16, 2, 0, 0), rows[i].error);
		assert_int_equal(pw_peek(slot + 16), 0);
	}
	assert_int_equal(malformed(), 3);
}

static void a_list_that_is_none_is_malformed(void **state)
{
	const uint64_t slot = pw_slot(running_process(0), USER_VA, 1), before = pw_peek(slot);
	uint64_t expected = 0;

	(void)state;
	list = page();
	put(255, slot, 0);
	const struct {
		uint64_t gpa, count;
		int64_t error;
	} rows[] = {
		{list, 0, -SECPOD_EINVAL},
		{list, 257, -SECPOD_EINVAL},
		{list, UINT64_MAX, -SECPOD_EINVAL},
		{list, 1ULL << 60, -SECPOD_EINVAL},
		{list + PAGE_SIZE - 16, 2, -SECPOD_EINVAL},
		{list + 8, 256, -SECPOD_EINVAL},
		{list + PAGE_SIZE - 12, 1, -SECPOD_EINVAL},
		{PW_SECURE_BASE, 1, -SECPOD_EFAULT},
		{PW_DEVICE, 1, -SECPOD_EFAULT},
		{PW_RAM, 1, -SECPOD_EFAULT},
		{UINT64_MAX - 15, 1, -SECPOD_EFAULT},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(ask(SECPOD_CALL_PT_BATCH, rows[i].gpa, rows[i].count, 0, 0),
				 rows[i].error);
		assert_int_equal(malformed(), ++expected);
	}
	assert_int_equal(pw_peek(slot), before);
	assert_int_equal(ask(SECPOD_CALL_PT_BATCH, list + PAGE_SIZE - 16, 1, 0, 0), 1);
	assert_int_equal(pw_peek(slot), 0);
}

/* A dirty flag that a commit loses shows in the bit that the caller names, and in no other case. */
static void a_list_saves_lost_dirty_flags(void **state)
{
	const uint64_t slot = pw_slot(running_process(0), USER_VA, 1), bit = 1ULL << 58;
	const uint64_t clean = (pw_peek(slot) & PTE_ADDR) | PTE_P | PTE_RW | PTE_US | PTE_NX;
	const uint64_t fixed = clean & ~PTE_RW, absent = clean & ~PTE_P, ad = PTE_AD;
	const uint64_t kernel = pw_slot(world.swapper, PW_VMALLOC, 1), pages = pw_peek(kernel);
	const struct {
		uint64_t old, value, saved, entry;
	} rows[] = {
		{clean | ad, fixed, 0, fixed | PTE_A},
		{clean | ad, fixed, bit, fixed | PTE_A | bit},
		{clean | ad, fixed, PTE_D, fixed | ad},
		{clean | ad, fixed | bit, bit, fixed | PTE_A | bit},
		{clean | ad, absent, bit, absent | bit},
		{clean | ad, absent, PTE_D, absent | PTE_D},
		{clean | PTE_A, fixed, bit, fixed | PTE_A},
		{clean | PTE_A, fixed, PTE_D, fixed | PTE_A},
		{clean | ad, clean, bit, clean | ad},
		{clean | ad, fixed | PTE_D, bit, fixed | ad},
		{absent | ad, fixed, bit, fixed},
	};

	(void)state;
	list = page();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(ask(SECPOD_CALL_PT_SET, slot, rows[i].old, 0, 0), 0);
		put(0, slot | SECPOD_PT_OP_COMMIT, rows[i].value);
		assert_int_equal(ask(SECPOD_CALL_PT_BATCH, list, 1, rows[i].saved, 0), 1);
		if (pw_peek(slot) != rows[i].entry)
			fail_msg("row %zu: %#lx", i, (unsigned long)pw_peek(slot));
	}
	/* An entry of the kernel's takes the long way. */
	assert_int_equal(ask(SECPOD_CALL_PT_SET, kernel, pages | ad, 0, 0), 0);
	put(0, kernel | SECPOD_PT_OP_COMMIT, pages & ~(PTE_RW | PTE_D));
	assert_int_equal(ask(SECPOD_CALL_PT_BATCH, list, 1, bit, 0), 1);
	assert_int_equal(pw_peek(kernel), (pages & ~(PTE_RW | PTE_D)) | PTE_A | bit);
	assert_int_equal(malformed(), 0);
	assert_int_equal(ask(SECPOD_CALL_PT_BATCH, list, 1, bit | PTE_D, 0), -SECPOD_EINVAL);
	for (uint32_t i = 0; i < 64; i++) {
		const bool good = i == 6 || (i >= 9 && i <= 11) || (i >= 52 && i <= 58);

		assert_int_equal(ask(SECPOD_CALL_PT_BATCH, list, 1, 1ULL << i, 0),
				 good ? 1 : -SECPOD_EINVAL);
	}
}

static uint64_t target_slot;

static void change_list(struct paging_world *w)
{
	(void)w;
	put(1, target_slot, PW_IMAGE_GPA | PW_USER_RW);
}

static void a_list_is_read_once(void **state)
{
	const uint64_t root = running_process(0), frame = page();

	(void)state;
	list = page();
	target_slot = pw_slot(root, USER_VA, 1);
	/* The first one makes a page table, during which another CPU changes the second one. */
	put(0, pw_slot(root, USER_VA + 2 * SIZE_2M, 2), page() | PW_USER_TABLE);
	put(1, target_slot + SLOT_SIZE, frame | PW_USER_RW);
	world.meanwhile = change_list;
	assert_int_equal(ask(SECPOD_CALL_PT_BATCH, list, 2, 0, 0), 2);
	world.meanwhile = NULL;
	assert_int_equal(pw_peek(list + 16), target_slot);
	assert_int_equal(pw_peek(target_slot + SLOT_SIZE), frame | PW_USER_RW);
	assert_int_equal(world.refusals[SECPOD_RULE_USER_MAP], 0);
}

/* ---- write protection */

static void protection_takes_write_access_of_user_pages_in_the_range(void **state)
{
	const uint64_t root = running_process(0), frame = page();
	const uint64_t poke = frame | PTE_P | PTE_RW | PTE_AD | PTE_NX; /* U/S clear */
	const uint64_t large = 1ULL << 29;				/* beyond RAM */
	const struct {
		uint64_t va, leaf;
		uint32_t level;
		bool changes;
	} rows[] = {
		{USER_VA - PAGE_SIZE, frame | PW_USER_RW, 1, false},
		{USER_VA, frame | PW_USER_RW, 1, true},
		{USER_VA + PAGE_SIZE, poke, 1, false},
		{USER_VA + 2 * PAGE_SIZE, frame | (PW_USER_RW & ~PTE_P), 1, false},
		{USER_VA + 3 * PAGE_SIZE, frame | (PW_USER_RW & ~PTE_RW), 1, false},
		{USER_VA + 2 * SIZE_2M, large | PW_USER_RW | PTE_PS, 2, true},
		{SIZE_1G, 1ULL << 30 | PW_USER_RW | PTE_PS, 3, true},
		/* Not all of it is in the range. */
		{2 * SIZE_1G, large | PW_USER_RW | PTE_PS, 2, false},
		{3 * SIZE_1G, 1ULL << 30 | PW_USER_RW | PTE_PS, 3, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(pw_map(&world, 0, root, rows[i].va, rows[i].leaf, rows[i].level,
					PW_USER_TABLE),
				 0);
	assert_int_equal(ask(SECPOD_CALL_WRPROTECT, root, USER_VA, 2 * SIZE_1G + PAGE_SIZE, 0),
			 2 * SIZE_1G + PAGE_SIZE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint64_t entry = pw_peek(pw_slot(root, rows[i].va, rows[i].level));

		if (entry != (rows[i].changes ? rows[i].leaf & ~PTE_RW : rows[i].leaf))
			fail_msg("row %zu: %#lx", i, (unsigned long)entry);
	}
	/* Tables as they were: only leaves take the right away. */
	assert_int_equal(pw_peek(pw_slot(root, USER_VA, 2)) & PTE_RW, PTE_RW);
	assert_int_equal(malformed(), 0);
}

static void protection_saves_the_dirty_flag_where_it_is_told(void **state)
{
	const uint64_t root = running_process(0), saved = 1ULL << 58;
	const uint64_t slot = pw_slot(root, USER_VA, 1), before = pw_peek(slot);
	const uint64_t clean = before & ~PTE_D;

	(void)state;
	assert_int_equal(ask(SECPOD_CALL_PT_SET, slot + SLOT_SIZE, clean, 0, 0), 0);
	assert_int_equal(ask(SECPOD_CALL_WRPROTECT, root, USER_VA, USER_VA + SIZE_2M, saved),
			 USER_VA + SIZE_2M);
	assert_int_equal(pw_peek(slot), (clean & ~PTE_RW) | saved);
	assert_int_equal(pw_peek(slot + SLOT_SIZE), clean & ~PTE_RW);
	/* What is read-only already is left alone. */
	assert_int_equal(ask(SECPOD_CALL_WRPROTECT, root, USER_VA, USER_VA + SIZE_2M, 0),
			 USER_VA + SIZE_2M);
	assert_int_equal(pw_peek(slot), (clean & ~PTE_RW) | saved);
}

static void protection_goes_on_where_it_ended(void **state)
{
	const uint64_t tables = 3 * PAGING_PROTECT_TABLES, end = USER_VA + tables * SIZE_2M;
	const uint64_t root = pw_process(&world);
	uint64_t at = USER_VA, calls = 0;

	(void)state;
	for (uint64_t i = 0; i < tables; i++)
		assert_int_equal(pw_map(&world, 0, root, USER_VA + i * SIZE_2M + PAGE_SIZE,
					page() | PW_USER_RW, 1, PW_USER_TABLE),
				 0);
	assert_int_equal(pw_load(&world, 0, root), 0);
	for (; at < end; calls++) {
		const int64_t result = ask(SECPOD_CALL_WRPROTECT, root, at, end, 0);

		assert_in_range(result, at + 1, end);
		at = (uint64_t)result;
	}
	/* Three of the tables of each call are those above. */
	assert_int_equal(calls, (tables + PAGING_PROTECT_TABLES - 4) / (PAGING_PROTECT_TABLES - 3));
	for (uint64_t i = 0; i < tables; i++)
		assert_int_equal(
			pw_peek(pw_slot(root, USER_VA + i * SIZE_2M + PAGE_SIZE, 1)) & PTE_RW, 0);
	/* An empty address space is done at once. */
	assert_int_equal(ask(SECPOD_CALL_WRPROTECT, root, SIZE_1G, USER_END, 0), USER_END);
}

static void protection_is_of_address_spaces_only(void **state)
{
	const uint64_t root = running_process(0), other = pw_process(&world);
	const uint64_t table = pw_peek(pw_slot(root, USER_VA, 4)) & PTE_ADDR;
	const struct {
		uint64_t root, begin, end, saved;
		int64_t error;
	} rows[] = {
		{other, USER_VA, USER_END, 0, -SECPOD_ENOENT},
		{table, USER_VA, USER_END, 0, -SECPOD_ENOENT},
		{PW_SECURE_BASE, USER_VA, USER_END, 0, -SECPOD_ENOENT},
		{~PAGE_SIZE + 1, USER_VA, USER_END, 0, -SECPOD_ENOENT},
		{world.swapper, USER_VA, USER_END, 0, -SECPOD_EINVAL},
		{root + 8, USER_VA, USER_END, 0, -SECPOD_EINVAL},
		{root, USER_VA + 1, USER_END, 0, -SECPOD_EINVAL},
		{root, USER_VA, USER_END - 1, 0, -SECPOD_EINVAL},
		{root, USER_VA, USER_VA, 0, -SECPOD_EINVAL},
		{root, USER_VA, USER_VA - PAGE_SIZE, 0, -SECPOD_EINVAL},
		{root, USER_VA, USER_END + PAGE_SIZE, 0, -SECPOD_EINVAL},
		{root, PW_IMAGE, PW_IMAGE + SIZE_2M, 0, -SECPOD_EINVAL},
		{root, USER_VA, ~PAGE_SIZE + 1, 0, -SECPOD_EINVAL},
		{root, USER_VA, USER_END, PTE_US, -SECPOD_EINVAL},
		{root, USER_VA, USER_END, PTE_D, -SECPOD_EINVAL},
		{root, USER_VA, USER_END, PTE_NX, -SECPOD_EINVAL},
		{root, USER_VA, USER_END, 1ULL << 59, -SECPOD_EINVAL}, /* a protection key */
		{root, USER_VA, USER_END, 1ULL << 58 | 1ULL << 57, -SECPOD_EINVAL},
		{root, USER_VA, USER_END, 1ULL << 30, -SECPOD_EINVAL},
	};
	const uint64_t before = pw_peek(pw_slot(root, USER_VA, 1));
	struct table_info *child;
	uint64_t expected = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int64_t result = ask(SECPOD_CALL_WRPROTECT, rows[i].root, rows[i].begin,
					   rows[i].end, rows[i].saved);

		if (result != rows[i].error)
			fail_msg("row %zu: %ld", i, (long)result);
		expected += rows[i].error == -SECPOD_EINVAL;
		assert_int_equal(malformed(), expected);
	}
	assert_int_equal(pw_peek(pw_slot(root, USER_VA, 1)), before);
	/* A table that another half has taken over, between the looks at its parent and at itself. */
	child = table_info_of(
		&world.paging.infos,
		frame_word_info(frame_read(&world.paging.frames, table >> PAGE_SHIFT)));
	child->half = HALF_KERNEL;
	assert_int_equal(ask(SECPOD_CALL_WRPROTECT, root, USER_VA, USER_END, 0), -SECPOD_EAGAIN);
	assert_int_equal(pw_peek(pw_slot(root, USER_VA, 1)), before);
	child->half = HALF_USER;
	table_info_of(&world.paging.infos,
		      frame_word_info(frame_read(&world.paging.frames, root >> PAGE_SHIFT)))
		->root_kind = ROOT_KIND_SPECIAL;
	assert_int_equal(ask(SECPOD_CALL_WRPROTECT, root, USER_VA, USER_END, 0), -SECPOD_EINVAL);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), -SECPOD_EINVAL);
	assert_int_equal(pw_peek(pw_slot(root, USER_VA, 1)), before);
}

/* ---- the end of an address space */

/* Every table of the tree below a root, and the root. */
static uint32_t tree_of(uint64_t root, uint64_t *table)
{
	uint32_t count = 0;

	table[count++] = root;
	for (uint32_t at = 0; at < count; at++) {
		const uint32_t level = (uint32_t)type_at(table[at]);
		const uint32_t end = level == PT_LEVELS ? PT_KERNEL_FIRST : PT_ENTRIES;

		for (uint32_t i = 0; level > 1 && i < end; i++) {
			const uint64_t entry = pw_peek(table[at] + i * SLOT_SIZE);

			if (pte_is_table(entry, level))
				table[count++] = entry & PTE_ADDR;
		}
	}
	return count;
}

static void unpin_makes_memory_of_the_whole_tree(void **state)
{
	const uint64_t used = world.paging.infos.used, root = running_process(0);
	const uint64_t entry = pw_peek(pw_slot(root, USER_VA, 1));
	uint64_t table[16], flushes;
	const uint32_t count = tree_of(root, table);

	(void)state;
	assert_int_equal(count, 5);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	flushes = world.flushes;
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), 0);
	/* No other CPU had it: none was asked, and there was one invalidation. */
	assert_int_equal(world.trims, 0);
	assert_int_equal(world.flushes, flushes + 1);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(type_at(table[i]), FRAME_NONE);
		assert_true(is_writable(table[i]));
	}
	assert_int_equal(world.paging.infos.used, used);
	/* As it was, for the kernel to take apart. */
	assert_int_equal(pw_peek(pw_slot(root, USER_VA, 1)), entry);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), -SECPOD_ENOENT);
	assert_int_equal(malformed(), 0);
	pw_check(&world);
	/* Loaded again, it is judged again. */
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, USER_VA, 1), PW_IMAGE_GPA | PW_USER_RW),
			 0);
	assert_int_equal(pw_load(&world, 0, root), -EPERM);
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, USER_VA, 1), entry), 0);
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(type_at(root), FRAME_L4);
}

static void unpin_leaves_what_a_cpu_runs_on(void **state)
{
	const uint64_t root = running_process(0);

	(void)state;
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), -SECPOD_EBUSY);
	assert_int_equal(world.trims, 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(pw_load(&world, 2, root), 0);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), -SECPOD_EBUSY);
	assert_int_equal(world.trims, 1);
	assert_int_equal(type_at(root), FRAME_L4);
	pw_check(&world);
	/* Left, but another load of it would not exit: that CPU is asked to give it up. */
	assert_int_equal(pw_load(&world, 2, world.swapper), 0);
	world.trims_late = 1;
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), -SECPOD_EAGAIN);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), 0);
	assert_int_equal(world.trims, 3);
	assert_false(paging_root_known(&world.cpu[2], root));
	assert_int_equal(type_at(root), FRAME_NONE);
	assert_int_equal(malformed(), 0);
}

static void unpin_is_of_address_spaces_only(void **state)
{
	const uint64_t root = running_process(0);
	const uint64_t table = pw_peek(pw_slot(root, USER_VA, 4)) & PTE_ADDR;
	const struct {
		uint64_t root, pair;
		int64_t error;
	} rows[] = {
		{world.swapper, 0, -SECPOD_EINVAL},
		{root, root, -SECPOD_EINVAL},
		{root, world.swapper, -SECPOD_EINVAL},
		{root + 8, 0, -SECPOD_EINVAL},
		{root, 8, -SECPOD_EINVAL},
		{table, 0, -SECPOD_ENOENT},
		{pw_process(&world), 0, -SECPOD_ENOENT},
		{PW_SECURE_BASE, 0, -SECPOD_ENOENT},
		{~PAGE_SIZE + 1, 0, -SECPOD_ENOENT},
	};

	(void)state;
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(ask(SECPOD_CALL_UNPIN, rows[i].root, rows[i].pair, 0, 0),
				 rows[i].error);
	assert_int_equal(malformed(), 5);
	assert_int_equal(type_at(root), FRAME_L4);
	assert_int_equal(type_at(table), FRAME_L3);
}

static void unpin_takes_both_roots_of_an_isolated_address_space(void **state)
{
	uint64_t table[16], root, pair;
	uint32_t count;

	(void)state;
	if (world.next_frame % 2)
		(void)pw_frame(&world);
	root = pw_process(&world);
	pair = page();
	assert_int_equal(pair, root + PAGE_SIZE);
	assert_int_equal(pw_map(&world, 0, root, USER_VA, page() | PW_USER_RW, 1, PW_USER_TABLE),
			 0);
	assert_int_equal(pw_poke(&world, 0, pair, pw_peek(root)), 0);
	assert_int_equal(pw_poke(&world, 0, pair + PAGE_SIZE - SLOT_SIZE,
				 pw_peek(root + PAGE_SIZE - SLOT_SIZE)),
			 0);
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_load(&world, 0, pair), 0);
	count = tree_of(root, table);
	assert_int_equal(count, 4);
	pw_check(&world);

	/* In user mode: its root is in CR3. */
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, pair, 0, 0), -SECPOD_EBUSY);
	assert_int_equal(type_at(root), FRAME_L4);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	/* The first one alone: the tables are the second one's as well. */
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), 0);
	assert_int_equal(type_at(root), FRAME_NONE);
	assert_int_equal(type_at(pair), FRAME_L4);
	for (uint32_t i = 1; i < count; i++)
		assert_int_not_equal(type_at(table[i]), FRAME_NONE);
	pw_check(&world);

	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, pair, 0, 0), 0);
	assert_int_equal(type_at(pair), FRAME_NONE);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(type_at(table[i]), FRAME_NONE);
	pw_check(&world);

	/* A second root that was never used is no error. */
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, pair, 0, 0), 0);
	assert_int_equal(type_at(root), FRAME_NONE);
}

static uint64_t ending_root, ending_slot;
static bool seen_ending;

/* Another CPU, before all have invalidated. */
static void while_unpinning(struct paging_world *w)
{
	uint64_t old, evicted, value = 0;

	seen_ending = true;
	assert_false(is_writable(ending_root));
	assert_false(is_writable(ending_slot));
	assert_int_equal(paging_root_load(&w->paging, &w->cpu[1], ending_root, &evicted), -EAGAIN);
	assert_int_equal(paging_request_exchange(&w->paging, &w->cpu[1], ending_slot, value, &old),
			 -EAGAIN);
	assert_int_equal(paging_request_unpin(&w->paging, &w->cpu[1], ending_root, 0), -EAGAIN);
	assert_int_equal(
		paging_request_protect(&w->paging, &w->cpu[1], ending_root, USER_VA, USER_END, 0),
		-EAGAIN);
	/* In the middle of the tree: linked where another address space would have it. */
	value = (ending_slot & PAGE_MASK) | PW_USER_TABLE;
	assert_int_equal(paging_request_exchange(&w->paging, &w->cpu[1], target_slot, value, &old),
			 -EAGAIN);
}

static void nothing_is_written_before_all_cpus_have_invalidated(void **state)
{
	const uint64_t other = running_process(1);

	(void)state;
	ending_root = running_process(0);
	ending_slot = pw_slot(ending_root, USER_VA, 1);
	target_slot = pw_slot(other, USER_VA + 4 * SIZE_2M, 2);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	world.meanwhile = while_unpinning;
	assert_int_equal(ask(SECPOD_CALL_UNPIN, ending_root, 0, 0, 0), 0);
	world.meanwhile = NULL;
	assert_true(seen_ending);
	assert_true(is_writable(ending_root));
	assert_true(is_writable(ending_slot));
	assert_int_equal(pw_peek(target_slot), 0);
}

static void unpin_leaves_tables_that_others_use(void **state)
{
	const uint64_t root = running_process(0), other = running_process(1);
	const uint64_t shared = pw_peek(pw_slot(root, USER_VA, 2)) & PTE_ADDR;

	(void)state;
	assert_int_equal(ask(SECPOD_CALL_PT_SET, pw_slot(other, USER_VA + 8 * SIZE_2M, 2),
			     shared | PW_USER_TABLE, 0, 0),
			 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), 0);
	assert_int_equal(type_at(root), FRAME_NONE);
	assert_int_equal(type_at(shared), FRAME_L1);
	assert_false(is_writable(shared));
	pw_check(&world);
}

static void what_unpin_has_no_time_for_goes_by_itself(void **state)
{
	const uint64_t tables = PAGING_UNPIN_TABLES + 4, root = pw_process(&world);
	const uint64_t frame = page();
	uint64_t last = 0, memory = 0;

	(void)state;
	for (uint64_t i = 0; i < tables; i++)
		assert_int_equal(pw_map(&world, 0, root, USER_VA + i * SIZE_2M, frame | PW_USER_RW,
					1, PW_USER_TABLE),
				 0);
	assert_int_equal(pw_load(&world, 0, root), 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), 0);
	for (uint64_t i = 0; i < tables; i++) {
		last = pw_peek(pw_slot(root, USER_VA + i * SIZE_2M, 2)) & PTE_ADDR;
		memory += type_at(last) == FRAME_NONE;
	}
	assert_in_range(memory, PAGING_UNPIN_TABLES - 8, PAGING_UNPIN_TABLES - 1);
	assert_int_equal(type_at(last), FRAME_L1);
	pw_check(&world);
	assert_int_equal(pw_poke(&world, 0, last, 0), 0);
	assert_int_equal(type_at(last), FRAME_NONE);
}

static void kernel_code_that_ends_with_an_address_space_is_memory_again(void **state)
{
	const uint64_t root = running_process(0), slot = pw_slot(root, USER_VA, 1);
	const uint64_t module = pw_peek(pw_slot(world.swapper, PW_MODULES, 1)) & PTE_ADDR;
	uint64_t refs;

	(void)state;
	/* A policy that lets the kernel execute in the lower half. */
	world.let_pass = true;
	refs = frame_word_refs(frame_read(&world.paging.frames, module >> PAGE_SHIFT));
	assert_int_equal(ask(SECPOD_CALL_PT_SET, slot, module | PW_KERNEL_RX, 0, 0), 0);
	assert_int_equal(frame_word_refs(frame_read(&world.paging.frames, module >> PAGE_SHIFT)),
			 refs + 1);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), 0);
	assert_int_equal(frame_word_refs(frame_read(&world.paging.frames, module >> PAGE_SHIFT)),
			 refs);
}

static void unpin_takes_what_waits_to_be_released(void **state)
{
	const uint64_t root = running_process(0), slot = pw_slot(root, USER_VA, 4);
	uint64_t waiting;

	(void)state;
	assert_int_equal(pw_poke(&world, 0, slot, 0), 0);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	paging_roots_trim(&world.paging, &world.cpu[0]);
	assert_int_equal(type_at(root), FRAME_L4);
	waiting = world.paging.retired_count;
	assert_true(waiting > 1);
	assert_int_equal(ask(SECPOD_CALL_UNPIN, root, 0, 0, 0), 0);
	assert_int_equal(world.paging.retired_count, waiting - 1);
	assert_int_equal(type_at(root), FRAME_NONE);
	/* Not a second time: another table has its number by now. */
	assert_int_equal(pw_load(&world, 0, root), 0);
	for (uint32_t level = 0; level < PT_LEVELS; level++) {
		paging_flush(&world.paging);
		retire_sweep(&world.paging, &world.cpu[0], ~0u);
	}
	assert_int_equal(type_at(root), FRAME_L4);
	assert_int_equal(world.paging.retired_count, 0);
}

/* ---- all at once */

#define ROUNDS 20000u

static uint64_t busy_root, busy_page;

static void *be_busy(void *argument)
{
	const uint32_t cpu = (uint32_t)(uintptr_t)argument;
	struct paging_cpu *self = &world.cpu[cpu];
	uint64_t state = cpu + 1, old;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		const uint64_t va = USER_VA + (state >> 20) % 8 * PAGE_SIZE;
		const uint64_t slot = pw_slot(busy_root, va, 1);

		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		switch (state >> 60) {
		case 0 ... 3:
			(void)paging_request_protect(&world.paging, self, busy_root, USER_VA,
						     USER_VA + SIZE_2M, 0);
			break;
		case 4 ... 7:
			(void)paging_request_commit(&world.paging, self, slot,
						    busy_page | PW_USER_RW);
			break;
		default:
			(void)paging_request_exchange(&world.paging, self, slot,
						      state >> 63 ? busy_page | PW_USER_RW : 0,
						      &old);
		}
	}
	return NULL;
}

static void requests_of_all_cpus_at_once_keep_the_tables_whole(void **state)
{
	pthread_t thread[PW_CPUS];
	int64_t result;

	(void)state;
	busy_root = running_process(0);
	busy_page = page();
	for (uint32_t i = 0; i < PW_CPUS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, be_busy, (void *)(uintptr_t)i),
				 0);
	for (uint32_t i = 0; i < PW_CPUS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	for (uint32_t rule = 0; rule < SECPOD_RULE_COUNT; rule++)
		assert_int_equal(world.refusals[rule], 0);
	result = ask(SECPOD_CALL_WRPROTECT, busy_root, USER_VA, USER_VA + SIZE_2M, 0);
	assert_int_equal(result, USER_VA + SIZE_2M);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_not_equal(pw_peek(pw_slot(busy_root, USER_VA + i * PAGE_SIZE, 1)) &
					     (PTE_P | PTE_RW),
				     PTE_P | PTE_RW);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

/* ---- TEXT_SITES */

#define SITES 5u
#define SITE(i) (PW_IMAGE + 0x100 + 32 * (uint64_t)(i))
#define LIST 0x2000u

static int read_image(void *context, uint64_t va, uint8_t *to, size_t len)
{
	(void)context;
	memcpy(to, world.ram + PW_IMAGE_GPA + (va - PW_IMAGE), len);
	return 0;
}

static int write_nothing(void *context)
{
	(void)context;
	return 0;
}

static bool is_image(void *context, uint64_t va)
{
	(void)context;
	return va - PW_IMAGE < PW_TEXT_PAGES * PAGE_SIZE;
}

static void open_sites(void)
{
	static const struct text_code code = {read_image, write_nothing, is_image, NULL, false};
	const uint8_t int3 = 0xcc;

	for (uint32_t i = 0; i < SITES; i++) {
		world.ram[PW_IMAGE_GPA + (SITE(i) - PW_IMAGE)] = (uint8_t)(i + 1);
		assert_int_equal(text_store(&world.paging.text, &code, SITE(i), &int3, 1), 0);
	}
}

/* By calls of two each, every site once. */
static void sites_are_listed_with_what_they_were(void **state)
{
	const struct secpod_text_site *site = (const void *)(machine.ram + LIST);
	uint64_t after = 0;
	uint32_t seen = 0;
	int64_t count;

	(void)state;
	assert_int_equal(ask(SECPOD_CALL_TEXT_SITES, LIST, 0, SECPOD_TEXT_SITES_MAX, 0), 0);
	open_sites();
	while ((count = ask(SECPOD_CALL_TEXT_SITES, LIST, after, 2, 0)) > 0) {
		assert_true(count <= 2);
		for (int64_t i = 0; i < count; i++) {
			const uint64_t index = (site[i].linear - SITE(0)) / 32;

			assert_true(site[i].number > after && index < SITES);
			assert_int_equal(site[i].linear, SITE(index));
			assert_int_equal(site[i].original[0], index + 1);
			assert_int_equal(site[i].length, 1);
			assert_int_equal(site[i].state, SECPOD_TEXT_OPEN);
			assert_false(seen & 1u << index);
			seen |= 1u << index;
			after = site[i].number;
		}
	}
	assert_int_equal(count, 0);
	assert_int_equal(seen, (1u << SITES) - 1);
	assert_int_equal(malformed(), 0);
}

static void sites_of_a_malformed_call_are_not_listed(void **state)
{
	static const uint64_t rows[][5] = {
		{LIST, 0, 0, 0, SECPOD_EINVAL},
		{LIST, 0, SECPOD_TEXT_SITES_MAX + 1, 0, SECPOD_EINVAL},
		{LIST, 0, ~0ULL, 0, SECPOD_EINVAL},
		{LIST, 1ULL << 32, 1, 0, SECPOD_EINVAL},
		{LIST + 4, 0, 1, 0, SECPOD_EINVAL},
		{LIST, 0, 1, 1, SECPOD_EINVAL},
		{WORLD_SECURE_BASE, 0, 1, 0, SECPOD_EFAULT},
		{WORLD_SECURE_BASE - 40, 0, 2, 0, SECPOD_EFAULT},
		{WORLD_RAM - 40, 0, 2, 0, SECPOD_EFAULT},
		{~7ULL, 0, 1, 0, SECPOD_EFAULT},
	};

	(void)state;
	open_sites();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
			ask(SECPOD_CALL_TEXT_SITES, rows[i][0], rows[i][1], rows[i][2], rows[i][3]),
			-(int64_t)rows[i][4]);
		assert_int_equal(machine.bytes_written, 0);
	}
	assert_int_equal(malformed(), sizeof(rows) / sizeof(rows[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(set_makes_an_entry_that_obeys_the_rules),
		WITH_WORLD(a_table_comes_and_goes_by_request),
		WITH_WORLD(what_a_rule_refuses_is_not_malformed),
		WITH_WORLD(exchange_gives_the_old_entry),
		WITH_WORLD(commit_keeps_what_the_cpu_has_set),
		WITH_WORLD(slots_that_are_none_change_nothing),
		WITH_WORLD(a_table_in_the_making_is_asked_for_again),
		WITH_WORLD(a_list_is_carried_out_in_its_order),
		WITH_WORLD(a_list_ends_at_its_first_error),
		WITH_WORLD(a_list_that_is_none_is_malformed),
		WITH_WORLD(a_list_saves_lost_dirty_flags),
		WITH_WORLD(a_list_is_read_once),
		WITH_WORLD(protection_takes_write_access_of_user_pages_in_the_range),
		WITH_WORLD(protection_saves_the_dirty_flag_where_it_is_told),
		WITH_WORLD(protection_goes_on_where_it_ended),
		WITH_WORLD(protection_is_of_address_spaces_only),
		WITH_WORLD(sites_are_listed_with_what_they_were),
		WITH_WORLD(sites_of_a_malformed_call_are_not_listed),
		WITH_WORLD(unpin_makes_memory_of_the_whole_tree),
		WITH_WORLD(unpin_leaves_what_a_cpu_runs_on),
		WITH_WORLD(unpin_is_of_address_spaces_only),
		WITH_WORLD(unpin_takes_both_roots_of_an_isolated_address_space),
		WITH_WORLD(nothing_is_written_before_all_cpus_have_invalidated),
		WITH_WORLD(unpin_leaves_tables_that_others_use),
		WITH_WORLD(what_unpin_has_no_time_for_goes_by_itself),
		WITH_WORLD(kernel_code_that_ends_with_an_address_space_is_memory_again),
		WITH_WORLD(unpin_takes_what_waits_to_be_released),
		WITH_WORLD(requests_of_all_cpus_at_once_keep_the_tables_whole),
	};

	return cmocka_run_group_tests_name("paging_request", tests, NULL, NULL);
}
