/* SPDX-License-Identifier: MIT */
/* Operations that change page tables: how many exits each causes under paging delegation. */
#include <spawn.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "check.h"
#include "guest.h"

/* Two tables of pages, and the page that is touched first in each, so that the tables are there. */
#define REGION (2 * HUGE)
#define HUGE_PAGES 8u
#define LARGE_PROCESS ((size_t)16 << 20)
#define RING 3u
#define RING_TRIPS 1000u
#define TURNS 3u

static uint8_t *region;
static int file = -1;

static void write_pages(uint8_t *memory, size_t size, size_t step)
{
	for (size_t at = 0; at < size; at += step)
		((volatile uint8_t *)memory)[at] = 1;
}

static bool small_pages(void)
{
	region = anonymous(REGION, HUGE);
	if (!region || madvise(region, REGION, MADV_NOHUGEPAGE))
		return false;
	write_pages(region, REGION, HUGE);
	return true;
}

static bool touch(void)
{
	write_pages(region, REGION, PAGE);
	return true;
}

static bool discard(void)
{
	return madvise(region, REGION, MADV_DONTNEED) == 0;
}

static bool protect(void)
{
	return mprotect(region, REGION, PROT_READ) == 0;
}

static bool touched_pages(void)
{
	return small_pages() && touch();
}

static void unmap(void)
{
	munmap(region, REGION);
}

/* Pages of a file, mapped to be read. */
static bool file_pages(void)
{
	uint8_t sum = 0;

	region = anonymous(REGION, HUGE);
	file = memfd_create("bench", 0);
	if (!region || file < 0 || ftruncate(file, REGION) ||
	    mmap(region, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) !=
		    region)
		return false;
	for (size_t at = 0; at < REGION; at += PAGE)
		sum |= ((volatile uint8_t *)region)[at];
	return sum == 0;
}

static void unmap_file(void)
{
	unmap();
	close(file);
}

static bool huge_pages(void)
{
	region = anonymous(HUGE_PAGES * HUGE, HUGE);
	return region && !madvise(region, HUGE_PAGES * HUGE, MADV_HUGEPAGE);
}

/* All of it: what is no huge page after all shows in the count. */
static bool touch_huge(void)
{
	write_pages(region, HUGE_PAGES * HUGE, PAGE);
	return true;
}

static void unmap_huge(void)
{
	munmap(region, HUGE_PAGES * HUGE);
}

static bool forks(unsigned int count)
{
	while (count-- > 0) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		if (child < 0 || waitpid(child, NULL, 0) != child)
			return false;
	}
	return true;
}

static bool small_forks(void)
{
	return forks(100);
}

static bool large_process(void)
{
	region = anonymous(LARGE_PROCESS, HUGE);
	if (!region || madvise(region, LARGE_PROCESS, MADV_NOHUGEPAGE))
		return false;
	write_pages(region, LARGE_PROCESS, PAGE);
	return forks(1);
}

static bool large_forks(void)
{
	return forks(10);
}

static void end_large(void)
{
	munmap(region, LARGE_PROCESS);
}

/* posix_spawn() is vfork() and exec in this C library. */
static bool shells(unsigned int count)
{
	char *const arguments[] = {"bash", "-c", ":", NULL};
	char *const environment[] = {NULL};

	while (count-- > 0) {
		pid_t child;
		int status;

		if (posix_spawn(&child, "/bin/bash", NULL, NULL, arguments, environment) ||
		    waitpid(child, &status, 0) != child || status)
			return false;
	}
	return true;
}

static bool first_shell(void)
{
	return shells(2);
}

static bool more_shells(void)
{
	return shells(20);
}

/* ---- processes in a ring, each waiting for the one before */

static int ring[RING][2];
static pid_t member[RING];

static bool pass(int from, int to)
{
	char byte;

	return read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1;
}

static bool turn(unsigned int count)
{
	char byte = 0;

	while (count-- > 0) {
		if (write(ring[0][1], &byte, 1) != 1 || read(ring[RING - 1][0], &byte, 1) != 1)
			return false;
	}
	return true;
}

static bool start_ring(void)
{
	pin_to_cpu(0);
	for (unsigned int i = 0; i < RING; i++) {
		if (pipe(ring[i]))
			return false;
	}
	for (unsigned int i = 1; i < RING; i++) {
		member[i] = fork();
		if (member[i] == 0) {
			for (unsigned int j = 0; j < RING; j++)
				close(j == i ? ring[j][0] : ring[j][1]);
			while (pass(ring[i - 1][0], ring[i][1]))
				continue;
			_exit(0);
		}
		if (member[i] < 0)
			return false;
	}
	return turn(10);
}

static bool turn_ring(void)
{
	return turn(RING_TRIPS);
}

static void end_ring(void)
{
	for (unsigned int i = 0; i < RING; i++) {
		close(ring[i][0]);
		close(ring[i][1]);
	}
	for (unsigned int i = 1; i < RING; i++)
		waitpid(member[i], NULL, 0);
}

int bench_paging_main(void)
{
	/* In the names: how many there are of what the limit is for. */
	static const struct operation operations[] = {
		{"1022 anonymous faults", touch, small_pages, unmap, TURNS},
		{"1024 COW faults", touch, file_pages, unmap_file, TURNS},
		{"1024 pages unmapped", discard, touched_pages, unmap, TURNS},
		{"1024 pages of mprotect", protect, touched_pages, unmap, TURNS},
		{"8 THP faults", touch_huge, huge_pages, unmap_huge, TURNS},
		{"100 fork+exit", small_forks, NULL, NULL, 1},
		{"10 fork+exit of 16 MiB", large_forks, large_process, end_large, 1},
		{"20 vfork+exec of bash", more_shells, first_shell, NULL, 1},
		{"3000 switches in a ring", turn_ring, start_ring, end_ring, 1},
	};

	return bench_all(operations, sizeof(operations) / sizeof(operations[0]));
}
