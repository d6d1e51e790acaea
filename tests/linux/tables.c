/* SPDX-License-Identifier: MIT */
#include "tables.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"
#include "phases.h"
#include "guest-support/include/secpod_abi.h"

#define PATH_SIZE 64
#define KIB_EACH 4u
#define SETTLE_ROUNDS 4
#define SETTLE_NANOSECONDS 50000000L

static uint64_t stat_of(uint32_t index)
{
	uint64_t value = 0;

	guest_stat(index, &value);
	return value;
}

/* With page-table isolation each process has two roots. */
static uint64_t roots_each(void)
{
	char text[128];

	return get_text("/sys/devices/system/cpu/vulnerabilities/meltdown", text, sizeof(text)) ==
				       0 &&
			       strstr(text, "PTI")
		       ? 2
		       : 1;
}

/* The kernel counts levels 1 to 3 of each process. */
static uint64_t count_needed(void)
{
	const uint64_t roots = roots_each();
	uint64_t needed = 0;
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		char path[PATH_SIZE];
		uint64_t kib;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/status", entry->d_name);
		kib = get_keyed(path, "VmPTE");
		/* The kernel's threads have none. */
		if (kib)
			needed += kib / KIB_EACH + roots;
	}
	if (proc)
		closedir(proc);
	return needed;
}

bool tables_take(struct tables *tables)
{
	for (uint32_t i = 0; i < COUNT_OF(tables->level); i++)
		tables->level[i] = stat_of(SECPOD_STAT_FRAMES + SECPOD_FRAME_L1 + i);
	tables->pending = stat_of(SECPOD_STAT_TABLES_PENDING);
	tables->needed = count_needed();
	return tables_all(tables) != 0;
}

uint64_t tables_all(const struct tables *tables)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < COUNT_OF(tables->level); i++)
		sum += tables->level[i];
	return sum;
}

void tables_settle(void)
{
	const struct timespec pause = {0, SETTLE_NANOSECONDS};

	for (int round = 0; round < SETTLE_ROUNDS; round++) {
		for (int cpu = 0; cpu < get_nprocs(); cpu++) {
			pid_t child = fork();

			if (child == 0)
				_exit(run_on(cpu) ? 1 : 0);
			ended_well(child);
		}
		nanosleep(&pause, NULL);
	}
}

/* Tables that no process explains. Signed: of a process that has not run yet SecPod knows nothing. */
static int64_t others_of(const struct tables *tables)
{
	return (int64_t)(tables_all(tables) - tables->pending - tables->needed);
}

int tables_leak(const struct tables *first)
{
	struct tables now;
	int64_t more;

	tables_take(&now);
	more = others_of(&now) - others_of(first);
	printf("GUEST: page tables %llu (levels 1 to 4: %llu %llu %llu %llu), pending %llu, of processes %llu, "
	       "others %lld, %lld of them new\n",
	       (unsigned long long)tables_all(&now), (unsigned long long)now.level[0],
	       (unsigned long long)now.level[1], (unsigned long long)now.level[2],
	       (unsigned long long)now.level[3], (unsigned long long)now.pending,
	       (unsigned long long)now.needed, (long long)others_of(&now), (long long)more);
	if (more <= (int64_t)TABLES_SLACK)
		return 0;
	printf("GUEST: page tables have leaked: more than %u are new\n", TABLES_SLACK);
	return 1;
}
