/* SPDX-License-Identifier: MIT */
/* perf_event_open: counters of the kernel and of the CPU, samples in a ring, breakpoints in debug registers. */
#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "phases.h"

#define RING_PAGES 8u
#define TOUCHED 64u
#define YIELDS 50u
#define WRITES 100u
#define SPIN_ROUNDS 20000000u
#define SAMPLE_NANOSECONDS 1000000u
#define SAMPLE_CYCLES 1000000u
#define SAMPLES_MIN 10u

static int open_event(struct perf_event_attr *attr)
{
	attr->size = sizeof(*attr);
	return (int)syscall(SYS_perf_event_open, attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static int open_counter(uint32_t type, uint64_t config)
{
	struct perf_event_attr attr = {.type = type, .config = config, .disabled = 1};

	return open_event(&attr);
}

static uint64_t stop_and_read(int fd)
{
	uint64_t count = 0;

	ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		count = 0;
	close(fd);
	return count;
}

static int start(int fd)
{
	return ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
}

/* ---- counting */

static int count(void)
{
	uint8_t *memory = anonymous(TOUCHED * PAGE, PAGE);
	pid_t child;
	uint64_t n;
	int fd;

	CHECK(memory && madvise(memory, TOUCHED * PAGE, MADV_NOHUGEPAGE) == 0);
	fd = open_counter(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS);
	CHECK(fd >= 0 && start(fd) == 0);
	stamp(memory, TOUCHED, 1);
	n = stop_and_read(fd);
	CHECK(n >= TOUCHED && n < 2 * TOUCHED);

	CHECK(run_on(0) == 0);
	child = fork();
	CHECK(child >= 0);
	fd = child ? open_counter(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES) : -1;
	if (child)
		CHECK(fd >= 0 && start(fd) == 0);
	for (unsigned int i = 0; i < YIELDS; i++)
		sched_yield();
	if (child == 0)
		_exit(0);
	CHECK(ended_well(child));
	CHECK(stop_and_read(fd) > 0);
	return 0;
}

/* ---- samples */

static __attribute__((noinline)) uint64_t spin(uint64_t rounds)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < rounds; i++)
		__asm__ volatile("add %1, %0" : "+r"(sum) : "r"(i));
	return sum;
}

struct samples {
	uint64_t all;
	uint64_t in_spin;
};

/* PERF_SAMPLE_IP | PERF_SAMPLE_TID */
struct sample {
	struct perf_event_header header;
	uint64_t ip;
	uint32_t pid, tid;
};

/* Bytes of the ring may wrap in the middle of a record. */
static void copy_out(const uint8_t *ring, uint64_t at, void *to, size_t size)
{
	const uint64_t ring_size = RING_PAGES * PAGE;

	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = ring[(at + i) % ring_size];
}

/* Within the one function: it is small, and what follows it may be anything. */
#define SPIN_BYTES 64u

static void count_samples(struct perf_event_mmap_page *page, struct samples *samples)
{
	const uint8_t *ring = (const uint8_t *)page + PAGE;
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
	uint64_t at = page->data_tail;
	struct sample sample;

	while (at < head) {
		copy_out(ring, at, &sample, sizeof(sample.header));
		if (sample.header.type == PERF_RECORD_SAMPLE) {
			copy_out(ring, at, &sample, sizeof(sample));
			samples->all++;
			if (sample.tid == (uint32_t)getpid() && sample.ip >= (uintptr_t)spin &&
			    sample.ip < (uintptr_t)spin + SPIN_BYTES)
				samples->in_spin++;
		}
		at += sample.header.size;
	}
	__atomic_store_n(&page->data_tail, head, __ATOMIC_RELEASE);
}

static int sample_spin(int fd)
{
	struct samples samples = {0, 0};
	struct perf_event_mmap_page *page =
		mmap(NULL, (1 + RING_PAGES) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(page != MAP_FAILED);
	CHECK(start(fd) == 0);
	CHECK(spin(SPIN_ROUNDS) == (uint64_t)SPIN_ROUNDS * (SPIN_ROUNDS - 1) / 2);
	CHECK(ioctl(fd, PERF_EVENT_IOC_DISABLE, 0) == 0);
	count_samples(page, &samples);
	printf("GUEST: perf: %llu samples, %llu of them in the loop\n",
	       (unsigned long long)samples.all, (unsigned long long)samples.in_spin);
	CHECK(samples.in_spin >= SAMPLES_MIN && samples.in_spin * 2 > samples.all);
	CHECK(munmap(page, (1 + RING_PAGES) * PAGE) == 0 && close(fd) == 0);
	return 0;
}

static int sample(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = SAMPLE_NANOSECONDS,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID,
		.exclude_kernel = 1,
		.disabled = 1,
	};
	int fd = open_event(&attr);

	CHECK(fd >= 0);
	return sample_spin(fd);
}

/* ---- counters of the CPU */

#define NO_COUNTERS "the kernel finds no performance counters in this CPU"

static int hardware_count(void)
{
	int fd = open_counter(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS);
	uint64_t n;

	if (fd < 0 && (errno == ENOENT || errno == EOPNOTSUPP))
		return phase_skip(NO_COUNTERS);
	CHECK(fd >= 0 && start(fd) == 0);
	spin(SPIN_ROUNDS);
	n = stop_and_read(fd);
	/* Three instructions a round. */
	CHECK(n >= 3ull * SPIN_ROUNDS && n < 6ull * SPIN_ROUNDS);
	return 0;
}

static int hardware_sample(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_CPU_CYCLES,
		.sample_period = SAMPLE_CYCLES,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID,
		.exclude_kernel = 1,
		.disabled = 1,
	};
	int fd = open_event(&attr);

	if (fd < 0 && (errno == ENOENT || errno == EOPNOTSUPP))
		return phase_skip(NO_COUNTERS);
	CHECK(fd >= 0);
	return sample_spin(fd);
}

/* ---- debug registers */

static int breakpoint(void)
{
	static volatile uint64_t word;
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.bp_type = HW_BREAKPOINT_W,
		.bp_addr = (uintptr_t)&word,
		.bp_len = HW_BREAKPOINT_LEN_8,
		.exclude_kernel = 1,
		.disabled = 1,
	};
	int fd = open_event(&attr);

	CHECK(fd >= 0 && start(fd) == 0);
	for (uint64_t i = 0; i < WRITES; i++)
		word = i;
	CHECK(stop_and_read(fd) == WRITES);
	CHECK(word == WRITES - 1);
	return 0;
}

const struct phase features_perf[] = {
	{"perf-count", count},
	{"perf-sample", sample},
	{"perf-hardware-count", hardware_count},
	{"perf-hardware-sample", hardware_sample},
	{"perf-breakpoint", breakpoint},
	{NULL, NULL},
};
