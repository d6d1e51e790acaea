/* SPDX-License-Identifier: MIT */
/* Code comes: measured at ACTIVATE, and by origin afterwards. */
#include <errno.h>
#include <string.h>

#include "tests/unit/paging_world.h"

static struct paging_world world;

static int prepare_world(void **state)
{
	(void)state;
	world.mbec = true;
	pw_open(&world);
	return 0;
}

static int open_world(void **state)
{
	(void)prepare_world(state);
	pw_activate(&world);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	pw_close(&world);
	return 0;
}

static uint64_t word_at(uint64_t gpa)
{
	return frame_read(&world.paging.frames, gpa >> PAGE_SHIFT);
}

static void the_image_is_measured_where_it_is_executed(void **state)
{
	static uint8_t page[PAGE_SIZE];
	struct text *text = &world.paging.text;

	(void)state;
	assert_int_equal(text->stats.measured, PW_TEXT_PAGES);
	for (uint64_t i = 0; i < PW_TEXT_PAGES; i++) {
		const uint64_t at = i * PAGE_SIZE;

		assert_int_equal(frame_word_place(word_at(PW_IMAGE_GPA + at)), PW_IMAGE + at);
		memcpy(page, world.ram + PW_IMAGE_GPA + at, PAGE_SIZE);
		assert_int_equal(text_verify(text, PW_IMAGE + at, page), 0);
		page[17] ^= 1;
		assert_int_equal(text_verify(text, PW_IMAGE + at, page), -EACCES);
	}
	assert_int_equal(text_verify(text, PW_IMAGE + PW_TEXT_PAGES * PAGE_SIZE, page), -ENOENT);
}

/* A page full of byte, but for its first 8 bytes, gets a leaf that executes it. */
static int come(uint64_t va, uint8_t byte, uint64_t first, uint64_t *gpa)
{
	*gpa = pw_frame(&world) << PAGE_SHIFT;
	memset(world.ram + *gpa, byte, PAGE_SIZE);
	memcpy(world.ram + *gpa, &first, sizeof(first));
	return pw_map(&world, 0, world.swapper, va, *gpa | PW_KERNEL_RX, 1, PW_KERNEL_TABLE);
}

