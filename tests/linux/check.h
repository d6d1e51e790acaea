/* SPDX-License-Identifier: MIT */
/*
 * What every part of the test program checks with, and memory that can be told from other memory.
 */
#ifndef SECPOD_TESTS_LINUX_CHECK_H
#define SECPOD_TESTS_LINUX_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Checks made so far in this process. */
extern int checks;

/* In a function whose result is 0 when all was as expected: says what was not, and returns 1. */
#define CHECK(condition)                                              \
	do {                                                          \
		checks++;                                             \
		if (!(condition)) {                                   \
			check_failed(__FILE__, __LINE__, #condition); \
			return 1;                                     \
		}                                                     \
	} while (0)

/* check_failed - one line about a condition that does not hold, with errno. */
void check_failed(const char *file, int line, const char *condition);

/* fill, matches - pseudo-random bytes that seed decides, and whether they are still there. */
void fill(uint8_t *bytes, size_t size, uint32_t seed);
bool matches(const uint8_t *bytes, size_t size, uint32_t seed);

#define PAGE ((size_t)4096)
#define HUGE ((size_t)2 << 20)
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/*
 * stamp, stamped - words at the beginning, in the middle and at the end of each page that tell it from
 * all others, and whether they are still there; memory: page-aligned. Cheap beside fill().
 */
void stamp(uint8_t *memory, size_t pages, uint32_t seed);
bool stamped(const uint8_t *memory, size_t pages, uint32_t seed);
/* The same for what was stamped as page number first and those behind it. */
bool stamped_from(const uint8_t *memory, size_t first, size_t pages, uint32_t seed);

/* zeroed - whether size bytes are 0. */
bool zeroed(const uint8_t *bytes, size_t size);

/* anonymous - private memory of size bytes, aligned to align (a power of two, at least PAGE), or NULL. */
uint8_t *anonymous(size_t size, size_t align);

/* faults - whether reading (or writing) a byte raises the signal number. */
bool faults(volatile uint8_t *address, bool write, int number);

#endif
