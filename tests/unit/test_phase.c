/* SPDX-License-Identifier: MIT */
#include "secpod/phase.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define CPUS 4u
#define ROUNDS 2000u

struct world {
	struct phase phase;
	char calls[64];	  /* a letter for each hook call */
	int error;	  /* of the second hook */
	uint32_t seen;	  /* phase that the second hook saw */
	int nested;	  /* result of a step asked for inside the second hook */
	uint32_t running; /* hooks at this moment */
	uint32_t overlap;
};

static void called(struct world *world, const char *letter)
{
	strncat(world->calls, letter, sizeof(world->calls) - strlen(world->calls) - 1);
}

static int first_active(void *context)
{
	called(context, "a");
	return 0;
}

static int first_locked(void *context)
{
	called(context, "l");
	return 0;
}

static int second_active(void *context)
{
	struct world *world = context;

	called(world, "A");
	world->seen = phase_current(&world->phase);
	world->nested = phase_advance(&world->phase, SECPOD_PHASE_ACTIVE);
	return world->error;
}

static int third_locked(void *context)
{
	called(context, "L");
	return 0;
}

static const struct phase_hook hooks[] = {
	{"first", first_active, first_locked},
	{"second", second_active, NULL},
	{"third", NULL, third_locked},
};

static struct world w;

static int up(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	phase_init(&w.phase, hooks, sizeof(hooks) / sizeof(hooks[0]), &w);
	return 0;
}

static void phases_follow_each_other_and_hooks_their_table(void **state)
{
	(void)state;
	assert_int_equal(phase_current(&w.phase), SECPOD_PHASE_GUEST);
	assert_int_equal(phase_advance(&w.phase, SECPOD_PHASE_ACTIVE), 0);
	assert_int_equal(phase_current(&w.phase), SECPOD_PHASE_ACTIVE);
	assert_string_equal(w.calls, "aA");
	assert_int_equal(phase_advance(&w.phase, SECPOD_PHASE_LOCKED), 0);
	assert_int_equal(phase_current(&w.phase), SECPOD_PHASE_LOCKED);
	assert_string_equal(w.calls, "aAlL");
	assert_null(w.phase.failed);
}

static void hooks_see_the_phase_before(void **state)
{
	(void)state;
	assert_int_equal(phase_advance(&w.phase, SECPOD_PHASE_ACTIVE), 0);
	assert_int_equal(w.seen, SECPOD_PHASE_GUEST);
}

static void a_step_in_a_step_is_busy(void **state)
{
	(void)state;
	assert_int_equal(phase_advance(&w.phase, SECPOD_PHASE_ACTIVE), 0);
	assert_int_equal(w.nested, -EBUSY);
}

static void no_phase_is_jumped_over(void **state)
{
	(void)state;
	assert_int_equal(phase_advance(&w.phase, SECPOD_PHASE_LOCKED), -EPERM);
	assert_int_equal(phase_current(&w.phase), SECPOD_PHASE_GUEST);
	assert_string_equal(w.calls, "");
}

static void what_is_reached_is_not_done_again_and_never_undone(void **state)
{
	(void)state;
	assert_int_equal(phase_advance(&w.phase, SECPOD_PHASE_ACTIVE), 0);
	assert_int_equal(phase_advance(&w.phase, SECPOD_PHASE_ACTIVE), 0);
	assert_string_equal(w.calls, "aA");
	assert_int_equal(phase_advance(&w.phase, SECPOD_PHASE_LOCKED), 0);
	assert_int_equal(phase_advance(&w.phase, SECPOD_PHASE_ACTIVE), 0);
	assert_int_equal(phase_advance(&w.phase, SECPOD_PHASE_LOCKED), 0);
	assert_int_equal(phase_current(&w.phase), SECPOD_PHASE_LOCKED);
	assert_string_equal(w.calls, "aAlL");
}

