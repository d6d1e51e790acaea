/* SPDX-License-Identifier: MIT */
#include "ept/invalidate.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "tests/unit/ept_fixture.h"

/* What a test machine's CPU has done; the index is found through a thread-local variable. */
static struct {
	struct ept_flush flush;
	uint32_t invalidated[EPT_FLUSH_MAX_CPUS];
	uint32_t kicked[EPT_FLUSH_MAX_CPUS];
	uint32_t relaxed;
	void (*on_relax)(void);
	void (*on_invalidate)(void);
} machine;
static __thread uint32_t this;

static void invalidate_local(void *context)
{
	assert_ptr_equal(context, &machine);
	__atomic_fetch_add(&machine.invalidated[this], 1, __ATOMIC_SEQ_CST);
	if (machine.on_invalidate)
		machine.on_invalidate();
}

static void kick(void *context, uint32_t cpu)
{
	(void)context;
	__atomic_fetch_add(&machine.kicked[cpu], 1, __ATOMIC_SEQ_CST);
}

static void relax(void *context)
{
	(void)context;
	__atomic_fetch_add(&machine.relaxed, 1, __ATOMIC_RELAXED);
	if (machine.on_relax)
		machine.on_relax();
	sched_yield();
}

static const struct ept_flush_ops ops = {invalidate_local, kick, relax, &machine};

static int machine_up(void **state)
{
	(void)state;
	memset(&machine, 0, sizeof(machine));
	this = 0;
	return ept_flush_init(&machine.flush, 4, &ops);
}

/* One turn in the guest and back, as CPU cpu. */
static void enter_as(uint32_t cpu)
{
	this = cpu;
	ept_flush_enter(&machine.flush, &machine.flush.cpu[cpu]);
	this = 0;
}

static void cpu_count_and_ops_are_checked(void **state)
{
	struct ept_flush_ops bad = ops;

	(void)state;
	assert_int_equal(ept_flush_init(&machine.flush, 0, &ops), -EINVAL);
	assert_int_equal(ept_flush_init(&machine.flush, EPT_FLUSH_MAX_CPUS + 1, &ops), -EINVAL);
	assert_int_equal(ept_flush_init(&machine.flush, EPT_FLUSH_MAX_CPUS, &ops), 0);
	bad.kick = NULL;
	assert_int_equal(ept_flush_init(&machine.flush, 1, &bad), -EINVAL);
	bad = ops;
	bad.invalidate_local = NULL;
	assert_int_equal(ept_flush_init(&machine.flush, 1, &bad), -EINVAL);
	bad = ops;
	bad.relax = NULL;
	assert_int_equal(ept_flush_init(&machine.flush, 1, &bad), -EINVAL);
}

static void entry_without_a_request_invalidates_nothing(void **state)
{
	(void)state;
	enter_as(1);
	assert_int_equal(machine.invalidated[1], 0);
	assert_int_equal(machine.flush.cpu[1].in_guest, 1);
	ept_flush_exit(&machine.flush.cpu[1]);
	assert_int_equal(machine.flush.cpu[1].in_guest, 0);
}

static void cpus_in_root_mode_are_not_kicked_and_invalidate_on_entry(void **state)
{
	uint32_t cpu;

	(void)state;
	ept_flush_all(&machine.flush, 0);
	ept_flush_all(&machine.flush, 0);
	assert_int_equal(machine.flush.requests, 2);
	assert_int_equal(machine.flush.kicks, 0);
	assert_int_equal(machine.relaxed, 0);
	for (cpu = 0; cpu < 4; cpu++) {
		assert_int_equal(machine.kicked[cpu], 0);
		assert_int_equal(machine.invalidated[cpu], 0);
		enter_as(cpu);
		ept_flush_exit(&machine.flush.cpu[cpu]);
		enter_as(cpu);
		ept_flush_exit(&machine.flush.cpu[cpu]);
		/* Two requests, one invalidation, and none the second time. */
		assert_int_equal(machine.invalidated[cpu], 1);
		assert_int_equal(machine.flush.cpu[cpu].flushes, 1);
	}
}

static void release_cpu_2(void)
{
	if (machine.relaxed == 10)
		ept_flush_exit(&machine.flush.cpu[2]);
}

static void cpu_in_the_guest_is_kicked_once_and_waited_for(void **state)
{
	(void)state;
	enter_as(2);
	machine.on_relax = release_cpu_2;
	ept_flush_all(&machine.flush, 0);
	assert_int_equal(machine.kicked[2], 1);
	assert_int_equal(machine.relaxed, 10);
	assert_int_equal(machine.flush.kicks, 1);
	assert_int_equal(machine.flush.cpu[2].in_guest, 0);
}

