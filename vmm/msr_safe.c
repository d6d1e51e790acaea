/* SPDX-License-Identifier: MIT */
#include "vmm/msr_safe.h"

#include <errno.h>

#include "vmm/ex_table.h"

/* The instruction at 1 goes on at 3; a fault of it goes on at 2, which sets the result. */
#define SAFE(instruction)                \
	"1: " instruction "\n\t"         \
	"jmp 3f\n\t"                     \
	"2: mov %[fault], %[result]\n\t" \
	"3:\n\t" EX_TABLE("1b", "2b")

int rdmsr_safe(uint32_t msr, uint64_t *value)
{
	uint32_t low = 0, high = 0;
	int result = 0;

	__asm__ volatile(SAFE("rdmsr")
			 : "+a"(low), "+d"(high), [result] "+r"(result)
			 : "c"(msr), [fault] "i"(-EFAULT));
	if (!result)
		*value = (uint64_t)high << 32 | low;
	return result;
}

int wrmsr_safe(uint32_t msr, uint64_t value)
{
	int result = 0;

	__asm__ volatile(SAFE("wrmsr")
			 : [result] "+r"(result)
			 : "c"(msr), "a"((uint32_t)value),
			   "d"((uint32_t)(value >> 32)), [fault] "i"(-EFAULT)
			 : "memory");
	return result;
}

int xsetbv_safe(uint32_t index, uint64_t value)
{
	int result = 0;

	__asm__ volatile(SAFE("xsetbv")
			 : [result] "+r"(result)
			 : "c"(index), "a"((uint32_t)value),
			   "d"((uint32_t)(value >> 32)), [fault] "i"(-EFAULT)
			 : "memory");
	return result;
}
