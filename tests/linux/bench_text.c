/* SPDX-License-Identifier: MIT */
/* The kernel patches its own code: how many exits that causes. */
#include "bench.h"
#include "guest.h"
#include "phases.h"

#define EVENT TRACING "events/sched/sched_process_hang/enable"
#define ROUNDS 10u

static bool mounted(void)
{
	/* What is done once, such as tables for the address that is patched through, is none of a round. */
	return !mount_tracing() && !put_text(EVENT, "1") && !put_text(EVENT, "0");
}

static bool toggle(void)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		if (put_text(EVENT, "1") || put_text(EVENT, "0"))
			return false;
	}
	return true;
}

int bench_text_main(void)
{
	static const struct operation operations[] = {
		{"10 tracepoints on and off", toggle, mounted, NULL, 1},
	};

	return bench_all(operations, sizeof(operations) / sizeof(operations[0]));
}
