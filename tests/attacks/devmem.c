/* SPDX-License-Identifier: MIT */
/* Reads, writes and runs secure memory at CPL 3, through /dev/mem. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/attacks/user.h"

#define PAGE_SIZE 4096u
#define WRITTEN 0x0badc0de5ec90d33ull
#define RESULT 0x5ecu

/* mov $RESULT, %eax; ret */
static const uint8_t code[] = {0xb8, 0xec, 0x05, 0x00, 0x00, 0xc3};

/* The last page: the attacks from the kernel start with the first. */
static uint64_t target(void)
{
	return user_secure_base + user_secure_size - PAGE_SIZE;
}

static void *map(int protection)
{
	int fd = open("/dev/mem", (protection & PROT_WRITE ? O_RDWR : O_RDONLY) | O_SYNC);
	void *page;

	if (fd < 0)
		return MAP_FAILED;
	page = mmap(NULL, PAGE_SIZE, protection, MAP_SHARED, fd, (off_t)target());
	close(fd);
	return page;
}

static int attempt_read(void)
{
	const volatile uint64_t *page = map(PROT_READ);

	if (page == MAP_FAILED)
		return -errno;
	user_shared->value = ~0ull;
	for (unsigned int i = 0; i < PAGE_SIZE / sizeof(*page); i++) {
		if (page[i] != ~0ull) {
			user_shared->value = page[i];
			break;
		}
	}
	return 0;
}

static bool effect_read(void)
{
	snprintf(user_shared->detail, USER_DETAIL_SIZE, "0x%llx",
		 (unsigned long long)user_shared->value);
	return user_shared->value != ~0ull;
}

static int attempt_write(void)
{
	volatile uint64_t *page = map(PROT_READ | PROT_WRITE);

	if (page == MAP_FAILED)
		return -errno;
	*page = WRITTEN;
	return 0;
}

static bool effect_write(void)
{
	const volatile uint64_t *page = map(PROT_READ);
	uint64_t value;

	if (page == MAP_FAILED)
		return false;
	value = *page;
	snprintf(user_shared->detail, USER_DETAIL_SIZE, "0x%llx", (unsigned long long)value);
	return value == WRITTEN;
}

static int attempt_execute(void)
{
	void *page = map(PROT_READ | PROT_EXEC);
	uint32_t (*function)(void);

	if (page == MAP_FAILED)
		return -errno;
	/* Only where it is ordinary memory; there is a ret among any monitor's bytes, somewhere. */
	if (!user_under_secpod()) {
		void *writable = map(PROT_READ | PROT_WRITE);

		if (writable == MAP_FAILED)
			return -errno;
		memcpy(writable, code, sizeof(code));
	}
	memcpy(&function, &page, sizeof(function));
	user_shared->value = 0;
	user_shared->value = function();
	return 0;
}

static bool effect_execute(void)
{
	snprintf(user_shared->detail, USER_DETAIL_SIZE, "returned 0x%llx",
		 (unsigned long long)user_shared->value);
	return user_shared->value == RESULT;
}

const struct user_attack devmem_read = {"devmem_read", "secure-space,page-table-secure", NULL,
					attempt_read, effect_read};
const struct user_attack devmem_write = {"devmem_write", "secure-space,page-table-secure", NULL,
					 attempt_write, effect_write};
const struct user_attack devmem_execute = {"devmem_execute", "secure-space,page-table-secure", NULL,
					   attempt_execute, effect_execute};
