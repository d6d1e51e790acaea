/* SPDX-License-Identifier: MIT */
/*
 * Counts, not seconds: how many VM exits of which reason an operation causes, and how many instructions the
 * monitor spends. Reads the statistics leaf (debug-stats = yes), each read of which is a CPUID exit itself
 * and is taken out of the figures.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "guest.h"
#include "guest-support/include/secpod_abi.h"

#define REASON_CPUID 10u

/* guest_stat() costs four CPUIDs: presence, signature, version, the value. */
#define CPUIDS_PER_READ 4u

/* Beside the exits: what they were for. */
static const struct {
	uint32_t index;
	const char *name;
} others[] = {
	{SECPOD_STAT_PT_STORES, "stores"},
	{SECPOD_STAT_PT_FLAGS, "flag updates"},
	{SECPOD_STAT_TEXT_STORES, "stores to code"},
	{SECPOD_STAT_TEXT_EXITS, "exits for them"},
	{SECPOD_STAT_TEXT_TSC, "root-mode instructions in those"},
	{SECPOD_STAT_TABLES_PROMOTED, "tables made"},
	{SECPOD_STAT_PT_ENTRIES, "entries judged in them"},
	{SECPOD_STAT_FLUSH_REQUESTS, "invalidations"},
	{SECPOD_STAT_FLUSH_KICKS, "kicks"},
	{SECPOD_STAT_EXIT_TSC + 28, "root-mode instructions for CR access"},
	{SECPOD_STAT_EXIT_TSC + 48, "root-mode instructions for EPT violations"},
};
#define OTHERS (sizeof(others) / sizeof(others[0]))

struct counts {
	uint64_t exits[SECPOD_STAT_EXIT_REASONS];
	uint64_t root_tsc;
	uint64_t other[OTHERS];
};

static uint64_t stat_of(uint32_t index)
{
	uint64_t value = 0;

	guest_stat(index, &value);
	return value;
}

/* The reads themselves count as CPUID exits only: that counter is read last before and first after. */
static void take_before(struct counts *counts)
{
	for (uint32_t reason = 0; reason < SECPOD_STAT_EXIT_REASONS; reason++)
		counts->exits[reason] = stat_of(SECPOD_STAT_EXIT_REASON + reason);
	for (size_t i = 0; i < OTHERS; i++)
		counts->other[i] = stat_of(others[i].index);
	counts->root_tsc = stat_of(SECPOD_STAT_ROOT_TSC);
	counts->exits[REASON_CPUID] = stat_of(SECPOD_STAT_EXIT_REASON + REASON_CPUID);
}

static void take_after(struct counts *counts)
{
	uint64_t cpuid = stat_of(SECPOD_STAT_EXIT_REASON + REASON_CPUID) - CPUIDS_PER_READ;

	counts->root_tsc = stat_of(SECPOD_STAT_ROOT_TSC);
	for (size_t i = 0; i < OTHERS; i++)
		counts->other[i] = stat_of(others[i].index);
	for (uint32_t reason = 0; reason < SECPOD_STAT_EXIT_REASONS; reason++)
		counts->exits[reason] = stat_of(SECPOD_STAT_EXIT_REASON + reason);
	counts->exits[REASON_CPUID] = cpuid;
}

void pin_to_cpu(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		perror("GUEST: bench: sched_setaffinity");
}

/*
 * ---- a CPU on which nothing else happens: the first one. Each other CPU runs a process that stays in user
 * space, which causes no exit either: where all CPUs are idle, time passes very slowly in the emulator.
 */

#define BUSY_MAX 8u

static pid_t busy[BUSY_MAX];
static unsigned int busy_count;

static _Noreturn void stay_busy(unsigned int cpu)
{
	pin_to_cpu(cpu);
	/* The emulator turns to the next CPU at each branch. */
	for (;;)
		__asm__ volatile(".rept 30\n\tnop\n\t.endr");
}

static bool occupy_others(void)
{
	const unsigned int wanted = (unsigned int)get_nprocs() - 1;

	pin_to_cpu(0);
	while (busy_count < wanted && busy_count < BUSY_MAX) {
		const pid_t child = fork();

		if (child == 0)
			stay_busy(busy_count + 1);
		if (child < 0)
			return false;
		busy[busy_count++] = child;
	}
	/* What the kernel still had to do for the programs before: stacks and address spaces are freed later. */
	return sleep(3) == 0;
}

