/* SPDX-License-Identifier: MIT */
/*
 * Ordinary work that checks its own results: a hypervisor that mixes up memory, registers or events shows
 * here. And CPUs taken off and on again.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"
#include "vectors.h"
#include "guest-support/include/secpod_abi.h"

#define CHILDREN 64
#define THREADS 8
#define ROUNDS 20000
#define PIPE_BYTES (1u << 20)
#define FILE_BYTES (1u << 20)
#define PAGES 256
#define FLOAT_ROUNDS 200000
#define VECTOR_ROUNDS 500

static int test_processes(void)
{
	pid_t child[CHILDREN];
	int status;

	for (int i = 0; i < CHILDREN; i++) {
		child[i] = fork();
		if (child[i] == 0)
			_exit(i);
		CHECK(child[i] > 0);
	}
	for (int i = 0; i < CHILDREN; i++) {
		CHECK(waitpid(child[i], &status, 0) == child[i]);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == i);
	}
	for (int i = 0; i < 8; i++)
		CHECK(guest_run_self("nothing") == 0);
	return 0;
}

static int test_pipes(void)
{
	static uint8_t buffer[PIPE_BYTES];
	int fd[2];
	pid_t child;
	size_t done = 0;
	int status;

	CHECK(pipe(fd) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		fill(buffer, sizeof(buffer), 7);
		while (done < sizeof(buffer)) {
			ssize_t n =
				write(fd[1], buffer + done,
				      3001 < sizeof(buffer) - done ? 3001 : sizeof(buffer) - done);

			if (n <= 0)
				_exit(1);
			done += (size_t)n;
		}
		_exit(0);
	}
	close(fd[1]);
	for (;;) {
		ssize_t n = read(fd[0], buffer + done, sizeof(buffer) - done);

		CHECK(n >= 0);
		if (n == 0 || done == sizeof(buffer))
			break;
		done += (size_t)n;
	}
	close(fd[0]);
	CHECK(done == sizeof(buffer) && matches(buffer, done, 7));
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	return 0;
}

static int test_files(void)
{
	static uint8_t buffer[FILE_BYTES];
	struct stat info;
	int fd = open("/tmp/a", O_CREAT | O_RDWR | O_EXCL, 0600);

	CHECK(fd >= 0);
	fill(buffer, sizeof(buffer), 11);
	CHECK(write(fd, buffer, sizeof(buffer)) == (ssize_t)sizeof(buffer));
	CHECK(rename("/tmp/a", "/tmp/b") == 0);
	memset(buffer, 0, sizeof(buffer));
	CHECK(pread(fd, buffer, sizeof(buffer), 0) == (ssize_t)sizeof(buffer));
	CHECK(matches(buffer, sizeof(buffer), 11));
	CHECK(ftruncate(fd, 100) == 0 && fstat(fd, &info) == 0 && info.st_size == 100);
	CHECK(unlink("/tmp/b") == 0 && access("/tmp/b", F_OK) < 0 && errno == ENOENT);
	close(fd);
	return 0;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t guarded;
static uint64_t atomic_sum;

static void *count(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&mutex);
		guarded++;
		pthread_mutex_unlock(&mutex);
		__atomic_fetch_add(&atomic_sum, (uint64_t)i, __ATOMIC_RELAXED);
	}
	return NULL;
}

static int test_threads(void)
{
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&thread[i], NULL, count, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(thread[i], NULL) == 0);
	CHECK(guarded == (uint64_t)THREADS * ROUNDS);
	CHECK(atomic_sum == (uint64_t)THREADS * ROUNDS * (ROUNDS - 1) / 2);
	return 0;
}

static volatile sig_atomic_t signals_seen;

static void on_signal(int number)
{
	(void)number;
	signals_seen++;
}

static int test_memory(void)
{
	size_t size = PAGES * 4096u;
	uint8_t *memory =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t child;
	int status;

	CHECK(memory != MAP_FAILED);
	fill(memory, size, 23);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		/* Copy on write: the child's changes stay its own. */
		bool ok = matches(memory, size, 23);

		fill(memory, size, 24);
		_exit(ok && matches(memory, size, 24) ? 0 : 1);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(matches(memory, size, 23));

	CHECK(mprotect(memory, size, PROT_READ) == 0);
	CHECK(faults(memory, true, SIGSEGV) && matches(memory, size, 23));
	CHECK(munmap(memory, size) == 0);
	return 0;
}