static void targets_that_are_no_step_are_refused(void **state)
{
	static const uint32_t bad[] = {
		SECPOD_PHASE_OFF, SECPOD_PHASE_GUEST, SECPOD_PHASE_LOCKED + 1, 1u << 31, UINT32_MAX,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(phase_advance(&w.phase, bad[i]), -EINVAL);
	assert_int_equal(phase_current(&w.phase), SECPOD_PHASE_GUEST);
}

static void a_hook_that_fails_keeps_the_phase_and_is_named(void **state)
{
	(void)state;
	w.error = -ENOMEM;
	assert_int_equal(phase_advance(&w.phase, SECPOD_PHASE_ACTIVE), -ENOMEM);
	assert_int_equal(phase_current(&w.phase), SECPOD_PHASE_GUEST);
	assert_string_equal(w.phase.failed, "second");
	/* It can be tried again. */
	w.error = 0;
	assert_int_equal(phase_advance(&w.phase, SECPOD_PHASE_ACTIVE), 0);
	assert_string_equal(w.calls, "aAaA");
}

static int count_active(void *context)
{
	struct world *world = context;

	if (__atomic_add_fetch(&world->running, 1, __ATOMIC_SEQ_CST) != 1)
		world->overlap++;
	__atomic_fetch_add(&world->seen, 1, __ATOMIC_SEQ_CST);
	__atomic_sub_fetch(&world->running, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static const struct phase_hook counting[] = {{"count", count_active, count_active}};
static pthread_barrier_t together;

/* Each round from GUEST to LOCKED; the result: how often the phase went back. */
static void *cpu(void *unused)
{
	uintptr_t back = 0;

	(void)unused;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t last = 0;

		pthread_barrier_wait(&together);
		while (last != SECPOD_PHASE_LOCKED) {
			uint32_t now;

			phase_advance(&w.phase, SECPOD_PHASE_ACTIVE);
			phase_advance(&w.phase, SECPOD_PHASE_LOCKED);
			now = phase_current(&w.phase);
			back += now < last;
			last = now;
		}
		if (pthread_barrier_wait(&together) == PTHREAD_BARRIER_SERIAL_THREAD)
			phase_init(&w.phase, counting, 1, &w);
	}
	return (void *)back;
}

static void each_step_is_taken_once_whatever_cpu_asks(void **state)
{
	pthread_t threads[CPUS];

	(void)state;
	phase_init(&w.phase, counting, 1, &w);
	assert_int_equal(pthread_barrier_init(&together, NULL, CPUS), 0);
	for (uint32_t i = 0; i < CPUS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, cpu, NULL), 0);
	for (uint32_t i = 0; i < CPUS; i++) {
		void *back;

		assert_int_equal(pthread_join(threads[i], &back), 0);
		assert_null(back);
	}
	pthread_barrier_destroy(&together);
	assert_int_equal(w.overlap, 0);
	assert_int_equal(w.seen, 2 * ROUNDS);
}

static void phases_have_names(void **state)
{
	(void)state;
	assert_string_equal(phase_name(SECPOD_PHASE_OFF), "OFF");
	assert_string_equal(phase_name(SECPOD_PHASE_GUEST), "GUEST");
	assert_string_equal(phase_name(SECPOD_PHASE_ACTIVE), "ACTIVE");
	assert_string_equal(phase_name(SECPOD_PHASE_LOCKED), "LOCKED");
	assert_string_equal(phase_name(UINT32_MAX), "OFF");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(phases_follow_each_other_and_hooks_their_table, up),
		cmocka_unit_test_setup(hooks_see_the_phase_before, up),
		cmocka_unit_test_setup(a_step_in_a_step_is_busy, up),
		cmocka_unit_test_setup(no_phase_is_jumped_over, up),
		cmocka_unit_test_setup(what_is_reached_is_not_done_again_and_never_undone, up),
		cmocka_unit_test_setup(targets_that_are_no_step_are_refused, up),
		cmocka_unit_test_setup(a_hook_that_fails_keeps_the_phase_and_is_named, up),
		cmocka_unit_test_setup(each_step_is_taken_once_whatever_cpu_asks, up),
		cmocka_unit_test(phases_have_names),
	};

	return cmocka_run_group_tests_name("phase", tests, NULL, NULL);
}