static void release_others(void)
{
	while (busy_count > 0) {
		kill(busy[--busy_count], SIGKILL);
		waitpid(busy[busy_count], NULL, 0);
	}
}

static bool idle(void)
{
	return sleep(3) == 0;
}

/* What is more than with 3 s comes with the time, and not with going to sleep and waking up. */
static bool idle_longer(void)
{
	return sleep(8) == 0;
}

static const struct operation idle_operations[] = {
	{"3 s idle", idle, occupy_others, release_others, 1},
	{"8 s idle", idle_longer, occupy_others, release_others, 1},
};

static bool system_calls(void)
{
	const long parent = getppid();

	for (int i = 0; i < 100000; i++) {
		if (syscall(SYS_getppid) != parent)
			return false;
	}
	return true;
}

static bool execs(void)
{
	for (int i = 0; i < 100; i++) {
		if (guest_run_self("nothing"))
			return false;
	}
	return true;
}

/* ---- two processes on one CPU that wait for each other: two context switches for each round trip */

#define SWITCHES 10000u
#define WARM_UP_TRIPS 10u

static int to_partner[2] = {-1, -1};
static int from_partner[2] = {-1, -1};
static pid_t partner = -1;

static _Noreturn void echo(void)
{
	char byte;

	close(to_partner[1]);
	while (read(to_partner[0], &byte, 1) == 1 && write(from_partner[1], &byte, 1) == 1)
		continue;
	_exit(0);
}

static unsigned int round_trips(unsigned int count)
{
	unsigned int done = 0;
	char byte = 0;

	while (done < count && write(to_partner[1], &byte, 1) == 1 &&
	       read(from_partner[0], &byte, 1) == 1)
		done++;
	return done;
}

static bool start_partner(void)
{
	pin_to_cpu(0);
	if (pipe(to_partner) || pipe(from_partner))
		return false;
	partner = fork();
	if (partner == 0)
		echo();
	/* What a first turn costs is none of the switches. */
	return partner > 0 && round_trips(WARM_UP_TRIPS) == WARM_UP_TRIPS;
}

static bool switches(void)
{
	return round_trips(SWITCHES / 2) == SWITCHES / 2;
}

static void stop_partner(void)
{
	close(to_partner[1]);
	waitpid(partner, NULL, 0);
}

static const struct operation operations[] = {
	{"100000 getppid", system_calls, occupy_others, release_others, 1},
	{"10000 context switches", switches, start_partner, stop_partner, 1},
	{"100 fork+exec", execs, NULL, NULL, 1},
};

static const char *const reason_names[SECPOD_STAT_EXIT_REASONS] = {
	[0] = "exception or NMI",
	[2] = "triple fault",
	[3] = "INIT",
	[4] = "SIPI",
	[8] = "NMI window",
	[9] = "task switch",
	[10] = "CPUID",
	[11] = "GETSEC",
	[13] = "INVD",
	[18] = "VMCALL",
	[28] = "CR access",
	[31] = "RDMSR",
	[32] = "WRMSR",
	[46] = "GDTR or IDTR",
	[47] = "LDTR or TR",
	[48] = "EPT violation",
	[55] = "XSETBV",
};

const char *guest_exit_name(uint32_t reason)
{
	static char number[16];

	if (reason < SECPOD_STAT_EXIT_REASONS && reason_names[reason])
		return reason_names[reason];
	snprintf(number, sizeof(number), "reason %u", reason);
	return number;
}

/* What the operation causes. CPUIDs are its own, and not counted in the total. */
struct spent {
	struct counts counts;
	uint64_t total;
};

static bool measure_once(const struct operation *operation, struct spent *spent)
{
	static struct counts before, after;
	bool ran;

	if (operation->prepare && !operation->prepare()) {
		printf("GUEST: bench %s: not prepared\n", operation->name);
		return false;
	}
	take_before(&before);
	ran = operation->run();
	take_after(&after);
	if (operation->finish)
		operation->finish();
	if (!ran) {
		printf("GUEST: bench %s: did not run to its end\n", operation->name);
		return false;
	}
	spent->total = 0;
	for (uint32_t reason = 0; reason < SECPOD_STAT_EXIT_REASONS; reason++) {
		const uint64_t count = after.exits[reason] - before.exits[reason];

		spent->counts.exits[reason] = count;
		spent->total += reason == REASON_CPUID ? 0 : count;
	}
	for (size_t i = 0; i < OTHERS; i++)
		spent->counts.other[i] = after.other[i] - before.other[i];
	spent->counts.root_tsc = after.root_tsc - before.root_tsc;
	return true;
}

