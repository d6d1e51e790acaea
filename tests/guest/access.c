/* SPDX-License-Identifier: MIT */
#include "tests/guest/access.h"

#include "tests/guest/trap.h"
#include "vmm/cpu_ops.h"

struct access {
	uint32_t index;
	uint64_t value;
};

static void do_rdmsr(void *arg)
{
	struct access *access = arg;

	access->value = rdmsr(access->index);
}

static void do_wrmsr(void *arg)
{
	const struct access *access = arg;

	wrmsr(access->index, access->value);
}

static void do_write_cr0(void *arg)
{
	write_cr0(((const struct access *)arg)->value);
}

static void do_write_cr3(void *arg)
{
	write_cr3(((const struct access *)arg)->value);
}

static void do_write_cr4(void *arg)
{
	write_cr4(((const struct access *)arg)->value);
}

static void do_xsetbv(void *arg)
{
	const struct access *access = arg;

	__asm__ volatile("xsetbv"
			 :
			 : "c"(access->index), "a"((uint32_t)access->value),
			   "d"((uint32_t)(access->value >> 32))
			 : "memory");
}

static uint32_t try(void (*run)(void *arg), uint32_t index, uint64_t value)
{
	struct access access = {index, value};

	return trap_catch(run, &access).vector;
}

uint32_t try_rdmsr(uint32_t msr, uint64_t *value)
{
	struct access access = {msr, 0};
	uint32_t vector = trap_catch(do_rdmsr, &access).vector;

	*value = access.value;
	return vector;
}

uint32_t try_wrmsr(uint32_t msr, uint64_t value)
{
	return try(do_wrmsr, msr, value);
}

uint32_t try_write_cr0(uint64_t value)
{
	return try(do_write_cr0, 0, value);
}

uint32_t try_write_cr3(uint64_t value)
{
	return try(do_write_cr3, 0, value);
}

uint32_t try_write_cr4(uint64_t value)
{
	return try(do_write_cr4, 0, value);
}

uint32_t try_xsetbv(uint32_t index, uint64_t value)
{
	return try(do_xsetbv, index, value);
}
