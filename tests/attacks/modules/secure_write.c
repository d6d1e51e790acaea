/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Writes secure memory through ioremap(), with instructions of several kinds. */
#include "attack.h"

#include <linux/io.h>

#define PAGES 3

static const u64 planted = 0x0badc0de5ec90d01ull;
static u64 addresses[PAGES];
static unsigned int faults;

static void write_page(u64 physical)
{
	void __iomem *page = ioremap(physical, PAGE_SIZE);
	u64 value = planted;
	u64 *to = (u64 __force *)page;
	unsigned long count = 1;
	unsigned int fault;

	if (!page)
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
	iounmap(page);
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
		void __iomem *page = ioremap(addresses[i], PAGE_SIZE);

		if (!page)
			continue;
		for (unsigned int word = 0; word < 4; word++)
			written += readq(page + word * sizeof(u64)) == planted;
		iounmap(page);
	}
	attack_detail("%u words written, %u faults", written, faults);
	return written;
}

static const struct attack secure_write = {"secure_write", "secure-space", NULL,
					   attempt,	   effect,	   NULL};
ATTACK_MODULE(secure_write);
