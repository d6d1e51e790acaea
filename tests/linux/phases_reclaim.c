/* SPDX-License-Identifier: MIT */
/* Memory that the kernel takes, moves or merges by itself: swap to zram, reclaim, KSM, compaction. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "check.h"
#include "phases.h"

#define PAGES 2048u /* 8 MiB */
#define SIZE (PAGES * PAGE)

static uint8_t *small_pages(uint32_t seed)
{
	uint8_t *memory = anonymous(SIZE, PAGE);

	if (!memory || madvise(memory, SIZE, MADV_NOHUGEPAGE))
		return NULL;
	stamp(memory, PAGES, seed);
	return memory;
}

/* ---- swap to compressed memory */

#define ZRAM "/dev/zram0"
#define ZRAM_SIZE "/sys/block/zram0/disksize"
#define ZRAM_PAGES 8192u
#define ZRAM_RESET "/sys/block/zram0/reset"

/* The first page of a swap area, as Linux's swapon wants it: the version and the last page behind 1 KiB. */
static int make_swap(int fd)
{
	static uint8_t page[PAGE];
	const uint32_t version = 1, last = ZRAM_PAGES - 1;
	static const char magic[] = "SWAPSPACE2";

	memcpy(page + 1024, &version, sizeof(version));
	memcpy(page + 1028, &last, sizeof(last));
	memcpy(page + PAGE - strlen(magic), magic, strlen(magic));
	return pwrite(fd, page, PAGE, 0) == (ssize_t)PAGE ? 0 : -EIO;
}

static int load_zram(void)
{
	static const char *const needed[] = {"zsmalloc", "lz4_compress", "lz4hc_compress"};

	for (size_t i = 0; i < COUNT_OF(needed); i++)
		load_module(needed[i], "", true);
	return load_module("zram", "num_devices=1", false);
}

static int start_swap(void)
{
	int fd;

	CHECK(load_zram() == 0);
	CHECK(put_number(ZRAM_SIZE, ZRAM_PAGES * PAGE) == 0);
	fd = open(ZRAM, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && make_swap(fd) == 0 && fsync(fd) == 0 && close(fd) == 0);
	CHECK(swapon(ZRAM, 0) == 0);
	return 0;
}

static int stop_swap(void)
{
	CHECK(swapoff(ZRAM) == 0);
	CHECK(put_text(ZRAM_RESET, "1") == 0);
	CHECK(unload_module("zram") == 0);
	return 0;
}

static size_t swapped_out(const uint8_t *memory)
{
	size_t count = 0;

	for (size_t i = 0; i < PAGES; i++)
		count += !!(pagemap_of(memory + i * PAGE) & PAGEMAP_SWAPPED);
	return count;
}

static bool read_swapped(void *memory)
{
	return stamped(memory, PAGES, 1);
}

static int use_swap(void)
{
	uint8_t *memory = small_pages(1);

	CHECK(memory);
	CHECK(madvise(memory, SIZE, MADV_PAGEOUT) == 0);
	CHECK(swapped_out(memory) > PAGES / 2);
	/* A child has the same places in swap, and both come back. */
	CHECK(child_finds(read_swapped, memory));
	CHECK(stamped(memory, PAGES, 1));
	stamp(memory, PAGES, 2);
	CHECK(madvise(memory, SIZE, MADV_PAGEOUT) == 0 && swapped_out(memory) > 0);
	/* Some never come back, some are asked for, the rest swapoff() brings. */
	CHECK(munmap(memory, SIZE / 4) == 0);
	CHECK(madvise(memory + SIZE / 4, SIZE / 4, MADV_WILLNEED) == 0);
	memory += SIZE / 4;
	CHECK(swapoff(ZRAM) == 0);
	CHECK(stamped_from(memory, PAGES / 4, PAGES - PAGES / 4, 2));
	CHECK(swapon(ZRAM, 0) == 0);
	return 0;
}

static int swap(void)
{
	int failed;

	if (start_swap())
		return 1;
	failed = use_swap();
	return stop_swap() || failed;
}

/* ---- reclaim, of a group of processes that may have less than it needs */

#define CGROUPS "/sys/fs/cgroup"
#define GROUP CGROUPS "/small"
#define GROUP_BYTES (6u << 20)

static bool live_with_less(void *unused)
{
	uint8_t *memory;

	(void)unused;
	if (put_text(GROUP "/cgroup.procs", "0"))
		return false;
	memory = small_pages(1);
	if (!memory || swapped_out(memory) == 0)
		return false;
	for (uint32_t seed = 1; seed < 3; seed++) {
		if (!stamped(memory, PAGES, seed))
			return false;
		stamp(memory, PAGES, seed + 1);
	}
	return stamped(memory, PAGES, 3);
}