static int measure(const struct operation *operation)
{
	static struct spent least, spent;

	if (!measure_once(operation, &least))
		return 1;
	for (unsigned int turn = 1; turn < operation->turns; turn++) {
		if (!measure_once(operation, &spent))
			return 1;
		if (spent.total < least.total)
			least = spent;
	}
	for (uint32_t reason = 0; reason < SECPOD_STAT_EXIT_REASONS; reason++) {
		if (least.counts.exits[reason] && reason != REASON_CPUID)
			printf("GUEST: bench %s: %llu exits of reason %u %s\n", operation->name,
			       (unsigned long long)least.counts.exits[reason], reason,
			       guest_exit_name(reason));
	}
	printf("GUEST: bench %s: exits other than CPUID %llu, CPUID %llu, root-mode instructions %llu\n",
	       operation->name, (unsigned long long)least.total,
	       (unsigned long long)least.counts.exits[REASON_CPUID],
	       (unsigned long long)least.counts.root_tsc);
	printf("GUEST: bench %s:", operation->name);
	for (size_t i = 0; i < OTHERS; i++)
		printf("%s %s %llu", i ? "," : "", others[i].name,
		       (unsigned long long)least.counts.other[i]);
	printf("\n");
	return 0;
}

/* From exit to entry, seen from the guest: the TSC counts instructions, CPUID itself and one RDTSC are two. */
static void measure_cpuid(uint32_t leaf)
{
	uint64_t best = ~0ULL;

	for (int i = 0; i < 100; i++) {
		uint32_t low1, high1, low2, high2, b, c;
		uint64_t spent;

		__asm__ volatile(
			"rdtsc\n\tmov %%eax, %0\n\tmov %%edx, %1\n\tmov %6, %%eax\n\txor %%ecx, %%ecx\n\tcpuid\n\trdtsc"
			: "=&r"(low1), "=&r"(high1), "=&a"(low2), "=&d"(high2), "=&b"(b), "=&c"(c)
			: "r"(leaf));
		/* Between the two RDTSC: two MOV, one MOV, one XOR, CPUID, RDTSC. */
		spent = ((uint64_t)high2 << 32 | low2) - ((uint64_t)high1 << 32 | low1) - 6u;
		if (spent < best)
			best = spent;
	}
	printf("GUEST: bench CPUID leaf %#x: %llu root-mode instructions, exit to entry\n", leaf,
	       (unsigned long long)best);
}

int cpuid_main(void)
{
	/* The last ones are beyond what any CPU has. */
	static const uint32_t leaves[] = {0x0, 0x1,	   0x2,	       0x4,	   0x7,
					  0xd, 0x80000001, 0x80000008, 0x3fffffff, 0x8000ffff};

	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		measure_cpuid(leaves[i]);
	return 0;
}

int bench_all(const struct operation *list, size_t count)
{
	uint64_t value;
	int failed = 0;

	if (!guest_stat(SECPOD_STAT_CPUS, &value)) {
		printf("GUEST: bench: no statistics (debug-stats = yes is not set)\n");
		return 1;
	}
	/* What exits before the machine is locked says nothing about later. */
	if (guest_cpuid(SECPOD_CPUID_VERSION, 0).ecx != SECPOD_PHASE_LOCKED) {
		printf("GUEST: bench: the machine is not locked\n");
		return 1;
	}
	for (size_t i = 0; i < count; i++)
		failed += measure(&list[i]);
	return failed;
}

int idle_main(void)
{
	return bench_all(idle_operations, sizeof(idle_operations) / sizeof(idle_operations[0]));
}

int bench_main(void)
{
	return bench_all(operations, sizeof(operations) / sizeof(operations[0]));
}

