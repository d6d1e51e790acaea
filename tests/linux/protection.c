/* SPDX-License-Identifier: MIT */
#include "protection.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"
#include "guest-support/include/secpod_abi.h"

#define SIZE (PROTECTED * PAGE)
#define ROUNDS 12u
/* Looks, one in each millisecond: yielding alone may leave a writer on the same CPU without its turn. */
#define PATIENCE 5000u

static uint8_t *small_pages(void)
{
	uint8_t *memory = anonymous(SIZE, HUGE);

	if (!memory || madvise(memory, SIZE, MADV_NOHUGEPAGE))
		return NULL;
	stamp(memory, PROTECTED, 1);
	return memory;
}

uint64_t exits_of_mprotect(void)
{
	uint8_t *memory = small_pages();
	uint64_t before, after;

	if (!memory || !guest_stat(SECPOD_STAT_EXITS, &before) ||
	    mprotect(memory, SIZE, PROT_READ) || !guest_stat(SECPOD_STAT_EXITS, &after) ||
	    !stamped(memory, PROTECTED, 1) || mprotect(memory, SIZE, PROT_READ | PROT_WRITE))
		return 0;
	stamp(memory, PROTECTED, 2);
	return stamped(memory, PROTECTED, 2) && !munmap(memory, SIZE) ? after - before : 0;
}

/* ---- a writer beside it */

static uint8_t *shared;
static atomic_uint written[PROTECTED]; /* how often, by the writer's own count */
static atomic_bool stop;

static _Atomic uint32_t *word_of(size_t page)
{
	return (_Atomic uint32_t *)(shared + page * PAGE);
}

/* Until there is write access again. */
static void wait_for_access(int number)
{
	(void)number;
	sched_yield();
}

static void *write_on(void *argument)
{
	(void)argument;
	while (!atomic_load(&stop)) {
		for (size_t i = 0; i < PROTECTED; i++) {
			atomic_fetch_add(word_of(i), 1);
			atomic_fetch_add(&written[i], 1);
		}
	}
	return NULL;
}

static bool take_and_give(void)
{
	static uint32_t seen[PROTECTED];
	const uint32_t before = atomic_load(word_of(PROTECTED - 1));

	if (mprotect(shared, SIZE, PROT_READ))
		return false;
	for (size_t i = 0; i < PROTECTED; i++)
		seen[i] = atomic_load(word_of(i));
	/* The writer has its chance. */
	for (unsigned int i = 0; i < 10; i++)
		sched_yield();
	for (size_t i = 0; i < PROTECTED; i++) {
		if (atomic_load(word_of(i)) != seen[i])
			return false;
	}
	if (mprotect(shared, SIZE, PROT_READ | PROT_WRITE))
		return false;
	for (unsigned int i = 0; i < PATIENCE; i++) {
		if (atomic_load(word_of(PROTECTED - 1)) != before)
			return true;
		usleep(1000);
	}
	return false;
}

int protection_holds(void)
{
	const struct sigaction waiting = {.sa_handler = wait_for_access};
	struct sigaction usual;
	unsigned int rounds = 0;
	pthread_t writer;

	shared = small_pages();
	CHECK(shared);
	for (size_t i = 0; i < PROTECTED; i++) {
		atomic_store(word_of(i), 0);
		atomic_store(&written[i], 0);
	}
	atomic_store(&stop, false);
	CHECK(sigaction(SIGSEGV, &waiting, &usual) == 0);
	CHECK(pthread_create(&writer, NULL, write_on, NULL) == 0);
	while (rounds < ROUNDS && take_and_give())
		rounds++;
	(void)mprotect(shared, SIZE, PROT_READ | PROT_WRITE);
	atomic_store(&stop, true);
	CHECK(pthread_join(writer, NULL) == 0 && sigaction(SIGSEGV, &usual, NULL) == 0);
	CHECK(rounds == ROUNDS);
	for (size_t i = 0; i < PROTECTED; i++)
		CHECK(atomic_load(word_of(i)) == atomic_load(&written[i]));
	CHECK(munmap(shared, SIZE) == 0);
	return 0;
}
