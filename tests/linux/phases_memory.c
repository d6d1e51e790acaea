/* SPDX-License-Identifier: MIT */
/* Anonymous memory: faults, copies, protection, moves, 2 MiB pages. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"
#include "phases.h"

#define PAGES 1024u
#define SIZE (PAGES * PAGE)
#define SMAPS "/proc/self/smaps"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Small pages only. */
static uint8_t *small_pages(size_t size)
{
	uint8_t *memory = anonymous(size, HUGE);

	if (memory && madvise(memory, size, MADV_NOHUGEPAGE))
		return NULL;
	return memory;
}

static int anonymous_pages(void)
{
	uint8_t *memory = small_pages(SIZE);

	CHECK(memory);
	/* Read first: the one page of zeroes, read-only everywhere, then a page each. */
	for (size_t i = 0; i < PAGES; i++)
		CHECK(((volatile uint8_t *)memory)[i * PAGE] == 0);
	stamp(memory, PAGES, 1);
	CHECK(stamped(memory, PAGES, 1));
	CHECK(munmap(memory + SIZE / 4, SIZE / 2) == 0);
	CHECK(stamped(memory, PAGES / 4, 1));
	CHECK(faults(memory + SIZE / 2, false, SIGSEGV));
	CHECK(munmap(memory, SIZE) == 0);
	return 0;
}

static bool write_half(void *argument)
{
	uint8_t *memory = argument;

	if (!stamped(memory, PAGES, 1))
		return false;
	stamp(memory, PAGES / 2, 2);
	return stamped(memory, PAGES / 2, 2);
}

static int copy_on_write(void)
{
	uint8_t *memory = small_pages(SIZE);

	CHECK(memory);
	stamp(memory, PAGES, 1);
	CHECK(child_finds(write_half, memory));
	CHECK(stamped(memory, PAGES, 1));
	stamp(memory, PAGES, 3);
	CHECK(stamped(memory, PAGES, 3));
	return 0;
}