static void reenter_cpu_2(void)
{
	if (machine.relaxed == 3) {
		ept_flush_exit(&machine.flush.cpu[2]);
		enter_as(2);
	}
}

static void cpu_that_went_round_is_not_waited_for_any_longer(void **state)
{
	(void)state;
	enter_as(2);
	machine.on_relax = reenter_cpu_2;
	ept_flush_all(&machine.flush, 0);
	assert_int_equal(machine.relaxed, 3);
	assert_int_equal(machine.invalidated[2], 1);
	assert_int_equal(machine.flush.cpu[2].in_guest, 1);
}

static void fail_instead_of_waiting(void)
{
	fail_msg("waits for a CPU that invalidates");
}

static void ask_as_cpu_2(void)
{
	machine.on_invalidate = NULL;
	ept_flush_all(&machine.flush, 2);
}

/* Else two CPUs that come to ask while they invalidate would wait for each other. */
static void cpu_that_invalidates_is_not_waited_for(void **state)
{
	(void)state;
	machine.on_invalidate = ask_as_cpu_2;
	machine.on_relax = fail_instead_of_waiting;
	ept_flush_all(&machine.flush, 0);
	enter_as(1);
	assert_int_equal(machine.kicked[1], 0);
	/* For the first request, and for the one that came meanwhile. */
	assert_int_equal(machine.invalidated[1], 2);
	assert_int_equal(machine.flush.cpu[1].in_guest, 1);
}

static void asking_cpu_does_not_wait_for_itself(void **state)
{
	(void)state;
	enter_as(1);
	ept_flush_exit(&machine.flush.cpu[1]);
	ept_flush_all(&machine.flush, 1);
	assert_int_equal(machine.kicked[1], 0);
	enter_as(1);
	assert_int_equal(machine.invalidated[1], 1);
	/* Not even if it forgot to say that it has left the guest. */
	ept_flush_all(&machine.flush, 1);
	assert_int_equal(machine.kicked[1], 0);
	assert_int_equal(machine.relaxed, 0);
}

/*
 * A machine of threads. Each runs "guest" turns that use translations of an epoch and "root" turns
 * that now and then change the map (raise the epoch) and ask. The promise: when ept_flush_all() has
 * returned, no CPU in the guest uses a translation cached before, that is, of an older epoch.
 */
#define CPUS 4
#define TURNS 4000

static struct {
	uint64_t epoch;	       /* the map in memory */
	uint64_t cached[CPUS]; /* what a CPU's TLB was filled from at its last invalidation */
	uint64_t floor;	       /* flushed: nobody may use anything older */
	uint32_t kick_wanted[CPUS];
	uint32_t broken;
	uint32_t asked;
	pthread_mutex_t held; /* a lock the askers hold while they wait */
} smp;

static void smp_invalidate(void *context)
{
	(void)context;
	__atomic_store_n(&smp.cached[this], __atomic_load_n(&smp.epoch, __ATOMIC_SEQ_CST),
			 __ATOMIC_SEQ_CST);
}

static void smp_kick(void *context, uint32_t cpu)
{
	(void)context;
	__atomic_store_n(&smp.kick_wanted[cpu], 1, __ATOMIC_SEQ_CST);
}

static __thread time_t waiting_since; /* 0: not waiting yet */

/*
 * A CPU that is waited for but was not kicked would hold the test up for ever: after 10 s it is
 * kicked for certain, and that is a failure.
 */
static void smp_relax(void *context)
{
	time_t now = time(NULL);

	(void)context;
	sched_yield();
	if (waiting_since == 0)
		waiting_since = now;
	if (now - waiting_since > 10) {
		for (uint32_t i = 0; i < CPUS; i++)
			__atomic_store_n(&smp.kick_wanted[i], 1, __ATOMIC_SEQ_CST);
		__atomic_store_n(&smp.broken, 1, __ATOMIC_SEQ_CST);
	}
}

static void ask(uint32_t cpu)
{
	waiting_since = 0;
	ept_flush_all(&machine.flush, cpu);
}

static const struct ept_flush_ops smp_ops = {smp_invalidate, smp_kick, smp_relax, NULL};

