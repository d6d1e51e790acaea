/* SPDX-License-Identifier: MIT */
/* Processes and threads: address spaces that come, are shared, copied and go. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"
#include "phases.h"

#define ROUNDS 20
#define AT_ONCE 48
#define LARGE_PAGES 4096u /* 16 MiB */
#define THREADS 8
#define THREAD_PAGES 32u
#define PING_PONGS 1000

/* ---- fork */

static int private_word;

static bool change_it(void *argument)
{
	(void)argument;
	if (private_word != 1)
		return false;
	private_word = 2;
	return private_word == 2;
}

static int fork_exit(void)
{
	private_word = 1;
	for (int i = 0; i < ROUNDS; i++) {
		CHECK(child_finds(change_it, NULL));
		CHECK(private_word == 1);
	}
	return 0;
}

static int fork_at_once(void)
{
	pid_t child[AT_ONCE];
	int fd[2], status;
	char byte;

	CHECK(pipe(fd) == 0);
	for (int i = 0; i < AT_ONCE; i++) {
		child[i] = fork();
		CHECK(child[i] >= 0);
		if (child[i] == 0) {
			/* All of them live until the other end is closed. */
			close(fd[1]);
			_exit(read(fd[0], &byte, 1) == 0 ? i : 255);
		}
	}
	close(fd[1]);
	for (int i = 0; i < AT_ONCE; i++) {
		CHECK(waitpid(child[i], &status, 0) == child[i]);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == i);
	}
	close(fd[0]);
	return 0;
}

static bool read_all(void *memory)
{
	return stamped(memory, LARGE_PAGES, 1);
}

static bool rewrite_all(void *memory)
{
	if (!stamped(memory, LARGE_PAGES, 1))
		return false;
	stamp(memory, LARGE_PAGES, 2);
	return stamped(memory, LARGE_PAGES, 2);
}

/* Many tables: 8 full ones at the last level. */
static int fork_large(void)
{
	uint8_t *memory = anonymous(LARGE_PAGES * PAGE, HUGE);

	CHECK(memory && madvise(memory, LARGE_PAGES * PAGE, MADV_NOHUGEPAGE) == 0);
	stamp(memory, LARGE_PAGES, 1);
	CHECK(child_finds(read_all, memory));
	CHECK(child_finds(rewrite_all, memory));
	CHECK(stamped(memory, LARGE_PAGES, 1));
	/* After the children the pages are this process's alone again. */
	stamp(memory, LARGE_PAGES, 3);
	CHECK(stamped(memory, LARGE_PAGES, 3));
	return 0;
}

/* ---- vfork and exec */

static pid_t vfork_exec(const char *path, char *const argv[])
{
	pid_t child = vfork();

	if (child == 0) {
		execv(path, argv);
		_exit(127);
	}
	return child;
}

static int vfork_static(void)
{
	static char *const argv[] = {(char *)"init", (char *)"nothing", NULL};
	volatile int shared = 0;
	pid_t child;

	for (int i = 0; i < ROUNDS; i++) {
		child = vfork();
		if (child == 0) {
			shared = shared + 1;
			_exit(0);
		}
		CHECK(ended_well(child));
		CHECK(shared == i + 1);
		CHECK(ended_well(vfork_exec("/init", argv)));
	}
	return 0;
}

static int exec_static(void)
{
	for (int i = 0; i < ROUNDS / 2; i++)
		CHECK(guest_run_self("nothing") == 0);
	return 0;
}

/* What the program prints, in text; false when it ends badly. */
static bool output_of(const char *path, char *const argv[], char *text, size_t size)
{
	size_t length = 0;
	ssize_t n;
	pid_t child;
	int fd[2];

	if (pipe(fd))
		return false;
	child = fork();
	if (child == 0) {
		dup2(fd[1], STDOUT_FILENO);
		close(fd[0]);
		close(fd[1]);
		execv(path, argv);
		_exit(127);
	}
	close(fd[1]);
	while (length < size - 1 && (n = read(fd[0], text + length, size - 1 - length)) > 0)
		length += (size_t)n;
	text[length] = '\0';
	close(fd[0]);
	return ended_well(child);
}

static int exec_dynamic(void)
{
	static char *const argv[] = {(char *)"program", (char *)"40", (char *)"7", (char *)"-5",
				     NULL};
	char text[16];

	for (int i = 0; i < ROUNDS / 4; i++) {
		CHECK(output_of("/bin/program", argv, text, sizeof(text)));
		CHECK(!strcmp(text, "42\n"));
	}
	return 0;
}

