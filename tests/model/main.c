/* SPDX-License-Identifier: MIT */
/*
 * usage: model [--seed N] [--seeds N] [--bursts N] [--steps N] [--cpus N] [--threads]
 *
 * For each seed a world, for each burst in it so many steps of the guest and then a check of everything.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/model.h"

/* Every so many bursts the monitor is short of memory; it has this many pages then at most. */
#define SHORT_EVERY 8u
#define SHORT_PAGES 12u
/* Seeds that stay ACTIVE. */
#define UNLOCKED_EVERY 8u

static struct options {
	uint64_t seed;
	uint64_t seeds;
	uint64_t bursts;
	uint64_t steps; /* in a burst, all CPUs */
	uint64_t cpus;
	bool threads;
} options = {.seed = 1, .seeds = 4, .bursts = 50, .steps = 4000, .cpus = 3};

static void *run_cpu(void *argument)
{
	this_cpu = argument;
	for (uint64_t i = 0; i < options.steps / options.cpus; i++)
		guest_step();
	return NULL;
}

static void burst_threads(void)
{
	pthread_t thread[MODEL_CPUS];

	model_shaken = 1;
	for (uint32_t i = 0; i < model.cpus; i++)
		MODEL_CHECK(pthread_create(&thread[i], NULL, run_cpu, &model.cpu[i]) == 0, i, 0);
	for (uint32_t i = 0; i < model.cpus; i++)
		MODEL_CHECK(pthread_join(thread[i], NULL) == 0, i, 0);
	model_shaken = 0;
	this_cpu = &model.cpu[0];
}

static void burst_one(void)
{
	for (uint64_t i = 0; i < options.steps; i++) {
		this_cpu = &model.cpu[dice(model.cpus)];
		guest_step();
	}
	this_cpu = &model.cpu[0];
}

/* What could not be made writable in time is when it is written next. */
static void settle_all(void)
{
	model.quiet = true;
	for (uint64_t frame = 0; frame < PW_FRAMES; frame++)
		machine_settle(frame);
	model.quiet = false;
}

static void run_burst(void)
{
	const bool short_of_memory = model.burst % SHORT_EVERY == SHORT_EVERY - 1;

	if (short_of_memory)
		machine_memory(dice(SHORT_PAGES));
	if (model.threaded)
		burst_threads();
	else
		burst_one();
	reference_check(short_of_memory);
	if (!model.locked)
		reference_lock();
	if (short_of_memory) {
		machine_memory(ALL_MEMORY);
		settle_all();
		reference_check(false);
	}
}

static void run_seed(uint64_t seed)
{
	machine_open(seed, (uint32_t)options.cpus, options.threads);
	if (seed % UNLOCKED_EVERY)
		machine_lock();
	reference_begin();
	for (model.burst = 0; model.burst < options.bursts; model.burst++)
		run_burst();
	reference_end();
	printf("model: seed %" PRIu64 ": %" PRIu64 " operations, %" PRIu64
	       " stores trapped, %" PRIu64 " refused, %" PRIu64 " tables made, %" PRIu64
	       " unmade, %" PRIu64 " invalidations, %" PRIu64 " answers compared\n",
	       seed, model.operations, model.world.paging.stats.stores,
	       model.world.paging.stats.refused, model.world.paging.stats.promoted,
	       model.world.paging.stats.released, model.world.paging.stats.flushes, model.compared);
	machine_close();
}

static void usage(void)
{
	fprintf(stderr, "usage: model [--seed N] [--seeds N] [--bursts N] [--steps N] [--cpus N] "
			"[--threads]\n");
	exit(2);
}

static void read_options(int argc, char **argv)
{
	const struct {
		const char *name;
		uint64_t *value;
	} numbers[] = {
		{"--seed", &options.seed},     {"--seeds", &options.seeds},
		{"--bursts", &options.bursts}, {"--steps", &options.steps},
		{"--cpus", &options.cpus},
	};

	for (int i = 1; i < argc; i++) {
		uint64_t *value = NULL;

		if (!strcmp(argv[i], "--threads")) {
			options.threads = true;
			continue;
		}
		for (size_t j = 0; j < sizeof(numbers) / sizeof(numbers[0]); j++) {
			if (!strcmp(argv[i], numbers[j].name))
				value = numbers[j].value;
		}
		if (!value || ++i == argc)
			usage();
		*value = strtoull(argv[i], NULL, 0);
	}
	if (options.cpus < 2 || options.cpus > MODEL_CPUS)
		usage();
}

int main(int argc, char **argv)
{
	uint64_t operations = 0;

	/* What paging_world.c asserts stops the program at once. */
	(void)setenv("CMOCKA_TEST_ABORT", "1", 1);
	read_options(argc, argv);
	for (uint64_t i = 0; i < options.seeds; i++) {
		run_seed(options.seed + i);
		operations += model.operations;
	}
	printf("model: %" PRIu64 " operations on %" PRIu64 " CPUs (%s), no invariant broken\n",
	       operations, options.cpus, options.threads ? "threads" : "one thread");
	return 0;
}
