/* SPDX-License-Identifier: MIT */
/* Code that comes and goes: modules, and the CPUs it runs on. */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "check.h"
#include "guest.h"
#include "phases.h"

#define ROUNDS 3
#define PAGES 64u
#define SIZE (PAGES * PAGE)

/* A network device that a module makes when it is loaded, and that goes with it. */
#define DUMMY "/sys/class/net/dummy0"

static int module(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK(access(DUMMY, F_OK) < 0);
		CHECK(load_module("dummy", "numdummies=1", false) == 0);
		CHECK(access(DUMMY, F_OK) == 0);
		CHECK(load_module("dummy", "", false) == -EEXIST);
		CHECK(put_text(DUMMY "/mtu", "1234") == 0 && get_number(DUMMY "/mtu") == 1234);
		CHECK(unload_module("dummy") == 0);
	}
	return 0;
}

/* ---- a disk that is a file: its page cache, written back through the module */

#define LOOP "/dev/loop0"
#define BACKING "/tmp/disk"

static int use_disk(int disk, int backing)
{
	static uint8_t bytes[SIZE];
	uint8_t *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, disk, 0);

	CHECK(memory != MAP_FAILED && zeroed(memory, SIZE));
	for (uint32_t seed = 1; seed <= ROUNDS; seed++) {
		stamp(memory, PAGES, seed);
		/* Written back, the pages are read-only again until the next write. */
		CHECK(msync(memory, SIZE, MS_SYNC) == 0);
		CHECK(pread(backing, bytes, SIZE, 0) == (ssize_t)SIZE);
		CHECK(stamped(bytes, PAGES, seed));
		CHECK(madvise(memory, SIZE, MADV_PAGEOUT) == 0);
		CHECK(stamped(memory, PAGES, seed));
	}
	CHECK(munmap(memory, SIZE) == 0);
	return 0;
}

static int loop_disk(void)
{
	int backing = open(BACKING, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	int disk, failed;

	CHECK(backing >= 0 && unlink(BACKING) == 0 && ftruncate(backing, (off_t)SIZE) == 0);
	CHECK(load_module("loop", "max_loop=1", false) == 0);
	disk = open(LOOP, O_RDWR | O_CLOEXEC);
	CHECK(disk >= 0 && ioctl(disk, LOOP_SET_FD, backing) == 0);
	failed = use_disk(disk, backing);
	CHECK(ioctl(disk, LOOP_CLR_FD, 0) == 0);
	close(disk);
	close(backing);
	CHECK(unload_module("loop") == 0);
	return failed;
}

/* ---- CPUs */

static int cpu_off_on(void)
{
	if (get_nprocs() < 2)
		return phase_skip("one CPU");
	return hotplug_main();
}

const struct phase phases_modules[] = {
	{"module", module}, {"loop-disk", loop_disk},
	{"ldt", ldt_phase}, {"cpu-off-on", cpu_off_on},
	{NULL, NULL},
};
