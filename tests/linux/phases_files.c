/* SPDX-License-Identifier: MIT */
/* Memory that is a file or is shared: page cache, shared memory, 2 MiB pages of hugetlbfs, devices. */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"
#include "phases.h"

#define PAGES 256u
#define SIZE (PAGES * PAGE)
#define FILE_PATH "/tmp/mapped"

/* A new file of SIZE bytes in tmpfs. */
static int new_file(void)
{
	int fd = open(FILE_PATH, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 && (unlink(FILE_PATH) || ftruncate(fd, (off_t)SIZE)))
		return -1;
	return fd;
}

static bool write_shared(void *memory)
{
	if (!stamped(memory, PAGES, 1))
		return false;
	stamp(memory, PAGES, 2);
	return true;
}

static int shared_file(void)
{
	static uint8_t bytes[SIZE];
	int fd = new_file();
	uint8_t *memory;

	CHECK(fd >= 0);
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(memory != MAP_FAILED);
	stamp(memory, PAGES, 1);
	CHECK(child_finds(write_shared, memory) && stamped(memory, PAGES, 2));
	CHECK(pread(fd, bytes, SIZE, 0) == (ssize_t)SIZE && stamped(bytes, PAGES, 2));
	stamp(bytes, PAGES, 3);
	CHECK(pwrite(fd, bytes, SIZE, 0) == (ssize_t)SIZE && stamped(memory, PAGES, 3));
	CHECK(msync(memory, SIZE, MS_SYNC) == 0);
	/* What is behind the end of the file is no memory any more. */
	CHECK(ftruncate(fd, (off_t)SIZE / 2) == 0);
	CHECK(stamped(memory, PAGES / 2, 3) && faults(memory + SIZE / 2, false, SIGBUS));
	CHECK(ftruncate(fd, (off_t)SIZE) == 0 && zeroed(memory + SIZE / 2, SIZE / 2));
	close(fd);
	return 0;
}

static int private_file(void)
{
	static uint8_t bytes[SIZE];
	int fd = new_file();
	uint8_t *memory;

	CHECK(fd >= 0);
	stamp(bytes, PAGES, 1);
	CHECK(pwrite(fd, bytes, SIZE, 0) == (ssize_t)SIZE);
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(memory != MAP_FAILED && stamped(memory, PAGES, 1));
	stamp(memory, PAGES, 2);
	CHECK(stamped(memory, PAGES, 2));
	CHECK(pread(fd, bytes, SIZE, 0) == (ssize_t)SIZE && stamped(bytes, PAGES, 1));
	/* The own copies go, the file is seen again. */
	CHECK(madvise(memory, SIZE / 2, MADV_DONTNEED) == 0);
	CHECK(stamped(memory, PAGES / 2, 1));
	close(fd);
	return 0;
}

/* A whole program file, by faults that map up to 16 pages each, against what read() sees. */
static int program_file(void)
{
	static uint8_t bytes[64 * PAGE];
	int fd = open("/init", O_RDONLY | O_CLOEXEC);
	struct stat info;
	const uint8_t *memory;
	ssize_t n;
	size_t at = 0;

	CHECK(fd >= 0 && fstat(fd, &info) == 0 && info.st_size > 0);
	memory = mmap(NULL, (size_t)info.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	CHECK(memory != MAP_FAILED);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		CHECK(!memcmp(memory + at, bytes, (size_t)n));
		at += (size_t)n;
	}
	CHECK(at == (size_t)info.st_size);
	close(fd);
	return 0;
}

static int shared_anonymous(void)
{
	uint8_t *memory =
		mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	stamp(memory, PAGES, 1);
	CHECK(child_finds(write_shared, memory) && stamped(memory, PAGES, 2));
	return 0;
}

static int system_v(void)
{
	int id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
	uint8_t *memory, *again;

	CHECK(id >= 0);
	memory = shmat(id, NULL, 0);
	again = shmat(id, NULL, SHM_RDONLY);
	CHECK(memory != (void *)-1 && again != (void *)-1);
	stamp(memory, PAGES, 1);
	CHECK(stamped(again, PAGES, 1) && faults(again, true, SIGSEGV));
	CHECK(child_finds(write_shared, memory) && stamped(again, PAGES, 2));
	CHECK(shmdt(memory) == 0 && shmdt(again) == 0 && shmctl(id, IPC_RMID, NULL) == 0);
	return 0;
}

/* Pages that go into a pipe and out of it without a copy. */
static int splice_pages(void)
{
	uint8_t *memory = anonymous(16 * PAGE, PAGE);
	struct iovec vector = {memory, 16 * PAGE};
	static uint8_t bytes[16 * PAGE];
	int fd[2];
	int file = new_file();

	CHECK(memory && file >= 0 && pipe(fd) == 0);
	stamp(memory, 16, 1);
	CHECK(vmsplice(fd[1], &vector, 1, 0) == (ssize_t)(16 * PAGE));
	CHECK(splice(fd[0], NULL, file, NULL, 16 * PAGE, SPLICE_F_MOVE) == (ssize_t)(16 * PAGE));
	CHECK(pread(file, bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes));
	CHECK(stamped(bytes, 16, 1));
	close(fd[0]);
	close(fd[1]);
	close(file);
	return 0;
}

/* ---- hugetlbfs */

