/* SPDX-License-Identifier: MIT */
/*
 * How many instructions the auditor spends on an operation, counted on the host: a child process does
 * it in the world of the unit tests, between two breakpoints, and the parent steps it from one to the
 * other. What a VM exit costs around it only the emulator tells (scripts/bench); this one is for finding
 * where instructions go.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "secpod/text/sha256.h"
#include "tests/unit/paging_world.h"

#define USER_VA 0x400000ULL
#define MANY 4096u

static struct paging_world world;
static uint64_t root;
/* Frames of users' pages, away from those the guest has its tables in. */
static const uint64_t page = PW_SECURE_BASE + PW_SECURE_SIZE;

#define MARK() __asm__ volatile("int3" ::: "memory")

static uint64_t slot_of(uint64_t va)
{
	return pw_slot(root, va, 1);
}

static void map_pages(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(pw_map(&world, 0, root, USER_VA + i * PAGE_SIZE,
					(page + i * PAGE_SIZE) | PW_USER_RW, 1, PW_USER_TABLE),
				 0);
}

/* A process that runs, with so many pages. */
static void run_process(uint32_t pages)
{
	root = pw_process(&world);
	map_pages(pages);
	assert_int_equal(pw_load(&world, 0, root), 0);
}

static void store(uint64_t slot, uint64_t value)
{
	uint64_t old;

	MARK();
	(void)paging_store(&world.paging, &world.cpu[0], slot, pw_set_value, &value, &old);
	MARK();
}

static void map_one(void)
{
	run_process(1);
	store(slot_of(USER_VA + PAGE_SIZE), (page + PAGE_SIZE) | PW_USER_RW);
}

static void unmap_one(void)
{
	run_process(1);
	store(slot_of(USER_VA), 0);
}

static void kernel_page(void)
{
	run_process(1);
	store(slot_of(PW_VMALLOC + PAGE_SIZE), page | PW_KERNEL_RW);
}

static void link_table(void)
{
	run_process(1);
	store(pw_slot(root, USER_VA + SIZE_2M, 2), pw_frame(&world) << PAGE_SHIFT | PW_USER_TABLE);
}

static void flag_update(void)
{
	run_process(1);
	assert_int_equal(
		pw_poke(&world, 0, slot_of(USER_VA), page | (PW_USER_RW & ~(PTE_A | PTE_D))), 0);
	MARK();
	(void)paging_flag_update(&world.paging, slot_of(USER_VA));
	MARK();
}

static void load(uint32_t pages)
{
	uint64_t evicted;

	root = pw_process(&world);
	map_pages(pages);
	MARK();
	(void)paging_root_load(&world.paging, &world.cpu[0], root, &evicted);
	MARK();
}

static void load_small(void)
{
	load(1);
}

static void load_large(void)
{
	load(MANY);
}

static void load_known(void)
{
	uint64_t evicted;

	run_process(1);
	assert_int_equal(pw_load(&world, 0, world.swapper), 0);
	MARK();
	(void)paging_root_load(&world.paging, &world.cpu[0], root, &evicted);
	MARK();
}

/* The first write to a table of level 1 that has been left. */
static void settle(void)
{
	uint64_t table;

	run_process(1);
	table = pw_peek(pw_slot(root, USER_VA, 2)) & PTE_ADDR;
	assert_int_equal(pw_poke(&world, 0, slot_of(USER_VA), 0), 0);
	assert_int_equal(pw_poke(&world, 0, pw_slot(root, USER_VA, 2), 0), 0);
	MARK();
	(void)paging_settle(&world.paging, &world.cpu[0], table >> PAGE_SHIFT);
	MARK();
}

/* The second page: whether the CPU has what is used is asked for the first one. */
static void measure_code(void)
{
	static const uint8_t code[PAGE_SIZE];
	uint8_t digest[SHA256_BYTES];

	sha256(code, sizeof(code), digest);
	MARK();
	sha256(code, sizeof(code), digest);
	MARK();
}

static const struct {
	const char *name;
	void (*run)(void);
	uint32_t per; /* the figure is for one of so many */
} operations[] = {
	{"store: a user's page mapped", map_one, 1},
	{"store: a user's page unmapped", unmap_one, 1},
	{"store: a page of the kernel mapped", kernel_page, 1},
	{"store: an empty table linked", link_table, 1},
	{"flags set for the CPU", flag_update, 1},
	{"load of a known root", load_known, 1},
	{"load of a new root, one page", load_small, 1},
	{"load of a new root, 4096 pages: each", load_large, MANY},
	{"write to a table that was left", settle, 1},
	{"SHA-256 of a page of code", measure_code, 1},
};

/* Result: instructions between the marks; negative: it did not come to them. */
static long count(pid_t child)
{
	long steps = 0;
	int status;

	/* SIGTRAP of the first mark. */
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		return -1;
	for (;; steps++) {
		siginfo_t info;

		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) ||
		    waitpid(child, &status, 0) != child || !WIFSTOPPED(status) ||
		    ptrace(PTRACE_GETSIGINFO, child, NULL, &info))
			return -1;
		/* An int3, not a step. */
		if (info.si_code == SI_KERNEL)
			return steps;
	}
}

static long measure(void (*run)(void))
{
	pid_t child = fork();
	long steps;

	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(1);
		pw_start(&world);
		run();
		_exit(0);
	}
	if (child < 0)
		return -1;
	steps = count(child);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return steps;
}

int main(void)
{
	int failed = 0;

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		const long steps = measure(operations[i].run);

		failed |= steps < 0;
		printf("%-40s %8ld instructions\n", operations[i].name,
		       steps < 0 ? -1 : steps / (long)operations[i].per);
	}
	return failed;
}
