/* SPDX-License-Identifier: MIT */
/* What the kernel is told about memory (madvise), and what it tells of it (userfaultfd, soft-dirty). */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "phases.h"

#define PAGES 256u
#define SIZE (PAGES * PAGE)
#define CLEAR_REFS "/proc/self/clear_refs"

static uint8_t *small_pages(void)
{
	uint8_t *memory = anonymous(SIZE, PAGE);

	if (!memory || madvise(memory, SIZE, MADV_NOHUGEPAGE))
		return NULL;
	stamp(memory, PAGES, 1);
	return memory;
}

static int dontneed(void)
{
	uint8_t *memory = small_pages();

	CHECK(memory);
	CHECK(madvise(memory, SIZE / 2, MADV_DONTNEED) == 0);
	CHECK(zeroed(memory, SIZE / 2));
	CHECK(madvise(memory, SIZE, MADV_DONTNEED) == 0);
	stamp(memory, PAGES, 2);
	CHECK(stamped(memory, PAGES, 2));
	return 0;
}

static bool same_or_zero(const uint8_t *page, uint8_t first)
{
	return page[1] == first || zeroed(page, PAGE);
}

/* Until memory is short, the pages stay; written again, they stay for good. */
static int lazily_free(void)
{
	uint8_t *memory = small_pages();

	CHECK(memory);
	for (size_t i = 0; i < PAGES; i++)
		memory[i * PAGE + 1] = 0x5a;
	CHECK(madvise(memory, SIZE, MADV_FREE) == 0);
	for (size_t i = 0; i < PAGES; i++)
		CHECK(same_or_zero(memory + i * PAGE, 0x5a));
	stamp(memory, PAGES, 2);
	CHECK(stamped(memory, PAGES, 2));
	return 0;
}

static int cold(void)
{
	uint8_t *memory = small_pages();

	CHECK(memory);
	CHECK(madvise(memory, SIZE, MADV_COLD) == 0);
	CHECK(stamped(memory, PAGES, 1));
	stamp(memory, PAGES, 2);
	/* Without swap there is nowhere to go. */
	CHECK(madvise(memory, SIZE, MADV_PAGEOUT) == 0);
	CHECK(stamped(memory, PAGES, 2));
	return 0;
}

static int populate(void)
{
	uint8_t *memory = small_pages();
	unsigned char resident[PAGES];
	size_t count = 0;

	CHECK(memory && madvise(memory, SIZE, MADV_DONTNEED) == 0);
	CHECK(madvise(memory, SIZE / 2, MADV_POPULATE_READ) == 0);
	CHECK(madvise(memory + SIZE / 2, SIZE / 2, MADV_POPULATE_WRITE) == 0);
	CHECK(mincore(memory, SIZE, resident) == 0);
	for (size_t i = PAGES / 2; i < PAGES; i++)
		count += resident[i] & 1;
	CHECK(count == PAGES / 2 && zeroed(memory, SIZE));
	stamp(memory, PAGES, 2);
	CHECK(stamped(memory, PAGES, 2));
	return 0;
}

static bool is_zero(void *memory)
{
	return zeroed(memory, SIZE);
}

static bool is_absent(void *memory)
{
	return faults(memory, false, SIGSEGV);
}

/* What a child gets. */
static int at_fork(void)
{
	uint8_t *memory = small_pages();

	CHECK(memory && madvise(memory, SIZE, MADV_WIPEONFORK) == 0);
	CHECK(child_finds(is_zero, memory) && stamped(memory, PAGES, 1));
	CHECK(madvise(memory, SIZE, MADV_KEEPONFORK) == 0);
	CHECK(madvise(memory, SIZE, MADV_DONTFORK) == 0);
	CHECK(child_finds(is_absent, memory) && stamped(memory, PAGES, 1));
	return 0;
}

/* A hole in a file, through its mapping. */
static int punch(void)
{
	int fd = memfd_create("punch", MFD_CLOEXEC);
	uint8_t bytes[PAGE];
	uint8_t *memory;

	CHECK(fd >= 0 && ftruncate(fd, (off_t)SIZE) == 0);
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(memory != MAP_FAILED);
	stamp(memory, PAGES, 1);
	CHECK(madvise(memory + SIZE / 4, SIZE / 4, MADV_REMOVE) == 0);
	CHECK(zeroed(memory + SIZE / 4, SIZE / 4) && stamped(memory, PAGES / 4, 1));
	CHECK(pread(fd, bytes, PAGE, (off_t)SIZE / 4) == (ssize_t)PAGE && zeroed(bytes, PAGE));
	CHECK(madvise(memory, SIZE, MADV_WILLNEED) == 0 && madvise(memory, SIZE, MADV_RANDOM) == 0);
	CHECK(stamped(memory, PAGES / 4, 1));
	close(fd);
	return 0;
}