#define HUGE_COUNT "/proc/sys/vm/nr_hugepages"
#define HUGE_PAGES 4u

static bool write_huge(void *argument)
{
	uint8_t *memory = argument;

	if (!stamped(memory, HUGE / PAGE, 1))
		return false;
	stamp(memory, HUGE / PAGE, 2);
	return stamped(memory, HUGE / PAGE, 2);
}

static int use_huge(void)
{
	const size_t pages = HUGE / PAGE;
	uint8_t *memory = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	CHECK(memory != MAP_FAILED);
	stamp(memory, 2 * pages, 1);
	CHECK(child_finds(write_huge, memory) && stamped(memory, 2 * pages, 1));
	CHECK(mprotect(memory, HUGE, PROT_READ) == 0);
	CHECK(stamped(memory, 2 * pages, 1) && faults(memory, true, SIGSEGV));
	CHECK(mprotect(memory, HUGE, PROT_READ | PROT_WRITE) == 0);
	stamp(memory, pages, 3);
	CHECK(stamped(memory, pages, 3));
	CHECK(munmap(memory, 2 * HUGE) == 0);
	memory = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB,
		      -1, 0);
	CHECK(memory != MAP_FAILED);
	stamp(memory, pages, 1);
	CHECK(child_finds(write_huge, memory) && stamped(memory, pages, 2));
	CHECK(munmap(memory, HUGE) == 0);
	return 0;
}

static int hugetlb(void)
{
	int failed;

	CHECK(put_number(HUGE_COUNT, HUGE_PAGES) == 0);
	if (get_number(HUGE_COUNT) < HUGE_PAGES)
		return phase_skip("not enough memory in one piece");
	failed = use_huge();
	CHECK(put_number(HUGE_COUNT, 0) == 0 && get_number(HUGE_COUNT) == 0);
	return failed;
}

/* ---- memory of the kernel in user space */

#define ENTRIES 32u

static uint32_t *ring_word(uint8_t *ring, uint32_t offset)
{
	return (uint32_t *)(void *)(ring + offset);
}

static int run_ring(int fd, const struct io_uring_params *params)
{
	const size_t size = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
	struct io_uring_sqe *sqes =
		mmap(NULL, params->sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, (off_t)IORING_OFF_SQES);
	uint8_t *ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	const struct io_uring_cqe *cqes;
	uint64_t sum = 0;

	CHECK(sqes != MAP_FAILED && ring != MAP_FAILED);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		sqes[i] = (struct io_uring_sqe){.opcode = IORING_OP_NOP, .user_data = i + 1};
		*ring_word(ring, params->sq_off.array + i * (uint32_t)sizeof(uint32_t)) = i;
	}
	__atomic_store_n(ring_word(ring, params->sq_off.tail), ENTRIES, __ATOMIC_RELEASE);
	CHECK(syscall(SYS_io_uring_enter, fd, ENTRIES, ENTRIES, IORING_ENTER_GETEVENTS, NULL, 0) ==
	      ENTRIES);
	CHECK(__atomic_load_n(ring_word(ring, params->cq_off.tail), __ATOMIC_ACQUIRE) == ENTRIES);
	cqes = (const struct io_uring_cqe *)(const void *)(ring + params->cq_off.cqes);
	for (uint32_t i = 0; i < ENTRIES; i++)
		sum += cqes[i].user_data;
	CHECK(sum == ENTRIES * (ENTRIES + 1) / 2);
	return 0;
}

static int io_ring(void)
{
	struct io_uring_params params = {0};
	int fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &params);
	int failed;

	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		return phase_skip("no io_uring");
	CHECK(fd >= 0);
	failed = run_ring(fd, &params);
	close(fd);
	return failed;
}

/* ---- /dev/mem */

/* The upper end of the first MiB, where a PC's firmware was: what STRICT_DEVMEM leaves to user space. */
#define ROM_BASE 0xf0000
#define ROM_PAGES 16u
/* RAM behind it: not. */
#define RAM_BASE 0x2000000

static int physical(void)
{
	static uint8_t bytes[ROM_PAGES * PAGE];
	int fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
	const uint8_t *memory;

	if (fd < 0 && errno == ENOENT) {
		CHECK(mknod("/dev/mem", S_IFCHR | 0600, (1 << 8) | 1) == 0);
		fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
	}
	CHECK(fd >= 0);
	memory = mmap(NULL, sizeof(bytes), PROT_READ, MAP_SHARED, fd, ROM_BASE);
	CHECK(memory != MAP_FAILED);
	CHECK(pread(fd, bytes, sizeof(bytes), ROM_BASE) == (ssize_t)sizeof(bytes));
	CHECK(!memcmp(memory, bytes, sizeof(bytes)));
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, RAM_BASE) == MAP_FAILED &&
	      errno == EPERM);
	CHECK(munmap((void *)memory, sizeof(bytes)) == 0);
	close(fd);
	return 0;
}

const struct phase phases_files[] = {
	{"shared-file", shared_file},	{"private-file", private_file},
	{"program-file", program_file}, {"shared-anonymous", shared_anonymous},
	{"system-v", system_v},		{"splice", splice_pages},
	{"hugetlb", hugetlb},		{"io-uring", io_ring},
	{"dev-mem", physical},		{NULL, NULL},
};