static void say_paging(void)
{
	static const struct {
		const char *name;
		uint32_t index;
	} counters[] = {
		{"pending", SECPOD_STAT_TABLES_PENDING},
		{"promoted", SECPOD_STAT_TABLES_PROMOTED},
		{"released", SECPOD_STAT_TABLES_RELEASED},
		{"stores", SECPOD_STAT_PT_STORES},
		{"flags", SECPOD_STAT_PT_FLAGS},
		{"refused", SECPOD_STAT_PT_REFUSED},
		{"invalidations", SECPOD_STAT_PT_FLUSHES},
	};
	static const char *const kinds[SECPOD_FRAME_KINDS] = {
		[SECPOD_FRAME_L1] = "L1",
		[SECPOD_FRAME_L2] = "L2",
		[SECPOD_FRAME_L3] = "L3",
		[SECPOD_FRAME_L4] = "L4",
		[SECPOD_FRAME_CODE] = "code",
		[SECPOD_FRAME_CODE_DYN] = "later code",
		[SECPOD_FRAME_RODATA] = "constants",
		[SECPOD_FRAME_TRAMP] = "CPU start",
		[SECPOD_FRAME_EFI_RT] = "firmware",
		[SECPOD_FRAME_SECURE] = "monitor",
	};

	printf("GUEST: summary: frames");
	for (uint32_t kind = 1; kind < SECPOD_FRAME_KINDS; kind++)
		printf("%s %s %llu", kind > 1 ? "," : "", kinds[kind],
		       (unsigned long long)stat_of(SECPOD_STAT_FRAMES + kind));
	printf("\nGUEST: summary: page tables");
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		printf("%s %s %llu", i ? "," : "", counters[i].name,
		       (unsigned long long)stat_of(counters[i].index));
	printf("\n");
}

int summary_main(void)
{
	uint64_t launch = stat_of(SECPOD_STAT_LAUNCH_TSC);
	uint64_t root = stat_of(SECPOD_STAT_ROOT_TSC);
	uint64_t now = guest_rdtsc();
	uint64_t value;

	if (!guest_stat(SECPOD_STAT_CPUS, &value)) {
		printf("GUEST: summary: no statistics (debug-stats = yes is not set)\n");
		return 1;
	}
	printf("GUEST: summary: CPUs under SecPod %llu\n", (unsigned long long)value);
	for (uint32_t reason = 0; reason < SECPOD_STAT_EXIT_REASONS; reason++) {
		value = stat_of(SECPOD_STAT_EXIT_REASON + reason);
		if (value)
			printf("GUEST: summary: exits %3u %-16s %llu\n", reason,
			       guest_exit_name(reason), (unsigned long long)value);
	}
	printf("GUEST: summary: EPT pages 1G %llu, 2M %llu, 4K %llu, tables %llu\n",
	       (unsigned long long)stat_of(SECPOD_STAT_EPT_1G),
	       (unsigned long long)stat_of(SECPOD_STAT_EPT_2M),
	       (unsigned long long)stat_of(SECPOD_STAT_EPT_4K),
	       (unsigned long long)stat_of(SECPOD_STAT_EPT_TABLES));
	printf("GUEST: summary: RAM %llu KiB, of it in 4K pages %llu KiB, of mixed rights %llu KiB\n",
	       (unsigned long long)stat_of(SECPOD_STAT_RAM) >> 10,
	       (unsigned long long)stat_of(SECPOD_STAT_RAM_4K) >> 10,
	       (unsigned long long)stat_of(SECPOD_STAT_RAM_MIXED) >> 10);
	printf("GUEST: summary: monitor code and data %llu KiB, reserved %llu KiB\n",
	       (unsigned long long)stat_of(SECPOD_STAT_IMAGE_SIZE) >> 10,
	       (unsigned long long)stat_of(SECPOD_STAT_REGION_SIZE) >> 10);
	printf("GUEST: summary: EPT invalidations %llu, kicks %llu, NMIs for the guest %llu\n",
	       (unsigned long long)stat_of(SECPOD_STAT_FLUSH_REQUESTS),
	       (unsigned long long)stat_of(SECPOD_STAT_FLUSH_KICKS),
	       (unsigned long long)stat_of(SECPOD_STAT_NMI_QUEUED));
	say_paging();
	printf("GUEST: summary: paging delegation and EPT %llu KiB\n",
	       (unsigned long long)stat_of(SECPOD_STAT_PAGING) >> 10);
	printf("GUEST: summary: measured %llu pages of code, %llu instructions\n",
	       (unsigned long long)stat_of(SECPOD_STAT_MEASURED),
	       (unsigned long long)stat_of(SECPOD_STAT_MEASURE_TSC));
	printf("GUEST: summary: root-mode instructions %llu of %llu since launch\n",
	       (unsigned long long)root, (unsigned long long)(now - launch));
	return 0;
}