static int test_signals(void)
{
	struct itimerval timer = {{0, 10000}, {0, 10000}};
	struct itimerval off = {{0, 0}, {0, 0}};

	signal(SIGALRM, on_signal);
	signal(SIGUSR1, on_signal);
	signals_seen = 0;
	for (int i = 0; i < 1000; i++)
		CHECK(raise(SIGUSR1) == 0);
	CHECK(signals_seen == 1000);
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	while (signals_seen < 1010)
		pause();
	CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
	return 0;
}

/* The same sum in two processes that share a CPU: vector registers survive exits and switches. */
static double float_sum(void)
{
	double sum = 0;

	for (int i = 1; i <= FLOAT_ROUNDS; i++) {
		sum += 1.0 / ((double)i * (double)i);
		if (i % 1000 == 0)
			sched_yield();
		if (i % 5000 == 0)
			guest_cpuid(0, 0); /* an exit in the middle */
	}
	return sum;
}

static int test_floating_point(void)
{
	cpu_set_t one;
	double mine;
	pid_t child;
	int status;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
	child = fork();
	CHECK(child >= 0);
	mine = float_sum();
	if (child == 0)
		_exit(mine > 1.6449290 && mine < 1.6449291 ? 0 : 1);
	CHECK(mine > 1.6449290 && mine < 1.6449291);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	return 0;
}

/* Vector registers survive exits and switches to another process that has other values there. */
static int test_vectors(void)
{
	pid_t child;
	bool ok = true;
	int status;

	if (!__builtin_cpu_supports("avx"))
		return 0;
	child = fork();
	CHECK(child >= 0);
	for (uint32_t i = 0; i < VECTOR_ROUNDS; i++)
		ok = ymm_survive(2 * i + (child == 0), SYS_sched_yield, 0, 0, 0) && ok;
	if (child == 0)
		_exit(ok ? 0 : 1);
	CHECK(ok);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	return 0;
}

static int test_time(void)
{
	struct timespec before, after, wait = {0, 50000000};

	CHECK(clock_gettime(CLOCK_MONOTONIC, &before) == 0);
	CHECK(nanosleep(&wait, NULL) == 0);
	CHECK(clock_gettime(CLOCK_MONOTONIC, &after) == 0);
	CHECK((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec >=
	      50000000L);
	return 0;
}

int workload_main(void)
{
	static int (*const tests[])(void) = {
		test_processes, test_pipes,	     test_files,   test_threads, test_memory,
		test_signals,	test_floating_point, test_vectors, test_time,
	};

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (tests[i]())
			return 1;
	}
	printf("GUEST: workload ok, %d checks\n", checks);
	return 0;
}

static int write_online(int cpu, const char *value)
{
	char path[64];
	int fd, ok;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -1;
	ok = write(fd, value, 1) == 1;
	close(fd);
	return ok ? 0 : -1;
}

int hotplug_main(void)
{
	bool secpod = !strcmp(guest_signature(), SECPOD_SIGNATURE);
	int cpus = get_nprocs();
	cpu_set_t other;

	CHECK(cpus > 1);
	for (int round = 0; round < 3; round++) {
		for (int cpu = 1; cpu < cpus; cpu++) {
			CHECK(write_online(cpu, "0") == 0);
			CHECK(get_nprocs() == cpus - 1);
			CHECK(write_online(cpu, "1") == 0);
			CHECK(get_nprocs() == cpus);
			CPU_ZERO(&other);
			CPU_SET((size_t)cpu, &other);
			CHECK(sched_setaffinity(0, sizeof(other), &other) == 0 &&
			      sched_getcpu() == cpu);
			CHECK(!secpod || guest_cpuid(SECPOD_CPUID_VERSION, 0).eax != 0);
			CPU_ZERO(&other);
			CPU_SET(0, &other);
			CHECK(sched_setaffinity(0, sizeof(other), &other) == 0);
		}
	}
	return 0;
}