static void raise_floor(uint64_t to)
{
	uint64_t floor = __atomic_load_n(&smp.floor, __ATOMIC_SEQ_CST);

	while (floor < to && !__atomic_compare_exchange_n(&smp.floor, &floor, to, false,
							  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

static void change_and_ask(uint32_t cpu)
{
	uint64_t epoch = __atomic_add_fetch(&smp.epoch, 1, __ATOMIC_SEQ_CST);

	ask(cpu);
	raise_floor(epoch);
	__atomic_fetch_add(&smp.asked, 1, __ATOMIC_SEQ_CST);
}

static void *cpu_main(void *argument)
{
	struct random random = {.state = (uint64_t)(uintptr_t)argument};
	uint32_t turn;

	this = (uint32_t)(uintptr_t)argument;
	for (turn = 0; turn < TURNS; turn++) {
		uint64_t guest_turns = random_below(&random, 4);

		__atomic_store_n(&smp.kick_wanted[this], 0, __ATOMIC_SEQ_CST);
		ept_flush_enter(&machine.flush, &machine.flush.cpu[this]);
		do {
			uint64_t floor = __atomic_load_n(&smp.floor, __ATOMIC_SEQ_CST);

			if (__atomic_load_n(&smp.cached[this], __ATOMIC_SEQ_CST) < floor)
				__atomic_store_n(&smp.broken, 1, __ATOMIC_SEQ_CST);
			if (random_below(&random, 8) == 0)
				sched_yield();
		} while (guest_turns-- > 0 &&
			 !__atomic_load_n(&smp.kick_wanted[this], __ATOMIC_SEQ_CST));
		ept_flush_exit(&machine.flush.cpu[this]);
		if (random_below(&random, 4) == 0)
			change_and_ask(this);
	}
	return NULL;
}

static void no_cpu_in_the_guest_uses_older_translations_after_a_flush(void **state)
{
	pthread_t thread[CPUS];
	uintptr_t i;

	(void)state;
	memset(&smp, 0, sizeof(smp));
	assert_int_equal(ept_flush_init(&machine.flush, CPUS, &smp_ops), 0);
	for (i = 0; i < CPUS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, cpu_main, (void *)i), 0);
	for (i = 0; i < CPUS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(smp.broken, 0);
	assert_true(smp.asked > 0);
	assert_int_equal(machine.flush.requests, smp.asked);
}

static void *ask_only(void *argument)
{
	uint32_t turn;

	this = (uint32_t)(uintptr_t)argument;
	for (turn = 0; turn < TURNS; turn++)
		change_and_ask(this);
	return NULL;
}

static void cpus_that_ask_at_once_do_not_wait_for_each_other(void **state)
{
	pthread_t thread[CPUS];
	uintptr_t i;

	(void)state;
	memset(&smp, 0, sizeof(smp));
	assert_int_equal(ept_flush_init(&machine.flush, CPUS, &smp_ops), 0);
	for (i = 0; i < CPUS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, ask_only, (void *)i), 0);
	for (i = 0; i < CPUS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(machine.flush.requests, CPUS * TURNS);
	assert_int_equal(machine.flush.kicks, 0); /* all were in root mode all the time */
}

static void *lock_and_ask(void *argument)
{
	uint32_t turn;

	this = (uint32_t)(uintptr_t)argument;
	for (turn = 0; turn < TURNS / 4; turn++) {
		/* The exit path wants the lock another CPU holds while it waits for the flush. */
		ept_flush_enter(&machine.flush, &machine.flush.cpu[this]);
		ept_flush_exit(&machine.flush.cpu[this]);
		pthread_mutex_lock(&smp.held);
		change_and_ask(this);
		pthread_mutex_unlock(&smp.held);
	}
	return NULL;
}

static void asking_with_a_lock_held_does_not_deadlock(void **state)
{
	pthread_t thread[CPUS];
	uintptr_t i;

	(void)state;
	memset(&smp, 0, sizeof(smp));
	assert_int_equal(pthread_mutex_init(&smp.held, NULL), 0);
	assert_int_equal(ept_flush_init(&machine.flush, CPUS, &smp_ops), 0);
	for (i = 0; i < CPUS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, lock_and_ask, (void *)i), 0);
	for (i = 0; i < CPUS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(smp.asked, CPUS * (TURNS / 4));
	assert_int_equal(smp.broken, 0);
	assert_int_equal(pthread_mutex_destroy(&smp.held), 0);
}

/*
 * Rounds in which CPU 1 enters the guest at the very moment CPU 0 asks. Whatever the order, CPU 0
 * must find CPU 1 in the guest and wait, or CPU 1 must find the new generation and invalidate.
 */
#define RACES 20000u

static struct {
	uint32_t round;	 /* the one that runs */
	uint32_t inside; /* the one CPU 1 has entered the guest in */
	uint32_t over;	 /* the one CPU 0 is done with */
	uint32_t left;	 /* the one CPU 1 has left the guest in */
} race;

static void wait_for(const uint32_t *word, uint32_t value)
{
	uint32_t turns = 0;

	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value)
		if (++turns % 1000 == 0)
			sched_yield();
}

static void *enter_in_each_round(void *argument)
{
	uint32_t round;

	(void)argument;
	this = 1;
	for (round = 1; round <= RACES; round++) {
		wait_for(&race.round, round);
		ept_flush_enter(&machine.flush, &machine.flush.cpu[1]);
		__atomic_store_n(&race.inside, round, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&race.over, __ATOMIC_SEQ_CST) != round &&
		       !__atomic_load_n(&smp.kick_wanted[1], __ATOMIC_SEQ_CST))
			sched_yield();
		ept_flush_exit(&machine.flush.cpu[1]);
		__atomic_store_n(&race.left, round, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void entry_and_request_at_once_do_not_miss_each_other(void **state)
{
	struct random random = {.state = 10};
	uint32_t round, missed = 0;
	pthread_t thread;

	(void)state;
	memset(&smp, 0, sizeof(smp));
	memset(&race, 0, sizeof(race));
	assert_int_equal(ept_flush_init(&machine.flush, 2, &smp_ops), 0);
	assert_int_equal(pthread_create(&thread, NULL, enter_in_each_round, NULL), 0);
	for (round = 1; round <= RACES; round++) {
		volatile uint32_t delay = (uint32_t)random_below(&random, 200);

		smp.kick_wanted[1] = 0;
		__atomic_store_n(&race.round, round, __ATOMIC_SEQ_CST);
		while (delay > 0)
			delay--;
		ask(0);
		wait_for(&race.inside, round);
		missed += !__atomic_load_n(&smp.kick_wanted[1], __ATOMIC_SEQ_CST) &&
			  __atomic_load_n(&machine.flush.cpu[1].seen, __ATOMIC_SEQ_CST) <
				  machine.flush.generation;
		__atomic_store_n(&race.over, round, __ATOMIC_SEQ_CST);
		wait_for(&race.left, round);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(missed, 0);
	assert_int_equal(smp.broken, 0);
}

static struct world world;

static void free_table_behind_our_back(void)
{
	/*
	 * While CPU 0 waits, CPU 3 changes the map: it gives 2 MiB their rights back, which frees a
	 * table.
	 */
	if (machine.relaxed == 1)
		assert_true(ept_protect(&world.ept, SIZE_1G, PAGE_SIZE, EPT_RWX) >= 0);
	if (machine.relaxed == 2)
		ept_flush_exit(&machine.flush.cpu[2]);
}

static void tables_freed_are_those_that_left_before_the_flush(void **state)
{
	(void)state;
	world_open(&world, 64, 36, WORLD_1G);
	assert_int_equal(world_map(&world, 0), 0);
	assert_int_equal(ept_protect(&world.ept, SIZE_1G, PAGE_SIZE, EPT_READ), EPT_FLUSH_NEEDED);
	assert_int_equal(ept_protect(&world.ept, 8 * SIZE_1G, PAGE_SIZE, EPT_READ),
			 EPT_FLUSH_NEEDED);
	assert_int_equal(ept_protect(&world.ept, 8 * SIZE_1G, PAGE_SIZE, EPT_RWX), 0);

	enter_as(2);
	machine.on_relax = free_table_behind_our_back;
	assert_int_equal(ept_flush_map(&machine.flush, 0, &world.ept), 2);
	assert_int_equal(world.ept.zombie_added - world.ept.zombie_freed, 2);
	assert_int_equal(ept_flush_map(&machine.flush, 0, &world.ept), 2);
	assert_int_equal(ept_flush_map(&machine.flush, 0, &world.ept), 0);
	world_check(&world);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(cpu_count_and_ops_are_checked, machine_up),
		cmocka_unit_test_setup(entry_without_a_request_invalidates_nothing, machine_up),
		cmocka_unit_test_setup(cpus_in_root_mode_are_not_kicked_and_invalidate_on_entry,
				       machine_up),
		cmocka_unit_test_setup(cpu_in_the_guest_is_kicked_once_and_waited_for, machine_up),
		cmocka_unit_test_setup(cpu_that_went_round_is_not_waited_for_any_longer,
				       machine_up),
		cmocka_unit_test_setup(cpu_that_invalidates_is_not_waited_for, machine_up),
		cmocka_unit_test_setup(asking_cpu_does_not_wait_for_itself, machine_up),
		cmocka_unit_test_setup(no_cpu_in_the_guest_uses_older_translations_after_a_flush,
				       machine_up),
		cmocka_unit_test_setup(cpus_that_ask_at_once_do_not_wait_for_each_other,
				       machine_up),
		cmocka_unit_test_setup(asking_with_a_lock_held_does_not_deadlock, machine_up),
		cmocka_unit_test_setup(entry_and_request_at_once_do_not_miss_each_other,
				       machine_up),
		cmocka_unit_test_setup(tables_freed_are_those_that_left_before_the_flush,
				       machine_up),
	};

	return cmocka_run_group_tests_name("invalidate", tests, NULL, NULL);
}
