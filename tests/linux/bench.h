/* SPDX-License-Identifier: MIT */
/* What bench.c measures of an operation, and what it is told about one. */
#ifndef SECPOD_TESTS_LINUX_BENCH_H
#define SECPOD_TESTS_LINUX_BENCH_H

#include <stdbool.h>
#include <stddef.h>

struct operation {
	const char *name;
	bool (*run)(void);
	bool (*prepare)(void); /* not measured; may be NULL, as finish */
	void (*finish)(void);
	/*
	 * How often it is done; the time with the fewest exits counts. What the kernel does by itself
	 * meanwhile, such as to give back a stack, is in some of them and no part of any.
	 */
	unsigned int turns;
};

/*
 * bench_all - measure each of count operations, and print what it caused. Result: those that could
 * not be measured.
 */
int bench_all(const struct operation *operations, size_t count);

/* pin_to_cpu - from now on the caller and its children run on this CPU only */
void pin_to_cpu(unsigned int cpu);

#endif
