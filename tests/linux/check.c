/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int checks;

void check_failed(const char *file, int line, const char *condition)
{
	printf("GUEST: %s:%d: %s (errno %d)\n", file, line, condition, errno);
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

void fill(uint8_t *bytes, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)next_random(&seed);
}

bool matches(const uint8_t *bytes, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != (uint8_t)next_random(&seed))
			return false;
	}
	return true;
}

static const size_t stamp_offsets[] = {0, PAGE / 2, PAGE - sizeof(uint64_t)};

void stamp(uint8_t *memory, size_t pages, uint32_t seed)
{
	for (size_t page = 0; page < pages; page++) {
		for (size_t i = 0; i < COUNT_OF(stamp_offsets); i++) {
			uint64_t word = (uint64_t)seed << 32 | (page << 2) | (i + 1);

			memcpy(memory + page * PAGE + stamp_offsets[i], &word, sizeof(word));
		}
	}
}

bool stamped_from(const uint8_t *memory, size_t first, size_t pages, uint32_t seed)
{
	for (size_t page = 0; page < pages; page++) {
		for (size_t i = 0; i < COUNT_OF(stamp_offsets); i++) {
			uint64_t word;

			memcpy(&word, memory + page * PAGE + stamp_offsets[i], sizeof(word));
			if (word != ((uint64_t)seed << 32 | ((first + page) << 2) | (i + 1)))
				return false;
		}
	}
	return true;
}

bool stamped(const uint8_t *memory, size_t pages, uint32_t seed)
{
	return stamped_from(memory, 0, pages, seed);
}

bool zeroed(const uint8_t *bytes, size_t size)
{
	return size == 0 || (bytes[0] == 0 && !memcmp(bytes, bytes + 1, size - 1));
}

uint8_t *anonymous(size_t size, size_t align)
{
	uint8_t *all = mmap(NULL, size + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	size_t before;

	if (all == MAP_FAILED)
		return NULL;
	before = (align - (uintptr_t)all % align) % align;
	if (before)
		munmap(all, before);
	munmap(all + before + size, align - before);
	return all + before;
}

static sigjmp_buf fault_exit;

static void on_fault(int number)
{
	siglongjmp(fault_exit, number);
}

bool faults(volatile uint8_t *address, bool write, int number)
{
	struct sigaction action = {.sa_handler = on_fault}, old_segv, old_bus;
	int raised;

	sigaction(SIGSEGV, &action, &old_segv);
	sigaction(SIGBUS, &action, &old_bus);
	raised = sigsetjmp(fault_exit, 1);
	if (!raised) {
		if (write)
			*address = 1;
		else
			(void)*address;
	}
	sigaction(SIGSEGV, &old_segv, NULL);
	sigaction(SIGBUS, &old_bus, NULL);
	return raised == number;
}