static void each_origin_has_its_rule(void **state)
{
	static const struct {
		uint8_t byte;
		uint64_t first;
		uint32_t rule;
		bool fluid;
	} rows[] = {
		{0x90, 0x9090909090909090, SECPOD_RULE_CODE_NEW, false},
		{0xcc, 0xcccccccccccccccc, SECPOD_RULE_CODE_BPF, true},
		{0x00, 0, SECPOD_RULE_CODE_PROBE, true},
		{0xcc, 0xccccccccccccccc3, SECPOD_RULE_CODE_NEW, false},
		{0x00, 1, SECPOD_RULE_CODE_NEW, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint64_t va = PW_MODULES + (16 + i) * PAGE_SIZE;
		uint64_t gpa;

		assert_int_equal(come(va, rows[i].byte, rows[i].first, &gpa), 0);
		assert_int_equal(world.last_rule, rows[i].rule);
		assert_int_equal(world.last_slot, gpa);
		assert_int_equal(frame_word_type(word_at(gpa)), FRAME_CODE_DYN);
		assert_int_equal((word_at(gpa) & FRAME_FLUID) != 0, rows[i].fluid);
		assert_int_equal(frame_word_place(word_at(gpa)), va);
		pw_check(&world);
	}
}

/* sub $0xa8, %rsp; mov %rax, 0x50(%rsp); mov %rcx, 0x58(%rsp); mov X(%rip), %rdx; call X; jmp X */
static const uint8_t caller[] = {
	0x48, 0x81, 0xec, 0xa8, 0, 0, 0, 0x48, 0x89, 0x44, 0x24, 0x50, 0x48, 0x89, 0x4c, 0x24, 0x58,
	0x48, 0x8b, 0x15, 1,	2, 3, 4, 0xe8, 1,    2,	   3,	 4,    0xe9, 1,	   2,	 3,    4};
#define CALLER_LOAD 17u

/* At the last place of a page where a function can begin, and as the last one of the image that is too near its end. */
static void ftrace_copies_what_the_image_has(void **state)
{
	const uint64_t place = 2 * PAGE_SIZE - TRAMPOLINE_ALIGN;
	const uint64_t last = PW_TEXT_PAGES * PAGE_SIZE - TRAMPOLINE_BYTES + TRAMPOLINE_ALIGN;
	const uint64_t va = PW_MODULES + 16 * PAGE_SIZE;
	const uint32_t to_pointer = sizeof(caller) - CALLER_LOAD - 7;
	const uint64_t ops = PW_IMAGE + 0x100;
	uint8_t page[PAGE_SIZE] = {0};
	uint64_t gpa = pw_frame(&world) << PAGE_SHIFT;

	(void)state;
	memcpy(world.ram + PW_IMAGE_GPA + place, caller, sizeof(caller));
	memcpy(world.ram + PW_IMAGE_GPA + last, caller, sizeof(caller));
	pw_activate(&world);
	assert_int_equal(world.paging.trampolines, 1);
	assert_int_equal(world.paging.trampoline[0], PW_IMAGE_GPA + place);

	memcpy(page, caller, sizeof(caller));
	memcpy(page + CALLER_LOAD + 3, &to_pointer, sizeof(to_pointer));
	memcpy(page + sizeof(caller), &ops, sizeof(ops));
	memcpy(world.ram + gpa, page, sizeof(page));
	assert_int_equal(
		pw_map(&world, 0, world.swapper, va, gpa | PW_KERNEL_RX, 1, PW_KERNEL_TABLE), 0);
	assert_int_equal(world.last_rule, SECPOD_RULE_CODE_FTRACE);
	assert_false(word_at(gpa) & FRAME_FLUID);

	gpa = pw_frame(&world) << PAGE_SHIFT;
	page[0] ^= 1;
	memcpy(world.ram + gpa, page, sizeof(page));
	assert_int_equal(pw_map(&world, 0, world.swapper, va + PAGE_SIZE, gpa | PW_KERNEL_RX, 1,
				PW_KERNEL_TABLE),
			 0);
	assert_int_equal(world.last_rule, SECPOD_RULE_CODE_NEW);
	pw_check(&world);
}

/* It is read-only, and no CPU can write it any more, when it is asked whether it may be code. */
static void it_is_read_only_before_it_is_judged(void **state)
{
	const uint64_t flushes = world.flushes;
	uint64_t gpa;

	(void)state;
	assert_int_equal(come(PW_MODULES + 16 * PAGE_SIZE, 0x90, 0, &gpa), 0);
	assert_true(world.flushes > flushes);
	assert_int_equal(world_lookup(&world.ept, gpa).rights, EPT_READ | EPT_EXEC);
}

static void what_is_refused_is_memory_as_before(void **state)
{
	uint64_t gpa;

	(void)state;
	world.deny_code = true;
	assert_int_equal(come(PW_MODULES + 16 * PAGE_SIZE, 0x90, 0, &gpa), -ENOEXEC);
	assert_int_equal(frame_word_type(word_at(gpa)), FRAME_NONE);
	assert_true(world_lookup(&world.ept, gpa).rights & EPT_WRITE);
	assert_false(world_lookup(&world.ept, gpa).rights & EPT_EXEC);
	assert_int_equal(pw_peek(pw_slot(world.swapper, PW_MODULES + 16 * PAGE_SIZE, 1)), 0);
	pw_check(&world);
}

/* Its name was that of the code which was there before. */
static void a_page_that_comes_to_a_name_ends_it(void **state)
{
	const uint64_t va = PW_MODULES + 16 * PAGE_SIZE;
	struct code_names *names = &world.paging.names;
	char name[SECPOD_CODE_NAME] = "first";
	uint64_t gpa;
	uint8_t gone;

	(void)state;
	assert_int_equal(come(va, 0x90, 0, &gpa), 0);
	assert_int_equal(code_name_give(names, va, va + 2 * PAGE_SIZE, name), 0);
	/* What is refused is no code. */
	world.deny_code = true;
	assert_int_equal(come(va + PAGE_SIZE, 0x91, 0, &gpa), -ENOEXEC);
	assert_true(code_name_search(names, va, name, &gone));
	world.deny_code = false;
	assert_int_equal(come(va + PAGE_SIZE, 0x91, 0, &gpa), 0);
	assert_false(code_name_search(names, va, name, &gone));
}

/* A list of the page that come() makes of this byte. */
static void list(uint8_t byte, uint64_t first)
{
	static struct {
		struct code_list_header header;
		struct code_list_page page;
	} file;
	uint8_t page[PAGE_SIZE];

	memset(page, byte, sizeof(page));
	memcpy(page, &first, sizeof(first));
	file.header = (struct code_list_header){CODE_LIST_MAGIC, CODE_LIST_VERSION, 1, 0, 0, 0};
	sha256(page, sizeof(page), file.page.digest);
	memcpy(file.page.probe, page, sizeof(file.page.probe));
	assert_int_equal(code_list_open(&world.paging.code_list, &file, sizeof(file)), 0);
}

static void what_is_listed_breaks_no_rule(void **state)
{
	const uint64_t va = PW_MODULES + 16 * PAGE_SIZE;
	const uint32_t *refusals = &world.refusals[SECPOD_RULE_CODE_NEW];
	uint64_t gpa;

	(void)state;
	world.deny_code = true;
	world.paging.listed = 1ULL << SECPOD_RULE_CODE_NEW;
	list(0x90, 1);
	assert_int_equal(come(va, 0x90, 1, &gpa), 0);
	assert_int_equal(*refusals, 0);
	assert_int_equal(frame_word_type(word_at(gpa)), FRAME_CODE_DYN);
	assert_int_equal(come(va + PAGE_SIZE, 0x90, 2, &gpa), -ENOEXEC);
	assert_int_equal(*refusals, 1);
	/* Nor is a rule asked of the list whose answer it is not. */
	list(0xcc, ~0x3333333333333333ULL);
	assert_int_equal(come(va + PAGE_SIZE, 0xcc, ~0x3333333333333333ULL, &gpa), -ENOEXEC);
	assert_int_equal(world.refusals[SECPOD_RULE_CODE_BPF], 1);
	pw_check(&world);
}

/* By the build ID that the image has in its constants. */
static void the_profile_of_the_kernel_is_chosen_with_its_image(void **state)
{
	enum { ID_AT = PW_TEXT_PAGES * PAGE_SIZE + 8 };
	static struct code_profile_header file = {
		.magic = CODE_PROFILE_MAGIC,
		.version = CODE_PROFILE_VERSION,
		.size = sizeof(file),
		.text = PW_TEXT_PAGES * PAGE_SIZE,
		.id_at = ID_AT,
		.id = "the kernel's own ID",
	};
	static const uint8_t none[SHA256_BYTES];
	const struct code_profile *profile = &world.paging.text.profile;
	const char *failed;

	(void)state;
	for (int own = 0; own < 2; own++) {
		pw_open(&world);
		world.paging.profiled = true;
		assert_int_equal(code_profiles_open(&world.paging.profiles, &file, sizeof(file)),
				 0);
		if (own)
			memcpy(world.ram + PW_IMAGE_GPA + ID_AT, file.id, sizeof(file.id));
		assert_int_equal(
			paging_activate(&world.paging, &world.cpu[0], &world.swapper, 1, &failed),
			0);
		assert_int_equal(memcmp(profile->digest, none, sizeof(none)) != 0, own);
		assert_int_equal(profile->begin, PW_IMAGE);
		assert_true(code_profile_covers(profile, PW_IMAGE + ID_AT));
		pw_close(&world);
	}
}

/* A new table with such a leaf in it is refused as others are. */
static void refused_code_in_a_new_table_refuses_the_table(void **state)
{
	const uint64_t table = pw_frame(&world) << PAGE_SHIFT;
	const uint64_t code = pw_frame(&world) << PAGE_SHIFT;
	const uint64_t leaf = code | PW_KERNEL_RX;

	(void)state;
	world.deny_code = true;
	memcpy(world.ram + table, &leaf, sizeof(leaf));
	assert_int_equal(
		pw_poke(&world, 0, pw_slot(world.swapper, PW_VMALLOC, 2), table | PW_KERNEL_TABLE),
		-EPERM);
	pw_check(&world);
}

int main(void)
{
#define CODE(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
	const struct CMUnitTest tests[] = {
		CODE(the_image_is_measured_where_it_is_executed),
		CODE(each_origin_has_its_rule),
		cmocka_unit_test_setup_teardown(ftrace_copies_what_the_image_has, prepare_world,
						close_world),
		CODE(it_is_read_only_before_it_is_judged),
		CODE(a_page_that_comes_to_a_name_ends_it),
		CODE(what_is_listed_breaks_no_rule),
		CODE(refused_code_in_a_new_table_refuses_the_table),
		cmocka_unit_test(the_profile_of_the_kernel_is_chosen_with_its_image),
		CODE(what_is_refused_is_memory_as_before),
	};

	return cmocka_run_group_tests_name("paging_code", tests, NULL, NULL);
}
