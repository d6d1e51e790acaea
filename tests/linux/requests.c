/* SPDX-License-Identifier: MIT */
/*
 * Requests for changes of page tables can be made by the kernel alone: the module secpod_requests makes them,
 * with memory of this process and of one that sleeps meanwhile. What both see of it afterwards is checked here.
 */
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"
#include "phases.h"

#define PAGES (HUGE / PAGE)

/* Copied on write by each process, so that there are tables of its own, page by page. */
static uint8_t *written_memory(uint32_t seed)
{
	uint8_t *memory = anonymous(HUGE, HUGE);

	if (memory && !madvise(memory, HUGE, MADV_NOHUGEPAGE))
		stamp(memory, PAGES, seed);
	return memory;
}

static int sleep_until_closed(uint8_t *memory, int ready, int wake)
{
	char byte = 0;

	stamp(memory, PAGES, 2);
	CHECK(write(ready, &byte, 1) == 1);
	CHECK(read(wake, &byte, 1) == 0);
	CHECK(stamped(memory, PAGES, 2));
	/* Once more written, now that the tables are new ones. */
	stamp(memory, PAGES, 3);
	CHECK(stamped(memory, PAGES, 3));
	return 0;
}

int requests_main(void)
{
	uint8_t *memory = written_memory(1);
	int ready[2], wake[2], error;
	char parameters[64], byte;
	cpu_set_t first;
	pid_t sleeper;

	CHECK(memory && !pipe(ready) && !pipe(wake));
	/* On one CPU: no other keeps the sleeping process's root in CR3 while it has nothing to do. */
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	CHECK(!sched_setaffinity(0, sizeof(first), &first));
	sleeper = fork();
	if (sleeper == 0) {
		close(wake[1]);
		_exit(sleep_until_closed(memory, ready[1], wake[0]));
	}
	CHECK(sleeper > 0 && read(ready[0], &byte, 1) == 1);
	/* Its memory is its own by now; so is ours. */
	stamp(memory, PAGES, 1);
	snprintf(parameters, sizeof(parameters), "region=%#lx sleeper=%d", (unsigned long)memory,
		 (int)sleeper);
	error = load_module("secpod_requests", parameters, false);
	close(wake[1]);
	CHECK(ended_well(sleeper));
	CHECK(error == 0);
	CHECK(stamped(memory, PAGES, 1));
	stamp(memory, PAGES, 4);
	CHECK(stamped(memory, PAGES, 4));
	CHECK(unload_module("secpod_requests") == 0);
	return 0;
}