/* ---- which pages were written, or touched */

static int soft_dirty(void)
{
	uint8_t *memory = small_pages();

	CHECK(memory);
	CHECK(pagemap_of(memory) & PAGEMAP_SOFT_DIRTY);
	for (int round = 0; round < 2; round++) {
		CHECK(put_text(CLEAR_REFS, "4") == 0);
		for (size_t i = 0; i < PAGES; i++)
			CHECK(!(pagemap_of(memory + i * PAGE) & PAGEMAP_SOFT_DIRTY));
		for (size_t i = 0; i < PAGES; i += 3)
			memory[i * PAGE + 100] = 1;
		for (size_t i = 0; i < PAGES; i++)
			CHECK(!!(pagemap_of(memory + i * PAGE) & PAGEMAP_SOFT_DIRTY) ==
			      (i % 3 == 0));
	}
	CHECK(stamped(memory, PAGES, 1));
	return 0;
}

static int referenced(void)
{
	uint8_t *memory = small_pages();
	uint64_t before, after;

	CHECK(memory);
	CHECK(put_text(CLEAR_REFS, "1") == 0);
	/* The kernel leaves it to chance whether the CPU still has the translations; this makes it forget them. */
	CHECK(mprotect(memory, SIZE, PROT_READ) == 0);
	before = get_keyed("/proc/self/smaps", "Referenced");
	CHECK(stamped(memory, PAGES, 1));
	after = get_keyed("/proc/self/smaps", "Referenced");
	CHECK(after >= before + SIZE / 1024);
	return 0;
}

/* ---- faults handled by the process itself */

struct handler {
	int fd;
	volatile uint64_t copied, unprotected; /* counted before the one who waits goes on */
};

/* Gives a missing page its content, lets a write to a protected one pass. Ends when the descriptor is closed. */
static void *handle(void *argument)
{
	static uint8_t page[PAGE] __attribute__((aligned(4096)));
	struct handler *handler = argument;
	struct uffd_msg message;

	while (read(handler->fd, &message, sizeof(message)) == sizeof(message)) {
		uint64_t at = message.arg.pagefault.address & ~(PAGE - 1);

		if (message.event != UFFD_EVENT_PAGEFAULT)
			break;
		if (message.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
			struct uffdio_writeprotect protect = {.range = {at, PAGE}, .mode = 0};

			handler->unprotected++;
			if (ioctl(handler->fd, UFFDIO_WRITEPROTECT, &protect))
				break;
		} else {
			struct uffdio_copy copy = {.dst = at, .src = (uintptr_t)page, .len = PAGE};

			memset(page, (int)(at / PAGE % 256), PAGE);
			handler->copied++;
			if (ioctl(handler->fd, UFFDIO_COPY, &copy))
				break;
		}
	}
	return NULL;
}

static int user_faults(void)
{
	uint8_t *memory = anonymous(SIZE, PAGE);
	struct handler handler = {.fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC)};
	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP};
	struct uffdio_register area = {
		.range = {(uintptr_t)memory, SIZE},
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect protect = {
		.range = {(uintptr_t)memory, SIZE},
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	pthread_t thread;

	CHECK(memory && madvise(memory, SIZE, MADV_NOHUGEPAGE) == 0);
	CHECK(handler.fd >= 0 && ioctl(handler.fd, UFFDIO_API, &api) == 0);
	CHECK(ioctl(handler.fd, UFFDIO_REGISTER, &area) == 0);
	CHECK(pthread_create(&thread, NULL, handle, &handler) == 0);
	for (size_t i = 0; i < PAGES; i++)
		CHECK(memory[i * PAGE + 9] == (uint8_t)((uintptr_t)memory / PAGE + i));
	CHECK(handler.copied == PAGES);
	CHECK(ioctl(handler.fd, UFFDIO_WRITEPROTECT, &protect) == 0);
	stamp(memory, PAGES, 1);
	CHECK(handler.unprotected == PAGES && stamped(memory, PAGES, 1));
	CHECK(ioctl(handler.fd, UFFDIO_UNREGISTER, &area.range) == 0);
	CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, NULL) == 0);
	close(handler.fd);
	return 0;
}

const struct phase phases_advice[] = {
	{"madvise-dontneed", dontneed}, {"madvise-free", lazily_free},
	{"madvise-cold", cold},		{"madvise-populate", populate},
	{"madvise-fork", at_fork},	{"madvise-remove", punch},
	{"soft-dirty", soft_dirty},	{"referenced", referenced},
	{"userfaultfd", user_faults},	{NULL, NULL},
};