static int reclaim(void)
{
	bool ok;

	CHECK(mount("cgroup2", CGROUPS, "cgroup2", 0, NULL) == 0 || errno == EBUSY);
	CHECK(put_text(CGROUPS "/cgroup.subtree_control", "+memory") == 0);
	CHECK(mkdir(GROUP, 0755) == 0);
	CHECK(put_number(GROUP "/memory.max", GROUP_BYTES) == 0);
	if (start_swap())
		return 1;
	ok = child_finds(live_with_less, NULL);
	CHECK(stop_swap() == 0);
	CHECK(rmdir(GROUP) == 0);
	CHECK(ok);
	return 0;
}

/* ---- equal pages become one */

#define KSM "/sys/kernel/mm/ksm/"
#define KSM_PAGES 256u
#define TRIES 100

static int merge(uint8_t *memory)
{
	uint64_t sharing = 0;

	CHECK(madvise(memory, KSM_PAGES * PAGE, MADV_MERGEABLE) == 0);
	for (int i = 0; i < TRIES && sharing < KSM_PAGES / 2; i++) {
		usleep(20000);
		sharing = get_number(KSM "pages_sharing");
	}
	CHECK(sharing >= KSM_PAGES / 2);
	for (size_t i = 0; i < KSM_PAGES; i++)
		CHECK(memory[i * PAGE + 7] == 0x42);
	/* Written: a page of its own again. */
	for (size_t i = 0; i < KSM_PAGES; i += 2)
		memory[i * PAGE + 7] = (uint8_t)i;
	for (size_t i = 0; i < KSM_PAGES; i++)
		CHECK(memory[i * PAGE + 7] == (i % 2 ? 0x42 : (uint8_t)i));
	return 0;
}

static int ksm(void)
{
	uint8_t *memory = anonymous(KSM_PAGES * PAGE, PAGE);
	int failed;

	CHECK(memory && madvise(memory, KSM_PAGES * PAGE, MADV_NOHUGEPAGE) == 0);
	memset(memory, 0x42, KSM_PAGES * PAGE);
	CHECK(put_text(KSM "pages_to_scan", "1000") == 0);
	CHECK(put_text(KSM "sleep_millisecs", "1") == 0);
	CHECK(put_text(KSM "run", "1") == 0);
	failed = merge(memory);
	/* 2: everything is taken apart again. */
	CHECK(put_text(KSM "run", "2") == 0);
	CHECK(get_number(KSM "pages_sharing") == 0);
	CHECK(put_text(KSM "run", "0") == 0);
	for (size_t i = 1; i < KSM_PAGES; i += 2)
		CHECK(memory[i * PAGE + 7] == 0x42);
	return failed;
}

/* ---- pages move while they are mapped */

#define COMPACT "/proc/sys/vm/compact_memory"
#define VMSTAT "/proc/vmstat"
#define COMPACT_BLOCKS 24u

/* Memory with holes of one page. */
static uint8_t *with_holes(void)
{
	uint8_t *memory = small_pages(1);

	for (size_t i = 0; memory && i < PAGES; i += 2) {
		if (madvise(memory + i * PAGE, PAGE, MADV_DONTNEED))
			return NULL;
	}
	return memory;
}

static bool is_with_holes(const uint8_t *memory)
{
	for (size_t i = 0; i < PAGES; i += 2) {
		if (!zeroed(memory + i * PAGE, PAGE) ||
		    !stamped_from(memory + (i + 1) * PAGE, i + 1, 1, 1))
			return false;
	}
	return true;
}

/* Pages move up; what the kernel gives at first may be where nothing is above it. */
static int compact(void)
{
	uint8_t *memory[COMPACT_BLOCKS];
	const uint64_t before = get_keyed(VMSTAT, "pgmigrate_success");
	size_t count = 0;

	do {
		memory[count] = with_holes();
		CHECK(memory[count]);
		count++;
		CHECK(put_text(COMPACT, "1") == 0);
	} while (get_keyed(VMSTAT, "pgmigrate_success") == before && count < COMPACT_BLOCKS);
	CHECK(get_keyed(VMSTAT, "pgmigrate_success") > before);
	for (size_t i = 0; i < count; i++)
		CHECK(is_with_holes(memory[i]));
	return 0;
}

static int drop_caches(void)
{
	uint8_t *memory = small_pages(1);

	CHECK(memory);
	CHECK(put_text("/proc/sys/vm/drop_caches", "3") == 0);
	CHECK(stamped(memory, PAGES, 1));
	return 0;
}

const struct phase phases_reclaim[] = {
	{"swap", swap},		 {"reclaim", reclaim},	       {"ksm", ksm},
	{"compaction", compact}, {"drop-caches", drop_caches}, {NULL, NULL},
};
