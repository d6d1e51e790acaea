/* SPDX-License-Identifier: MIT */
/*
 * Reads, writes and runs secure memory at CPL 3, through /dev/mem; and writes the kernel's constants there, where the
 * kernel has been made to let programs have such memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/attacks/modules/attack_device.h"
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

static void *map_at(uint64_t address, int protection)
{
	int fd = open("/dev/mem", (protection & PROT_WRITE ? O_RDWR : O_RDONLY) | O_SYNC);
	void *page;

	if (fd < 0)
		return MAP_FAILED;
	page = mmap(NULL, PAGE_SIZE, protection, MAP_SHARED, fd, (off_t)address);
	close(fd);
	return page;
}

static void *map(int protection)
{
	return map_at(target(), protection);
}

static int attempt_read(void)
{
	const volatile uint64_t *page;

	/* Nothing was read, whatever becomes of this process. */
	user_shared->value = ~0ull;
	page = map(PROT_READ);
	if (page == MAP_FAILED)
		return -errno;
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

static void store(void *word)
{
	*(volatile uint64_t *)word = user_shared->value;
}

static bool holds(uint64_t value)
{
	struct attack_request word = {0, 0};

	return !user_control(ATTACK_TARGET, &word) && word.value == value;
}

static int attempt_rodata(void)
{
	struct attack_request word = {0, 0};
	int error = user_control(ATTACK_TARGET, &word);
	uint8_t *page;

	if (!error)
		error = user_control(ATTACK_LIFT, NULL);
	if (error)
		return error;
	page = map_at(word.address & ~(uint64_t)(PAGE_SIZE - 1), PROT_READ | PROT_WRITE);
	error = page == MAP_FAILED ? -errno : 0;
	user_shared->value = WRITTEN;
	if (!error)
		(void)user_try(store, page + word.address % PAGE_SIZE);
	user_shared->value = word.value;
	if (holds(WRITTEN)) {
		(void)user_try(store, page + word.address % PAGE_SIZE);
		user_shared->value = WRITTEN;
	}
	(void)user_control(ATTACK_DROP, NULL);
	return error;
}

static bool effect_rodata(void)
{
	snprintf(user_shared->detail, USER_DETAIL_SIZE, "the constant was 0x%llx",
		 (unsigned long long)user_shared->value);
	return user_shared->value == WRITTEN;
}

const struct user_attack devmem_read = {"devmem_read", "secure-space,page-table-secure", NULL,
					attempt_read, effect_read};
const struct user_attack devmem_write = {"devmem_write", "secure-space,page-table-secure", NULL,
					 attempt_write, effect_write};
const struct user_attack devmem_execute = {"devmem_execute", "secure-space,page-table-secure", NULL,
					   attempt_execute, effect_execute};
const struct user_attack devmem_rodata = {"devmem_rodata", "user-map", NULL, attempt_rodata,
					  effect_rodata};
