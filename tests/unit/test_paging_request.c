/* SPDX-License-Identifier: MIT */
/* Requests for changes of entries, from the hypercall to the frame table. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "tests/unit/request_world.h"

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

int main(void)
{
#define WITH_WORLD(test) \
	cmocka_unit_test_setup_teardown(test, request_world_open, request_world_close)
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
		WITH_WORLD(requests_of_all_cpus_at_once_keep_the_tables_whole),
	};

	return cmocka_run_group_tests_name("paging_request", tests, NULL, NULL);
}