static int protect(void)
{
	uint8_t *memory = small_pages(SIZE);

	CHECK(memory);
	stamp(memory, PAGES, 1);
	CHECK(mprotect(memory, SIZE, PROT_READ) == 0);
	CHECK(stamped(memory, PAGES, 1) && faults(memory + SIZE / 2, true, SIGSEGV));
	CHECK(mprotect(memory, SIZE, PROT_NONE) == 0);
	CHECK(faults(memory + SIZE - PAGE, false, SIGSEGV));
	/* Every second page: as many areas as the kernel is given. */
	for (size_t i = 0; i < PAGES / 4; i += 2)
		CHECK(mprotect(memory + i * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
	CHECK(faults(memory + PAGE, false, SIGSEGV));
	CHECK(mprotect(memory, SIZE, PROT_READ | PROT_WRITE) == 0);
	CHECK(stamped(memory, PAGES, 1));
	stamp(memory, PAGES, 2);
	CHECK(stamped(memory, PAGES, 2));
	return 0;
}

/* mov $number, %eax; ret */
static void put_code(uint8_t *code, uint8_t number)
{
	const uint8_t bytes[] = {0xb8, number, 0, 0, 0, 0xc3};

	memcpy(code, bytes, sizeof(bytes));
}

/* As a compiler at run time does it: written, made executable, called, and again. */
static int generated_code(void)
{
	uint8_t *memory = small_pages(PAGE);
	int (*code)(void);

	CHECK(memory);
	*(void **)&code = memory;
	for (uint8_t i = 1; i <= 5; i++) {
		CHECK(mprotect(memory, PAGE, PROT_READ | PROT_WRITE) == 0);
		put_code(memory, i);
		CHECK(mprotect(memory, PAGE, PROT_READ | PROT_EXEC) == 0);
		CHECK(code() == i);
		CHECK(faults(memory, true, SIGSEGV));
	}
	return 0;
}

static int remap(void)
{
	uint8_t *memory = small_pages(SIZE);
	uint8_t *other = anonymous(2 * SIZE, HUGE);
	uint8_t *moved;

	CHECK(memory && other);
	stamp(memory, PAGES, 1);
	/* Whole tables move when the places are aligned alike, entries when they are not. */
	moved = mremap(memory, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, other);
	CHECK(moved == other && stamped(moved, PAGES, 1));
	CHECK(faults(memory, false, SIGSEGV));
	moved = mremap(other, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, memory + PAGE);
	CHECK(moved == memory + PAGE && stamped(moved, PAGES, 1));
	/* Larger, then smaller. */
	moved = mremap(moved, SIZE, 2 * SIZE, MREMAP_MAYMOVE);
	CHECK(moved != MAP_FAILED && stamped(moved, PAGES, 1) && zeroed(moved + SIZE, SIZE));
	moved = mremap(moved, 2 * SIZE, SIZE / 2, 0);
	CHECK(moved != MAP_FAILED && stamped(moved, PAGES / 2, 1));
	CHECK(faults(moved + SIZE / 2, false, SIGSEGV));
	/* The pages go, the area stays. */
	other = mremap(moved, SIZE / 2, SIZE / 2, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	CHECK(other != MAP_FAILED && stamped(other, PAGES / 2, 1));
	CHECK(zeroed(moved, SIZE / 2));
	return 0;
}

/* ---- 2 MiB pages */

/* In the mapping that memory is of: the program has others, which the kernel may back as it likes. */
static bool has_huge_pages(const void *memory)
{
	FILE *file = fopen(SMAPS, "r");
	unsigned long begin, end, huge = 0;
	bool inside = false;
	char line[512];

	if (!file)
		return false;
	while (huge == 0 && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
			inside = (uintptr_t)memory >= begin && (uintptr_t)memory < end;
		else if (inside)
			(void)sscanf(line, "AnonHugePages: %lu kB", &huge);
	}
	fclose(file);
	return huge > 0;
}

/* Two of them, or NULL. */
static uint8_t *huge_pages(uint32_t seed)
{
	uint8_t *memory = anonymous(2 * HUGE, HUGE);

	if (!memory || madvise(memory, 2 * HUGE, MADV_HUGEPAGE))
		return NULL;
	stamp(memory, PAGES, seed);
	return memory;
}

static int thp(void)
{
	uint8_t *memory = huge_pages(1);

	CHECK(memory && has_huge_pages(memory));
	CHECK(stamped(memory, PAGES, 1));
	/* Split: by rights that differ within one, by a hole. */
	CHECK(mprotect(memory + PAGE, PAGE, PROT_READ) == 0);
	CHECK(stamped(memory, PAGES, 1) && faults(memory + PAGE, true, SIGSEGV));
	CHECK(munmap(memory + HUGE, 16 * PAGE) == 0);
	CHECK(stamped(memory, HUGE / PAGE, 1) && faults(memory + HUGE, false, SIGSEGV));
	CHECK(madvise(memory + HUGE + 64 * PAGE, PAGE, MADV_DONTNEED) == 0);
	CHECK(zeroed(memory + HUGE + 64 * PAGE, PAGE));
	return 0;
}

static int thp_collapse(void)
{
	uint8_t *memory = small_pages(2 * HUGE);

	CHECK(memory);
	stamp(memory, PAGES, 1);
	CHECK(madvise(memory, 2 * HUGE, MADV_HUGEPAGE) == 0 && !has_huge_pages(memory));
	if (madvise(memory, 2 * HUGE, MADV_COLLAPSE)) {
		CHECK(errno == EINVAL);
		return phase_skip("no MADV_COLLAPSE");
	}
	CHECK(has_huge_pages(memory) && stamped(memory, PAGES, 1));
	return 0;
}

static int thp_fork(void)
{
	uint8_t *memory = huge_pages(1);

	CHECK(memory && has_huge_pages(memory));
	CHECK(child_finds(write_half, memory));
	CHECK(stamped(memory, PAGES, 1));
	stamp(memory, PAGES, 2);
	CHECK(stamped(memory, PAGES, 2));
	return 0;
}

static int thp_remap(void)
{
	uint8_t *memory = huge_pages(1);
	uint8_t *other = anonymous(2 * HUGE, HUGE);

	CHECK(memory && other && has_huge_pages(memory));
	CHECK(mremap(memory, 2 * HUGE, 2 * HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, other) == other);
	CHECK(stamped(other, PAGES, 1) && has_huge_pages(other));
	/* To a place where none can be. */
	CHECK(mremap(other, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, memory + PAGE) ==
	      memory + PAGE);
	CHECK(stamped(memory + PAGE, HUGE / PAGE, 1));
	CHECK(mprotect(other + HUGE, HUGE, PROT_READ) == 0);
	CHECK(mprotect(other + HUGE, HUGE, PROT_READ | PROT_WRITE) == 0);
	other[HUGE + 8] = 1;
	CHECK(other[HUGE + 8] == 1);
	return 0;
}

/* ---- where memory is */

#define FAR_PLACES 6u
#define FAR_BASE 0x100000000000ull
#define GIB (1ull << 30)

/* Tables of every level: places 512 GiB and 1 GiB apart. */
static int far_apart(void)
{
	uint8_t *at[2 * FAR_PLACES];

	for (size_t i = 0; i < COUNT_OF(at); i++) {
		uint64_t step = i < FAR_PLACES ? i * 512 * GIB : FAR_PLACES * 512 * GIB + i * GIB;

		at[i] = mmap((void *)(FAR_BASE + step), PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		CHECK(at[i] == (void *)(FAR_BASE + step));
		stamp(at[i], 1, (uint32_t)i + 1);
	}
	for (size_t i = 0; i < COUNT_OF(at); i++) {
		CHECK(stamped(at[i], 1, (uint32_t)i + 1));
		CHECK(munmap(at[i], PAGE) == 0);
	}
	return 0;
}

static __attribute__((noinline)) uint32_t deep(uint32_t levels)
{
	volatile uint8_t room[PAGE];

	room[0] = (uint8_t)levels;
	room[PAGE - 1] = room[0];
	return levels ? deep(levels - 1) + (room[PAGE - 1] == (uint8_t)levels) : 0;
}

static int stack(void)
{
	CHECK(deep(1000) == 1000);
	return 0;
}

static int heap(void)
{
	uint8_t *memory = sbrk((intptr_t)SIZE);
	uint8_t *aligned;

	CHECK(memory != (void *)-1);
	aligned = memory + (PAGE - (uintptr_t)memory % PAGE) % PAGE;
	stamp(aligned, PAGES - 1, 1);
	CHECK(stamped(aligned, PAGES - 1, 1));
	CHECK(sbrk(-(intptr_t)(SIZE / 2)) != (void *)-1);
	CHECK(stamped(aligned, PAGES / 2 - 1, 1));
	CHECK(sbrk((intptr_t)(SIZE / 2)) != (void *)-1);
	CHECK(zeroed(aligned + SIZE / 2, SIZE / 2 - PAGE));
	return 0;
}

static int locked(void)
{
	unsigned char resident[PAGES];
	uint8_t *memory = small_pages(SIZE);
	size_t count = 0;

	CHECK(memory && mlock(memory, SIZE) == 0);
	CHECK(mincore(memory, SIZE, resident) == 0);
	for (size_t i = 0; i < PAGES; i++)
		count += resident[i] & 1;
	CHECK(count == PAGES && zeroed(memory, SIZE));
	CHECK(munlock(memory, SIZE) == 0 && munmap(memory, SIZE) == 0);
	CHECK(mlockall(MCL_CURRENT | MCL_FUTURE) == 0 && munlockall() == 0);
	return 0;
}

/* ---- memory that somebody else writes */

static bool change_parent(void *argument)
{
	static uint8_t bytes[PAGE];
	struct iovec local = {bytes, PAGE}, remote = {argument, PAGE};

	if (process_vm_readv(getppid(), &local, 1, &remote, 1, 0) != (ssize_t)PAGE ||
	    !stamped(bytes, 1, 1))
		return false;
	stamp(bytes, 1, 2);
	return process_vm_writev(getppid(), &local, 1, &remote, 1, 0) == (ssize_t)PAGE;
}

static int other_memory(void)
{
	uint8_t *memory = small_pages(SIZE);
	const uint64_t word = 0x1122334455667788;
	uint64_t now;
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	CHECK(memory && fd >= 0);
	stamp(memory, 1, 1);
	CHECK(child_finds(change_parent, memory) && stamped(memory, 1, 2));
	/* As a debugger sets a breakpoint: into a page that the process itself may not write. */
	CHECK(mprotect(memory, PAGE, PROT_READ) == 0);
	CHECK(pwrite(fd, &word, sizeof(word), (off_t)(uintptr_t)memory) == sizeof(word));
	memcpy(&now, memory, sizeof(now));
	CHECK(now == word && faults(memory, true, SIGSEGV));
	close(fd);
	return 0;
}

const struct phase phases_memory[] = {
	{"anonymous", anonymous_pages},
	{"copy-on-write", copy_on_write},
	{"mprotect", protect},
	{"generated-code", generated_code},
	{"mremap", remap},
	{"thp", thp},
	{"thp-collapse", thp_collapse},
	{"thp-fork", thp_fork},
	{"thp-mremap", thp_remap},
	{"far-apart", far_apart},
	{"stack", stack},
	{"heap", heap},
	{"mlock", locked},
	{"other-memory", other_memory},
	{NULL, NULL},
};
