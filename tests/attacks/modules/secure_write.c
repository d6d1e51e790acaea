/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Writes secure memory through mappings of its own, with instructions of several kinds. */
#include "attack.h"
#include "attack_tables.h"

#define PAGES 3

static const u64 planted = 0x0badc0de5ec90d01ull;
static u64 addresses[PAGES];
static unsigned int faults;

static void write_page(u64 physical)
{
	u64 *to = attack_map(physical, PAGE_KERNEL);
	u64 value = planted;
	unsigned long count = 1;
	unsigned int fault;

	if (!to)
		return;
	fault = 1;
	asm volatile(ATTACK_TRY("movq %[value], (%[to])")
		     : [fault] "+r"(fault)
		     : [value] "r"(planted), [to] "r"(to)
		     : "memory", "cc");
	faults += fault;
	to++;
	fault = 1;
	asm volatile(ATTACK_TRY("xchgq %[value], (%[to])")
		     : [fault] "+r"(fault), [value] "+r"(value)
		     : [to] "r"(to)
		     : "memory", "cc");
	faults += fault;
	to++;
	fault = 1;
	asm volatile(ATTACK_TRY("movntiq %[value], (%[to])")
		     : [fault] "+r"(fault)
		     : [value] "r"(planted), [to] "r"(to)
		     : "memory", "cc");
	faults += fault;
	to++;
	fault = 1;
	asm volatile(ATTACK_TRY("rep stosq")
		     : [fault] "+r"(fault), "+D"(to), "+c"(count)
		     : "a"(planted)
		     : "memory", "cc");
	faults += fault;
}

static int attempt(void)
{
	u64 base, size;
	int result = attack_secure_space(&base, &size);

	if (result)
		return result;
	addresses[0] = base;
	addresses[1] = base + (size / 2 & PAGE_MASK);
	addresses[2] = base + size - PAGE_SIZE;
	for (unsigned int i = 0; i < PAGES; i++)
		write_page(addresses[i]);
	return 0;
}

static bool effect(void)
{
	unsigned int written = 0;

	for (unsigned int i = 0; i < PAGES; i++) {
		const volatile u64 *page = attack_map(addresses[i], PAGE_KERNEL);

		for (unsigned int word = 0; page && word < 4; word++)
			written += page[word] == planted;
	}
	attack_detail("%u words written, %u faults", written, faults);
	return written;
}

static const struct attack secure_write = {
	"secure_write", "secure-space,page-table-secure", NULL, attempt, effect, NULL};
ATTACK_MODULE(secure_write);