static int exec_script(void)
{
	static char *const argv[] = {(char *)"script", (char *)"3", (char *)"4", NULL};
	const char *path = "/tmp/script";
	char text[16];
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);

	CHECK(fd >= 0);
	CHECK(write(fd, "#!/bin/program\n", 15) == 15 && close(fd) == 0);
	CHECK(output_of(path, argv, text, sizeof(text)));
	/* The script's name is an argument, too, and no number. */
	CHECK(!strcmp(text, "7\n"));
	CHECK(unlink(path) == 0);
	return 0;
}

static int exec_32bit(void)
{
	static char *const argv[] = {(char *)"compat", (char *)"a", (char *)"b", NULL};
	int status;
	pid_t child;

	for (int i = 0; i < ROUNDS / 4; i++) {
		child = vfork_exec("/bin/compat", argv);
		CHECK(child > 0 && waitpid(child, &status, 0) == child);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	}
	return 0;
}

/* ---- threads */

static uint64_t sum;
static __thread uint32_t own_number;

/* Maps and unmaps, so that the other CPUs have translations to forget. */
static void *work(void *argument)
{
	uintptr_t number = (uintptr_t)argument;
	bool ok = true;

	own_number = (uint32_t)number;
	for (int i = 0; i < ROUNDS; i++) {
		uint8_t *memory = anonymous(THREAD_PAGES * PAGE, PAGE);

		if (!memory)
			return NULL;
		stamp(memory, THREAD_PAGES, own_number);
		sched_yield();
		ok = stamped(memory, THREAD_PAGES, own_number) && ok;
		munmap(memory, THREAD_PAGES * PAGE);
		__atomic_fetch_add(&sum, number, __ATOMIC_RELAXED);
	}
	return ok && own_number == number ? argument : NULL;
}

static int threads(void)
{
	pthread_t thread[THREADS];
	void *result;

	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&thread[i], NULL, work, (void *)(i + 1)) == 0);
	for (uintptr_t i = 0; i < THREADS; i++) {
		CHECK(pthread_join(thread[i], &result) == 0);
		CHECK(result == (void *)(i + 1));
	}
	CHECK(sum == (uint64_t)ROUNDS * THREADS * (THREADS + 1) / 2);
	return 0;
}

static void *end_all(void *argument)
{
	sched_yield();
	_exit(0);
	return argument;
}

static void *wait_for_ever(void *argument)
{
	while (pause())
		;
	return argument;
}

/* One thread ends a process whose others are asleep. */
static bool end_with_threads(void *argument)
{
	pthread_t thread;

	(void)argument;
	for (int i = 0; i < THREADS; i++) {
		if (pthread_create(&thread, NULL, wait_for_ever, NULL))
			return false;
	}
	if (pthread_create(&thread, NULL, end_all, NULL))
		return false;
	pthread_join(thread, NULL);
	return false;
}

static int threads_exit(void)
{
	for (int i = 0; i < ROUNDS / 4; i++)
		CHECK(child_finds(end_with_threads, NULL));
	return 0;
}

/* ---- switches */

static bool echo(void *argument)
{
	const int *fd = argument;
	uint32_t word;

	for (int i = 0; i < PING_PONGS; i++) {
		if (read(fd[0], &word, sizeof(word)) != sizeof(word))
			return false;
		word = ~word;
		if (write(fd[1], &word, sizeof(word)) != sizeof(word))
			return false;
	}
	return true;
}

/* Two address spaces that take turns on one CPU. */
static int switches(void)
{
	int there[2], back[2], ends[2];
	uint32_t word;
	pid_t child;

	CHECK(run_on(0) == 0);
	CHECK(pipe(there) == 0 && pipe(back) == 0);
	ends[0] = there[0];
	ends[1] = back[1];
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		_exit(echo(ends) ? 0 : 1);
	for (uint32_t i = 0; i < PING_PONGS; i++) {
		CHECK(write(there[1], &i, sizeof(i)) == sizeof(i));
		CHECK(read(back[0], &word, sizeof(word)) == sizeof(word) && word == ~i);
	}
	CHECK(ended_well(child));
	return 0;
}

const struct phase phases_processes[] = {
	{"fork", fork_exit},	      {"fork-at-once", fork_at_once},
	{"fork-large", fork_large},   {"vfork", vfork_static},
	{"exec-static", exec_static}, {"exec-dynamic", exec_dynamic},
	{"exec-script", exec_script}, {"exec-32bit", exec_32bit},
	{"threads", threads},	      {"threads-exit", threads_exit},
	{"switches", switches},	      {NULL, NULL},
};
